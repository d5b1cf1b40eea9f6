# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads every page, its rules evaluate, and every metric that dashboard or rules name is there."""
import json
import os
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request

import yaml

from lab import SOURCE, Lab, free_port, run_story, wait_until

FILES = os.path.join(SOURCE, "docs/monitoring")
METRIC = re.compile(r"\bmuster_[a-z0-9_]+\b")
SOURCES = ("core", "x509", "ca", "db", "registry", "enroll", "http", "api", "edge", "auth-plugin", "ingest", "cli", "migrations")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def files_below(*folders):
    return [os.path.join(folder, name) for top in folders for folder, _, names in os.walk(os.path.join(SOURCE, top)) for name in names]


def named_in_vain():
    """What documents call by a name of ours that no source file has."""
    sources = "".join(read(path) for path in files_below(*SOURCES) if path.endswith((".cpp", ".h", ".sql")))
    documents = [os.path.join(SOURCE, "README.md"), *(path for path in files_below("docs") if path.endswith(".md"))]
    named = {name for path in documents for name in METRIC.findall(read(path))}
    return sorted(name for name in named if name not in sources)


def expressions_of_rules():
    with open(os.path.join(FILES, "muster-rules.yml"), encoding="utf-8") as file:
        rules = yaml.safe_load(file)
    return {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def expressions_of_dashboard(dashboard):
    found = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found[f"{panel['title']}/{target['refId']}"] = target["expr"]
    return found


def as_prometheus_sees_it(expression):
    """Grafana's variables with what it would put there."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$tenant", ".*")


class Prometheus:
    def __init__(self, lab, folder):
        with open(os.path.join(FILES, "prometheus.yml"), encoding="utf-8") as file:
            config = yaml.safe_load(file)
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [os.path.join(FILES, "muster-rules.yml")]
        ports = {"muster-server": lab.port("rest"), "muster-edge": lab.port("edge_metrics"),
                 "muster-worker": lab.port("worker_metrics")}
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
            if "tls_config" in job:
                job["tls_config"]["ca_file"] = lab.pki_file("infrastructure-root.pem")
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        self.url = f"http://127.0.0.1:{free_port()}"
        with open(os.path.join(folder, "prometheus.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file", path, "--storage.tsdb.path", os.path.join(folder, "data"),
                 "--web.listen-address", self.url[7:]], stdout=log, stderr=log)

    def get(self, path, **query):
        try:
            with urllib.request.urlopen(self.url + path + "?" + urllib.parse.urlencode(query), timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            return {"error": error.read().decode()}
        except OSError:
            return {}

    def targets(self):
        return {target["labels"]["job"]: target for target in self.get("/api/v1/targets").get("activeTargets", [])}

    def rules(self):
        return [rule for group in self.get("/api/v1/rules").get("groups", []) for rule in group["rules"]]

    def close(self):
        self.process.terminate()
        self.process.wait(20)


def make_things_happen(lab):
    """Something of each kind, so that counters by reason exist."""
    lab.create_tenant("acme")
    device, other = lab.enrol("acme", "pump"), lab.enrol("acme", "valve")
    client = lab.connect(device)
    client.publish(device.topic("telemetry/t"), json.dumps({"t": 1}))
    client.publish(device.topic("telemetry/t"), "not JSON")
    client.publish("acme/valve/telemetry/t", "{}")
    lab.connect(device).disconnect()  # its certificate is known by now
    client = lab.connect(device)
    lab.must("PATCH", "/v1/tenants/acme", {"limits": {"device": {"payload_octets": 1000}}})
    large = lab.enrol("acme", "large")
    wait_until(lambda: lab.connect(large).publish_code(large.topic("telemetry/t"), "x" * 1001) == "closed")
    lab.refusal(device, client_id="acme/valve")
    doomed = lab.connect(other)
    lab.revoke(other)
    doomed.wait_closed(10)
    question = {"clientid": device.principal, "username": ""}
    lab.rest("POST", "/v1/authn", question)
    with open(device.certificate_file, encoding="ascii") as file:
        question["cert_pem"] = file.read()
    lab.rest("POST", "/v1/authn", question)
    return client


def story(check):
    with open(os.path.join(FILES, "muster-dashboard.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    rules, panels = expressions_of_rules(), expressions_of_dashboard(dashboard)
    check(not named_in_vain(), "documents name metrics, roles and functions that there are", named_in_vain())
    check(len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]), "every panel has an id of its own")
    check(dashboard["uid"] and dashboard["title"] and dashboard["schemaVersion"] >= 36, "the dashboard can be provisioned")
    for name in ("check", "test"):
        file = "muster-rules.yml" if name == "check" else "muster-rules-test.yml"
        done = subprocess.run(["promtool", name, "rules", file], cwd=FILES, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"promtool {name} rules is content", done.stdout + done.stderr)

    with tempfile.TemporaryDirectory(prefix="muster-prometheus-", dir="/tmp") as folder, Lab() as lab:
        prometheus = Prometheus(lab, folder)
        try:
            client = make_things_happen(lab)
            up = wait_until(lambda: len(prometheus.targets()) == 3 and all(
                target["health"] == "up" for target in prometheus.targets().values()), 60, 0.2)
            check(up, "Prometheus reads the pages of server, edge and worker", prometheus.targets())
            evaluated = wait_until(lambda: len(prometheus.rules()) == len(rules) and all(
                rule["health"] == "ok" for rule in prometheus.rules()), 60, 0.2)
            check(evaluated, "all alert rules evaluate", prometheus.rules())
            firing = [rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"]
            check(not firing, "nothing alarms in a system that is well", firing)

            # What happens on faults only is not in a system that is well.
            faults = {"muster_broker_records_refused_total"}

            def missing():
                known = set(prometheus.get("/api/v1/label/__name__/values") or [])
                named = {name for expression in [*rules.values(), *panels.values()] for name in METRIC.findall(expression)}
                return sorted(named - known - faults)
            check(wait_until(lambda: not missing(), 60, 0.5), "every metric that rules or panels name is exported", missing())
            for title, expression in panels.items():
                answer = prometheus.get("/api/v1/query", query=as_prometheus_sees_it(expression))
                check("error" not in answer and "result" in answer, f"panel {title} evaluates", answer)
            for page in ("edge_metrics", "worker_metrics"):
                with urllib.request.urlopen(f"http://127.0.0.1:{lab.port(page)}/metrics", timeout=10) as answer:
                    text = answer.read().decode()
                linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
                check("error while linting" not in linted.stderr and linted.returncode in (0, 3),
                      f"the page of {page} is well formed", linted.stderr)
            tenants = prometheus.get("/api/v1/query", query='muster_broker_tenant_messages_total{tenant="acme"}')["result"]
            check(len(tenants) == 1 and float(tenants[0]["value"][1]) >= 2, "a tenant's messages are counted", tenants)
            samples = lab.metrics()
            check(samples['muster_broker_signatures_total{known="yes"}'] >= 2, "a device that comes back costs no check of a signature",
                  {name: value for name, value in samples.items() if "signatures" in name})
            client.disconnect()
        finally:
            prometheus.close()


run_story(__doc__, story)
