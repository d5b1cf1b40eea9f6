# SPDX-License-Identifier: Apache-2.0
"""EST with clients that others wrote: curl with openssl, strongSwan's pki, Bouncy Castle; what they get works on MQTT.

A client that is not installed is named and left out.
"""
# ruff: noqa: E402 - lab comes first: it finds a Python that has the packages.
from lab import SOURCE, Device, Lab, run_story

import base64
import concurrent.futures
import os
import shutil
import subprocess

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import pki

JARS = [f"/usr/share/java/{name}.jar" for name in ("bcprov", "bcpkix", "bcutil")]


class Clients:
    def __init__(self, lab):
        self.lab = lab
        self.folder = lab.devices
        self.root = lab.pki_file("infrastructure-root.pem")
        self.host = f"127.0.0.1:{lab.port('rest')}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *command, stdin=None):
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False, cwd=self.folder)
        if done.returncode != 0:
            print("      ", " ".join(command)[:160], done.stdout[-600:], done.stderr[:900])
        return done

    def curl(self, operation, *options, body=None):
        """(status, body)"""
        command = ["curl", "-sS", "--cacert", self.root, "-w", "\n%{http_code}", *options,
                   f"https://{self.host}/.well-known/est/{operation}"]
        if body is not None:
            command += ["-H", "Content-Type: application/pkcs10", "--data-binary", "@-"]
        done = self.run(*command, stdin=body)
        text, _, status = done.stdout.rpartition(b"\n")
        return int(status or 0), text

    def request(self, name, subject=None):
        """The DER of a request made by openssl; the key lies in NAME.key."""
        self.run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                 self.path(name + ".key"), "-outform", "DER", "-out", self.path(name + ".der"), "-subj",
                 subject or f"/CN={name}")
        os.chmod(self.path(name + ".key"), 0o600)
        with open(self.path(name + ".der"), "rb") as file:
            return file.read()

    def keep(self, tenant, name, certificate, chain):
        """Files of a device as the MQTT client wants them: its certificate, then the tenant's issuing CA's."""
        file_name = self.path(name + ".pem")
        with open(file_name, "wb") as file:
            file.write(pki.to_pem(certificate, *chain))
        return Device(tenant, name, self.path(name + ".key"), file_name)


def certificates_of(answer):
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))


def claim_for(lab, **terms):
    return lab.must("POST", "/v1/tenants/acme/claims", {"create": True, **terms})["claim"]


def by_curl(check, lab, clients, chain):
    claim = claim_for(lab, devices=["curl-1"])
    body = base64.encodebytes(clients.request("curl-1"))
    status, answer = clients.curl("acme/simpleenroll", "-u", f"anything:{claim}", body=body)
    check(status == 200, "curl enrols with a claim", (status, answer[:200]))
    device = clients.keep("acme", "curl-1", certificates_of(answer)[0], chain)
    check(lab.connect(device).publish("acme/curl-1/telemetry/t", "{}") == 0, "what curl got publishes over MQTT")
    status, _ = clients.curl("acme/simpleenroll", "-u", f"anything:{claim}", body=body)
    check(status == 403, "the claim is used up", status)

    body = base64.b64encode(clients.request("curl-2", "/CN=curl-1"))
    status, answer = clients.curl("acme/simplereenroll", "--cert", device.certificate_file, "--key", device.key_file,
                                  body=body)
    check(status == 200, "curl re-enrols with its certificate", (status, answer[:200]))
    body = base64.b64encode(clients.request("curl-3", "/CN=somebody-else"))
    status, _ = clients.curl("acme/simplereenroll", "--cert", device.certificate_file, "--key", device.key_file,
                             body=body)
    check(status == 400, "not as another device", status)


