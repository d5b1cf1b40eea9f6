# SPDX-License-Identifier: Apache-2.0
"""What we issue is read by other people's code: OpenSSL strict, GnuTLS, strongSwan and NSS accept every kind of certificate.

Each of them also refuses a certificate that was tampered with, so that its yes means something.
"""
import os
import shutil
import subprocess
import sys
import urllib.request

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import pki
from lab import Lab, run_story

TOOLS = ["openssl", "certtool", "pki", "vfychain", "certutil"]
KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
}


class Files:
    """One certificate with its chain, as the tools want them: a file each."""

    def __init__(self, folder, issued, root_file, crl):
        os.mkdir(folder)
        self.folder = folder
        self.root = root_file
        self.leaf = self.write("leaf.pem", issued["certificate"].encode())
        self.chain = [self.write(f"ca{i}.pem", pki.to_pem(c)) for i, c in enumerate(pki.certificates_in(issued["chain"]))]
        self.untrusted = self.write("untrusted.pem", issued["chain"].encode())
        self.whole = self.write("whole.pem", (issued["certificate"] + issued["chain"]).encode())
        self.crl = self.write("issuer.crl", crl)

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def openssl(files):
    return run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check", "-CRLfile", files.crl,
               "-CAfile", files.root, "-untrusted", files.untrusted, files.leaf)


def gnutls(files):
    return run("certtool", "--verify", "--verify-purpose=1.3.6.1.5.5.7.3.2", "--load-ca-certificate", files.root,
               "--infile", files.whole)


def strongswan(files):
    cas = [argument for ca in [*files.chain, files.root] for argument in ("--cacert", ca)]
    return run("pki", "--verify", "--in", files.leaf, *cas, "--crl", files.crl)


def nss(files):
    database = os.path.join(files.folder, "nss")
    os.mkdir(database)
    run("certutil", "-N", "-d", f"sql:{database}", "--empty-password")
    run("certutil", "-A", "-d", f"sql:{database}", "-n", "root", "-t", "TC,TC,TC", "-a", "-i", files.root)
    others = [argument for ca in files.chain for argument in ("-a", ca)]
    status, text = run("vfychain", "-d", f"sql:{database}", "-u", "0", "-v", "-a", files.leaf, *others)
    return (0 if status == 0 and "Chain is good" in text else status or 1), text


VERIFIERS = {"OpenSSL strict": openssl, "GnuTLS": gnutls, "strongSwan": strongswan, "NSS": nss}


def crl_of(certificate):
    uri = next(point.full_name[0].value for extension in certificate.extensions
               if extension.oid.dotted_string == "2.5.29.31" for point in extension.value)
    with urllib.request.urlopen(uri, timeout=20) as answer:
        return answer.read()


def tampered(certificate_pem):
    """The same certificate with another signature: what a forger without the key can make."""
    der = bytearray(pki.certificates_in(certificate_pem)[0].public_bytes(serialization.Encoding.DER))
    der[-3] ^= 0x01
    return pki.x509.load_der_x509_certificate(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()


def judge(check, lab, kind, issued):
    crl = crl_of(pki.certificates_in(issued["certificate"])[0])
    crl_pem = subprocess.run(["openssl", "crl", "-inform", "DER"], input=crl, capture_output=True, check=True).stdout
    root = lab.pki_file("device-root.pem")
    honest = Files(os.path.join(lab.base, f"honest-{kind}"), issued, root, crl_pem)
    forged = Files(os.path.join(lab.base, f"forged-{kind}"), {**issued, "certificate": tampered(issued["certificate"])}, root,
                   crl_pem)
    for name, verify in VERIFIERS.items():
        status, text = verify(honest)
        check(status == 0, f"{name} accepts a {kind} device certificate", text[-600:])
        status, text = verify(forged)
        check(status != 0, f"{name} refuses the same with another signature", text[-600:])


def story(check):
    with Lab() as lab:
        lab.create_tenant("acme")
        for kind, make in KEYS.items():
            name = f"dev-{kind}"
            lab.create_device("acme", name)
            issued = lab.must("POST", f"/v1/tenants/acme/devices/{name}/certificates", {"csr": pki.csr_pem(make(), name)})
            judge(check, lab, kind, issued)


missing = [tool for tool in TOOLS if not shutil.which(tool)]
if missing:
    print(f"skipped: not installed: {', '.join(missing)} (scripts/install-deps brings them)")
    sys.exit(77)
run_story(__doc__, story)
