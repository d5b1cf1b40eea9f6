# SPDX-License-Identifier: Apache-2.0
"""A gateway speaks for a meter by a grant, and for nobody else; groups change their policy at once; the answer of
`muster policy test` is the broker's."""
import json
import time

from lab import Lab, run_story, wait_until

ALLOWED_SECONDS = 1.0
DENIED = 0x87  # MQTT 5: not authorized
RETAIN = {"retain": True}


def verdict(lab, **question):
    return lab.must("POST", "/v1/tenants/acme/policy-tests", question)


def grants(check, lab):
    gateway = lab.enrol("acme", "gateway")
    meter = lab.create_device("acme", "meter")
    lab.create_device("acme", "stranger")
    client = lab.connect(gateway)
    check(client.publish_code("acme/meter/telemetry/x") == DENIED, "without a grant a gateway speaks for nobody else")

    path = "/v1/tenants/acme/devices/gateway/grants"
    made = [lab.must("POST", path, body) for body in (
        {"on": "meter", "actions": ["publish", "retain"], "topics": ["telemetry/#"], "max_payload": 100},
        {"on": "meter", "actions": ["subscribe"], "topics": ["commands/#"]})]
    check(wait_until(lambda: client.publish_code("acme/meter/telemetry/x") == 0, ALLOWED_SECONDS, 0.02),
          "a grant is in force within a second, on the open connection")
    check(wait_until(lambda: client.subscribe("acme/meter/commands/#") == [1], ALLOWED_SECONDS, 0.02),
          "and lets it listen for the meter")
    refused = [f for f in ("acme/+/commands/#", "acme/stranger/commands/#", "acme/meter/#")
               if client.subscribe(f)[0] < 0x80]
    check(not refused, "to what it names alone, never by a wildcard", refused)
    check(client.publish_code("acme/stranger/telemetry/x") == DENIED, "another device's topics stay closed")
    wild = lab.rest("POST", path, {"on": "+", "actions": ["publish"], "topics": ["#"]})
    check(wild.status == 404, "a grant names a device", wild.reason)

    answer = verdict(lab, device="gateway", action="publish", topic="acme/meter/telemetry/x", retain=True)
    check(answer["verdict"] == "allow" and answer["grant"]["id"] == made[0]["id"], "the test names the grant", answer)
    answer = verdict(lab, device="gateway", action="publish", topic="acme/meter/telemetry/x", payload_size=101)
    check(answer["reason"] == "acl.payload_too_large", "and why a larger message is refused", answer)

    lab.must("DELETE", f"{path}/{made[1]['id']}")
    check(client.wait_closed(10) is not None, "revoking a grant cuts the subscription that needed it")
    client = lab.connect(gateway)
    lab.must("DELETE", "/v1/tenants/acme/devices/meter")
    gone = wait_until(lambda: client.publish_code("acme/meter/telemetry/x") == DENIED, ALLOWED_SECONDS, 0.02)
    check(gone, "a grant ends with the device that it was on, within a second")
    made_again = wait_until(
        lambda: lab.rest("POST", "/v1/tenants/acme/devices", {"name": "meter"}).status == 201, 20, 0.1)
    check(made_again and lab.must("GET", "/v1/tenants/acme/devices/meter/grants?side=on")["items"] == [],
          "a new device of its name inherits nothing", meter["id"])
    check(client.publish_code("acme/meter/telemetry/x") == DENIED, "at the broker neither")
    client.disconnect()
    events = [e["action"] for e in lab.audit("acme", 200)]
    check({"grant.create", "grant.delete", "grant.end"} <= set(events), "all of it stands in the audit")


def groups(check, lab):
    device = lab.enrol("acme", "pump", groups=["pumps"])
    client = lab.connect(device)
    for name, last in (("open", "alarm"), ("shut", "quiet")):
        lab.must("POST", "/v1/tenants/acme/policies",
                 {"name": name, "rules": [{"action": "publish", "topics": ["${tenant}/${device}/" + last], "max_qos": 1},
                                          {"action": "retain", "topics": []}]})
    lab.must("POST", "/v1/tenants/acme/groups", {"name": "pumps", "policy": "open"})
    check(wait_until(lambda: client.publish_code(device.topic("alarm")) == 0, ALLOWED_SECONDS, 0.02),
          "a group's policy reaches its devices within a second")
    check(client.publish_code(device.topic("alarm"), **RETAIN) == DENIED, "which may publish there and retain nothing")
    check(client.publish_code(device.topic("telemetry/x")) == DENIED, "and it stands in the built-in one's place")
    lab.must("PUT", "/v1/tenants/acme/groups/pumps", {"policy": "shut"})
    started = time.monotonic()
    changed = wait_until(lambda: client.publish_code(device.topic("alarm")) == DENIED, 5, 0.02)
    check(changed and time.monotonic() - started <= ALLOWED_SECONDS, "and changes within a second",
          time.monotonic() - started)
    for topic in (device.topic("alarm"), device.topic("quiet"), "acme/other/quiet", "beta/pump/quiet", "$SYS/x"):
        told = verdict(lab, device="pump", action="publish", topic=topic)
        seen = client.publish_code(topic)
        check((told["verdict"] == "allow") == (seen == 0), f"the test's answer for {topic} is the broker's: {told['reason']}",
              seen)
    check(told["policy"]["from"] == "group" and told["policy"]["group"] == "pumps" and told["policy"]["name"] == "shut",
          "and says how the policy came to apply", told)
    shown = lab.muster("policy", "test", "--tenant", "acme", "--device", "pump", "--action", "publish", "--topic",
                       device.topic("quiet"), "--json", "--folder", lab.folder)
    check(json.loads(shown.stdout)["rule"]["topic"] == "${tenant}/${device}/quiet", "the command line shows the rule", shown.stdout)
    client.disconnect()


def refusals(check, lab):
    answer = lab.rest("POST", "/v1/tenants/acme/policies", {"name": "wide", "rules": [
        {"action": "publish", "topics": ["${tenant}/${device}/a"]},
        {"action": "subscribe", "topics": ["${tenant}/${device}/b", "${tenant}/+/commands/#"]}]})
    finding = answer.json["findings"][0]
    check(answer.status == 400 and answer.reason == "policy.reaches_other_devices" and finding["rule"] == 1,
          "a wildcard over devices is refused, and the answer names the rule", finding)


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        grants(check, lab)
        groups(check, lab)
        refusals(check, lab)


run_story(__doc__, story)
