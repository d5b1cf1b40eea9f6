# SPDX-License-Identifier: Apache-2.0
"""A server whose new CAs have their keys in a PKCS#11 token: made there, used there, missed there."""
# ruff: noqa: E402 - lab comes first: it finds a Python that has the packages.
from lab import Lab, run_story, wait_until

import os
import subprocess
import tempfile

import pki

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def make_token(folder):
    """A token of SoftHSM's for this story; its programs find it by SOFTHSM2_CONF."""
    os.mkdir(os.path.join(folder, "tokens"))
    with open(os.path.join(folder, "softhsm2.conf"), "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = os.path.join(folder, "softhsm2.conf")
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "story", "--pin", "4711", "--so-pin", "87654321"],
                   check=True, capture_output=True)
    pin_file = os.path.join(folder, "pin")
    with open(os.open(pin_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write("4711\n")
    return pin_file


def use_token(lab, pin_file):
    """Says so in the server's file; a restart reads it."""
    path = os.path.join(lab.folder, "config/server.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = f'store = "pkcs11"\nmodule = "{MODULE}"\ntoken_label = "story"\npin_file = "{pin_file}"\n'
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("[keys]\n", "[keys]\n" + lines))
    return path


def restart_server(lab):
    return lab.wait_restarted("server", lab.kill9("server")) and wait_until(lab.is_ready, 60, 0.1)


def story(check):
    with tempfile.TemporaryDirectory(prefix="muster-token-", dir="/tmp") as folder:
        pin_file = make_token(folder)
        with Lab() as lab:
            lab.create_tenant("older")
            config = use_token(lab, pin_file)
            os.chmod(pin_file, 0o644)
            refused = lab.muster("server", "--config", config, "--check-config")
            check(refused.returncode != 0 and "permissions" in refused.stderr, "a PIN that others may read is refused", refused)
            os.chmod(pin_file, 0o600)
            checked = lab.muster("server", "--config", config, "--check-config")
            check(checked.returncode == 0, "the configuration is good", checked)
            check(restart_server(lab), "the server starts with it")

            lab.create_tenant("newer")
            in_token = lab.must("GET", "/v1/keys")["token_keys"]
            check(in_token == 1, "the new tenant's CA has its key in the token", in_token)
            device = lab.enrol("newer", "pump-1")
            client = lab.connect(device)
            check(client.publish("newer/pump-1/telemetry/t", "{}") == 0, "a device that it certified publishes")
            check(lab.enrol("older", "pump-1") is not None, "the older tenant's CA signs as before")

            os.rename(os.path.join(folder, "tokens"), os.path.join(folder, "away"))
            os.mkdir(os.path.join(folder, "tokens"))
            check(restart_server(lab), "the server starts without its token")
            lab.create_device("newer", "pump-2")
            csr = pki.csr_pem(pki.new_key())
            answer = lab.rest("POST", "/v1/tenants/newer/devices/pump-2/certificates", {"csr": csr})
            check((answer.status, answer.reason) == (503, "signer.token_unavailable"), "what needs it is refused", answer)
            check(lab.enrol("older", "pump-2") is not None, "the older tenant's CA does not need it")
            os.rmdir(os.path.join(folder, "tokens"))
            os.rename(os.path.join(folder, "away"), os.path.join(folder, "tokens"))
            back = wait_until(lambda: lab.rest("POST", "/v1/tenants/newer/devices/pump-2/certificates",
                                               {"csr": csr}).status == 201, 60, 0.5)
            check(back, "it is back, and the server finds it by itself")


run_story(__doc__, story)
