# SPDX-License-Identifier: Apache-2.0
"""Requests generated from docs/openapi.yaml against the running server: no 5xx, no undocumented answer.

MUSTER_SEED repeats a run; MUSTER_ROUNDS makes it longer.
"""
# ruff: noqa: E402 - lab comes first: it finds a Python that has the packages.
from lab import SOURCE, Answer, Lab, run_story

import collections
import http.client
import json
import os
import ssl
import time
import urllib.parse

import yaml

import openapi
import pki

SEED = int(os.environ.get("MUSTER_SEED", time.time_ns() % 1_000_000))
ROUNDS = int(os.environ.get("MUSTER_ROUNDS", "30"))
# What the story itself needs must not be deleted or revoked by a generated request.
SPARED = ("DELETE", "PATCH", "PUT")


class World:
    """Things that exist, so that a part of the requests gets further than 404."""

    def __init__(self, lab):
        self.lab = lab
        lab.create_tenant("solid")
        device = lab.enrol("solid", "pump")
        lab.create_device("solid", "bare")
        lab.must("POST", "/v1/tenants/solid/policies",
                 {"name": "narrow", "rules": [{"action": "publish", "topics": ["${tenant}/${device}/a"]}]})
        token = lab.must("POST", "/v1/tenants/solid/tokens", {"role": "tenant-admin"})
        auditor = lab.must("POST", "/v1/tenants/solid/tokens", {"role": "auditor"})
        self.tokens = [None, None, None, token["token"], auditor["token"], "", "mst_" + "A" * 43, "garbage \u00e9"]
        self.device = device
        self.serial = f"{pki.certificates_in(open(device.certificate_file).read())[0].serial_number:x}"

    def choices(self, path, name):
        """Values for a path parameter: some that exist."""
        if "/certificates/" in path and name not in ("t", "tenant", "d", "device"):
            return [self.device.certificate_id, self.serial]
        if "/streams/" in path and name in ("s", "stream"):
            return ["raw", "normalized", "dead-letters", "lifecycle"]
        if "/policies/" in path and name in ("p", "policy", "name"):
            return ["narrow"]
        if name in ("d", "device"):
            return ["pump", "bare"]
        return ["solid"] if name in ("t", "tenant") else []


def fill_path(world, document, path, parameters, chance, method):
    for parameter in parameters:
        if parameter["in"] != "path":
            continue
        real = world.choices(path, parameter["name"])
        draw = chance.random()
        # Nothing that the story needs is destroyed: the last name of a path that changes things is an invented one.
        spared = method in SPARED and path.endswith("{" + parameter["name"] + "}")
        if real and draw < 0.75 and not spared:
            value = chance.choice(real)
        elif draw < 0.9:
            value = str(document.example(parameter.get("schema", {}), chance, parameter["name"]))
        else:
            value = chance.choice(openapi.HOSTILE_TEXT) or "x"
        path = path.replace("{" + parameter["name"] + "}", urllib.parse.quote(value, safe="", errors="replace"))
    return path


def query_string(document, parameters, chance):
    pairs = []
    for parameter in parameters:
        if parameter["in"] != "query" or not (parameter.get("required") or chance.random() < 0.5):
            continue
        value = document.example(parameter.get("schema", {}), chance, parameter["name"])
        if chance.random() < 0.25:
            value = chance.choice(openapi.HOSTILE_TEXT + ["99999999999999999999", "1.5", "true"])
        if parameter["name"] == "wait_ms" and str(value).isdigit():
            value = min(int(value), 50)
        pairs.append((parameter["name"], str(value)))
    if chance.random() < 0.05:
        pairs.append(("unknown", "1"))
    return "?" + urllib.parse.urlencode(pairs, errors="replace") if pairs else ""


def make_body(document, operation, chance):
    """(body, headers)"""
    kind, schema = document.body_schema(operation)
    if kind is None:
        return (None, {}) if chance.random() < 0.9 else (b"{}", {"Content-Type": "application/json"})
    # A line of NDJSON is not in the document.
    line = {"device": chance.choice(["bare", "pump", "g1"]), "csr": pki.csr_pem(pki.new_key()), "create": True}
    value = line if "ndjson" in kind else document.example(schema, chance)
    if chance.random() < 0.5:
        value = document.damaged(value, chance)
    body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    if "ndjson" in kind:
        body += b"\n" + json.dumps(line).encode() + b"\n"
    if chance.random() < 0.05:
        body = body[:len(body) // 2]
    return body, {"Content-Type": kind if chance.random() < 0.95 else "text/plain"}


def on_edges_listener(lab, method, path, body, headers):
    """The edges' listener takes infrastructure certificates only: the request of a compromised edge."""
    context = ssl.create_default_context(cafile=lab.pki_file("infrastructure-root.pem"))
    context.load_cert_chain(lab.pki_file("edge.pem"), lab.pki_file("edge.key"))
    connection = http.client.HTTPSConnection("127.0.0.1", lab.port("edges"), context=context, timeout=40)
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    connection.close()
    return answer


def is_for_edges(path):
    return path.startswith("/v1/edge/") and not path.endswith("/join")


def is_plain(path):
    return path.startswith(("/crl", "/ocsp"))


def one_request(world, document, entry, chance):
    path, method, operation, parameters = entry
    target = fill_path(world, document, path, parameters, chance, method) + query_string(document, parameters, chance)
    body, headers = make_body(document, operation, chance)
    if chance.random() < 0.1:
        headers["Idempotency-Key"] = chance.choice(["k1", "k" * 500, "", "\u00fc"])
    if is_for_edges(path):
        return target, on_edges_listener(world.lab, method, target, body, headers)
    token = chance.choice(world.tokens)
    if token and not token.isascii():
        token = "garbage"
    if any(not v.isascii() for v in headers.values()):
        headers.pop("Idempotency-Key")
    return target, world.lab.rest(method, target, body, token=token, headers=headers)


def story(check):
    print(f"seed {SEED}, {ROUNDS} rounds")
    with open(os.path.join(SOURCE, "docs/openapi.yaml"), "rb") as file:
        text = file.read()
    document = openapi.Document(yaml.safe_load(text))
    with Lab() as lab:
        served = lab.rest("GET", "/openapi.yaml", token="")
        check(served.status == 200 and served.body == text, "the server serves this very document")
        world = World(lab)
        server = lab.components()["server"]
        chance = openapi.seeded(SEED)
        entries = [e for e in document.operations() if not is_plain(e[0])]
        statuses = collections.Counter()
        faults = {}
        for _ in range(ROUNDS):
            for entry in entries:
                target, answer = one_request(world, document, entry, chance)
                statuses[answer.status // 100] += 1
                fault = document.fault_of(entry[2], answer)
                if fault:
                    faults.setdefault((entry[1], entry[0], answer.status, fault), (target, answer.body[:200]))
        for key, seen in sorted(faults.items(), key=str):
            print("      ", *key, "|", *seen)
        check(not [f for f in faults if f[2] >= 500], "no request got a 5xx")
        check(not [f for f in faults if f[2] < 500], "no answer was undocumented")
        check(statuses[2] > ROUNDS, f"a part of the requests succeeded: {dict(statuses)}")
        check(lab.components().get("server") == server, "the server is still the same process")
        without = [p for p, *_ in document.operations() if p.startswith("/v1")]
        check(len(without) > 20, "the document describes the interface")


run_story(__doc__, story)
