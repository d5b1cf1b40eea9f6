# SPDX-License-Identifier: Apache-2.0
"""Server, edge and broker restart in any order, and there is no moment in which a revoked device gets in.

Also: a broker without a snapshot refuses everyone, and an older snapshot put back is not believed.
"""
import itertools
import os
import threading
import time

from lab import Lab, Stopped, copy_files, delete_files, run_story, wait_until
from mqtt_client import Refused


class Intruder(threading.Thread):
    """A revoked device that tries to get in all the time."""

    def __init__(self, lab, device):
        super().__init__(daemon=True)
        self.lab, self.device = lab, device
        self.stop = threading.Event()
        self.attempts, self.refused_by_broker, self.admitted = 0, 0, 0

    def run(self):
        while not self.stop.wait(0.005):
            self.attempts += 1
            try:
                self.lab.client(self.device, timeout=3).connect().abort()
                self.admitted += 1
            except Refused as refused:
                self.refused_by_broker += refused.stage != "tcp"
            except OSError:
                pass


def gets_in(lab, device, timeout=20):
    try:
        lab.connect(device, timeout=timeout).disconnect()
        return True
    except Refused:
        return False


def restarts(check, lab, good, bad):
    intruder = Intruder(lab, bad)
    intruder.start()
    for order in itertools.permutations(("server", "edge", "mosquitto")):
        killed = {}
        for name in order:
            killed[name] = lab.kill9(name)
            # Not at the same instant: each time the others are in another state of coming back.
            time.sleep(0.15)
        came_back = all(lab.wait_restarted(name, pid) for name, pid in killed.items())
        check(came_back and gets_in(lab, good), f"after {', '.join(order)} were killed, a good device gets in")
    intruder.stop.set()
    intruder.join(10)
    check(intruder.admitted == 0 and intruder.refused_by_broker > 20,
          f"a revoked device did not: {intruder.attempts} attempts, {intruder.refused_by_broker} answered by the broker, "
          f"{intruder.admitted} admitted")


def restart(lab, name):
    if not lab.wait_restarted(name, lab.kill9(name)):
        raise RuntimeError(f"the supervisor does not start {name} again")


def stopped(lab, name):
    """A component that does not run, and that the supervisor does not replace."""
    return Stopped(lab.components()[name])


def refusal_by_broker(lab, device, timeout=20):
    """How the broker refuses, once it listens; None when it lets the device in."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return lab.refusal(device, timeout=5)
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def old_snapshot(check, lab, good, snapshot):
    victim = lab.enrol("acme", "victim")
    lab.connect(victim).disconnect()
    copy = os.path.join(lab.base, "snapshot-copy")
    copy_files(snapshot, copy)
    lab.revoke(victim)
    check(wait_until(lambda: lab.refusal(victim)), "a device is revoked and refused")
    with stopped(lab, "edge"):
        delete_files(snapshot)
        copy_files(copy, snapshot)
        restart(lab, "mosquitto")
        refusal = refusal_by_broker(lab, victim)
        check(refusal is not None, f"a snapshot from before, put back, lets it in no more ({refusal})")
    restart(lab, "edge")
    check(gets_in(lab, good), "once the edge has written a new one, a good device gets in")
    check(lab.refusal(victim) is not None, "and the revoked one does not")


def no_snapshot(check, lab, good, snapshot):
    with stopped(lab, "edge"):
        delete_files(snapshot)
        restart(lab, "mosquitto")
        refusal = refusal_by_broker(lab, good)
        check(refusal is not None, f"a broker without a snapshot refuses everyone ({refusal})")
    restart(lab, "edge")
    check(gets_in(lab, good), "and lets good devices in as soon as it has one")


def revoked_while_deaf(check, lab, good):
    """The promise: no revoked device gets in on a broker that has heard from the server since."""
    device = lab.enrol("acme", "late")
    session = lab.connect(device)
    with stopped(lab, "edge"):
        lab.revoke(device)
    check(session.wait_closed(10) is not None, "revoked while the edge did not run: cut as soon as it runs")
    check(lab.refusal(device) is not None, "and refused")
    with stopped(lab, "server"):
        restart(lab, "mosquitto")
        check(gets_in(lab, good), "without a server a restarted broker goes on with what it knows")
        check(lab.refusal(device) is not None, "and what it knows includes the revocation")


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        good = lab.enrol("acme", "good")
        bad = lab.enrol("acme", "bad")
        lab.connect(bad).disconnect()
        lab.connect(good).disconnect()
        lab.revoke(bad)
        check(wait_until(lambda: lab.refusal(bad)), "a device is revoked")
        snapshot = os.path.join(lab.folder, "edge/snapshot")
        revoked_while_deaf(check, lab, good)
        old_snapshot(check, lab, good, snapshot)
        no_snapshot(check, lab, good, snapshot)
        restarts(check, lab, good, bad)


run_story(__doc__, story)
