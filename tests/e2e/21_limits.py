# SPDX-License-Identifier: Apache-2.0
"""Limits of a tenant, set over REST: a flood is held to them within a second, loses nothing that was acknowledged, and
the other tenant's messages go on in order."""
import json
import threading

from lab import Lab, run_story, wait_until
from mqtt_client import Closed, Refused

QUOTA_EXCEEDED, PACKET_TOO_LARGE = 0x97, 0x95


def publish_until_cut(client, topic, most):
    """(acknowledged, reason of the cut); the reason is None where it was not cut."""
    for acknowledged in range(most):
        try:
            if client.publish(topic, "{}") != 0:
                return acknowledged, "refused"
        except Closed as closed:
            return acknowledged, closed.code
    return most, None


def set_limits(lab, tenant, limits):
    return lab.must("PATCH", f"/v1/tenants/{tenant}", {"limits": limits})


def live_change(check, lab, device):
    check(set_limits(lab, "acme", {"device": {"publish_messages_per_second": 1, "publish_messages_burst": 5}})["limits"] ==
          {"device": {"publish_messages_per_second": 1, "publish_messages_burst": 5}}, "the API shows what it was given")
    seen = []

    def cut():
        seen.append(publish_until_cut(lab.connect(device), device.topic("telemetry/x"), 100))
        return seen[-1][1] == QUOTA_EXCEEDED

    check(wait_until(cut, 5), "an MQTT 5 device over its limit hears 0x97, quota exceeded", seen)
    acknowledged, code = publish_until_cut(lab.connect(device, version=4), device.topic("telemetry/x"), 100)
    check(acknowledged < 100 and code is None, "an MQTT 3.1.1 device is disconnected without a PUBACK", (acknowledged, code))
    set_limits(lab, "acme", {"device": {"payload_octets": 10}})

    def too_large():
        client = lab.connect(device)
        try:
            client.publish(device.topic("telemetry/x"), "{}" + " " * 100)
            return False
        except Closed as closed:
            return closed.code == PACKET_TOO_LARGE

    check(wait_until(too_large, 5), "a payload over its limit is answered with 0x95, packet too large")
    set_limits(lab, "acme", {})
    check(wait_until(lambda: publish_until_cut(lab.connect(device), device.topic("telemetry/x"), 60)[0] == 60, 5),
          "and without limits nothing is held back")
    reasons = [event["action"] for event in lab.audit("acme")]
    check("tenant.set_limits" in reasons, "the audit says who set limits", reasons[:5])


def connections(check, lab, first, second):
    set_limits(lab, "acme", {"total": {"connections": 1}})
    held = lab.connect(first)
    check(wait_until(lambda: lab.refusal(second) == f"connack {QUOTA_EXCEEDED}", 5),
          "a second connection of a tenant with one is refused with 0x97")
    held.disconnect()
    check(wait_until(lambda: lab.refusal(second) is None, 5), "and has its place once the first is gone")
    set_limits(lab, "acme", {})


def flood(check, lab, devices, calm):
    """Four connections that come back whenever they are cut, against one that publishes in order."""
    set_limits(lab, "acme", {"total": {"publish_messages_per_second": 20, "publish_messages_burst": 20}})
    stop, counts = threading.Event(), []

    def hammer(device):
        sent = acknowledged = 0
        while not stop.is_set():
            try:
                client = lab.client(device).connect()
                while not stop.is_set():
                    sent += 1
                    if client.publish(device.topic("telemetry/flood"), "{}") == 0:
                        acknowledged += 1
            except (Closed, Refused, OSError):
                pass
        counts.append((sent, acknowledged))

    threads = [threading.Thread(target=hammer, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    try:
        client = lab.connect(calm)
        for number in range(200):
            code = client.publish(calm.topic("telemetry/calm"), '{"n":%d}' % number)
            if code != 0:
                break
        check(code == 0, "every message of the calm tenant is acknowledged during the flood", code)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    cuts = lab.metrics().get('muster_broker_cuts_total{reason="limit.tenant_message_rate"}', 0)
    check(wait_until(lambda: lab.metrics().get('muster_broker_cuts_total{reason="limit.tenant_message_rate"}', 0) > 0, 5),
          "the flood was cut at its tenant's limit", (cuts, counts))
    stored = lab.records("beta", "raw", "check", expect=lambda records: len(records) >= 200)
    numbers = [json.loads(lab.payload(record))["n"] for record in stored]
    check(numbers == list(range(200)), "all of the calm tenant's messages are in its stream, in order", numbers[:5])


def refusals(check, lab):
    answer = lab.rest("PATCH", "/v1/tenants/acme", {"limits": {"total": {"payload_octets": 5}}})
    check(answer.status == 400, "a limit that a tenant as a whole cannot have is refused", answer.status)
    answer = lab.rest("PATCH", "/v1/tenants/acme", {"limits": {"device": {"publish_messages_burst": 5}}})
    check(answer.status == 400, "a burst without its rate is refused", answer.status)
    token = lab.must("POST", "/v1/tenants/acme/tokens", {"role": "tenant-admin"})["token"]
    answer = lab.rest("PATCH", "/v1/tenants/acme", {"limits": {}}, token=token)
    check(answer.status == 403, "a tenant's admin does not set the tenant's limits", answer.status)


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        lab.create_tenant("beta")
        devices = [lab.enrol("acme", f"d{n}") for n in range(4)]
        calm = lab.enrol("beta", "calm")
        refusals(check, lab)
        live_change(check, lab, devices[0])
        connections(check, lab, devices[0], devices[1])
        flood(check, lab, devices, calm)


run_story(__doc__, story)
