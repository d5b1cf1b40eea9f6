# SPDX-License-Identifier: Apache-2.0
"""Requests generated from an OpenAPI document, and the check of answers against it. Knows what docs/openapi.yaml uses."""
import json
import random
import re
import string
import uuid

import pki

METHODS = ("get", "post", "put", "patch", "delete")
HOSTILE_TEXT = ["", " ", "\u0000", "a" * 5000, "../../etc/passwd", "%00", "'; DROP TABLE muster.tenants; --", "\ud7ff\u202e",
                "${tenant}", "#", "+", "null", "0", "-1", "𝄞", "xn--a", "edge", "{}", "\r\nX-Evil: 1"]
HOSTILE_VALUES = [None, True, 0, -1, 2 ** 63, 1e300, [], {}, [[]], {"a": {"b": {}}}, "", "x" * 70000, ["x"] * 5000]


class Document:
    def __init__(self, data):
        self.data = data

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.data
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def operations(self):
        """(path, method, operation, parameters) of every operation."""
        for path, item in self.data["paths"].items():
            item = self.resolve(item)
            for method in METHODS:
                if method in item:
                    operation = item[method]
                    parameters = [self.resolve(p) for p in item.get("parameters", []) + operation.get("parameters", [])]
                    yield path, method.upper(), operation, parameters

    def body_schema(self, operation):
        """(content type, schema) or (None, None)."""
        content = self.resolve(operation.get("requestBody", {})).get("content", {})
        for kind, media in content.items():
            return kind, media.get("schema", {})
        return None, None

    # --- generating ----------------------------------------------------------------------------------------------

    def example(self, schema, chance, name=""):
        """A value that the schema allows; `chance` is a random.Random."""
        schema = self.resolve(schema)
        if "example" in schema and chance.random() < 0.5:
            return schema["example"]
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                return self.example(chance.choice(schema[keyword]), chance, name)
        if "allOf" in schema:
            merged = {}
            for part in schema["allOf"]:
                value = self.example(part, chance, name)
                merged.update(value if isinstance(value, dict) else {})
            return merged
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = chance.choice(kind)
        return getattr(self, "_" + kind)(schema, chance, name)

    def _object(self, schema, chance, name):
        required = set(schema.get("required", []))
        value = {}
        for key, part in schema.get("properties", {}).items():
            if key in required or chance.random() < 0.4:
                value[key] = self.example(part, chance, key)
        return value

    def _array(self, schema, chance, name):
        return [self.example(schema.get("items", {}), chance, name) for _ in range(chance.randint(0, 2))]

    def _string(self, schema, chance, name):
        if name == "csr":
            return pki.csr_pem(pki.new_key())
        if schema.get("format") == "uuid":
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        if schema.get("format") == "date-time":
            return "2030-01-01T00:00:00Z"
        return "g" + "".join(chance.choices(string.ascii_lowercase + string.digits, k=8))

    def _integer(self, schema, chance, name):
        least = schema.get("minimum", 0)
        return chance.randint(least, min(schema.get("maximum", least + 100), least + 100))

    _number = _integer

    def _boolean(self, schema, chance, name):
        return chance.random() < 0.5

    def _null(self, schema, chance, name):
        return None

    @staticmethod
    def damaged(value, chance):
        """A body near a good one: one thing about it is wrong, more or less."""
        if not isinstance(value, dict) or not value or chance.random() < 0.15:
            return chance.choice(HOSTILE_VALUES)
        value = dict(value)
        key = chance.choice(list(value))
        action = chance.randrange(5)
        if action == 0:
            del value[key]
        elif action == 1:
            value[key] = chance.choice(HOSTILE_VALUES)
        elif action == 2:
            value[key] = chance.choice(HOSTILE_TEXT)
        elif action == 3:
            value["unknown_" + key] = 1
        else:
            value[key] = Document.damaged(value[key], chance)
        return value

    # --- judging -------------------------------------------------------------------------------------------------

    def fault_of(self, operation, answer):
        """Why the answer is not what the document promises; None when it is."""
        if answer.status >= 500:
            return "5xx"
        responses = operation.get("responses", {})
        described = responses.get(str(answer.status), responses.get(answer.status))
        if described is None:
            wildcard = f"{answer.status // 100}XX"
            described = responses.get(wildcard, responses.get("default"))
        if described is None:
            return "status not in the document"
        content = self.resolve(described).get("content", {})
        if not content:
            return "a body, though the document has none" if answer.body else None
        kind = answer.headers.get("content-type", "").split(";")[0]
        if kind not in content:
            return f"content type {kind!r} not in the document"
        if not kind.endswith("json"):
            return None
        schema = content[kind].get("schema", {})
        try:
            if kind.endswith("ndjson"):
                # To the document the body is text; every line of it is JSON.
                return None if all(isinstance(json.loads(v), dict) for v in answer.body.splitlines()) else "not NDJSON"
            return self.mismatch(schema, json.loads(answer.body), "$")
        except ValueError as error:
            return f"not JSON: {error}"

    def mismatch(self, schema, value, where):
        schema = self.resolve(schema)
        for part in schema.get("allOf", []):
            if fault := self.mismatch(part, value, where):
                return fault
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema and all(self.mismatch(s, value, where) for s in schema[keyword]):
                return f"{where}: fits none of {keyword}"
        if value is None:
            nullable = schema.get("nullable") or "null" in _as_list(schema.get("type")) or not schema.get("type")
            return None if nullable else f"{where}: null"
        kinds = _as_list(schema.get("type"))
        if kinds and not any(_is_a(value, kind) for kind in kinds):
            return f"{where}: not {kinds}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{where}: {value!r} not in {schema['enum']}"
        if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
            return f"{where}: {value!r} does not match {schema['pattern']}"
        return self._mismatch_inside(schema, value, where)

    def _mismatch_inside(self, schema, value, where):
        if isinstance(value, list):
            faults = (self.mismatch(schema.get("items", {}), item, f"{where}[{i}]") for i, item in enumerate(value))
            return next((fault for fault in faults if fault), None)
        if not isinstance(value, dict):
            return None
        properties = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value:
                return f"{where}.{key}: missing"
        for key, item in value.items():
            if key in properties:
                if fault := self.mismatch(properties[key], item, f"{where}.{key}"):
                    return fault
            elif properties and schema.get("additionalProperties", False) is False and "allOf" not in schema:
                return f"{where}.{key}: not in the document"
        return None


def _as_list(kind):
    return kind if isinstance(kind, list) else [kind] if kind else []


def _is_a(value, kind):
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"object": dict, "array": list, "string": str, "boolean": bool}.get(kind, type(None)))


def seeded(seed):
    return random.Random(seed)
