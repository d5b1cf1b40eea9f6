# SPDX-License-Identifier: Apache-2.0
"""What devices see and what is lost while something is broken, as docs/degraded-modes.md says.

Server away, database stopped, edge dead, snapshot too old, the log away until the WAL is full, a WAL that was damaged in
the middle, 30 reloads under load, and a clock that jumps. Disks that are full, kill -9 and orders of restarting have
stories of their own.
"""
import glob
import json
import os
import signal
import urllib.request

import mqtt_client
from broker_host import BrokerHost
from fleet import Fleet, numbers_by_device
from lab import Lab, Process, Stopped, run_story, wait_until

FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
HEARTBEAT_MS = 2_000
SNAPSHOT_AGE = 15  # far more than a heartbeat: what a slow machine does right after the last one is not too late
MIB = 1 << 20


def postgres_pids(lab):
    postmaster = lab.components()["postgres"]
    return [postmaster, *Process.descendants(postmaster)]


def published(client, device, number):
    try:
        return client.publish(device.topic("telemetry/load"), json.dumps({"seq": number, "value": 1}), timeout=5) == 0
    except (mqtt_client.Closed, TimeoutError, OSError):
        return False


class Log:
    """Numbers of the raw stream by device, read along."""

    def __init__(self, lab):
        self.lab, self.records = lab, []

    def holds(self, principal, numbers, timeout=40):
        def complete(new):
            return set(numbers) <= set(numbers_by_device(self.lab, self.records + new).get(principal, []))

        self.records += self.lab.records("acme", "raw", "degraded", expect=complete, timeout=timeout, wait_ms=500)
        return complete([])

    def numbers(self, principal):
        return set(numbers_by_device(self.lab, self.records).get(principal, []))


def something_away(check, lab, log, what, pids, device, visitor, first):
    session = lab.connect(device)
    with Stopped(*pids):
        good = all(published(session, device, n) for n in range(first, first + 20))
        check(good, f"{what}: QoS 1 messages are acknowledged")
        check(lab.refusal(visitor) is None, f"{what}: a known device gets in")
    check(log.holds(device.principal, range(first, first + 20)), f"{what}: when it is back, all of them are in the log")
    session.ping()
    session.disconnect()


def too_old(check, broker, session, device, visitor):
    """Called when the edge has just died."""
    check(broker.refusal(visitor) is None, "an edge that just died: known devices get in")
    check(wait_until(lambda: broker.refusal(visitor), SNAPSHOT_AGE + 20, 0.2) == "connack 135",
          f"a snapshot that is older than {SNAPSHOT_AGE} s: nobody new gets in")
    check(published(session, device, 900_000), "sessions that live go on")


def fill_the_wal(check, host, broker, device):
    """Publishes until the broker takes no more. Returns the numbers that were acknowledged."""
    acknowledged = []
    payload = "x" * 20_000
    session = broker.client(device).connect()
    refused = False
    for number in range(2_000):
        message = json.dumps({"seq": number, "value": 1, "ballast": payload})
        try:
            if session.publish(device.topic("telemetry/load"), message, timeout=5) == 0:
                acknowledged.append(number)
                continue
        except (mqtt_client.Closed, TimeoutError, OSError):
            pass
        refused = True
        break
    check(refused and acknowledged, f"the log is away: the WAL takes {len(acknowledged)} messages, then the publisher is "
                                    "cut without an acknowledgement")
    shed = broker.metric("muster_broker_qos0_shed_total") or 0
    second = broker.client(device).connect()
    for _ in range(20):
        second.send_publish(device.topic("telemetry/load"), "{}", qos=0)
    second.ping()
    check(wait_until(lambda: (broker.metric("muster_broker_qos0_shed_total") or 0) >= shed + 20, 5),
          "QoS 0 is not recorded any more, and that is counted; the connection stays")
    second.disconnect()
    return acknowledged


def neighbours_room(check, broker, neighbour):
    def gets_through():
        session = broker.client(neighbour).connect()
        try:
            return published(session, neighbour, 1)
        finally:
            session.abort()

    check(wait_until(gets_through, 20, 0.2), "another device still has room of its own")