def by_strongswan(check, lab, clients, chain):
    if shutil.which("pki") is None:
        print("       strongSwan's pki is not installed: left out")
        return
    url = f"https://{clients.host}/acme"
    done = clients.run("pki", "--estca", "--url", url, "--cacert", clients.root, "--caout", clients.path("ca.pem"),
                       "--outform", "pem", "--force")
    check(done.returncode == 0, "strongSwan fetches the CAs")
    claim = claim_for(lab, devices=["swan-1"])
    clients.run("sh", "-c", f"umask 077; pki --gen --type ecdsa --size 256 --outform pem > '{clients.path('swan-1.key')}'"
                f" && pki --req --type priv --in '{clients.path('swan-1.key')}' --dn CN=swan-1 --outform pem"
                f" > '{clients.path('swan-1.csr')}'")
    # The CAs that it verifies what it gets with; the server's own root among them.
    anchors = [option for name in ("root.pem", "infra.pem", "issuing.pem", "intermediate.pem")
               for option in ("--cacert", clients.path(name))]
    done = clients.run("pki", "--est", "--url", url, *anchors, "--in", clients.path("swan-1.csr"), "--userpass",
                       f"swan-1:{claim}", "--outform", "pem")
    if not check(done.returncode == 0 and b"BEGIN CERTIFICATE" in done.stdout, "strongSwan enrols with a claim"):
        return
    device = clients.keep("acme", "swan-1", pki.certificates_in(done.stdout)[0], chain)
    check(lab.connect(device).publish("acme/swan-1/telemetry/t", "{}") == 0, "what strongSwan got publishes over MQTT")
    clients.run("sh", "-c", f"umask 077; pki --gen --type ecdsa --size 256 --outform pem > '{clients.path('swan-2.key')}'"
                f" && pki --req --type priv --in '{clients.path('swan-2.key')}' --dn CN=swan-1 --outform pem"
                f" > '{clients.path('swan-2.csr')}'")
    done = clients.run("pki", "--est", "--url", url, *anchors, "--in", clients.path("swan-2.csr"), "--cert",
                       device.certificate_file, "--key", device.key_file, "--outform", "pem")
    check(done.returncode == 0 and b"BEGIN CERTIFICATE" in done.stdout, "strongSwan re-enrols with its certificate")


def by_bouncy_castle(check, lab, clients):
    if shutil.which("java") is None or not all(os.path.exists(jar) for jar in JARS):
        print("       Java or libbcpkix-java is not installed: left out")
        return
    claim = claim_for(lab, devices=["castle-1"])
    done = clients.run("java", "-cp", ":".join(JARS), os.path.join(SOURCE, "tests/interop/EstClient.java"),
                       clients.host, "acme", clients.root, "castle-1", claim)
    steps = [line.split()[0] for line in done.stdout.decode().splitlines() if line]
    check(steps == ["cacerts", "csrattrs", "simpleenroll", "simplereenroll"], "Bouncy Castle goes all the way", steps)


def by_thieves(check, lab, clients):
    claim = claim_for(lab, device_pattern="thief-*")
    bodies = [base64.b64encode(clients.request(f"thief-{i}")) for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda b: clients.curl("acme/simpleenroll", "-u", f"x:{claim}", body=b)[0], bodies))
    check(sorted(statuses) == [200] + [403] * 19, "of twenty who race for one claim one gets a certificate", statuses)
    refusals = [e for e in lab.audit("acme", 500) if e["outcome"] == "refused" and e["actor"].startswith("claim:")]
    check(any(e["detail"].get("reason") == "claim.used_up" for e in refusals), "the audit says why the others did not")


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        clients = Clients(lab)
        status, answer = clients.curl("acme/cacerts")
        check(status == 200 and max(len(line) for line in answer.splitlines()) == 64, "cacerts, in lines of 64 columns")
        cas = certificates_of(answer)
        for name, certificate in zip(("issuing", "intermediate", "root", "infra"), cas):
            with open(clients.path(name + ".pem"), "wb") as file:
                file.write(certificate.public_bytes(Encoding.PEM))
        chain = cas[:2]
        by_curl(check, lab, clients, chain)
        by_strongswan(check, lab, clients, chain)
        by_bouncy_castle(check, lab, clients)
        by_thieves(check, lab, clients)
        made = lab.muster("claim", "create", "acme", "--folder", lab.folder, "--device", "cli-1", "--create")
        check("mcl_" in made.stdout, "muster claim create shows the secret", made.stderr)
        listed = lab.muster("claim", "list", "acme", "--folder", lab.folder)
        check(listed.returncode == 0 and "mcl_" not in listed.stdout, "muster claim list does not")


run_story(__doc__, story)
