# SPDX-License-Identifier: Apache-2.0
"""A fleet on many brokers: a device that moves has one session, the newest; commands reach it where it is.

Three hosts: that of `muster up`, one with two brokers behind one edge, and one in a network namespace of its own (where
that is permitted) whose uplink is cut.
"""
import base64
import contextlib
import itertools
import json
import threading
import time

import mqtt_client
from broker_host import BrokerHost, network_is_permitted
from lab import Lab, run_story, wait_until

ALLOWED_SECONDS = 1.0


def moves(check, lab, brokers):
    """Each broker in turn, to and fro; older sessions must end and the newest must stay."""
    for version in (5, 4):
        device = lab.enrol("acme", f"mover-{version}")
        times = []
        session = brokers[0].connect(device, version=version)
        for broker in brokers[1:]:
            newer = broker.connect(device, version=version)
            began = time.monotonic()
            closed = session.wait_closed(5)
            times.append(None if closed is None else time.monotonic() - began)
            session = newer
        shown = [None if t is None else round(t * 1000) for t in times]
        check(all(t is not None and t <= ALLOWED_SECONDS for t in times),
              f"MQTT {version}: the older session ended within a second of the newer, at each move: {shown} ms", shown)
        session.ping()
        check(session.publish(device.topic("telemetry/where"), json.dumps({"version": version})) == 0,
              "and the newest goes on")
        session.disconnect()


def wills(check, lab, first, second):
    rules = [{"action": "publish", "topics": ["${tenant}/${device}/#"]}, {"action": "subscribe", "topics": ["${tenant}/${device}/#"]}]
    lab.must("POST", "/v1/tenants/acme/policies", {"name": "own", "rules": rules})
    device = lab.enrol("acme", "willing", policy="own")
    will = (device.topic("state/gone"), "gone", 1, True)
    session = first.connect(device, will=will)
    newer = second.connect(device)
    moved = session.wait_closed(5) is not None
    back = first.connect(device, will=will)
    moved = moved and newer.wait_closed(5) is not None
    check(moved and back.subscribe(device.topic("state/#")) == [1], "a device with a will moves away and comes back")
    check(back.wait_message(0.5) is None, "a session that moved leaves no will: the device is not gone")
    back.abort()

    def left_will():
        after = first.connect(device)
        after.subscribe(device.topic("state/#"))
        message = after.wait_message(0.5)
        after.disconnect()
        return message

    check(wait_until(left_will, 10) == (will[0], b"gone", True), "one whose cable is cut does")


def send_command(lab, device, **body):
    return lab.must("POST", f"/v1/tenants/{device.tenant}/devices/{device.name}/commands", body)


def state_of(lab, device, command):
    return lab.must("GET", f"/v1/tenants/{device.tenant}/devices/{device.name}/commands/{command['id']}")["status"]


def commands(check, lab, brokers, device, neighbour):
    other = brokers[0].connect(neighbour)
    check(other.subscribe(neighbour.topic("commands/#")) == [1], "a neighbour listens, too")
    waiting = send_command(lab, device, name="reboot", payload=base64.b64encode(b"now").decode(), content_type="text/plain")
    session = brokers[0].connect(device)
    session.ping()
    check(state_of(lab, device, waiting) == "pending", "a command waits for a device that is away or has not subscribed")
    session.subscribe(device.topic("commands/#"))
    message = session.wait_message(5)
    check(message is not None and message[0] == waiting["topic"] and message[1] == b"now",
          "it arrives when the device has subscribed", message)
    check(wait_until(lambda: state_of(lab, device, waiting) == "sent", 5), "and counts as sent")
    for broker in brokers[1:]:
        newer = broker.connect(device)
        session.wait_closed(5)
        session = newer
        session.subscribe(device.topic("commands/#"))
        message = session.wait_message(5)
        check(message is not None and message[0] == waiting["topic"],
              "not answered, it comes again on the broker that the device moved to", message)
    began = time.monotonic()
    second = send_command(lab, device, name="blink")
    message = session.wait_message(5)
    check(message is not None and message[0] == second["topic"] and time.monotonic() - began < ALLOWED_SECONDS,
          f"a command to a connected device takes {(time.monotonic() - began) * 1000:.0f} ms", message)
    for command in (waiting, second):
        check(session.publish(command["response_topic"], "done") == 0, "the device answers")
    check(wait_until(lambda: [state_of(lab, device, c) for c in (waiting, second)] == ["answered"] * 2, 5),
          "answered commands are answered")
    newer = brokers[0].connect(device)
    newer.subscribe(device.topic("commands/#"))
    check(newer.wait_message(1) is None, "and come no more")
    other.ping()
    check(not other.messages, "no other device got any of them")
    newer.disconnect()
    other.disconnect()


