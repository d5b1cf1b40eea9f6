# SPDX-License-Identifier: Apache-2.0
"""A whole Muster for one story: `muster up` in a folder of its own under /tmp, devices, clients and what they observe.

    def story(check):
        with Lab() as lab:
            lab.create_tenant("acme")
            device = lab.enrol("acme", "pump-1")
            client = lab.connect(device)
            check(client.publish("acme/pump-1/telemetry/t", "{}") == 0, "a device may publish its telemetry")

    run_story(__doc__, story)

Whatever happens, no process survives the story. MUSTER_KEEP=1 leaves the folder behind, with all logs.
"""
import base64
import contextlib
import ctypes
import dataclasses
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
import urllib.request

# The packages that the stories need are Debian's; another Python that stands first in PATH may lack them.
try:
    import cryptography  # noqa: F401
    import paho.mqtt  # noqa: F401
    import yaml  # noqa: F401
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    sys.exit("missing Python packages: sudo apt-get install -y python3-cryptography python3-paho-mqtt python3-yaml")

import mqtt_client
import pki

SOURCE = os.environ.get("MUSTER_SOURCE_DIR", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def binaries():
    """The build folder: asked for when it is needed, since benchmarks choose it after importing this."""
    return os.environ.get("MUSTER_BINARY_DIR", os.path.join(SOURCE, "build"))


BINARIES = binaries()


def free_port():
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, timeout=15.0, interval=0.02):
    """Polls until `condition()` is true and returns its value; the last, false one at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() >= deadline:
            return value
        time.sleep(interval)


@dataclasses.dataclass
class Answer:
    """What the REST listener said."""
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def reason(self):
        try:
            return self.json.get("reason")
        except (ValueError, AttributeError):
            return None


@dataclasses.dataclass
class Device:
    tenant: str
    name: str
    key_file: str
    certificate_file: str  # leaf and chain, PEM
    certificate_id: str = ""

    @property
    def principal(self):
        return f"{self.tenant}/{self.name}"

    def topic(self, rest):
        return f"{self.principal}/{rest}"


class Process:
    """Things that /proc knows."""

    @staticmethod
    def children(pid):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        fields = file.read().rsplit(")", 1)[1].split()
                    if int(fields[1]) == pid and fields[0] != "Z":
                        found.append(int(entry))
                except OSError:
                    pass
        return found

    @staticmethod
    def arguments(pid):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                return file.read().split("\0")
        except OSError:
            return []

    @staticmethod
    def alive(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    @staticmethod
    def descendants(pid):
        found = Process.children(pid)
        for child in list(found):
            found += Process.descendants(child)
        return found


def accepts(port):
    """Whether somebody listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Stopped:
    """Processes that do not run, and that nobody therefore replaces."""

    def __init__(self, *pids):
        self.pids = pids

    def __enter__(self):
        self.stop()
        return self

    def __exit__(self, *_):
        self.resume()

    def stop(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def delete_files(folder):
    for entry in os.scandir(folder):
        if entry.is_file():
            os.unlink(entry.path)


def copy_files(source, target):
    """Copies the files of a folder that the other does not have, with their owners: broker and edge look at them. What
    goes away meanwhile, as in a folder that is being written to, is left out."""
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        with contextlib.suppress(FileNotFoundError):
            if entry.is_file() and not os.path.exists(path):
                status = entry.stat()
                shutil.copy2(entry.path, path)
                os.chown(path, status.st_uid, status.st_gid)


class Door:
    """A broker as devices come to it. Whoever is one says `mqtt_port()`, and `call` where sockets are opened elsewhere."""

    @staticmethod
    def call(open_it):
        return open_it()

    def client(self, device, client_id=None, **options):
        context = mqtt_client.tls_context(device.certificate_file, device.key_file)
        return mqtt_client.Client(self.mqtt_port(), context, device.principal if client_id is None else client_id, **options)

    def connect(self, device, *, timeout=20, **options):
        """Connects, trying again until the broker has heard of the device."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.call(self.client(device, **options).connect)
            except mqtt_client.Refused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def refusal(self, device, client_id=None, **options):
        """How the broker refuses a connection ("tls", "closed", "connack 5"); None when it lets it in. Raises Refused
        where there is no broker to refuse."""
        try:
            self.call(self.client(device, client_id, **options).connect).disconnect()
            return None
        except mqtt_client.Refused as refused:
            if refused.stage == "tcp":
                raise
            return f"{refused.stage} {refused.code}" if refused.code is not None else refused.stage


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Lab(Door):
    def __init__(self, *, folder=None, arguments=()):
        self.keep = bool(os.environ.get("MUSTER_KEEP"))
        self.base = tempfile.mkdtemp(prefix="muster-e2e-", dir="/tmp")
        os.chmod(self.base, 0o755)  # the broker's and the database's users must be able to enter
        self.folder = folder or os.path.join(self.base, "up")
        self.arguments = list(arguments)
        self.devices = os.path.join(self.base, "devices")
        os.mkdir(self.devices)
        self.output = os.path.join(self.base, "up.log")
        self.supervisor = None
        self.local = threading.local()
        self.admin_token = None

    # --- life ----------------------------------------------------------------------------------------------------

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.log_tail())
        self.close()

    @property
    def program(self):
        return os.path.join(binaries(), "muster")

    def start(self, timeout=90):
        with open(self.output, "ab") as output:
            self.supervisor = subprocess.Popen([self.program, "up", "--folder", self.folder, *self.arguments],
                                               stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                               start_new_session=True, preexec_fn=die_with_parent)
        if not wait_until(lambda: self.supervisor.poll() is not None or self.is_ready(), timeout, 0.1):
            raise RuntimeError(f"muster up was not ready within {timeout} s")
        if self.supervisor.poll() is not None:
            raise RuntimeError(f"muster up ended with status {self.supervisor.returncode}")

    def is_ready(self):
        try:
            with open(os.path.join(self.folder, "secrets/admin.token")) as file:
                self.admin_token = file.read().strip()
            if self.rest("GET", "/readyz").status != 200:
                return False
            socket.create_connection(("127.0.0.1", self.port("mqtt")), 1).close()
            return {"server", "edge", "worker", "mosquitto", "postgres"} <= set(self.components())
        except (OSError, KeyError, ValueError, http.client.HTTPException):
            return False

    def stop(self, timeout=20):
        """Ctrl-C. Returns the exit status; raises when processes are left behind."""
        if self.supervisor is None:
            return None
        mine = [self.supervisor.pid, *Process.descendants(self.supervisor.pid)]
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGINT)
        try:
            status = self.supervisor.wait(timeout)
        except subprocess.TimeoutExpired:
            status = "did not end"
        left = [pid for pid in mine if not wait_until(lambda pid=pid: not Process.alive(pid), 3)]
        names = [" ".join(Process.arguments(pid)[:3]) for pid in left]
        for pid in left:
            self._kill(pid)
        self.supervisor.wait()
        self.supervisor = None
        if left:
            raise RuntimeError(f"muster up ({status}) left processes behind: {names}")
        return status

    def close(self):
        try:
            self.stop()
        except RuntimeError as error:
            print(f"warning: {error}")
        if self.keep:
            print(f"kept: {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    @staticmethod
    def _kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def log_tail(self, lines=60):
        with open(self.output, errors="replace") as file:
            return "--- last lines of muster up ---\n" + "".join(file.readlines()[-lines:])

    # --- processes -----------------------------------------------------------------------------------------------

    def components(self):
        """Name to pid of the supervisor's children: server, edge, worker, mosquitto, postgres."""
        found = {}
        for pid in Process.descendants(self.supervisor.pid):
            arguments = Process.arguments(pid)
            program = os.path.basename(arguments[0]) if arguments else ""
            if program == "muster" and len(arguments) > 1:
                found.setdefault(arguments[1], pid)
            elif program == "mosquitto":
                found.setdefault("mosquitto", pid)
            elif program == "postgres" and "-D" in arguments:
                found.setdefault("postgres", pid)
        return found

    def kill9(self, name):
        """Kills a component as kill -9 does and returns its old pid."""
        pid = self.components()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, name, old_pid, timeout=30):
        return wait_until(lambda: self.components().get(name) not in (None, old_pid), timeout, 0.1)

    def muster(self, *arguments, timeout=60):
        """Runs an operator's command against this deployment."""
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=timeout, check=False,
                              cwd=self.base)

    def sql(self, *statements, timeout=20):
        """Runs SQL as the owner of the private PostgreSQL. Rows are lists of text."""
        with open(os.path.join(self.folder, "config/server.toml"), "rb") as file:
            url = re.sub(r"user='?muster_server'?", "user=postgres", tomllib.load(file)["database"]["url"])
        commands = [word for statement in statements for word in ("-c", statement)]
        done = subprocess.run(["psql", "-XAtq", "-F", "|", "-v", "ON_ERROR_STOP=1", "-d", url, *commands],
                              capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return [line.split("|") for line in done.stdout.splitlines() if line]

    # --- REST ----------------------------------------------------------------------------------------------------

    def port(self, name):
        with open(os.path.join(self.folder, "run/ports.json")) as file:
            return json.load(file)[name]

    def pki_file(self, name):
        return os.path.join(self.folder, "pki", name)

    def _connection(self, fresh, device):
        connection = getattr(self.local, "connection", None)
        if device is None and connection is not None and not fresh:
            return connection
        context = ssl.create_default_context(cafile=self.pki_file("infrastructure-root.pem"))
        if device is not None:
            context.load_cert_chain(device.certificate_file, device.key_file)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port("rest"), context=context, timeout=40)
        if device is None:
            self.local.connection = connection
        return connection

    def rest(self, method, path, body=None, *, token=None, headers=None, device=None):
        """One request. `body`: dict (sent as JSON), bytes or str; `token`: None is the admin's, "" is none; `device`
        presents that device's certificate instead of a token."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        token = self.admin_token if token is None and device is None else token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        for attempt in (0, 1):
            connection = self._connection(attempt > 0, device)
            try:
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
                data = response.read()
                return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, data)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                connection.close()
                # The server may close an idle connection just as we use it: once more on a new one.
                if attempt or device is not None:
                    raise
            except BaseException:
                connection.close()
                self.local.connection = None
                raise
        raise AssertionError("unreachable")

    def must(self, method, path, body=None, **options):
        """As rest(), for a step that has to work: returns the JSON."""
        answer = self.rest(method, path, body, **options)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:500]!r}")
        return answer.json

    # --- tenants and devices -------------------------------------------------------------------------------------

    def create_tenant(self, name):
        return self.must("POST", "/v1/tenants", {"name": name})

    def create_device(self, tenant, name, **fields):
        return self.must("POST", f"/v1/tenants/{tenant}/devices", {"name": name, **fields})

    def file_of(self, principal, suffix):
        return os.path.join(self.devices, principal.replace("/", "_") + suffix)

    def enrol(self, tenant, name, *, create=True, key=None, suffix="", **fields):
        """A device with its own key and its first certificate. `suffix` keeps files of several certificates apart."""
        if create:
            self.create_device(tenant, name, **fields)
        key = key or pki.new_key()
        issued = self.must("POST", f"/v1/tenants/{tenant}/devices/{name}/certificates", {"csr": pki.csr_pem(key, name)})
        return self.keep_device(tenant, name, key, issued, suffix)

    def keep_device(self, tenant, name, key, issued, suffix=""):
        key_file = pki.write_private(self.file_of(f"{tenant}/{name}", suffix + ".key"), pki.key_pem(key))
        certificate_file = self.file_of(f"{tenant}/{name}", suffix + ".pem")
        with open(certificate_file, "w") as file:
            file.write(issued["certificate"] + issued["chain"])
        return Device(tenant, name, key_file, certificate_file, issued["id"])

    def enrol_batch(self, tenant, names):
        """Many devices in one request, created on the way."""
        keys = {name: pki.new_key() for name in names}
        lines = "".join(json.dumps({"device": n, "csr": pki.csr_pem(k, n), "create": True}) + "\n" for n, k in keys.items())
        answer = self.rest("POST", f"/v1/tenants/{tenant}/batches", lines, headers={"Content-Type": "application/x-ndjson"})
        if answer.status != 200:
            raise RuntimeError(f"batch: {answer.status} {answer.body[:500]!r}")
        results = [json.loads(line) for line in answer.body.splitlines() if line]
        failed = [r for r in results if r["status"] != 201]
        if failed or len(results) != len(keys):
            raise RuntimeError(f"batch: {len(results)} results, failed: {failed[:3]}")
        return [self.keep_device(tenant, r["device"], keys[r["device"]], r) for r in results]

    def revoke(self, device, reason="keyCompromise"):
        return self.must("POST", f"/v1/tenants/{device.tenant}/certificates/{device.certificate_id}/revocation",
                         {"reason": reason})

    # --- MQTT ----------------------------------------------------------------------------------------------------

    def mqtt_port(self):
        return self.port("mqtt")

    def mosquitto(self, program, device, *arguments, timeout=10):
        """Runs mosquitto_pub or mosquitto_sub with a device's certificate, the broker's name checked."""
        command = [program, "-h", "127.0.0.1", "-p", str(self.port("mqtt")), "-i", device.principal,
                   "--cafile", self.pki_file("infrastructure-root.pem"),
                   "--cert", device.certificate_file, "--key", device.key_file, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    # --- what happened -------------------------------------------------------------------------------------------

    def metrics(self):
        """All Prometheus samples of the plugin, the edge, the worker and the server: {'name{labels}': value}."""
        samples = self.plugin_metrics()
        samples.update(self.samples_of(self.rest("GET", "/metrics").body.decode()))
        for name in ("edge_metrics", "worker_metrics"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port(name)}/metrics", timeout=5) as page:
                    samples.update(self.samples_of(page.read().decode()))
            except OSError:
                pass  # not running just now
        return samples

    def plugin_metrics(self):
        with open(os.path.join(self.folder, "run/plugin.metrics")) as file:
            return self.samples_of(file.read())

    @staticmethod
    def samples_of(text):
        samples = {}
        for line in text.splitlines():
            match = re.match(r"^([a-zA-Z_:][^ ]*(?:\{.*\})?) ([-+0-9.eE]+|NaN)$", line)
            if match:
                samples[match.group(1)] = float(match.group(2))
        return samples

    def denials(self):
        """Counts of the plugin's refusals of connections and topics, by reason."""
        counts = {}
        for name, value in self.metrics().items():
            match = re.search(r'^muster_broker_\w*denials_total\{.*reason="([^"]+)"', name)
            if match:
                counts[match.group(1)] = counts.get(match.group(1), 0) + value
        return counts

    def records(self, tenant, stream, group, *, expect=None, timeout=30, wait_ms=1000):
        """Reads and commits a consumer group's records until `expect(records)` holds or, without it, none are left."""
        path = f"/v1/tenants/{tenant}/streams/{stream}"
        deadline = time.monotonic() + timeout
        records = []
        while time.monotonic() < deadline:
            answer = self.must("GET", f"{path}/records?group={group}&max=1000&wait_ms={wait_ms}")
            batch = answer["records"]
            records += batch
            if batch:
                self.must("POST", f"{path}/commits", {"group": group, "cursors": answer["cursor"]})
            if (expect and expect(records)) or (not batch and not expect):
                break
        return records

    @staticmethod
    def payload(record):
        return base64.b64decode(record["payload"]) if "payload" in record else json.dumps(record["data"]).encode()

    def audit(self, tenant, limit=200):
        return self.must("GET", f"/v1/audit?tenant={tenant}&limit={limit}")["items"]


class Checks:
    """Prints one sentence per check. A failed one does not end the story, so that one run shows all."""

    def __init__(self):
        self.failed = []
        self.count = 0

    def __call__(self, holds, sentence, seen=None):
        self.count += 1
        suffix = "" if seen is None or holds else f" (saw: {seen!r})"
        print(f"{'ok    ' if holds else 'FAILED'} {sentence}{suffix}", flush=True)
        if not holds:
            self.failed.append(sentence)
        return bool(holds)


def run_story(title, story):
    """Runs story(check) and exits: 0 when every check held."""
    print(title.strip().splitlines()[0], flush=True)
    check = Checks()
    began = time.monotonic()
    try:
        story(check)
    except Exception:  # a story that breaks off has failed; show where
        traceback.print_exc(file=sys.stdout)
        check.failed.append("the story broke off")
    print(f"{check.count} checks, {len(check.failed)} failed, {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(1 if check.failed else 0)
