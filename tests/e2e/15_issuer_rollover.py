# SPDX-License-Identifier: Apache-2.0
"""The states of an issuing CA mean at the broker what they say; a renewed device's old certificate ends when the new one connects."""
# ruff: noqa: E402 - lab comes first: it finds a Python that has the packages.
from lab import Lab, run_story, wait_until

import http.client

ISSUERS = "/v1/tenants/acme/issuers"


def set_status(lab, issuer, status, **fields):
    return lab.must("PATCH", f"{ISSUERS}/{issuer}", {"status": status, **fields})["status"]


def gets_in(lab, device):
    """Whether the device connects, given that the edge needs a moment to hear of what was just done."""
    return wait_until(lambda: lab.refusal(device) is None)


def server_refuses(lab, device):
    """In the handshake or after it."""
    try:
        return lab.rest("GET", f"/v1/tenants/{device.tenant}/devices/{device.name}", device=device).status in (401, 403)
    except (OSError, http.client.HTTPException):
        return True


def rollover(check, lab):
    old = lab.must("GET", ISSUERS)["items"][0]["id"]
    first = lab.enrol("acme", "pump-1")
    session = lab.connect(first)
    new = lab.must("POST", ISSUERS, {"kind": "internal", "name": "next"})["id"]
    check(session.publish(first.topic("telemetry/x"), "{}") == 0, "prepare: devices of the active CA are not disturbed")
    check(set_status(lab, new, "active") == "active", "activated")
    second = lab.enrol("acme", "pump-2")
    issued_by = lab.must("GET", f"/v1/tenants/acme/certificates/{second.certificate_id}")["issuer_id"]
    check(issued_by == new, "active: it signs", issued_by)
    check(gets_in(lab, second), "active: its devices get in")
    check(session.publish(first.topic("telemetry/x"), "{}") == 0, "retiring: sessions of the old CA's devices go on")
    check(gets_in(lab, first), "retiring: they get in again as well")
    session = lab.connect(first)
    refused = lab.rest("PATCH", f"{ISSUERS}/{old}", {"status": "retired"})
    check((refused.status, refused.reason) == (409, "issuer.in_use"), "retiring it with devices in the field needs force",
          (refused.status, refused.reason))
    session.ping()
    check(set_status(lab, old, "retired", force=True) == "retired", "retired by force")
    check(session.wait_closed(10) is not None, "retired: the session of its device is cut")
    check(lab.refusal(first) is not None, "retired: its device is refused at the next CONNECT")
    check(server_refuses(lab, first), "retired: the server's own listener refuses it")
    check(gets_in(lab, second), "the new CA's device is not touched")


def overlap(check, lab):
    """Nobody is refused while one CA follows another, whichever issued a device's certificate."""
    third = lab.must("POST", ISSUERS, {"kind": "internal"})["id"]
    before = lab.enrol("acme", "pump-3")
    set_status(lab, third, "active")
    after = lab.enrol("acme", "pump-4")
    check(gets_in(lab, before) and gets_in(lab, after), "during a rollover devices of both CAs get in")


def superseding(check, lab):
    old = lab.enrol("acme", "pump-5")
    new = lab.enrol("acme", "pump-5", create=False, suffix="-new")
    check(gets_in(lab, old), "after renewal the old certificate still works")

    def status(device):
        return lab.must("GET", f"/v1/tenants/acme/certificates/{device.certificate_id}")["status"]

    check(status(old) == "active", "and its own connects end nothing")
    check(gets_in(lab, new), "the new one connects")
    check(wait_until(lambda: status(old) == "revoked", timeout=30), "then the old one is revoked by itself")
    shown = lab.must("GET", f"/v1/tenants/acme/certificates/{old.certificate_id}")
    check(shown.get("revocation_reason") == "superseded", "as superseded", shown)
    check(wait_until(lambda: lab.refusal(old) is not None), "and refused by the broker")
    check(gets_in(lab, new), "the new one goes on")
    events = [e for e in lab.audit("acme") if e["action"] == "certificate.supersede"]
    check(len(events) == 1 and events[0]["detail"].get("edge", "").startswith("muster_edge_"),
          "the audit says so, and which edge reported it", events)


def incident(check, lab):
    device = lab.enrol("acme", "pump-6")
    path = "/v1/tenants/acme/devices/pump-6/renewal"
    calm = lab.rest("GET", path, device=device)
    check(calm.status == 200 and calm.json["reason"] is None, "a device asks when to renew, by its certificate", calm.body)
    issuer = lab.must("GET", f"/v1/tenants/acme/certificates/{device.certificate_id}")["issuer_id"]
    lab.must("POST", f"{ISSUERS}/{issuer}/reissue", {"reason": "drill"})
    urgent = lab.rest("GET", path, device=device).json
    check(urgent["reason"] == "drill" and urgent["window"]["end"] < calm.json["window"]["start"],
          "after an incident the window lies in the past", urgent)
    check(gets_in(lab, device), "an incident revokes nothing")


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        rollover(check, lab)
        overlap(check, lab)
        superseding(check, lab)
        incident(check, lab)


run_story(__doc__, story)
