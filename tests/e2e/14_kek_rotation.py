# SPDX-License-Identifier: Apache-2.0
"""Another key-encryption key follows while the server works, is killed in the middle, and every CA signs on."""
import http.client
import os
import secrets
import threading

from lab import Lab, run_story, wait_until

TENANTS = [f"tenant-{number}" for number in range(24)]


def ids_in_use(lab):
    return {one["id"]: one["keys"] for one in lab.must("GET", "/v1/keys")["key_encryption_keys"]}


def every_ca_signs(lab, device):
    """Each tenant's first request after a restart loads its CA's key."""
    return all(lab.enrol(tenant, device) for tenant in TENANTS)


def rotate_until_killed(lab):
    """Wraps one key after the other in one thread, and kills the server as soon as a few are done."""
    body, some = {"limit": 1}, threading.Event()

    def go_on():
        try:
            for done in range(len(TENANTS) // 2):
                body["cursor"] = lab.must("POST", "/v1/keys/rewrap", body)["next_cursor"]
                if done == 3:
                    some.set()
        except (OSError, RuntimeError, http.client.HTTPException):
            pass  # killed

    worker = threading.Thread(target=go_on)
    worker.start()
    some.wait(60)
    killed = lab.kill9("server")
    worker.join(60)
    return lab.wait_restarted("server", killed) and wait_until(lab.is_ready, 60, 0.1)


def story(check):
    with Lab() as lab:
        for tenant in TENANTS:
            lab.create_tenant(tenant)
        kek = os.path.join(lab.folder, "secrets/kek")
        [(old, all_keys)] = ids_in_use(lab).items()
        check(all_keys >= len(TENANTS), f"{all_keys} keys are under one key-encryption key")

        with open(kek, encoding="ascii") as file:
            before = file.read()
        with open(kek, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n" + before)
        check(rotate_until_killed(lab), "the server was killed in the middle of the rotation, and came back")
        in_use = ids_in_use(lab)
        check(sum(in_use.values()) == all_keys and len(in_use) == 2 and min(in_use.values()) > 0,
              "no key is lost, some are under the old one and some under the new", in_use)
        check(every_ca_signs(lab, "pump-1"), "every tenant's CA signs")
        doctor = lab.muster("doctor", "--folder", lab.folder)
        check("the rotation is not finished" in doctor.stdout, "doctor says so", doctor.stdout)

        refused = lab.muster("key", "drop-kek", "--folder", lab.folder)
        check(refused.returncode == 1, "a key-encryption key in use is not dropped", refused.stderr)
        rotated = lab.muster("key", "rotate-kek", "--folder", lab.folder)
        check(rotated.returncode == 0 and "going on with the rotation" in rotated.stdout, "the rotation goes on", rotated)
        check(ids_in_use(lab).get(old) == 0, "nothing is under the old key")
        dropped = lab.muster("key", "drop-kek", "--folder", lab.folder)
        check(dropped.returncode == 0 and f"dropped {old}" in dropped.stdout, "the old key is dropped", dropped)
        check(list(ids_in_use(lab)) != [old] and len(ids_in_use(lab)) == 1, "the server knows one key again")

        killed = lab.kill9("server")
        back = lab.wait_restarted("server", killed) and wait_until(lab.is_ready, 60, 0.1)
        check(back and every_ca_signs(lab, "pump-2"), "without the old key, a restarted server signs for everybody")


run_story(__doc__, story)