def narrow_policy(check, lab, broker):
    rules = [{"action": "publish", "topics": ["${tenant}/${device}/#"]}, {"action": "subscribe", "topics": ["${tenant}/${device}/config/#"]}]
    lab.must("POST", "/v1/tenants/acme/policies", {"name": "no-commands", "rules": rules})
    device = lab.enrol("acme", "deaf", policy="no-commands")
    session = broker.connect(device)
    session.subscribe(device.topic("config/#"))
    command = send_command(lab, device, name="reboot")
    check(session.wait_message(1) is None and state_of(lab, device, command) == "pending",
          "a device whose policy does not let it receive commands gets none")
    session.disconnect()


def edge_away(check, host, local, device):
    """The edge of a host is dead while a device connects there: its news waits and counts when the edge is back."""
    host.brokers[0].connect(device).disconnect()  # the host knows it before its edge dies
    old = local.connect(device)
    host.kill_edge()
    newer = host.brokers[0].connect(device)
    newer.ping()
    host.start_edge()
    check(old.wait_closed(15) is not None, "news of a session waits for an edge that was dead; then the older one is cut")
    newer.ping()
    check(newer.publish(device.topic("telemetry/x"), "{}") == 0, "and the newer one stays")
    newer.disconnect()


def uplink_cut(check, host, local, device):
    """What a host says late does not undo what happened since."""
    host.brokers[0].connect(device).disconnect()  # the host knows it before it is cut off
    host.uplink.cut()
    there = host.brokers[0].connect(device)
    there.ping()
    time.sleep(0.3)  # the session there is older than the next by more than a network's delay
    here = local.connect(device)
    here.ping()
    host.uplink.mend()
    check(there.wait_closed(30) is not None, "a host whose uplink was cut: when it is back, its older session is cut")
    here.ping()
    check(here.publish(device.topic("telemetry/x"), "{}") == 0, "and the newer one elsewhere stays")
    here.disconnect()


class Clone(threading.Thread):
    def __init__(self, broker, device):
        super().__init__(daemon=True)
        self.broker, self.device = broker, device
        self.stop = threading.Event()
        self.sessions = 0

    def run(self):
        while not self.stop.is_set():
            with contextlib.suppress(mqtt_client.Refused, mqtt_client.Closed, OSError, TimeoutError):
                client = self.broker.connect(self.device)
                self.sessions += 1
                while not self.stop.is_set() and client.wait_closed(0.2) is None:
                    pass


def clones(check, lab, brokers, device):
    both = [Clone(broker, device) for broker in brokers]
    for clone in both:
        clone.start()

    def contested():
        return [e for e in lab.audit("acme") if e["action"] == "device.contested" and device.name in e["target_name"]]

    check(wait_until(contested, 20, 0.2), "two that use one identity are reported in the tenant's audit")
    before = sum(c.sessions for c in both)
    time.sleep(6)
    more = sum(c.sessions for c in both) - before
    for clone in both:
        clone.stop.set()
    for clone in both:
        clone.join(10)
    check(more <= 2, f"and take turns no faster than once in ten seconds: {more} new sessions in six", more)
    check(len(contested()) == 1, "reported once, not at every turn")


def records_arrive(check, lab, expected):
    seen = lab.records("acme", "raw", "e2e-brokers", timeout=30,
                       expect=lambda records: sum(r["topic"].endswith("/telemetry/where") for r in records) >= expected)
    payloads = [json.loads(lab.payload(r))["version"] for r in seen if r.get("topic", "").endswith("/telemetry/where")]
    check(sorted(payloads) == [4, 5], "what it published at the end of its way is in the log", payloads)


def story(check):
    isolated = network_is_permitted()
    if not isolated:
        print("skipped: the host in a network namespace of its own, which needs root", flush=True)
    with Lab() as lab, contextlib.ExitStack() as hosts:
        lab.create_tenant("acme")
        neighbour = lab.enrol("acme", "neighbour")
        twin = lab.enrol("acme", "twin")
        host = hosts.enter_context(BrokerHost(lab, "host-2", brokers=2))
        brokers = [lab, *host.brokers]
        if isolated:
            remote = hosts.enter_context(BrokerHost(lab, "host-3", isolated=True))
            brokers += remote.brokers
        brokers = list(itertools.chain(brokers, brokers[:1]))
        moves(check, lab, brokers)
        records_arrive(check, lab, 2)
        wills(check, lab, lab, host.brokers[0])
        commands(check, lab, brokers[:-1], lab.enrol("acme", "obedient"), neighbour)
        narrow_policy(check, lab, host.brokers[1])
        edge_away(check, host, lab, lab.enrol("acme", "patient"))
        if isolated:
            uplink_cut(check, remote, lab, lab.enrol("acme", "traveller"))
        clones(check, lab, [lab, host.brokers[0]], twin)


run_story(__doc__, story)
