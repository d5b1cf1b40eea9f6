# SPDX-License-Identifier: Apache-2.0
"""Two tenants with two devices each try everything against each other, with four different clients: all refused.

Every refusal is also counted in the plugin's metrics by its reason and stands in a lifecycle stream.
"""
# ruff: noqa: E402 - lab comes first: it finds a Python that has the packages.
from lab import Device, Lab, run_story, wait_until

import datetime
import itertools
import os
import subprocess
import time

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

import mqtt_client
import pki
import stolen_key

DENIED = 0x87


def first_uri(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def foreign_filters(owner):
    return [owner.topic("commands/x"), owner.topic("#"), f"{owner.tenant}/+/commands/#", f"{owner.tenant}/#",
            f"+/{owner.name}/#", "+/+/telemetry/#", "+/#", "#", "$share/x/#", f"$share/x/{owner.topic('commands/#')}",
            "$share/x/+/#", "$SYS/#", "$SYS/broker/version", "$CONTROL/#"]


def topics(check, lab, devices):
    """Every ordered pair: publish, subscribe, retained, will, take-over."""
    listeners = {d.principal: lab.connect(d) for d in devices}
    for device in devices:
        granted = listeners[device.principal].subscribe(device.topic("commands/#"))
        check(granted == [1], f"{device.principal} may listen to its own commands", granted)
    attempts = 0
    for device, other in itertools.permutations(devices, 2):
        pair = f"{device.principal} against {other.principal}"
        client = listeners[device.principal]
        codes = [client.publish(other.topic("commands/x"), "evil"), client.publish(other.topic("telemetry/x"), "evil"),
                 client.publish(other.topic("commands/x"), "evil", retain=True)]
        check(codes == [DENIED] * 3, f"{pair}: publish, also retained, is refused", codes)
        filters = foreign_filters(other)
        answers = client.subscribe(*filters)
        check(all(a >= 0x80 for a in answers), f"{pair}: every one of {len(filters)} subscriptions is refused",
              [f for f, a in zip(filters, answers) if a < 0x80])
        attempts += len(codes) + len(filters) + 1
        listeners[device.principal] = send_foreign_will(lab, device, other, client)
        refusal = lab.refusal(device, other.principal)
        check(refusal == "connack 135", f"{pair}: its client id cannot be taken over", refusal)
    for device in devices:
        client = listeners[device.principal]
        client.ping()
        check(not client.messages, f"nothing reached {device.principal}, and its session is untouched", client.messages)
        client.disconnect()
    return attempts


def send_foreign_will(lab, device, other, client):
    """Dies with a will for the other's topic and returns the new, ordinary connection."""
    client.disconnect()
    lab.client(device, will=(other.topic("commands/will"), "evil", 1, False)).connect().abort()
    client = lab.connect(device)
    client.subscribe(device.topic("commands/#"))
    return client


def old_protocol(check, lab, device, other):
    """MQTT 3.1.1 has no reason code in a PUBACK: what counts is that nothing arrives."""
    listener = lab.connect(other)
    listener.subscribe(other.topic("commands/#"))
    client = lab.connect(device, version=4)
    for qos in (0, 1):
        client.send_publish(other.topic("commands/x"), "evil", qos=qos)
    client.ping()
    check(client.subscribe(other.topic("#"), "#") == [0x80, 0x80], "MQTT 3.1.1: subscriptions are refused with 0x80")
    listener.ping()
    check(not listener.messages, "MQTT 3.1.1: nothing that was published reached the other device")
    client.disconnect()
    listener.disconnect()
    refusal = lab.refusal(device, other.principal, version=4)
    check(refusal == "connack 5", "MQTT 3.1.1: taking over a client id gives return code 5", refusal)
    for wrong in ("", "x", device.name, device.principal + "/", device.principal.upper(), "#", "+/+"):
        refusal = lab.refusal(device, wrong)
        check(refusal is not None, f"the client id {wrong!r} is refused")


def mosquitto_tools(check, lab, device, other):
    done = lab.mosquitto("mosquitto_pub", device, "-V", "5", "-q", "1", "-t", device.topic("telemetry/t"), "-m", "{}")
    check(done.returncode == 0 and "rror" not in done.stderr, "mosquitto_pub publishes to its own topic", done.stderr)
    done = lab.mosquitto("mosquitto_pub", device, "-V", "5", "-q", "1", "-t", other.topic("telemetry/t"), "-m", "{}")
    check("Not authorized" in done.stdout + done.stderr, "mosquitto_pub is told 'Not authorized' on another's", done)
    for topic_filter in ("#", other.topic("#"), "$share/x/#", "$SYS/#"):
        done = lab.mosquitto("mosquitto_sub", device, "-V", "5", "-W", "3", "-t", topic_filter)
        check("denied" in done.stdout + done.stderr and not done.stdout.startswith("acme/"),
              f"mosquitto_sub is denied {topic_filter}", done)


def paho_client(check, lab, device, other):
    """paho 1.x and 2.x; the broker's name is checked as a real device would."""
    seen = {}
    options = {"client_id": device.principal, "protocol": paho.MQTTv5}
    if hasattr(paho, "CallbackAPIVersion"):
        options["callback_api_version"] = paho.CallbackAPIVersion.VERSION1
    client = paho.Client(**options)
    client.tls_set(lab.pki_file("infrastructure-root.pem"), device.certificate_file, device.key_file)
    client.on_connect = lambda c, u, f, code, p: seen.update(connect=int(getattr(code, "value", code)))
    client.on_subscribe = lambda c, u, m, codes, p: seen.update(
        subscribe=[int(getattr(code, "value", code)) for code in codes])
    client.on_message = lambda c, u, message: seen.update(message=message.topic)
    client.connect("127.0.0.1", lab.port("mqtt"))
    client.loop_start()
    check(wait_until(lambda: seen.get("connect") == 0), "paho connects, and verifies the broker's certificate", seen)
    client.subscribe([(f, paho.SubscribeOptions(qos=1)) for f in foreign_filters(other)])
    wait_until(lambda: "subscribe" in seen)
    check(all(code >= 0x80 for code in seen.get("subscribe", [0])), "paho is refused every foreign subscription", seen)
    client.publish(device.topic("telemetry/p"), "{}", qos=1).wait_for_publish(5)
    check("message" not in seen, "and receives nothing")
    client.disconnect()
    client.loop_stop()


class Forger:
    """Devices with certificates that must not work, made from a real device and a stolen or invented CA."""

    def __init__(self, lab, real):
        self.lab, self.real = lab, real
        chain = open(real.certificate_file, "rb").read()
        self.leaf, self.issuer, *self.above = pki.certificates_in(chain)
        self.uri = first_uri(self.leaf)
        self.key = pki.load_key(real.key_file)
        self.count = 0

    def device(self, *certificates, key=None):
        self.count += 1
        base = self.lab.file_of(f"forged/{self.count}", "")
        with open(base + ".pem", "wb") as file:
            file.write(pki.to_pem(*certificates))
        key_file = pki.write_private(base + ".key", pki.key_pem(key or self.key))
        return Device(self.real.tenant, self.real.name, key_file, base + ".pem")

    def signed_by(self, authority, *chain, key=None, **options):
        key = key or self.key
        leaf = authority.sign(key.public_key(), self.real.name, uri=options.pop("uri", self.uri), **options)
        return self.device(leaf, *chain, key=key)

    def look_alikes(self):
        fake_issuer = pki.Authority.like(self.issuer)
        fake_root = pki.Authority.like(self.above[-1] if self.above else self.issuer)
        fake_chain = fake_root.sign(fake_issuer.key.public_key(), self.issuer.subject, is_ca=True)
        yield "signed by a CA with the same name", self.signed_by(fake_issuer, fake_issuer.certificate)
        yield "under a whole chain with the same names", self.signed_by(fake_issuer, fake_chain, fake_root.certificate)
        yield "signed by a look-alike CA, the real intermediates beside it", self.signed_by(fake_issuer, self.issuer, *self.above)
        device_as_ca = pki.Authority(self.leaf.subject, self.key, self.leaf)
        yield "signed by a device", self.signed_by(device_as_ca, self.leaf, self.issuer, *self.above,
                                                                 key=pki.new_key())
        sub_ca = pki.Authority("sub", certificate=None)
        minted = device_as_ca.sign(sub_ca.key.public_key(), "sub", is_ca=True)
        yield "under a sub-CA minted by a device", self.signed_by(sub_ca, minted, self.leaf, self.issuer, *self.above)

    def with_stolen_key(self):
        """The tenant's real issuing key in the wrong hands: only the registry's list stands in the way."""
        stolen = stolen_key.steal_issuer(self.lab, self.real.tenant)
        chain = (self.issuer, *self.above)
        hour = datetime.timedelta(hours=1)
        yield "signed with the stolen key, perfect but never issued", self.signed_by(stolen, *chain)
        yield "signed with the stolen key for a key of its own", self.signed_by(stolen, *chain, key=pki.new_key())
        yield "that has expired", self.signed_by(stolen, *chain, starts=-3 * hour, ends=-hour)
        yield "that is not yet valid", self.signed_by(stolen, *chain, starts=hour, ends=3 * hour)
        yield "for servers only", self.signed_by(stolen, *chain, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        yield "without a name", self.signed_by(stolen, *chain, uri=None)
        other = self.uri.replace(f"//{self.real.tenant}.", "//beta.")
        yield "naming another tenant", self.signed_by(stolen, *chain, uri=other)
        authority = pki.Authority("sub", certificate=None)
        minted = stolen.sign(authority.key.public_key(), "sub", is_ca=True)
        yield "under a sub-CA that the tenant minted", self.signed_by(authority, minted, *chain)
        yield "that is a CA's", self.device(minted, *chain, key=authority.key)


def of_infrastructure(lab, device):
    for name in ("broker", "edge", "server"):
        yield f"that is the {name}'s own", Device(device.tenant, device.name, lab.pki_file(f"{name}.key"),
                                          lab.pki_file(f"{name}.pem"))


def total_denials(lab):
    return sum(lab.denials().values())


def refused_and_counted(check, lab, device, what):
    before = lab.denials()
    refusal = lab.refusal(device)
    check(refusal is not None, f"refused: a certificate {what} ({refusal})")

    def new_reasons():
        return [r for r, n in lab.denials().items() if n > before.get(r, 0)]

    reasons = wait_until(new_reasons, 4, 0.1)
    check(reasons, f"         and counted as {', '.join(reasons or [])}", before)


def settle(lab):
    """The metrics file is rewritten every second: waits until it tells of all that has happened so far."""
    now = time.time()
    wait_until(lambda: os.stat(os.path.join(lab.folder, "run/plugin.metrics")).st_mtime > now, 5)


def certificates(check, lab, device):
    forger = Forger(lab, device)
    revoked = lab.enrol(device.tenant, "revoked")
    lab.connect(revoked).disconnect()
    lab.revoke(revoked)
    wait_until(lambda: lab.refusal(revoked))
    settle(lab)
    refused_and_counted(check, lab, revoked, "that was revoked")
    for what, forged in itertools.chain(forger.look_alikes(), of_infrastructure(lab, device), forger.with_stolen_key()):
        refused_and_counted(check, lab, forged, what)
    heard(check, lab, device)
    before = total_denials(lab)
    for version in (4, 5):
        try:
            mqtt_client.Client(lab.port("mqtt"), mqtt_client.tls_context(), device.principal, version=version).connect()
            check(False, "without a certificate nobody gets in")
        except mqtt_client.Refused as refused:
            check(refused.stage in ("tls", "closed"), f"without a certificate nobody gets in ({refused.stage})")
    check(wait_until(lambda: total_denials(lab) > before, 4, 0.1), "         and it is counted")
    lab.connect(device).disconnect()
    check(True, "the real device still gets in")


def heard(check, lab, device):
    """What the tenant's own (stolen) key signed was refused in the handshake: the tenant's lifecycle stream says so."""
    wanted = {"certificate.revoked", "certificate.not_listed", "chain.expired", "chain.not_yet_valid",
              "chain.eku_client_auth_missing", "chain.name_constraint_violated", "chain.leaf_is_ca"}

    def reasons(records):
        return {record.get("reason") for record in records if record["kind"] == "denial"}

    records = lab.records(device.tenant, "lifecycle", "heard", expect=lambda seen: wanted <= reasons(seen))
    check(wanted <= reasons(records), "each kind of refused certificate is in the tenant's lifecycle stream",
          sorted(wanted - reasons(records)))


def plain_text(check, lab, device):
    done = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(lab.port("mqtt")), "-i", device.principal,
                           "-t", device.topic("telemetry/x"), "-m", "{}"], capture_output=True, timeout=10, check=False)
    check(done.returncode != 0, "the broker speaks nothing but TLS")


