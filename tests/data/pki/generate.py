#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the test data of this folder. Keys are fresh each time and not kept."""
import datetime
import os
import pathlib
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

HERE = pathlib.Path(__file__).resolve().parent
CSR = HERE / "csr"
CHAIN = HERE / "chain"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
START, END = datetime.datetime(2020, 1, 1), datetime.datetime(2049, 1, 1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


# --- requests -------------------------------------------------------------------------------------------------------


def request(key, extensions=(), algorithm=hashes.SHA256()):
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("whoever"))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, algorithm)


def tlv(tag, contents):
    size = len(contents)
    if size < 0x80:
        return bytes([tag, size]) + contents
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + contents


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def request_around(spki):
    """A request whose signature is nonsense: the key must be refused before anybody looks at it."""
    info = tlv(0x30, integer(0) + tlv(0x30, b"") + spki + tlv(0xA0, b""))
    algorithm = bytes.fromhex("300d06092a864886f70d01010b0500")
    return tlv(0x30, info + algorithm + tlv(3, b"\0" + b"\1" * 256))


def rsa_spki(modulus, exponent=65537):
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return tlv(0x30, algorithm + tlv(3, b"\0" + tlv(0x30, integer(modulus) + integer(exponent))))


def openssl_request(*parameters):
    with tempfile.TemporaryDirectory() as folder:
        key = folder + "/key"
        subprocess.run(["openssl", "ecparam", "-genkey", "-noout", "-out", key, *parameters], check=True)
        return subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=x", "-outform", "DER"], check=True,
                              capture_output=True).stdout


def primorial(limit):
    product = 1
    for n in range(2, limit + 1):
        if all(n % d for d in range(2, n)):
            product *= n
    return product


def next_prime(n):
    """A probable one: good enough for a key that must be refused."""
    n |= 1
    while any(pow(base, n - 1, n) != 1 for base in (2, 3, 5, 7)):
        n += 2
    return n


def close_primes():
    """A modulus whose factors Fermat's method finds at once (CVE-2022-26320)."""
    first = next_prime((3 << 1022) | int.from_bytes(os.urandom(120), "big"))
    return first * next_prime(first + (1 << 500))


def make_requests():
    CSR.mkdir(exist_ok=True)
    good = request(ec_key())
    der = good.public_bytes(DER)
    pem = good.public_bytes(PEM)
    rsa_key = rsa.generate_private_key(65537, 2048)
    modulus = rsa_key.public_key().public_numbers().n
    san = x509.SubjectAlternativeName
    some = [x509.UnrecognizedExtension(ObjectIdentifier(f"1.3.6.1.4.1.99999.{i}"), b"\x05\x00") for i in range(33)]
    many_names = [x509.UniformResourceIdentifier(f"spiffe://beta/device/{i}") for i in range(10000)]
    off_curve = tlv(0x30, bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107") +
                    tlv(3, b"\0\4" + b"\x11" * 64))
    files = {
        "good_p256.pem": pem,
        "good_p256.der": der,
        "good_p384.pem": request(ec.generate_private_key(ec.SECP384R1()), algorithm=hashes.SHA384()).public_bytes(PEM),
        "good_ed25519.pem": request(ed25519.Ed25519PrivateKey.generate(), algorithm=None).public_bytes(PEM),
        "good_rsa2048.pem": request(rsa_key).public_bytes(PEM),
        "good_32_extensions.der": request(ec_key(), some[:32]).public_bytes(DER),
        "good_names_are_ignored.der": request(ec_key(), [san(many_names[:10])]).public_bytes(DER),
        "bad_signature.der": der[:-1] + bytes([der[-1] ^ 1]),
        "bad_rsa1024.der": request(rsa.generate_private_key(65537, 1024)).public_bytes(DER),
        "bad_rsa16384.der": request_around(rsa_spki((1 << 16383) | 1)),
        "bad_rsa_exponent_3.der": request(rsa.generate_private_key(3, 2048)).public_bytes(DER),
        "bad_rsa_exponent_even.der": request_around(rsa_spki(modulus, 65538)),
        "bad_rsa_exponent_huge.der": request_around(rsa_spki(modulus, (1 << 256) | 1)),
        "bad_rsa_even_modulus.der": request_around(rsa_spki(modulus + 1)),
        "bad_rsa_small_factor.der": request_around(rsa_spki(modulus - modulus % 3 + (0 if modulus % 2 else 3))),
        "bad_rsa_roca.der": request_around(rsa_spki(1 + primorial(167) * (1 << 1830))),
        "bad_rsa_close_primes.der": request_around(rsa_spki(close_primes())),
        "bad_rsa_square.der": request_around(rsa_spki(next_prime((3 << 1022) | 1) ** 2)),
        "bad_rsa_exponent_1.der": request_around(rsa_spki(modulus, 1)),
        "bad_point_at_infinity.der": request_around(tlv(0x30, bytes.fromhex(
            "301306072a8648ce3d020106082a8648ce3d030107") + tlv(3, b"\0\0"))),
        "bad_p192.der": openssl_request("-name", "prime192v1"),
        "bad_p521.der": request(ec.generate_private_key(ec.SECP521R1())).public_bytes(DER),
        "bad_explicit_curve.der": openssl_request("-name", "prime256v1", "-param_enc", "explicit"),
        "bad_point_off_curve.der": request_around(off_curve),
        "bad_33_extensions.der": request(ec_key(), some).public_bytes(DER),
        "bad_10000_names.der": request(ec_key(), [san(many_names)]).public_bytes(DER),
        "invalid_two_blocks.pem": pem + pem,
        "invalid_certificate_label.pem": pem.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"),
        "invalid_trailing_text.pem": pem + b"and more\n",
        "invalid_trailing_octet.der": der + b"\0",
        "invalid_truncated.der": der[:-10],
        "invalid_indefinite_length.der": b"\x30\x80" + der[4:] + b"\0\0",
        "invalid_empty.der": b"",
    }
    for file, content in files.items():
        (CSR / file).write_bytes(content)


