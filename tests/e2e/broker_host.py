# SPDX-License-Identifier: Apache-2.0
"""A further broker host beside the one of `muster up`: an edge that joined, and one or more mosquitto processes.

    with BrokerHost(lab, "host-2", brokers=2) as host:
        host.brokers[0].connect(device)

With `isolated=True` the host has a network namespace of its own (needs root): its only way to the server is a relay,
which can be cut.
"""
import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

from lab import Door, accepts, die_with_parent, free_port, wait_until

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def mosquitto_program():
    return os.environ.get("MUSTER_MOSQUITTO") or "mosquitto"


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS: up, loopback, running


class Network:
    """A network namespace that lives as long as a process of ours holds it."""

    def __init__(self):
        self.holder = subprocess.Popen(["sleep", "infinity"], preexec_fn=self._enter_new, start_new_session=True)
        self.file = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)

    @staticmethod
    def _enter_new():
        die_with_parent()
        if LIBC.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        loopback_up()

    def enter(self):
        if LIBC.setns(self.file, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def run(self, call):
        """Calls in a thread inside the namespace: the sockets that it opens live there."""
        outcome = {}

        def inside():
            try:
                self.enter()
                outcome["value"] = call()
            except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
                outcome["error"] = error

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def close(self):
        os.close(self.file)
        self.holder.kill()
        self.holder.wait()


def network_is_permitted():
    if os.geteuid() != 0:
        return False
    try:
        Network().close()
        return True
    except (OSError, subprocess.SubprocessError):
        return False


class Relay:
    """Carries TCP from a namespace's 127.0.0.1:port to ours, until it is cut."""

    def __init__(self, network, port):
        self.port = port
        self.cut_off = False
        self.open = []
        self.listener = network.run(self._listen)
        threading.Thread(target=self._accept, daemon=True).start()

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        return listener

    def _accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            if self.cut_off:
                inner.close()
                continue
            try:
                outer = socket.create_connection(("127.0.0.1", self.port), 5)
            except OSError:
                inner.close()
                continue
            self.open += [inner, outer]
            if self.cut_off:  # meanwhile
                self.cut()
            for source, target in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.cut_off = True
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        self.open.clear()

    def mend(self):
        self.cut_off = False

    def close(self):
        self.cut()
        self.listener.close()


class Broker(Door):
    def __init__(self, host, number):
        self.host, self.number = host, number
        self.port = host.run(free_port)
        self.wal = host.path(f"wal-{number}")
        self.config = host.path(f"mosquitto-{number}.conf")
        self.metrics = host.path(f"plugin-{number}.metrics")
        self.log = host.path(f"mosquitto-{number}.log")
        self.process = None
        self.options = {}  # plugin options beside the usual ones
        self.environment = {}
        os.mkdir(self.wal)

    def write_config(self):
        with open(os.path.join(self.host.lab.folder, "config/mosquitto.conf")) as file:
            text = file.read()
        options = {"broker_config": self.config, "snapshot_folder": self.host.path("snapshot"),
                   "state_file": self.host.path(f"state-{self.number}"), "wal_folder": self.wal,
                   "heartbeat_key_file": self.host.path("pki/heartbeat.pub"), "metrics_file": self.metrics}
        for name, value in options.items():
            text = re.sub(rf"(?m)^plugin_opt_{name} .*$", f"plugin_opt_{name} {value}", text)
        text = re.sub(r"(?m)^listener \d+ .*$", f"listener {self.port} 127.0.0.1", text)
        text = re.sub(r"(?m)^certfile .*$", f"certfile {self.host.path('pki/broker.pem')}", text)
        text = re.sub(r"(?m)^keyfile .*$", f"keyfile {self.host.path('pki/broker.key')}", text)
        extra = "".join(f"plugin_opt_{name} {value}\n" for name, value in self.options.items())
        text = re.sub(r"(?m)^(plugin_opt_broker_config )", lambda found: extra + found.group(1), text)
        with open(self.config, "w") as file:
            file.write(text)

    def start(self):
        self.write_config()
        self.process = self.host.spawn([mosquitto_program(), "-c", self.config], self.log, self.environment)
        if not wait_until(lambda: self.call(lambda: accepts(self.port)), 20, 0.05):
            raise RuntimeError(f"broker {self.number} does not listen: {open(self.log).read()[-2000:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def mqtt_port(self):
        return self.port

    def call(self, open_it):
        return self.host.run(open_it)

    def metric(self, name):
        try:
            with open(self.metrics) as file:
                for line in file:
                    if line.startswith(name + " "):
                        return float(line.split()[-1])
        except OSError:
            pass
        return None


class BrokerHost:
    def __init__(self, lab, name, *, brokers=1, isolated=False, tenants=None, poll_wait_ms=25_000):
        self.lab, self.name, self.tenants, self.poll_wait_ms = lab, name, tenants, poll_wait_ms
        self.folder = os.path.join(lab.base, name)
        self.network = Network() if isolated else None
        self.uplink = Relay(self.network, lab.port("edges")) if isolated else None
        self.processes = []
        self.edge = None
        for sub in ("", "snapshot", "pki"):
            os.mkdir(self.path(sub))
        os.chmod(self.path("pki"), 0o700)
        self.brokers = [Broker(self, number + 1) for number in range(brokers)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, call):
        return self.network.run(call) if self.network else call()

    def __enter__(self):
        try:
            os.chmod(self.folder, 0o755)
            self.join()
            self.start_edge()
            for broker in self.brokers:
                broker.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(".log"):
                    print(f"--- {self.name} {name} ---\n" + open(self.path(name), errors="replace").read()[-4000:])
        self.close()

    def join(self):
        edge = {"name": self.name, "broker_names": ["localhost", "127.0.0.1"]}
        if self.tenants:
            edge["tenants"] = self.tenants
        created = self.lab.must("POST", "/v1/edges", edge)
        token = self.path("join.token")
        with open(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(created["join_token"])
        joined = self.lab.muster("edge", "join", "--server", f"https://127.0.0.1:{self.lab.port('rest')}", "--ca-file",
                                 self.lab.pki_file("infrastructure-root.pem"), "--join-token-file", token, "--out",
                                 self.path("pki"))
        if joined.returncode != 0:
            raise RuntimeError(f"edge join: {joined.stdout}{joined.stderr}")
        self.write_edge_config()

    def write_edge_config(self):
        with open(self.path("pki/edge.pgpass")) as file:
            role = file.read().strip().split(":")[3]
        with open(os.path.join(self.lab.folder, "config/edge.toml")) as file:
            local = re.search(r'database_url = "(.*)"', file.read()).group(1)
        url = re.sub(r"user=\S+", f"user={role}", local)
        url = re.sub(r"passfile=\S+", f"passfile='{self.path('pki/edge.pgpass')}'", url)
        self.metrics_port = self.run(free_port)
        first, *more = self.brokers
        text = (f'server_url = "https://127.0.0.1:{self.lab.port("edges")}"\nsnapshot_folder = "{self.path("snapshot")}"\n'
                f'wal_folder = "{first.wal}"\nplugin_metrics_file = "{first.metrics}"\n'
                f'metrics_listen = "127.0.0.1:{self.metrics_port}"\npoll_wait_ms = {self.poll_wait_ms}\n')
        for broker in more:
            text += f'[[broker]]\nwal_folder = "{broker.wal}"\nplugin_metrics_file = "{broker.metrics}"\n'
        text += (f'[tls]\ncertificate_file = "{self.path("pki/edge.pem")}"\nkey_file = "{self.path("pki/edge.key")}"\n'
                 f'infrastructure_root_file = "{self.path("pki/infrastructure-root.pem")}"\n'
                 f'[log]\ndatabase_url = "{url}"\n')
        with open(self.path("edge.toml"), "w") as file:
            file.write(text)

    def spawn(self, command, log, environment=None):
        def prepare():
            die_with_parent()
            if self.network:
                self.network.enter()

        with open(log, "ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                       preexec_fn=prepare, start_new_session=True,
                                       env={**os.environ, **(environment or {})})
        self.processes.append(process)
        return process

    def start_edge(self):
        self.edge = self.spawn([self.lab.program, "edge", "--config", self.path("edge.toml")], self.path("edge.log"))
        if not wait_until(lambda: os.path.exists(self.path("snapshot/base.snapshot")) or self.edge.poll() is not None, 30):
            raise RuntimeError("the edge has no snapshot")
        if self.edge.poll() is not None:
            raise RuntimeError("the edge ended: " + open(self.path("edge.log")).read()[-2000:])

    def kill_edge(self):
        self.edge.kill()
        self.edge.wait()

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.uplink:
            self.uplink.close()
        if self.network:
            self.network.close()


if __name__ == "__main__":
    sys.exit("this is a module of the stories")