def resumed_session(check, lab, device):
    """A resumed session would show a certificate that nobody proved in this handshake."""
    where = ["openssl", "s_client", "-connect", f"127.0.0.1:{lab.port('mqtt')}", "-no_ign_eof"]
    own = ["-cert", device.certificate_file, "-key", device.key_file, "-cert_chain", device.certificate_file]
    for version in ("-tls1_2", "-tls1_3"):
        session = lab.file_of("session" + version, ".pem")
        hello = lab.client(device, version=4)._connect_packet()
        first = subprocess.run([*where, version, *own, "-sess_out", session], input=hello, capture_output=True,
                               timeout=10, check=False)
        if b"Cipher is (NONE)" in first.stdout:
            check(version == "-tls1_2", "openssl s_client connects with the device's certificate", first.stderr[-300:])
            continue
        check(b"New, TLS" in first.stdout, f"openssl s_client connects ({version})")
        check(b"ticket lifetime hint" not in first.stdout, "and is given no session ticket")
        try:
            with open(session):
                pass
        except FileNotFoundError:
            continue  # nothing to resume: TLS 1.3 sends sessions as tickets only
        again = subprocess.run([*where, version, "-sess_in", session], input=hello, capture_output=True, timeout=10,
                               check=False)
        check(b"Reused, TLS" not in again.stdout, f"and cannot resume it without its certificate ({version})")


