# SPDX-License-Identifier: Apache-2.0
"""The disk under the WAL is full, then the one under PostgreSQL: nobody gets an acknowledgement that does not hold, and
traffic flows again by itself when there is space.

Needs root, to mount file systems of its own; says so and passes otherwise.
"""
import os
import shutil
import subprocess
import sys
import time

from fleet import Fleet, check_log, numbers_by_device
from lab import Lab, run_story, wait_until

DEVICES = 10
RATE = 20  # messages a second of each device
GIB = 1 << 30


class Disk:
    """A file system in a sparse file, mounted at `path`."""

    def __init__(self, image, path, size, owner=None):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.makedirs(path, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, path], check=True)
        os.rmdir(os.path.join(path, "lost+found"))
        os.chmod(path, 0o700)
        if owner:
            shutil.chown(path, owner, owner)

    def free(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_bsize

    def fill(self, leave=0):
        """Takes all space but `leave`: reserved, not written, so that the image stays sparse."""
        size = self.free() - leave
        descriptor = os.open(self.filler, os.O_WRONLY | os.O_CREAT)
        for piece in (size, 64 << 20, 1 << 20, 4096):
            # The file system's own bookkeeping takes some: what does not fit at once is taken in smaller pieces.
            while self.free() - leave >= piece > 0:
                try:
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, piece)
                except OSError:
                    break
        os.close(descriptor)

    def empty(self):
        os.unlink(self.filler)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def why_not():
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    if subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode != 0:
        return "no loop devices here"
    return None


def acknowledges(fleet, timeout):
    """Whether new acknowledgements come within `timeout`."""
    before = fleet.acknowledged()
    return wait_until(lambda: fleet.acknowledged() > before + DEVICES, timeout, 0.1)


def falls_silent(fleet, timeout=20):
    """Waits until no acknowledgement has come for 2 s."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not wait_until(lambda before=fleet.acknowledged(): fleet.acknowledged() > before, 2, 0.05):
            return True
    return False


def full_wal(check, fleet, disk, what, leave):
    before = [p.connections for p in fleet.publishers]
    disk.fill(leave)
    check(falls_silent(fleet), f"{what}: no message is acknowledged any more", disk.free())
    check(wait_until(lambda: not any(p.connected for p in fleet.publishers) or
                     all(p.connections > b for p, b in zip(fleet.publishers, before)), 15, 0.1),
          f"{what}: every publisher was cut", [p.connections for p in fleet.publishers])
    disk.empty()
    check(acknowledges(fleet, 30), f"{what}: traffic flows again by itself when there is space")


def full_database(check, lab, fleet, disk):
    disk.fill()
    answer = wait_until(lambda: (lambda a: a if a.status >= 500 else None)(
        lab.rest("POST", "/v1/tenants/acme/devices", {"name": f"x{time.monotonic_ns()}"})), 20, 0.05)
    check(answer and answer.status == 503, "PostgreSQL's disk full: the server says so", answer)
    check(acknowledges(fleet, 10), "PostgreSQL's disk full: devices go on, their messages are safe in the WAL")
    disk.empty()
    created = wait_until(lambda: lab.rest("POST", "/v1/tenants/acme/devices", {"name": "after"}).status in (201, 409), 40, 0.2)
    check(created, "PostgreSQL has space again: the server works by itself")


def story(check):
    lab = Lab()
    disks = []
    try:
        os.makedirs(lab.folder)
        # The WAL keeps 2 GiB free, so its disk is larger than that.
        disks.append(Disk(os.path.join(lab.base, "wal.img"), os.path.join(lab.folder, "wal"), 4 * GIB))
        disks.append(Disk(os.path.join(lab.base, "postgres.img"), os.path.join(lab.folder, "postgres"), GIB,
                          "postgres"))
        with lab:
            lab.create_tenant("acme")
            devices = lab.enrol_batch("acme", [f"device-{n}" for n in range(DEVICES)])
            lab.connect(devices[-1]).disconnect()
            fleet = Fleet(lab, devices, 20_000, rate=RATE).start()
            check(acknowledges(fleet, 20), "devices publish")
            full_wal(check, fleet, disks[0], "less free than the WAL must leave", GIB)
            full_wal(check, fleet, disks[0], "WAL's disk full to the last block", 0)
            full_database(check, lab, fleet, disks[1])
            fleet.stop()
            acknowledged = fleet.acknowledged_by_device()

            def complete(records):
                found = numbers_by_device(lab, records)
                return all(n <= set(found.get(d, [])) for d, n in acknowledged.items())

            records = lab.records("acme", "raw", "checker", expect=complete, timeout=60)
            check_log(check, lab, acknowledged, records, "in the end")
            lab.stop()
            for disk in disks:
                disk.unmount()
    finally:
        for disk in disks:
            if os.path.ismount(disk.path):
                disk.unmount()
        if not lab.keep:
            shutil.rmtree(lab.base, ignore_errors=True)


if why_not():
    print(f"skipped: {why_not()}")
    sys.exit(77)  # ctest shows it as skipped, not as passed
run_story(__doc__, story)