def edge_metric(host, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{host.metrics_port}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
    return 0.0


def damage(folder):
    """Octets in the middle of the segment that was written last become others."""
    segments = glob.glob(os.path.join(folder, "*.wal"))
    with open(max(segments, key=os.path.getmtime), "r+b") as file:
        content = file.read().rstrip(b"\0")
        file.seek(len(content) // 2)
        file.write(bytes(octet ^ 0x5A for octet in content[len(content) // 2:][:2_000]))


def damaged_wal(check, lab, host, broker, device, log):
    count = 3_000
    fleet = Fleet(broker, [device], count, first=10_000).start()
    check(fleet.join(60), f"{count} messages are acknowledged while nobody ships them")
    broker.kill()
    damage(broker.wal)
    host.start_edge()
    broker.start()
    fleet = Fleet(broker, [device], 100, first=20_000).start()
    check(fleet.join(60), "after the damage, broker and edge go on")
    check(log.holds(device.principal, range(20_000, 20_100)), "what comes later is in the log")
    missing = set(range(10_000, 10_000 + count)) - log.numbers(device.principal)
    check(0 < len(missing) <= 30 and max(missing) - min(missing) == len(missing) - 1,
          f"of the damaged segment all is there but the {len(missing)} records that were hit", sorted(missing)[:50])
    check(wait_until(lambda: edge_metric(host, "muster_edge_records_lost_total") == len(missing), 5),
          "the edge counts exactly those", edge_metric(host, "muster_edge_records_lost_total"))

    def reported():
        return [e for e in lab.must("GET", "/v1/audit?limit=200")["items"]
                if e["action"] == "edge.event" and e["detail"].get("reason") == "wal.records_lost"]

    check(wait_until(reported, 10), "the audit names the edge and the sequences")
    doctor = lab.muster("doctor", "--json", "--folder", lab.folder)
    lines = {c["check"]: c for c in json.loads(doctor.stdout)["checks"]}
    check(lines.get("lost records", {}).get("status") == "warning", "and muster doctor says so", lines.get("lost records"))


class Clock:
    """The wall clock of a broker under libfaketime."""

    def __init__(self, host):
        self.file = host.path("clock")
        self.shift("+0")

    def environment(self):
        return {"LD_PRELOAD": glob.glob(FAKETIME)[0], "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def shift(self, by):
        with open(self.file + ".new", "w") as file:
            file.write(by + "\n")
        os.replace(self.file + ".new", self.file)


def clock_jumps(check, broker, clock, log, device, visitor):
    session = broker.connect(device)
    check(broker.refusal(visitor) is None, "with a clock that is right, known devices get in")
    for number, (by, what) in enumerate((("+40h", "forward by 40 hours"), ("-2h", "back by two hours"))):
        clock.shift(by)
        # The device was let in for its certificate's life, which neither jump leaves.
        check(wait_until(lambda: broker.refusal(visitor), 60, 0.2) is not None,
              f"the clock jumps {what}: the age of the snapshot is not known, and nobody new gets in")
        check(published(session, device, 30_000 + number), f"the clock jumps {what}: sessions that live go on")
        clock.shift("+0")
        check(wait_until(lambda: broker.refusal(visitor) is None, 60, 0.2), "the clock is right again: devices get in")
    check(published(session, device, 30_002) and log.holds(device.principal, range(30_000, 30_003)),
          "and what was published meanwhile is in the log")
    session.disconnect()


def log_rotation(check, broker, devices, log):
    """Debian's logrotate sends SIGHUP: mosquitto asks about every session again."""
    sleeper = broker.connect(devices[1], clean=False, session_expiry=600)
    sleeper.subscribe(devices[1].topic("commands/#"))
    sleeper.abort()  # an offline session with an expiry
    count = 12_000
    fleet = Fleet(broker, devices[:1], count, first=40_000).start()
    for _ in range(30):
        before = fleet.acknowledged()
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: fleet.acknowledged() >= before + 100 or fleet.finished(), 20)
    check(not fleet.finished(), "the load lasted longer than the reloads")
    check(fleet.join(60) and fleet.publishers[0].connections == 1,
          "30 SIGHUPs under load: no session is lost and every message is acknowledged", fleet.faults())
    check(broker.process.poll() is None and broker.refusal(devices[1]) is None, "and the broker lives")
    check(log.holds(devices[0].principal, range(40_000, 40_000 + count)), "and the log has them all")


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        names = ("steady", "visitor", "filler", "neighbour", "damaged", "timely", "rotated", "sleeper")
        devices = dict(zip(names, lab.enrol_batch("acme", names)))
        log = Log(lab)
        with BrokerHost(lab, "host-2", brokers=3, poll_wait_ms=HEARTBEAT_MS) as host:
            small, short, shifted = host.brokers
            lab.connect(devices["visitor"]).disconnect()
            something_away(check, lab, log, "server away", [lab.components()["server"]], devices["steady"],
                           devices["visitor"], 0)
            something_away(check, lab, log, "database away", postgres_pids(lab), devices["steady"], devices["visitor"], 100)
            small.kill()
            small.options = {"wal_segment_bytes": MIB, "wal_max_bytes": 8 * MIB}
            small.start()
            short.kill()
            short.options = {"max_snapshot_age_seconds": SNAPSHOT_AGE}
            short.start()
            for name in ("filler", "neighbour", "damaged", "rotated"):
                small.connect(devices[name]).disconnect()
            short.connect(devices["visitor"]).disconnect()
            # The segment of a broker that was killed counts in full until the edge has stored it.
            drained = wait_until(lambda: (small.metric("muster_broker_wal_unshipped_bytes") or 64 * MIB) < 2 * MIB, 30, 0.2)
            check(drained, "what killed brokers left is in the log")
            log_rotation(check, small, [devices["rotated"], devices["sleeper"]], log)

            session = short.connect(devices["steady"])
            host.kill_edge()
            too_old(check, short, session, devices["steady"], devices["visitor"])
            acknowledged = fill_the_wal(check, host, small, devices["filler"])
            neighbours_room(check, small, devices["neighbour"])
            host.start_edge()
            check(log.holds(devices["filler"].principal, acknowledged), "the edge is back: what was acknowledged is in the log")
            check(wait_until(lambda: small.refusal(devices["filler"]) is None and
                             published(small.client(devices["filler"]).connect(), devices["filler"], 5_000), 20, 0.2),
                  "and the device may publish again")
            check(wait_until(lambda: short.refusal(devices["visitor"]) is None, 40, 0.2),
                  "with a fresh heartbeat devices get in again")
            check(published(session, devices["steady"], 900_001), "the session that lived through it still does")

            small.kill()
            small.options = {}
            small.start()
            host.kill_edge()
            damaged_wal(check, lab, host, small, devices["damaged"], log)

            if not glob.glob(FAKETIME):
                print("skipped: jumps of the clock, which need the package faketime", flush=True)
                return
            shifted.kill()
            clock = Clock(host)
            shifted.environment = clock.environment()
            shifted.start()
            clock_jumps(check, shifted, clock, log, devices["timely"], devices["visitor"])


run_story(__doc__, story)