def log_lines(check, lab):
    with open(os.path.join(lab.folder, "log/broker.log"), errors="replace") as file:
        log = file.read()
    silent = [reason for reason in lab.denials() if f"reason={reason}" not in log and f'"{reason}"' not in log]
    check(not silent, f"the broker's log names every one of the {len(lab.denials())} reasons", silent)


def lifecycle(check, lab, devices):
    """Denials stand in the lifecycle stream of the device's own tenant. A flood of one device's is thinned out there
    (the metrics count all of them), so each device has at least one."""
    for tenant in ("acme", "beta"):
        records = lab.records(tenant, "lifecycle", "auditor")
        denials = [r for r in records if r.get("reason")]
        reasons = {r["reason"] for r in denials}
        check(all(r["key"].startswith(tenant + "/") for r in records), f"{tenant} reads its own lifecycle only")
        silent = {d.principal for d in devices if d.tenant == tenant} - {r["key"] for r in denials}
        check(not silent, f"{tenant}'s lifecycle stream shows denials of each of its devices", silent)
        check({"acl.not_in_policy", "connect.client_id_mismatch"} <= reasons, f"{tenant}'s denials say why", reasons)
        if tenant == "acme":
            check({"certificate.revoked", "certificate.not_listed"} <= reasons,
                  "the revoked and the never issued certificate are among them", reasons)


def story(check):
    with Lab() as lab:
        devices = []
        for tenant in ("acme", "beta"):
            lab.create_tenant(tenant)
            devices += [lab.enrol(tenant, name) for name in ("one", "two")]
        for device in devices:
            lab.connect(device).disconnect()
        before = total_denials(lab)
        attempts = topics(check, lab, devices)
        check(wait_until(lambda: total_denials(lab) - before >= attempts, 5, 0.2),
              f"the metrics count at least {attempts} denials", total_denials(lab) - before)
        old_protocol(check, lab, devices[0], devices[2])
        mosquitto_tools(check, lab, devices[0], devices[2])
        paho_client(check, lab, devices[1], devices[3])
        plain_text(check, lab, devices[0])
        certificates(check, lab, devices[0])
        resumed_session(check, lab, devices[0])
        log_lines(check, lab)
        lifecycle(check, lab, devices)


run_story(__doc__, story)
