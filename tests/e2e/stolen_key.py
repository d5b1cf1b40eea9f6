# SPDX-License-Identifier: Apache-2.0
"""The worst case for a certification authority: somebody has the database and the key-encryption key, and signs.

Opens a tenant's issuing key as ca/key_wrapping.h describes it, so that the stories can present certificates that are
perfect in every respect except that the registry never issued them.
"""
import hashlib
import os
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import pki

QUERY = """
SELECT d.id, t.id, i.id, k.id, encode(k.blob, 'hex'), encode(i.certificate, 'hex')
FROM muster.deployment d CROSS JOIN muster.tenants t JOIN muster.issuers i ON i.tenant_id = t.id JOIN muster.issuer_keys k ON k.issuer_id = i.id
WHERE t.name = '{tenant}' AND i.status = 'active' AND i.kind = 'tenant-issuing'
"""


def read_kek(lab):
    with open(os.path.join(lab.folder, "secrets/kek"), "rb") as file:
        data = file.read().strip()
    return data if len(data) == 32 else bytes.fromhex(data.decode())


def unwrap(kek, blob, deployment, ids, spki_sha256):
    prefix, rest = blob[:14], blob[14:]
    bound = prefix + len(deployment).to_bytes(2, "big") + deployment.encode() + b"".join(ids) + spki_sha256
    data_key = AESGCM(kek).decrypt(rest[:12], rest[12:60], bound)
    return AESGCM(data_key).decrypt(rest[60:72], rest[72:], bound)


def steal_issuer(lab, tenant):
    """The tenant's issuing CA with its private key, as a pki.Authority."""
    deployment, tenant_id, issuer_id, key_id, blob, certificate = lab.sql(QUERY.format(tenant=tenant))[0]
    certificate = x509.load_der_x509_certificate(bytes.fromhex(certificate))
    spki = certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                 serialization.PublicFormat.SubjectPublicKeyInfo)
    ids = [uuid.UUID(i).bytes for i in (tenant_id, issuer_id, key_id)]
    pkcs8 = unwrap(read_kek(lab), bytes.fromhex(blob), deployment, ids, hashlib.sha256(spki).digest())
    key = serialization.load_der_private_key(pkcs8, password=None)
    return pki.Authority(certificate.subject, key, certificate)
