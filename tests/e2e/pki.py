# SPDX-License-Identifier: Apache-2.0
"""Keys, requests and certificates for the stories: the honest ones of devices, and those an attacker would make.

Works with the cryptography package of Debian bookworm (38) and newer ones.
"""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def load_key(path):
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), password=None)


def _hash_for(key):
    """Ed25519 hashes by itself."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def csr_pem(key, common_name="device"):
    """A request; the server takes only its key, so the name does not matter."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, _hash_for(key))
    return request.public_bytes(serialization.Encoding.PEM).decode()


def certificates_in(pem):
    """The certificates of a PEM text, in order."""
    if isinstance(pem, str):
        pem = pem.encode()
    marker = b"-----END CERTIFICATE-----"
    return [x509.load_pem_x509_certificate(part + marker) for part in pem.split(marker)[:-1]]


def to_pem(*certificates):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def write_private(path, data):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return path


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


class Authority:
    """A certification authority that the stories own: nothing of Muster vouches for it."""

    def __init__(self, subject, key=None, certificate=None):
        self.key = key or new_key()
        self.name = subject if isinstance(subject, x509.Name) else x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        self.certificate = certificate or self.sign(self.key.public_key(), self.name, is_ca=True)

    @classmethod
    def like(cls, certificate):
        """A look-alike: same subject name as `certificate`, another key."""
        return cls(certificate.subject)

    def sign(self, public_key, subject, *, uri=None, is_ca=False, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
             starts=datetime.timedelta(hours=-1), ends=datetime.timedelta(days=1), addresses=()):
        """Signs one certificate; `starts` and `ends` are relative to now."""
        if not isinstance(subject, x509.Name):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        now = utc_now()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now + starts).not_valid_after(now + ends)
                   .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                                  critical=False)
                   .add_extension(x509.KeyUsage(
                       digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, content_commitment=False,
                       key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                       decipher_only=False), critical=True))
        if not is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        names = [x509.UniformResourceIdentifier(uri)] if uri else []
        names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())
