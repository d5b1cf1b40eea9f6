# SPDX-License-Identifier: Apache-2.0
"""A company keeps its own PKI: proof that a CA is its own, devices by path, its CRLs, self-registration, and attacks."""
import dataclasses
import json
import os
import socket
import ssl
import subprocess
import threading

from lab import Device, Lab, run_story, wait_until  # first: it chooses a Python that has paho
import paho.mqtt.client as paho


class Ca:
    """A company's CA, made and used with the openssl program."""

    def __init__(self, folder, name, *, ca=True, parent=None, days=30, key="ec -pkeyopt ec_paramgen_curve:P-256"):
        self.folder, self.name = os.path.join(folder, name.replace(" ", "-")), name
        os.makedirs(self.folder)
        self.key, self.pem = os.path.join(self.folder, "ca.key"), os.path.join(self.folder, "ca.pem")
        self.parent = parent
        self.openssl("genpkey", "-algorithm", *key.split(), "-out", self.key)
        extensions = f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}\nkeyUsage=critical,keyCertSign,cRLSign\n"
        self.sign(self.key, f"/CN={name}", extensions, self.pem, days, parent or self)
        with open(os.path.join(self.folder, "ca.cnf"), "w") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.folder}/index\ncrlnumber={self.folder}/number\n"
                       "default_md=sha256\ndefault_crl_days=7\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n")
        open(os.path.join(self.folder, "index"), "w").close()
        with open(os.path.join(self.folder, "number"), "w") as file:
            file.write("01\n")

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
        return done.stdout

    def sign(self, key, subject, extensions, out, days, by):
        """A certificate for `key`, signed by `by` (itself for a root)."""
        request, file = out + ".csr", out + ".ext"
        self.openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        with open(file, "w") as text:
            text.write(extensions)
        issuer = ["-signkey", key] if by.pem == out else ["-CA", by.pem, "-CAkey", by.key]
        self.openssl("x509", "-req", "-in", request, *issuer, "-days", str(days), "-sha256", "-extfile", file,
                     "-set_serial", "0x" + os.urandom(15).hex(), "-out", out)

    def issue(self, name, subject=None, extensions="", days=10):
        key, leaf = os.path.join(self.folder, name + ".key"), os.path.join(self.folder, name + ".leaf")
        self.openssl("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        text = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
        self.sign(key, subject or f"/CN={name}", text + extensions, leaf, days, self)
        return key, leaf

    def device(self, tenant, name, **options):
        key, leaf = self.issue(name, **options)
        chain = read(leaf) + (read(self.pem) if self.parent else "")
        with open(leaf + ".chain", "w") as file:
            file.write(chain)
        return Device(tenant, name, key, leaf + ".chain")

    def proof(self, code):
        return read(self.issue("proof-" + code[-8:], subject=f"/CN={code}")[1])

    def crl(self, *revoked, days=7):
        for leaf in revoked:
            self.openssl("ca", "-config", os.path.join(self.folder, "ca.cnf"), "-cert", self.pem, "-keyfile", self.key,
                         "-revoke", leaf)
        out = os.path.join(self.folder, "crl.pem")
        self.openssl("ca", "-config", os.path.join(self.folder, "ca.cnf"), "-cert", self.pem, "-keyfile", self.key,
                     "-gencrl", "-crldays", str(days), "-out", out)
        return read(out)


def read(path):
    with open(path) as file:
        return file.read()


def anchors(tenant):
    return f"/v1/tenants/{tenant}/trust-anchors"


def add(lab, tenant, ca, *intermediates, **fields):
    pem = read(ca.pem) + "".join(read(i.pem) for i in intermediates)
    return lab.rest("POST", anchors(tenant), {"certificates": pem, "device_id_from": "cn", **fields})


def anchored(lab, tenant, ca, *intermediates, **fields):
    """A CA that is proved: the path of its resource."""
    made = add(lab, tenant, ca, *intermediates, **fields).json
    path = f"{anchors(tenant)}/{made['id']}"
    lab.must("POST", path + "/verification", {"certificate": ca.proof(made["verification"]["code"])})
    return path


def validation(lab, device):
    pem = read(device.certificate_file)
    first, rest = pem.split("-----END CERTIFICATE-----\n", 1)
    body = {"certificate": first + "-----END CERTIFICATE-----\n"}
    if rest:
        body["chain"] = rest
    return lab.must("POST", f"/v1/tenants/{device.tenant}/validations", body)


def proofs(check, lab, root, plant):
    made = add(lab, "acme", root, plant)
    check(made.status == 201 and made.json["status"] == "unverified", "a CA may be added; nobody has proved it yet", made.body)
    path, code = f"{anchors('acme')}/{made.json['id']}", made.json["verification"]["code"]
    check("verification" not in lab.must("GET", path), "the code is shown once")
    device = plant.device("acme", "early")
    check(lab.rest("POST", path + "/devices", {"device": "early", "create": True}).reason == "trust_anchor.unverified",
          "no device is bound to a CA that is not proved")
    check(lab.refusal(device) is not None, "and it admits nobody")
    theirs = add(lab, "beta", root).json
    check(lab.rest("POST", path + "/verification", {"certificate": root.proof(theirs["verification"]["code"])}).reason
          == "trust_anchor.proof_code_differs", "a proof made for another tenant proves nothing")
    look_alike = Ca(lab.base, "fake root")
    check(lab.rest("POST", path + "/verification", {"certificate": look_alike.proof(code)}).reason
          == "trust_anchor.proof_invalid", "nor does one of another key")
    check(lab.rest("POST", path + "/verification", {"certificate": plant.proof(code)}).reason
          == "trust_anchor.proof_invalid", "nor one of an intermediate")
    good = root.proof(code)
    first = lab.rest("POST", path + "/verification", {"certificate": good})
    check(first.status == 200 and first.json["status"] == "active", "the key's own signature over the code proves it", first.body)
    check(lab.rest("POST", path + "/verification", {"certificate": good}).reason == "trust_anchor.already_verified",
          "a code counts once")
    return path


def refused_anchors(check, lab, root):
    not_ca = Ca(lab.base, "no ca", ca=False)
    old = Ca(lab.base, "old", days=-1)
    weak = Ca(lab.base, "weak", key="rsa -pkeyopt rsa_keygen_bits:1024")
    check(add(lab, "acme", not_ca).reason == "trust_anchor.not_a_ca", "a certificate with CA:FALSE is no anchor")
    check(add(lab, "acme", old).reason == "trust_anchor.not_valid", "an expired one neither")
    check(add(lab, "acme", weak).reason == "trust_anchor.key_weak", "nor one with a weak key")
    check(add(lab, "acme", root).reason == "trust_anchor.key_exists", "nor a key that is there already")
    for name, pem in ours(lab).items():
        answer = lab.rest("POST", anchors("beta"), {"certificates": pem, "device_id_from": "cn"})
        check(answer.reason == "trust_anchor.key_refused", f"{name} is nobody's trust anchor", answer.body)
    stray = Ca(lab.base, "stray")
    check(add(lab, "acme", Ca(lab.base, "another"), stray).reason == "trust_anchor.intermediate_unsigned",
          "an intermediate of somebody else's is refused")
    for number in range(6):
        last = add(lab, "gamma", Ca(os.path.join(lab.base, f"same-{number}"), "Same Name"))
    check(last.reason == "trust_anchor.name_limit_reached", "a tenant has only so many CAs of one name", last.body)


def ours(lab):
    issuer = lab.must("GET", "/v1/tenants/acme/issuers")["items"][0]
    return {"an issuing CA of ours": issuer["certificate"], "the infrastructure root": read(lab.pki_file("infrastructure-root.pem"))}


def by_path(check, lab, path, plant):
    device = plant.device("acme", "pump-1")
    check(lab.refusal(device) is not None, "a device that is not registered stays out")
    says = validation(lab, device)
    check([f["reason"] for f in says["findings"]] == ["device.not_registered"], "the validation says the same", says)
    lab.must("POST", path + "/devices", {"device": "pump-1", "create": True})
    client = lab.connect(device)
    check(client.publish(device.topic("telemetry/t"), '{"t": 1}') == 0, "once it is bound it comes by path and publishes")
    client.disconnect()
    check(validation(lab, device)["valid"], "and the validation says so")
    sent = lab.mosquitto("mosquitto_pub", device, "-t", device.topic("telemetry/m"), "-m", "{}", "-q", "1")
    check(sent.returncode == 0, "mosquitto_pub gets in with it", sent.stderr)
    check(paho_publishes(lab, device), "and so does paho")
    internal = lab.enrol("acme", "ours-1")
    impostor = plant.device("acme", "ours-1")
    check(lab.refusal(impostor) is not None, "the CA's certificate with the name of a device of ours takes nothing over")
    lab.connect(internal).disconnect()
    return device


def paho_publishes(lab, device):
    try:
        client = paho.Client(paho.CallbackAPIVersion.VERSION1, client_id=device.principal)
    except AttributeError:
        client = paho.Client(client_id=device.principal)
    client.tls_set(lab.pki_file("infrastructure-root.pem"), device.certificate_file, device.key_file,
                   tls_version=ssl.PROTOCOL_TLS_CLIENT)
    arrived = threading.Event()
    client.on_publish = lambda *_: arrived.set()
    client.connect("127.0.0.1", lab.port("mqtt"))
    client.loop_start()
    client.publish(device.topic("telemetry/p"), "{}", qos=1)
    done = arrived.wait(15)
    client.disconnect()
    client.loop_stop()
    return done


def statuses(check, lab, path, device):
    def patched(status):
        return lab.must("PATCH", path, {"status": status})
    client = lab.connect(device)
    client.ping()
    patched("suspended")
    check(client.wait_closed(10) is not None, "suspending the anchor cuts its sessions")
    check(lab.refusal(device) is not None, "and keeps them out")
    patched("no-new-devices")
    lab.connect(device).disconnect()
    check(True, "with no-new-devices a registered device comes")
    patched("active")


def crls(check, lab, path, root, plant):
    victim = plant.device("acme", "victim")
    steady = plant.device("acme", "steady")
    for name in ("victim", "steady"):
        lab.must("POST", path + "/devices", {"device": name, "create": True})
    upload = lambda crl: lab.rest("POST", path + "/crls", crl, headers={"Content-Type": "application/x-pem-file"})  # noqa: E731
    first = plant.crl()
    check(upload(first).status == 201, "a CRL of the issuing CA is taken")
    client = lab.connect(victim)
    client.ping()
    second = plant.crl(victim.certificate_file.removesuffix(".chain"))
    answer = upload(second)
    check(answer.status == 201 and answer.json["entries"] == 1, "and its next one", answer.body)
    check(client.wait_closed(10) is not None, "what it revokes is cut")
    check(lab.refusal(victim) is not None, "and stays out")
    check(validation(lab, victim)["findings"][0]["reason"] == "external.revoked", "the validation says why")
    lab.connect(steady).disconnect()
    check(True, "others come as before")
    check(upload(first).reason == "crl.older_than_held", "an older CRL is refused", upload(first).body)
    stranger = Ca(lab.base, "stranger")
    check(upload(stranger.crl()).reason == "crl.issuer_unknown", "one of another CA, too")
    twin = Ca(os.path.join(lab.base, "twin"), plant.name)
    check(upload(twin.crl()).status == 400, "and one that only bears the name")
    check(upload("nonsense").reason == "crl.malformed" and upload(second).status == 201,
          "refusals change nothing; the one that is held may come again")
    leaf = steady.certificate_file.removesuffix(".chain")
    client = lab.connect(steady)
    client.ping()
    lab.must("POST", path + "/revocations", {"certificate": read(leaf)})
    check(client.wait_closed(10) is not None, "one certificate may be revoked here, without a CRL")


def self_registration(check, lab, path, plant):
    comer = plant.device("acme", "comer-1")
    check(lab.refusal(comer) is not None and lab.rest("GET", "/v1/tenants/acme/devices/comer-1").status == 404,
          "by default nobody registers itself")
    lab.must("PATCH", path, {"self_registration": {"enabled": True, "max_devices": 1, "group": "newcomers", "denied": ["bad-*"]}})
    check(lab.refusal(comer) is not None, "with self-registration the first attempt is refused as well")
    client = lab.connect(comer, timeout=40)
    check(client.publish(comer.topic("telemetry/t"), "{}") == 0, "and a later one finds the device registered")
    made = lab.must("GET", "/v1/tenants/acme/devices/comer-1")
    check(made["groups"] == ["newcomers"], "in the group that the anchor names", made)
    for name in ("bad-1", "comer-2"):
        lab.refusal(plant.device("acme", name))
    refused = wait_until(lambda: registrations_refused(lab) >= 2, 30, 0.2)
    check(refused, "a denied name and one beyond the limit are refused by the server", registrations_refused(lab))
    for name in ("bad-1", "comer-2"):
        check(lab.rest("GET", f"/v1/tenants/acme/devices/{name}").status == 404, f"{name} is not registered")


def registrations_refused(lab):
    """As the edge was told."""
    log = os.path.join(lab.folder, "log", "edge.log")
    return sum('"registration judged"' in line and '"registered":"false"' in line for line in read(log).splitlines())


class AnchorCommands:
    """`muster trust-anchor` as an operator types it."""

    def __init__(self, lab):
        self.lab = lab

    def run(self, *arguments):
        return self.lab.muster("trust-anchor", *arguments, "--folder", self.lab.folder)

    def __call__(self, *arguments):
        """What it prints as JSON."""
        done = self.run(*arguments)
        if done.returncode != 0:
            raise RuntimeError(f"muster trust-anchor {arguments}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *arguments):
        """What it complains of."""
        done = self.run(*arguments)
        return done.stderr if done.returncode != 0 else None


def commands(check, lab):
    """A CA becomes an anchor of two tenants, by commands alone; returns them, the anchors' ids and the device of both."""
    anchor, shared, ids = AnchorCommands(lab), Ca(lab.base, "Shared Root"), {}
    proof = lambda made: shared.issue(f"proof-{os.urandom(4).hex()}", "/CN=" + made["verification"]["code"])[1]  # noqa: E731
    for tenant in ("acme", "beta"):
        made = anchor("add", tenant, shared.pem, "--device-id-from", "cn")
        ids[tenant] = made["id"]
        early = proof(made)
        again = anchor("new-code", tenant, made["id"])
        check("proof_code_differs" in (anchor.refused("verify", tenant, made["id"], early) or ""),
              f"{tenant}: after muster trust-anchor new-code the first code is good no longer")
        check(anchor("verify", tenant, made["id"], proof(again))["status"] == "active", "and the new one is")
        check(anchor("bind", tenant, made["id"], "meter-1", "--create")["device"] == "meter-1", "a device is bound")
    acme = ids["acme"]
    listed = anchor.run("list", "acme").stdout
    check(acme in listed and "active" in listed, "list names the anchor", listed)
    check("meter-1" in anchor.run("devices", "acme", acme).stdout, "devices names the device")
    anchor("bind", "acme", acme, "meter-2", "--create")
    anchor("unbind", "acme", acme, "meter-2")
    check("meter-2" not in anchor.run("devices", "acme", acme).stdout, "unbind takes one away")

    check("nothing to set" in (anchor.refused("crl-source", "acme", acme) or ""), "crl-source alone sets nothing")
    anchor("crl-source", "acme", acme, "--url", "http://crl.example/shared.crl", "--fetch-seconds", "900",
           "--expired-crl", "last-known-good")
    shown = anchor("show", "acme", acme)
    check(shown["crl"]["url"] == "http://crl.example/shared.crl" and shown["crl"]["fetch_seconds"] == 900
          and shown["expired_crl"] == "last-known-good", "crl-source sets all three", shown)
    anchor("crl-source", "acme", acme, "--url", "none")
    shown = anchor("show", "acme", acme)
    check(not shown["crl"]["url"] and shown["crl"]["fetch_seconds"] == 900, "and takes the URL away alone", shown)
    victim = shared.issue("victim-2")[1]
    shared.crl(victim)
    check(anchor("crl", "acme", acme, os.path.join(shared.folder, "crl.pem"))["entries"] == 1, "crl uploads a file")
    check("upload" in anchor.run("crls", "acme", acme).stdout, "and crls lists it")

    check(anchor.refused("self-registration", "acme", acme, "perhaps") is not None, "self-registration is on or off")
    anchor("self-registration", "acme", acme, "on", "--max-devices", "3", "--devices-per-minute", "7", "--group", "meters",
           "--deny", "x-*", "--deny", "bad")
    anchor("self-registration", "acme", acme, "off")
    shown = anchor("show", "acme", acme)["self_registration"]
    check(shown == {"enabled": False, "max_devices": 3, "devices_per_minute": 7, "group": "meters",
                    "denied": ["x-*", "bad"]}, "what is not named stays", shown)
    return anchor, ids, shared.device("acme", "meter-1")


def by_server_name(check, lab, anchor, ids, device):
    """`muster up` sets plugin_opt_server_name_suffix and gives the broker a name for each tenant."""
    other = dataclasses.replace(device, tenant="beta")
    lab.connect(device, timeout=30, server_name="acme.muster.internal").disconnect()
    lab.connect(other, timeout=30, server_name="beta.muster.internal").disconnect()
    check(True, "one CA of two tenants: the TLS server name picks the tenant")
    check(lab.refusal(device) is not None, "without a name nobody knows which one is meant")
    check(lab.refusal(device, server_name="beta.muster.internal") is not None, "the name does not make it the other's")
    check(lab.refusal(device, server_name="gamma.muster.internal") is not None, "nor a third one's")
    context = ssl.create_default_context(cafile=lab.pki_file("infrastructure-root.pem"))
    context.load_cert_chain(device.certificate_file, device.key_file)
    for name in ("acme.muster.internal", "localhost"):
        with socket.create_connection(("127.0.0.1", lab.port("mqtt")), 10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as tls:
                check(tls.version() is not None, f"the broker's certificate is good for {name}")

    client = lab.connect(device, server_name="acme.muster.internal")
    client.ping()
    anchor("revoke", "acme", ids["acme"], device.certificate_file)
    check(client.wait_closed(10) is not None, "muster trust-anchor revoke cuts the one certificate")
    client = lab.connect(other, server_name="beta.muster.internal")
    client.ping()
    check(True, "in one tenant, not in the other")
    anchor("set", "beta", ids["beta"], "suspended")
    check(client.wait_closed(10) is not None, "set suspended cuts the other's")
    for tenant in ("acme", "beta"):
        anchor("delete", tenant, ids[tenant])
        check("not_found" in (anchor.refused("show", tenant, ids[tenant]) or ""), f"delete ends the anchor of {tenant}")


def end(check, lab, path, device):
    client = lab.connect(device)
    client.ping()
    lab.must("PATCH", path, {"status": "revoked"})
    check(client.wait_closed(10) is not None, "revoking the anchor cuts everybody who came by it")
    check(lab.rest("PATCH", path, {"status": "active"}).reason == "trust_anchor.status_invalid", "and is final")
    check(lab.rest("DELETE", path).status == 204 and lab.rest("GET", path).status == 404, "it can be deleted")
    check(lab.refusal(device) is not None, "and nobody comes by it")


def hostile_tenant(check, lab, path):
    token = lab.must("POST", "/v1/tenants/beta/tokens", {"role": "tenant-admin"})["token"]
    for method, target, body in (("GET", path, None), ("PATCH", path, {"status": "suspended"}), ("DELETE", path, None),
                                 ("POST", path + "/devices", {"device": "pump-1"}),
                                 ("POST", path + "/verification", {"certificate": "x"})):
        answer = lab.rest(method, target, body, token=token)
        check(answer.status == 404, f"another tenant's admin finds no anchor to {method}", answer.body)
    moved = path.replace("/acme/", "/beta/")
    check(lab.rest("GET", moved, token=token).status == 404, "nor under its own name")
    factory = lab.must("POST", "/v1/tenants/acme/tokens", {"role": "factory"})["token"]
    check(lab.rest("PATCH", path, {"status": "suspended"}, token=factory).status == 403, "a factory may not touch it")


def story(check):
    with Lab() as lab:
        for tenant in ("acme", "beta", "gamma"):
            lab.create_tenant(tenant)
        root = Ca(lab.base, "Company Root")
        plant = Ca(lab.base, "Plant 1", parent=root)
        path = proofs(check, lab, root, plant)
        refused_anchors(check, lab, root)
        hostile_tenant(check, lab, path)
        device = by_path(check, lab, path, plant)
        statuses(check, lab, path, device)
        crls(check, lab, path, root, plant)
        self_registration(check, lab, path, plant)
        anchor, ids, meter = commands(check, lab)
        by_server_name(check, lab, anchor, ids, meter)
        end(check, lab, path, device)


run_story(__doc__, story)
