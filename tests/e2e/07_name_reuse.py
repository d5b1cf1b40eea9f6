# SPDX-License-Identifier: Apache-2.0
"""A device and a tenant are deleted and made again under the same name: nothing old is accepted, delivered or read."""
import itertools
import uuid

from lab import Lab, run_story, wait_until

RULES = [{"action": "publish", "topics": ["${tenant}/${device}/state/#", "${tenant}/${group}/news"]},
         {"action": "subscribe", "topics": ["${tenant}/${device}/state/#", "${tenant}/${group}/news"]}]
GROUP = {"groups": ["pumps"], "policy": "shared"}


def make_again(lab, method, path, body):
    """The name is free once the edges have acknowledged that nothing old is valid any more."""
    return wait_until(lambda: lab.rest(method, path, body).status == 201, 20, 0.1)


def device_again(check, lab):
    lab.must("POST", "/v1/tenants/acme/policies", {"name": "shared", "rules": RULES})
    old = lab.enrol("acme", "pump", **GROUP)
    sender = lab.enrol("acme", "sender", **GROUP)
    client = lab.connect(old, session_expiry=3600)
    check(client.publish(old.topic("state/mode"), "old", retain=True) == 0, "the old device leaves a retained message")
    check(client.subscribe("acme/pumps/news") == [1], "and a subscription in a session that outlives its connection")
    client.disconnect()
    news = lab.connect(sender)
    check(news.publish("acme/pumps/news", "for the old one") == 0, "a message is queued for it")
    old_id = lab.must("GET", "/v1/tenants/acme/devices/pump")["id"]
    check(lab.rest("DELETE", "/v1/tenants/acme/devices/pump").status == 204, "the device is deleted")
    check(lab.rest("GET", "/v1/tenants/acme/devices/pump").status == 404, "and is not found any more")
    check(make_again(lab, "POST", "/v1/tenants/acme/devices", {"name": "pump", **GROUP}), "its name is used again")
    created = lab.must("GET", "/v1/tenants/acme/devices/pump")
    check(created["id"] != old_id, "for a device with another id")
    new = lab.enrol("acme", "pump", create=False, suffix="-new")
    fresh = lab.connect(new, clean=False, session_expiry=3600)
    check(lab.refusal(old) is not None, "the old certificate is refused")
    fresh.subscribe(new.topic("state/#"))
    fresh.ping()
    check(not fresh.messages, "neither the queued nor the retained message of the old one is delivered to the new one",
          fresh.messages)
    check(fresh.publish(new.topic("state/mode"), "new") == 0 and fresh.wait_message() is not None,
          "the new one lives its own life")
    fresh.disconnect()
    news.disconnect()


def tenant_again(check, lab):
    lab.create_tenant("gamma")
    token = lab.must("POST", "/v1/tenants/gamma/tokens", {"role": "tenant-admin"})["token"]
    key = str(uuid.uuid4())
    body = {"name": "pump"}
    made = lab.rest("POST", "/v1/tenants/gamma/devices", body, headers={"Idempotency-Key": key})
    check(made.status == 201, "the old tenant has a device, made under an idempotency key")
    old = lab.enrol("gamma", "pump", create=False)
    client = lab.connect(old)
    check(client.publish(old.topic("telemetry/t"), '{"secret": 1}') == 0, "which sends telemetry")
    old_records = lab.records("gamma", "raw", "reader", expect=lambda r: len(r) >= 1)
    check(len(old_records) == 1, "that its application reads")
    check(lab.rest("DELETE", "/v1/tenants/gamma").status in (202, 204), "the tenant is deleted")
    check(client.wait_closed(10) is not None, "its device is cut")
    check(make_again(lab, "POST", "/v1/tenants", {"name": "gamma"}), "its name is used again")
    check(lab.rest("GET", "/v1/tenants/gamma", token=token).status == 401, "a token of the old tenant is refused")
    again = lab.rest("POST", "/v1/tenants/gamma/devices", body, headers={"Idempotency-Key": key})
    check(again.status == 201 and again.json["id"] != made.json["id"],
          "the old tenant's idempotency key gives a new device, not the old answer", again)
    check(lab.refusal(old) is not None, "the old tenant's certificate is refused")
    new = lab.enrol("gamma", "pump", create=False, suffix="-new")
    lab.connect(new).disconnect()
    check(lab.refusal(old) is not None, "also when the new tenant's device of the same name is known")
    check(lab.connect(new).publish(new.topic("telemetry/t"), '{"known": 1}') == 0, "the new device sends telemetry")
    for stream, group in itertools.product(("raw", "normalized", "lifecycle"), ("reader", "newcomer")):
        records = lab.records("gamma", stream, group, expect=lambda r: len(r) >= 1)
        records += lab.records("gamma", stream, group, wait_ms=500)
        stray = [r for r in records if r["connection"] == old_records[0]["connection"] or b"secret" in lab.payload(r)]
        check(records and not stray, f"group {group} of the new tenant reads from {stream} its own records, none of the old one's",
              (len(records), stray[:1]))
    items = lab.audit("gamma")
    check(all(made.json["id"] not in str(item) for item in items), "nor in its audit log")


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        device_again(check, lab)
        tenant_again(check, lab)


run_story(__doc__, story)
