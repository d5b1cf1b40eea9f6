# SPDX-License-Identifier: Apache-2.0
"""The WAL folder is lost, cloned, or restored from an older copy: no acknowledged record is mistaken for a duplicate."""
import os
import shutil

from fleet import Fleet, numbers_by_device
from lab import Lab, copy_files, run_story

DEVICES = 8
EACH = 250


class Run:
    """Publishes rounds of numbered messages and reads the log along."""

    def __init__(self, check, lab):
        self.check, self.lab = check, lab
        self.devices = lab.enrol_batch("acme", [f"device-{n}" for n in range(DEVICES)])
        self.acknowledged = {d.principal: set() for d in self.devices}
        self.records = []
        self.first = 0

    def publish(self, what):
        self.lab.connect(self.devices[-1], timeout=30).disconnect()
        fleet = Fleet(self.lab, self.devices, EACH, self.first).start()
        self.check(fleet.join(60), f"{what}: {DEVICES * EACH} messages are acknowledged", fleet.faults())
        self.first += EACH
        for principal, numbers in fleet.acknowledged_by_device().items():
            self.acknowledged[principal] |= numbers

    def verify(self, what):
        def complete(new):
            found = numbers_by_device(self.lab, self.records + new)
            return all(n <= set(found.get(d, [])) for d, n in self.acknowledged.items())

        self.records += self.lab.records("acme", "raw", "checker", expect=complete, timeout=30)
        self.records += self.lab.records("acme", "raw", "checker", wait_ms=1000)
        found = numbers_by_device(self.lab, self.records)
        missing = {d: sorted(n - set(found.get(d, [])))[:5] for d, n in self.acknowledged.items()
                   if n - set(found.get(d, []))}
        self.check(not missing, f"{what}: every acknowledged message is in the log", missing)
        stored = sum(len(n) for n in found.values())
        expected = sum(len(n) for n in self.acknowledged.values())
        self.check(stored == expected, f"{what}: and once only ({stored} of {expected})")

    def with_wal_replaced(self, replace):
        """Stops everything, lets `replace(folder)` have the WAL folder, and starts again."""
        self.lab.stop()
        replace(os.path.join(self.lab.folder, "wal"))
        self.lab.start()


def empty(folder):
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def put_back(copy):
    def replace(folder):
        empty(folder)
        copy_files(copy, folder)
    return replace


def add(copy):
    return lambda folder: copy_files(copy, folder)


def save(lab, name):
    """A copy made while the broker writes, as a snapshot of a virtual machine would be."""
    copy = os.path.join(lab.base, name)
    copy_files(os.path.join(lab.folder, "wal"), copy)
    return copy


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        run = Run(check, lab)
        run.publish("at first")
        run.verify("at first")
        early = save(lab, "wal-early")
        run.publish("after a copy was made")
        run.verify("after a copy was made")
        late = save(lab, "wal-late")

        run.with_wal_replaced(empty)
        run.publish("with the WAL folder lost")
        run.verify("with the WAL folder lost")

        run.with_wal_replaced(put_back(early))
        run.publish("with an older copy restored")
        run.verify("with an older copy restored")

        run.with_wal_replaced(add(late))
        run.publish("with a clone of an earlier WAL beside the present one")
        run.verify("with a clone of an earlier WAL beside the present one")


run_story(__doc__, story)
