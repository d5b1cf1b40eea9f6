# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of issuing share: batches of new devices, and the cores that server and database have."""
import json
import os
import shutil
import time

import harness
import lab as e2e
import pki

SERVER_CORE, DATABASE_CORE = "0", "1"


def start_lab(options, name):
    """A deployment of its own with the tenant "bench"; what an earlier run left of it is removed."""
    folder = os.path.join(options.work, name)
    shutil.rmtree(folder, ignore_errors=True)
    lab = e2e.Lab(folder=folder)
    try:
        lab.start()
        lab.create_tenant("bench")
    except BaseException:
        lab.close()
        raise
    return lab


def run_sql(lab, statement):
    """As the database's owner, however long it takes."""
    lab.sql("SET statement_timeout = 0", statement, timeout=None)


class Batches:
    def __init__(self, lab, size, prefix="d"):
        self.lab, self.size, self.prefix, self.count = lab, size, prefix, 0
        self.server = lab.components()["server"]
        self.spent, self.server_cpu = 0.0, 0.0

    def next_body(self):
        self.count += 1
        return "".join(json.dumps({"device": f"{self.prefix}{self.count}-{n}", "csr": pki.csr_pem(pki.new_key()),
                                   "create": True}) + "\n" for n in range(self.size))

    def rate(self, seconds):
        """Issues batches for about `seconds`; making the requests is not counted."""
        issued, spent = 0, 0.0
        while spent < seconds:
            body = self.next_body()
            start, used = time.monotonic(), harness.cpu_seconds(self.server)
            answer = self.lab.rest("POST", "/v1/tenants/bench/batches", body,
                                   headers={"Content-Type": "application/x-ndjson"})
            spent += time.monotonic() - start
            self.server_cpu += harness.cpu_seconds(self.server) - used
            results = [json.loads(line)["status"] for line in answer.body.splitlines()]
            if results != [201] * self.size:
                raise RuntimeError(f"batch failed: {answer.status} {answer.body[:300]!r}")
            issued += self.size
        self.spent += spent
        return issued / spent
