#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/openapi.yaml against the running server: the same operations, and for generated requests, sensible and
senseless, no 5xx and no status or content type that the document does not name. Seeded: a failure comes again."""
import http.client
import json
import os
import random
import ssl
import sys
import urllib.parse

import yaml

METHODS = ("get", "post", "put", "patch", "delete")
JUNK = ["", "a", "..", "%00", "%ff", "x" * 300, "acme", "\u00e9", "0", "-1", "null", "raw", "1e9",
        "00000000-0000-4000-8000-000000000000"]
VALUES = [None, True, 0, -1, 2**63, 1.5, "", "x", "\u0000", "acme", "x" * 5000, [], ["a"], {}, {"a": "b"}, [[]]]


def resolve(document, node):
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def body_of(document, schema, choose, depth=0):
    """A body that follows the schema, with a fault now and then."""
    schema = resolve(document, schema)
    if choose.random() < 0.15 or depth > 4:
        return choose.choice(VALUES)
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", [])
        fields = {k: body_of(document, v, choose, depth + 1) for k, v in schema.get("properties", {}).items()
                  if k in required or choose.random() < 0.5}
        if choose.random() < 0.05:
            fields["unknown"] = 1
        return fields
    if kind == "array":
        return [body_of(document, schema.get("items", {}), choose, depth + 1) for _ in range(choose.randrange(3))]
    if kind == "integer":
        return choose.choice([0, 1, 100, 10**6])
    if kind == "boolean":
        return choose.choice([True, False])
    names = ["acme", "d1", f"name-{choose.randrange(50)}", "2030-01-01T00:00:00Z"]
    return choose.choice(schema.get("enum", names))


def check_operations(document, served):
    documented = {f"{m.upper()} {p}" for p, item in document["paths"].items() for m in item if m in METHODS}
    return [f"not documented: {o}" for o in sorted(served - documented)] + \
           [f"not served: {o}" for o in sorted(documented - served)]


class Caller:
    """One kept connection; a request that finds it closed is sent once more."""

    def __init__(self, url, ca_file):
        self.host = urllib.parse.urlsplit(url).netloc
        self.context = ssl.create_default_context(cafile=ca_file)
        self.connection = None

    def send(self, method, target, body, headers):
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=60)
            try:
                self.connection.putrequest(method, target, skip_accept_encoding=True)
                for name, value in headers.items():
                    self.connection.putheader(name, value)
                if body is not None:
                    self.connection.putheader("Content-Length", str(len(body)))
                self.connection.endheaders(body)
                answer = self.connection.getresponse()
                return answer.status, (answer.getheader("Content-Type") or ""), answer.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if attempt:
                    raise
        raise AssertionError("unreachable")


def encode(value):
    return value if value.startswith("%") else urllib.parse.quote(value, safe="")


def request_of(document, path, item, operation, choose):
    target, query, headers = path, [], {}
    for parameter in [resolve(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]:
        good = choose.random() < 0.6
        value = choose.choice(parameter["schema"].get("enum", ["acme", "1"])) if good else choose.choice(JUNK)
        if parameter["in"] == "path":
            target = target.replace("{%s}" % parameter["name"], encode(value or "x"))
        elif parameter["in"] == "query" and choose.random() < 0.6:
            query.append(f"{parameter['name']}={encode(value)}")
        elif parameter["in"] == "header" and choose.random() < 0.2:
            headers[parameter["name"]] = f"key-{choose.randrange(5)}"
    if choose.random() < 0.05:
        query.append("unknown=1")
    body = None
    for media, described in operation.get("requestBody", {}).get("content", {}).items():
        body = json.dumps(body_of(document, described["schema"], choose)).encode()
        if choose.random() < 0.2:
            body = choose.choice([b"", b"{", b"[]", b"\xff", b"{}\n{}\n"])
        headers["Content-Type"] = media
    return target + ("?" + "&".join(query) if query else ""), body, headers


def judge(operation, status, media, data):
    answer = operation["responses"].get(str(status))
    if status >= 500:
        return "a fault of ours"
    if answer is None:
        return "an undocumented status"
    if status >= 400 and not media.startswith("application/problem+json"):
        return f"an error of type {media!r}"
    if status >= 400 and not json.loads(data or b"{}").get("reason"):
        return "an error without reason"
    return None


def main():
    operations_file, url, ca_file = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../../docs/openapi.yaml"), encoding="utf-8") as file:
        text = file.read()
    document = yaml.safe_load(text)
    with open(operations_file, encoding="utf-8") as file:
        faults = check_operations(document, {line.strip() for line in file if line.strip()})
    caller = Caller(url, ca_file)
    if caller.send("GET", "/openapi.yaml", None, {})[2].decode() != text:
        faults.append("/openapi.yaml is not docs/openapi.yaml")
    sent = 0
    for path, item in document["paths"].items():
        if "servers" in item:
            continue  # the edges' own listener, which asks for a certificate first
        for method in [m for m in item if m in METHODS]:
            choose = random.Random(f"{method} {path}")
            for _ in range(25):
                target, body, headers = request_of(document, path, item, item[method], choose)
                if choose.random() < 0.9:
                    headers["Authorization"] = "Bearer " + os.environ["MUSTER_TOKEN"]
                status, media, data = caller.send(method.upper(), target, body, headers)
                sent += 1
                fault = judge(item[method], status, media, data)
                if fault:
                    faults.append(f"{method.upper()} {target} {body!r:.200}: {status} is {fault}: {data!r:.300}")
    print("\n".join(faults[:40]) or f"{sent} requests, nothing amiss")
    return 1 if faults or sent < 500 else 0


if __name__ == "__main__":
    sys.exit(main())
