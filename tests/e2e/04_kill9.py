# SPDX-License-Identifier: Apache-2.0
"""kill -9 of every component in the middle of 20,000 messages of 50 devices and of 1,000 certificate requests.

Afterwards every acknowledged message is in the log, in order per device; every certificate that a client received is
active in the registry, and no other is.
"""
import collections
import dataclasses
import http.client
import json
import queue
import threading
import time
import uuid

import pki
from fleet import Fleet, check_log, numbers_by_device
from lab import Lab, run_story, wait_until

DEVICES = 50
MESSAGES = 20_000
CERTIFICATES = 1_000
REQUESTERS = 4
COMPONENTS = ("mosquitto", "edge", "server", "worker", "postgres")


class Requesters:
    """Threads that ask for certificates; each request is repeated under its Idempotency-Key until it is answered."""

    def __init__(self, lab, names, count):
        self.lab = lab
        self.work = queue.SimpleQueue()
        for number in range(count):
            self.work.put(names[number % len(names)])
        self.received = {}  # certificate id -> device
        self.unanswered = []  # devices whose request was cut off: it may have been carried out or not
        self.refused = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(REQUESTERS)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def _run(self):
        while not self.stop.is_set():
            try:
                name = self.work.get_nowait()
            except queue.Empty:
                return
            self._request(name)

    def _request(self, name):
        body = json.dumps({"csr": pki.csr_pem(pki.new_key(), name)})
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        while not self.stop.is_set():
            try:
                answer = self.lab.rest("POST", f"/v1/tenants/acme/devices/{name}/certificates", body, headers=headers)
            except (OSError, http.client.HTTPException):
                answer = None
            if answer is not None and answer.status == 201:
                self.received[answer.json["id"]] = name
                return
            if answer is not None and answer.reason == "idempotency.in_progress":
                # The server died with this request half done. It says so for two minutes; we do not wait for that.
                self.unanswered.append(name)
                return
            if answer is not None and answer.status < 500:
                self.refused.append((answer.status, answer.reason))
                return
            self.stop.wait(0.1)

    def join(self, timeout):
        deadline = time.monotonic() + timeout
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        done = not any(t.is_alive() for t in self.threads)
        self.stop.set()
        return done


@dataclasses.dataclass
class Known:
    """What clients know of certificates, over all runs."""
    received: dict  # certificate id -> device
    unanswered: list = dataclasses.field(default_factory=list)


def active_certificates(lab):
    found, cursor = {}, ""
    while cursor is not None:
        page = lab.must("GET", f"/v1/tenants/acme/certificates?status=active&limit=200{cursor and '&cursor=' + cursor}")
        found.update({item["id"]: item["device"] for item in page["items"]})
        cursor = page["next_cursor"]
    return found


def create_targets(lab):
    """The devices that certificates are asked for; none of them publishes."""
    names = [f"target-{n}" for n in range(CERTIFICATES // 5)]
    for name in names:
        lab.create_device("acme", name)
    return names


def kill_in_the_middle(check, lab, name, devices, targets, first):
    requesters = Requesters(lab, targets, CERTIFICATES).start()
    # Certificates take longer than messages: the fleet sets off when the requests are well under way.
    wait_until(lambda: len(requesters.received) >= CERTIFICATES // 10, 60)
    fleet = Fleet(lab, devices, MESSAGES // DEVICES, first).start()
    wait_until(lambda: fleet.acknowledged() >= MESSAGES // 4, 60, 0.001)
    seen = fleet.acknowledged()
    check(MESSAGES // 4 <= seen < MESSAGES and not requesters.work.empty(),
          f"{name}: killed after {seen} acknowledgements and {len(requesters.received)} certificates")
    old = lab.kill9(name)
    check(lab.wait_restarted(name, old), f"{name}: the supervisor starts it again")
    check(fleet.join(90), f"{name}: the devices come back and get every message acknowledged",
          (fleet.acknowledged(), fleet.faults()))
    check(requesters.join(60) and not requesters.refused and len(requesters.unanswered) <= REQUESTERS,
          f"{name}: certificate requests go on and succeed ({len(requesters.unanswered)} cut off in the middle)",
          (len(requesters.received), requesters.refused[:3]))
    return fleet, requesters


def check_run(check, lab, name, fleet, requesters, known):
    acknowledged = fleet.acknowledged_by_device()

    def complete(records):
        found = numbers_by_device(lab, records)
        return all(numbers <= set(found.get(d, [])) for d, numbers in acknowledged.items())

    raw = lab.records("acme", "raw", "checker", expect=complete, timeout=60)
    raw += lab.records("acme", "raw", "checker", wait_ms=0)
    check_log(check, lab, acknowledged, raw, name)
    normalized = lab.records("acme", "normalized", "checker", expect=lambda r: len(r) >= len(raw), timeout=60)
    check(len(normalized) == len(raw), f"{name}: the worker made exactly one normalised record of each",
          (len(normalized), len(raw)))
    known.received.update(requesters.received)
    known.unanswered += requesters.unanswered
    active = active_certificates(lab)
    missing = set(known.received) - set(active)
    extra = [device for certificate, device in active.items() if certificate not in known.received]
    unexplained = collections.Counter(extra) - collections.Counter(known.unanswered)
    check(not missing, f"{name}: all {len(known.received)} certificates that were received are active", sorted(missing)[:3])
    check(not unexplained, f"{name}: and no other is, but for {len(extra)} of requests that were cut off", unexplained)


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        devices = lab.enrol_batch("acme", [f"device-{n}" for n in range(DEVICES)])
        targets = create_targets(lab)
        lab.connect(devices[-1]).disconnect()
        known = Known({d.certificate_id: d.name for d in devices})
        for number, name in enumerate(COMPONENTS):
            fleet, requesters = kill_in_the_middle(check, lab, name, devices, targets, number * MESSAGES // DEVICES)
            check_run(check, lab, name, fleet, requesters, known)
        done = lab.muster("doctor", "--folder", lab.folder)
        check(done.returncode == 0, "muster doctor is green afterwards", done.stdout + done.stderr)


run_story(__doc__, story)