# --- chains ---------------------------------------------------------------------------------------------------------


class Ca:
    def __init__(self, subject, parent=None, host=None, length=1, end=END, ca=True, usage=True, eku=None):
        self.key, self.subject = ec_key(), name(subject)
        parent = parent or self
        builder = (x509.CertificateBuilder().subject_name(self.subject).issuer_name(parent.subject)
                   .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(START).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True))
        if usage:
            builder = builder.add_extension(key_usage(sign=False, certs=True), critical=True)
        if eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=False)
        if host:
            permitted = [x509.UniformResourceIdentifier(host)]
            builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
        self.certificate = builder.sign(parent.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(PEM)


def key_usage(sign=True, certs=False):
    return x509.KeyUsage(sign, False, False, False, not sign and not certs, certs, certs, False, False)


CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]


def device(ca, uris=("spiffe://acme.muster.internal/device/pump-7",), start=START, end=END, eku=tuple(CLIENT), usage=True,
           is_ca=False, extra=None, more=(), algorithm=hashes.SHA256()):
    names = [x509.UniformResourceIdentifier(uri) for uri in uris] + list(more)
    builder = (x509.CertificateBuilder().subject_name(name("pump-7")).issuer_name(ca.subject)
               .public_key(ec_key().public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(start).not_valid_after(end)
               .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
               .add_extension(key_usage(sign=usage, certs=is_ca), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if eku:
        builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=False)
    if extra:
        builder = builder.add_extension(extra, critical=True)
    return builder.sign(ca.key, algorithm).public_bytes(PEM)


def make_chains():
    CHAIN.mkdir(exist_ok=True)
    host = "acme.muster.internal"
    acme = Ca("acme issuing CA", host=host)
    beta = Ca("beta issuing CA", host="beta.muster.internal")
    plant = Ca("plant", acme, host=host, length=0)
    too_deep = Ca("too deep", plant, host=host, length=0)
    fake_beta = Ca("beta issuing CA", acme, length=0)
    links = [acme]
    for i in range(6):
        links.append(Ca(f"link {i}", links[-1], length=None))
    critical = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    td = "spiffe://acme.muster.internal/device/"
    late = datetime.datetime(2027, 1, 1)
    early = datetime.datetime(2026, 1, 1)
    files = {
        "acme": acme.pem(),
        "beta": beta.pem(),
        "good_direct": device(acme),
        "good_plant": device(plant) + plant.pem(),
        "good_unordered": device(plant) + beta.pem() + acme.pem() + plant.pem(),
        "bad_expired": device(acme, end=early),
        "bad_not_yet_valid": device(acme, start=late),
        "bad_expired_plant": (lambda ca: device(ca) + ca.pem())(Ca("old plant", acme, length=0, end=early)),
        "bad_look_alike": device(Ca("acme issuing CA", host=host)),
        "bad_sub_ca_named_beta": device(fake_beta, ["spiffe://beta.muster.internal/device/pump-7"]) + fake_beta.pem(),
        "bad_path_length": device(too_deep) + too_deep.pem() + plant.pem(),
        "bad_long_path": device(links[-1]) + b"".join(ca.pem() for ca in reversed(links[1:])),
        "bad_issuer_not_a_ca": (lambda ca: device(ca) + ca.pem())(Ca("not a CA", acme, ca=False)),
        "bad_issuer_usage": (lambda ca: device(ca) + ca.pem())(Ca("no usage", acme, length=0, usage=False)),
        "bad_issuer_server_only": (lambda ca: device(ca) + ca.pem())(
            Ca("servers", acme, length=0, eku=[ExtendedKeyUsageOID.SERVER_AUTH])),
        "bad_ca_as_device": device(acme, is_ca=True),
        "bad_no_client_auth": device(acme, eku=None),
        "bad_server_auth_only": device(acme, eku=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "bad_any_usage_only": device(acme, eku=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        "bad_no_digital_signature": device(acme, usage=False),
        "bad_unknown_critical": device(acme, extra=critical),
        "bad_other_tenant": device(acme, ["spiffe://beta.muster.internal/device/pump-7"]),
        "bad_userinfo": device(acme, ["spiffe://acme.muster.internal:x@beta.muster.internal/device/pump-7"]),
        "bad_port": device(acme, ["spiffe://acme.muster.internal:1/device/pump-7"]),
        "bad_upper_case": device(acme, ["spiffe://ACME.muster.internal/device/pump-7"]),
        "bad_percent": device(acme, [td + "pump%2D7"]),
        "bad_query": device(acme, [td + "pump-7?x"]),
        "bad_two_uris": device(acme, [td + "pump-7", td + "pump-8"]),
        "bad_dns_beside_uri": device(acme, more=[x509.DNSName("acme.muster.internal")]),
        "bad_no_san": device(acme, []),
        "invalid_nul_in_san": device(acme, [td + "pump-7\0.beta"]),
    }
    for file, content in files.items():
        (CHAIN / (file + ".pem")).write_bytes(content)


if __name__ == "__main__":
    make_requests()
    make_chains()
