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

AT_ONCE = 20_000
DEVICES = """INSERT INTO muster.devices (tenant_id, id, name, labels, groups, created_by)
SELECT t.id, md5('d' || n)::uuid, 'stored-' || n, '{{}}', '{{}}', 'token:' || md5('factory')::uuid
FROM muster.tenants t, generate_series({first}, {last}) AS n WHERE t.name = 'bench'"""
KEYS = """INSERT INTO muster.used_keys (spki_sha256, tenant_id, device_id, holder)
SELECT sha256(('k' || n)::bytea), t.id, md5('d' || n)::uuid, 'device'
FROM muster.tenants t, generate_series({first}, {last}) AS n WHERE t.name = 'bench'"""
CERTIFICATES = """INSERT INTO muster.certificates (id, tenant_id, device_id, issuer_id, serial, spki_sha256, not_before,
  not_after, crl_shard, profile, certificate)
SELECT sha256(('c' || n)::bytea), t.id, md5('d' || n)::uuid, i.id, decode('40' || md5(n::text) || left(md5('s' || n), 6), 'hex'),
  sha256(('k' || n)::bytea), now() - interval '1 day', now() + n % 365 * interval '1 day', 0, 'device',
  decode(left(repeat(md5(n::text) || md5('x' || n), 25), {digits}), 'hex')
FROM muster.tenants t JOIN muster.issuers i ON i.tenant_id = t.id AND i.status = 'active',
  generate_series({first}, {last}) AS n WHERE t.name = 'bench'"""


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


def store(lab, count, octets=750):
    """`count` devices with a key and a certificate of so many octets each, by SQL: nobody is told of them."""
    for statement in (DEVICES, KEYS, CERTIFICATES):
        for first in range(1, count + 1, AT_ONCE):
            run_sql(lab, statement.format(first=first, last=min(first + AT_ONCE - 1, count), digits=2 * octets))
    run_sql(lab, "VACUUM ANALYZE muster.devices, muster.used_keys, muster.certificates")
    run_sql(lab, "CHECKPOINT")


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
