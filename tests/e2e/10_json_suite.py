# SPDX-License-Identifier: Apache-2.0
"""Every file of JSONTestSuite as a request body: y_ is parsed, n_ is refused with 400, none hurts the server.

The files are not part of the project: MUSTER_VECTORS names the folder that holds jsontestsuite/.
"""
import glob
import os
import sys

from lab import SOURCE, Lab, run_story

VECTORS = os.environ.get("MUSTER_VECTORS", os.path.join(os.path.dirname(SOURCE), "shared/vectors"))
FILES = sorted(glob.glob(os.path.join(VECTORS, "jsontestsuite/test_parsing/*.json")))

# What the server says when a body is not JSON, as opposed to JSON that is not what the endpoint takes.
NOT_JSON = "request.json_malformed"


def story(check):
    with Lab() as lab:
        server = lab.components()["server"]
        faults = {"y": [], "n": [], "i": []}
        for file in FILES:
            name = os.path.basename(file)
            with open(file, "rb") as body:
                answer = lab.rest("POST", "/v1/tenants", body.read(), headers={"Content-Type": "application/json"})
            seen = (name, answer.status, answer.reason)
            if answer.status >= 500 or answer.reason is None:
                faults[name[0]].append(seen)
            elif name[0] == "y" and answer.reason == NOT_JSON:
                faults["y"].append(seen)
            elif name[0] == "n" and (answer.status, answer.reason) != (400, NOT_JSON):
                faults["n"].append(seen)
        check(len(FILES) == 318, f"the suite has 318 files ({len(FILES)} found)")
        check(not faults["y"], "every y_ body is taken as JSON", faults["y"][:5])
        check(not faults["n"], f"every n_ body is refused with 400 {NOT_JSON}", faults["n"][:5])
        check(not faults["i"], "no i_ body causes more than a refusal", faults["i"][:5])
        check(lab.components().get("server") == server, "the server is still the same process")
        check(lab.rest("GET", "/readyz").status == 200, "and ready")
        lab.create_tenant("after")
        check(True, "and makes a tenant")


if not FILES:
    print(f"skipped: no JSONTestSuite under {VECTORS} (set MUSTER_VECTORS)")
    sys.exit(77)  # ctest shows it as skipped, not as passed
run_story(__doc__, story)
