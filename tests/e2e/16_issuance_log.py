# SPDX-License-Identifier: Apache-2.0
"""No certificate that was received is missing from the issuance log, though the server is killed among the requests; who
changes, removes or restores the log's rows is found out."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import struct
import threading
import uuid

import pki
from lab import Lab, run_story, wait_until

# A copy of a certificate under another id, and a group of the log that has it, but behind the log's end.
UNLOGGED = """INSERT INTO muster.certificates (id, tenant_id, device_id, issuer_id, serial, spki_sha256, not_before,
  not_after, crl_shard, profile, certificate)
SELECT sha256('unlogged'), tenant_id, device_id, issuer_id, decode(repeat('41', 20), 'hex'), spki_sha256, not_before,
  not_after, crl_shard, profile, certificate FROM muster.certificates WHERE status = 'active' LIMIT 1;
INSERT INTO muster.transparency_groups (first_index, tenant_id, created_at, seed, entries, certificate_ids)
SELECT h.size + 1000, c.tenant_id, c.created_at, sha256('later'), sha256('entry'), c.id
FROM muster.transparency_head AS h, muster.certificates AS c WHERE c.id = sha256('unlogged')"""
REQUESTS = 600
BATCH = 100
THREADS = 6


def leaf_of(tenant, issuer, certificate, log):
    message = uuid.UUID(tenant).bytes + uuid.UUID(issuer).bytes + bytes.fromhex(certificate)
    entry = hmac.digest(base64.b64decode(log["blinding"]), message, "sha256")
    return hashlib.sha256(b"\0" + entry).digest()


def root_by(leaf, log):
    """RFC 9162 §2.1.3.2; None where the proof has another length than the tree's size asks for."""
    at, last, root = log["index"], log["size"] - 1, leaf
    for part in map(base64.b64decode, log["proof"]):
        if last == 0:
            return None
        if at & 1 or at == last:
            root = hashlib.sha256(b"\1" + part + root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\1" + root + part).digest()
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_proved(log, tenant, issuer, certificate):
    origin, size, root = log["checkpoint"].split("\n")[:3]
    return int(size) == log["size"] and origin.endswith("/issuance-log") and \
        root_by(leaf_of(tenant, issuer, certificate, log), log) == base64.b64decode(root)


class Requests:
    """Single requests and batches at once; keeps what was received, whole answers and lines alike."""

    def __init__(self, lab):
        self.lab, self.received, self.lock = lab, {}, threading.Lock()
        self.names = iter(range(REQUESTS))

    def keep(self, issued):
        with self.lock:
            self.received[issued["id"]] = issued["log"]

    def single(self):
        while True:
            with self.lock:
                number = next(self.names, None)
            if number is None:
                return
            path = f"/v1/tenants/acme/devices/single-{number}"
            try:
                self.lab.rest("POST", "/v1/tenants/acme/devices", {"name": f"single-{number}"})
                answer = self.lab.rest("POST", path + "/certificates", {"csr": pki.csr_pem(pki.new_key())})
                if answer.status == 201:
                    self.keep(answer.json)
            except (OSError, ValueError, AssertionError, http.client.HTTPException):
                wait_until(self.lab.is_ready, 30, 0.1)

    def batch(self):
        for number in range(3):
            body = "".join(json.dumps({"device": f"batch-{number}-{n}", "csr": pki.csr_pem(pki.new_key()), "create": True})
                           + "\n" for n in range(BATCH))
            try:
                answer = self.lab.rest("POST", "/v1/tenants/beta/batches", body,
                                       headers={"Content-Type": "application/x-ndjson"})
                for line in answer.body.splitlines():
                    issued = json.loads(line)
                    if issued.get("status") == 201:
                        self.keep(issued)
            except (OSError, ValueError, AssertionError, http.client.HTTPException):
                wait_until(self.lab.is_ready, 30, 0.1)

    def run(self, disturb):
        threads = [threading.Thread(target=self.single) for _ in range(THREADS)] + [threading.Thread(target=self.batch)]
        for thread in threads:
            thread.start()
        disturb()
        for thread in threads:
            thread.join(240)


def verify(lab):
    return lab.muster("log", "verify", "--folder", lab.folder)


def follow(lab):
    return lab.muster("log", "follow", "--folder", lab.folder)


def crash(check, lab):
    requests = Requests(lab)

    def kill_twice():
        for share in (0.2, 0.5):
            wait_until(lambda share=share: len(requests.received) > share * REQUESTS, 120, 0.01)
            killed = lab.kill9("server")
            lab.wait_restarted("server", killed)
            wait_until(lab.is_ready, 60, 0.1)

    requests.run(kill_twice)
    received = requests.received
    check(len(received) > REQUESTS / 2, f"{len(received)} certificates were received around two kill -9 of the server")
    tenants, openings = {}, {}
    for tenant in ("acme", "beta"):
        start = 0
        while start is not None:
            page = lab.must("GET", f"/v1/tenants/{tenant}/log?from={start}")
            for item in page["items"]:
                tenants[item["certificate_id"]], openings[item["certificate_id"]] = page["tenant_id"], item
            start = page["next_from"]
    missing = [one for one in received if one not in openings]
    check(not missing, "each of them is in the log", missing[:3])
    wrong = [one for one, log in received.items() if one in openings
             and not is_proved(log, tenants[one], openings[one]["issuer_id"], one)]
    check(not wrong, "and the proof that came with it holds", wrong[:3])
    places = {log["index"] for log in received.values()}
    check(len(places) == len(received), "no two share a place")
    return next(iter(received))


def later_proof(check, lab, certificate):
    for tenant in ("acme", "beta"):
        answer = lab.rest("GET", f"/v1/tenants/{tenant}/certificates/{certificate}/inclusion")
        if answer.status == 200:
            found = answer.json
            check(is_proved(found["log"], found["tenant_id"], found["issuer_id"], certificate),
                  "a proof that is asked for later holds against the newest checkpoint")
        else:
            check(answer.status == 404, "to another tenant the certificate does not exist", answer.status)


def tampering(check, lab):
    first = verify(lab)
    check(first.returncode == 0, "muster log verify finds every active certificate", first.stdout + first.stderr)
    lab.enrol("acme", "one-more")
    grown = verify(lab)
    check(grown.returncode == 0 and '"grown_from"' in grown.stdout, "and that the log only grew", grown.stdout + grown.stderr)
    lab.enrol("acme", "yet-more")
    followed = follow(lab)
    check(followed.returncode == 0 and '"grown_from"' in followed.stdout, "a few tiles prove that, too",
          followed.stdout + followed.stderr)
    [[kept]] = lab.sql("SELECT encode(entries, 'hex') FROM muster.transparency_groups WHERE first_index = 0")
    lab.sql("UPDATE muster.transparency_groups SET entries = set_byte(entries, 5, 1 + get_byte(entries, 5) % 255)"
            " WHERE first_index = 0")
    changed = verify(lab)
    check(changed.returncode != 0, "a changed leaf is found", changed.stdout + changed.stderr)
    lab.sql(f"UPDATE muster.transparency_groups SET entries = decode('{kept}', 'hex') WHERE first_index = 0")
    check(verify(lab).returncode == 0, "put back, the log is sound again")
    lab.sql(UNLOGGED)
    claimed = verify(lab)
    check(claimed.returncode != 0 and "not in the log" in claimed.stdout + claimed.stderr,
          "an active certificate that is only said to come later in the log is missed", claimed.stdout + claimed.stderr)
    lab.sql("DELETE FROM muster.transparency_groups WHERE seed = sha256('later')",
            "DELETE FROM muster.certificates WHERE id = sha256('unlogged')")
    check(verify(lab).returncode == 0, "without it the log is sound")
    lab.enrol("acme", "and-another")
    with open(os.path.join(lab.folder, "log-state.json"), encoding="ascii") as file:
        state = json.load(file)
    state["root"] = base64.b64encode(bytes(32)).decode()
    with open(os.path.join(lab.folder, "log-state.json"), "w", encoding="ascii") as file:
        json.dump(state, file)
    forked = verify(lab)
    check(forked.returncode != 0 and "FORK" in forked.stdout + forked.stderr, "another past is called a fork",
          forked.stdout + forked.stderr)
    followed = follow(lab)
    check(followed.returncode != 0 and "FORK" in followed.stdout + followed.stderr, "by the tiles as well",
          followed.stdout + followed.stderr)
    state["size"] += 1_000_000
    with open(os.path.join(lab.folder, "log-state.json"), "w", encoding="ascii") as file:
        json.dump(state, file)
    shorter = verify(lab)
    check(shorter.returncode != 0 and "FORK" in shorter.stdout + shorter.stderr,
          "a log that became shorter, as after restoring an older database, too", shorter.stdout + shorter.stderr)


def public_half(check, lab):
    size = int(lab.rest("GET", "/checkpoint", token="").body.split(b"\n")[1])
    full, rest = divmod(size, 256)
    hashes = []
    for number in range(full + (rest > 0)):
        partial = "" if number < full else f".p/{rest}"
        entries = lab.rest("GET", f"/tile/entries/{number:03}{partial}", token="").body
        tile = lab.rest("GET", f"/tile/0/{number:03}{partial}", token="").body
        own = b"".join(hashlib.sha256(b"\0" + entries[i + 2:i + 34]).digest() for i in range(0, len(entries), 34))
        check(struct.unpack(">H", entries[:2]) == (32,) and own == tile, f"tile {number} is of its entries")
        hashes += [tile[i:i + 32] for i in range(0, len(tile), 32)]
    level_one = lab.rest("GET", f"/tile/1/000.p/{full}", token="").body if full else b""
    def root(nodes):
        while len(nodes) > 1:
            nodes = [hashlib.sha256(b"\1" + nodes[i] + nodes[i + 1]).digest() for i in range(0, len(nodes), 2)]
        return nodes[0]
    check(level_one == b"".join(root(hashes[256 * n:256 * (n + 1)]) for n in range(full)),
          f"the tile above them is of the {full} full ones")
    refused = [lab.rest("GET", path, token="").status for path in
               ("/tile/0/999", "/tile/0/0", "/tile/0/x000/000", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/9/000",
                "/tile/entries/abc", "/tile/0/x001")]
    check(set(refused) == {404}, "what is no tile is not found", refused)


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        lab.create_tenant("beta")
        certificate = crash(check, lab)
        later_proof(check, lab, certificate)
        public_half(check, lab)
        tampering(check, lab)


run_story(__doc__, story)
