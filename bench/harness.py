# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: alternating pairs, figures as JSON lines, the machine they were measured on, and the
deployments that are measured: Muster by `muster up`, and a bare mosquitto with the same certificates.

Options of every benchmark: --quick (short, for CI: its figures do not count), --binaries FOLDER (a Release build with
MUSTER_BENCH=ON), --work FOLDER (on a real file system), --out FILE (JSON lines are appended).
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests/e2e"))
os.environ.setdefault("MUSTER_SOURCE_DIR", SOURCE)

BROKER_CORE, LOAD_CORE = "0", "1"


def parse_arguments(description, benches=()):
    """`benches`: names that may be given to run only some; none given: all."""
    parser = argparse.ArgumentParser(description=description)
    if benches:
        parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"only these of {', '.join(benches)}")
    parser.add_argument("--quick", action="store_true", help="short, for CI: the figures do not count")
    parser.add_argument("--binaries", default=os.environ.get("MUSTER_BINARY_DIR", os.path.join(SOURCE, "build/bench")))
    parser.add_argument("--work", default=None, help="where data lies while measuring; a real file system, not tmpfs")
    parser.add_argument("--out", default=None, help="file that JSON lines are appended to")
    options = parser.parse_args()
    if benches:
        unknown = sorted(set(options.benches) - set(benches))
        if unknown:
            parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(benches)}")
        options.benches = options.benches or list(benches)
    options.binaries = os.path.abspath(options.binaries)
    options.work = os.path.abspath(options.work or os.path.join(options.binaries, "bench-work"))
    options.out = os.path.abspath(options.out or os.path.join(options.binaries, "bench-results.jsonl"))
    os.environ["MUSTER_BINARY_DIR"] = options.binaries
    os.makedirs(options.work, exist_ok=True)
    options.pairs = 2 if options.quick else 7
    options.seconds = 2 if options.quick else 10
    return options


class Figures:
    """Collects figures, prints a table, appends JSON lines."""

    def __init__(self, options, bench):
        self.options, self.bench, self.lines = options, bench, []
        if options.quick:
            print(f"{bench}: --quick: too short, these figures do not count")

    def add(self, metric, value, *, unit, limit=None, ratio=None, pairs=1, spread=None, at_most=False, note=None,
            failure=None):
        """`limit` is what the value, or where there is one the ratio, must reach (`at_most`: must not exceed). With
        `failure` it was not reached, whatever the value."""
        compared = value if ratio is None else ratio
        met = None if limit is None else (compared <= limit if at_most else compared >= limit)
        if failure:
            met, note = False, "; ".join(filter(None, (failure, note)))
        line = {"bench": self.bench, "metric": metric, "value": _short(value), "unit": unit, "limit": limit,
                "ratio": _short(ratio), "pairs": pairs, "spread": spread and [_short(s) for s in spread], "met": met,
                "at_most": at_most, "note": note, "quick": self.options.quick}
        self.lines.append(line)
        with open(self.options.out, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"  {metric:44} {_short(value):>12} {unit:14} {describe(line)}", flush=True)

    def compare(self, metric, pairs, *, unit, limit, failure=None):
        """`pairs`: (peer's value, ours). The figure is the median of the ratios, with their range."""
        ratios = [ours / peer for peer, ours in pairs]
        self.add(metric, statistics.median(o for _, o in pairs), unit=unit, limit=limit,
                 ratio=statistics.median(ratios), pairs=len(pairs), spread=[min(ratios), max(ratios)], failure=failure,
                 note=f"peer {_short(statistics.median(p for p, _ in pairs))} {unit}")


def describe(line):
    parts = []
    if line["ratio"] is not None:
        parts.append(f"ratio {line['ratio']} ({line['pairs']} pairs, {line['spread'][0]}–{line['spread'][1]})")
    if line["limit"] is not None:
        parts.append(f"{'at most' if line['at_most'] else 'at least'} {line['limit']}: {'met' if line['met'] else 'MISSED'}")
    if line["note"]:
        parts.append(line["note"])
    return "; ".join(parts)


def _short(value):
    if not isinstance(value, float):
        return value
    return float(f"{value:.3g}") if abs(value) < 1000 else round(value)


def alternating(count, first, second):
    """Runs A B A B …; returns [(a, b), …]."""
    return [(first(), second()) for _ in range(count)]


# --- the machine -----------------------------------------------------------------------------------------------------

def _first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).splitlines()[0].strip()
    except (OSError, IndexError):
        return "unknown"


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) >> 20
    return {"date": datetime.date.today().isoformat(), "cpu": models[0] if models else "unknown", "cores": os.cpu_count(),
            "memory_gib": memory, "kernel": platform.release(),
            "mosquitto": _first_line("mosquitto", "-h"), "openssl": _first_line("openssl", "version"),
            "postgresql": _first_line("psql", "--version"), "commit": _first_line("git", "-C", SOURCE, "rev-parse",
                                                                                 "--short", "HEAD")}


def file_system_of(path):
    return _first_line("stat", "-f", "-c", "%T", path)


def measure_fdatasync(folder, seconds=1.5):
    """(median, p99) in microseconds of fdatasync after a 4 KiB append, which is what a durable PUBACK waits for."""
    path = os.path.join(folder, "fdatasync-probe")
    times = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.write(descriptor, b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - start) * 1e6)
    finally:
        os.close(descriptor)
        os.unlink(path)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def add_storage(figures):
    median, p99 = measure_fdatasync(figures.options.work)
    kind = file_system_of(figures.options.work)
    if kind == "tmpfs":
        print("  the work folder is on tmpfs: figures do not count")
    figures.add("fdatasync_median", median, unit="µs", note=f"p99 {p99:.0f} µs, on {kind}")


def pin(pid, core):
    """All threads of a process; threads that it starts later inherit it."""
    subprocess.run(["taskset", "-a", "-p", "-c", core, str(pid)], check=True, capture_output=True)


def cpu_seconds(pid, ended_children=False):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    last = 15 if ended_children else 13  # utime, stime, cutime, cstime
    return sum(int(field) for field in fields[11:last]) / os.sysconf("SC_CLK_TCK")


# --- the deployments -------------------------------------------------------------------------------------------------

def write_manifest(options, name, devices):
    """The file that tells mqtt_load of devices."""
    path = os.path.join(options.work, name)
    with open(path, "w") as file:
        for device in devices:
            file.write("\t".join([device.principal, device.certificate_file, device.key_file,
                                  device.topic("telemetry/load")]) + "\n")
    return path


def start_muster(options, devices):
    """(lab, manifest): a whole Muster with `devices` devices of one tenant, ready to publish."""
    import lab as e2e
    folder = os.path.join(options.work, "muster")
    shutil.rmtree(folder, ignore_errors=True)
    lab = e2e.Lab(folder=folder)
    try:
        lab.start()
        lab.create_tenant("bench")
        fleet = lab.enrol_batch("bench", [f"device-{n}" for n in range(devices)])
        lab.connect(fleet[-1]).disconnect()
    except BaseException:
        lab.close()
        raise
    return lab, write_manifest(options, "manifest", fleet)


class BareBroker:
    """mosquitto with the same certificates and TLS settings, but no plugin and no durability."""

    def __init__(self, options, lab):
        import lab as e2e
        self.port = e2e.free_port()
        anchors = os.path.join(options.work, "anchors.pem")
        with open(anchors, "wb") as file, open(lab.pki_file("device-root.pem"), "rb") as root:
            file.write(root.read())
        config = os.path.join(options.work, "bare.conf")
        with open(config, "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\ncafile {anchors}\ncertfile {lab.pki_file('broker.pem')}\n"
                       f"keyfile {lab.pki_file('broker.key')}\nrequire_certificate true\nallow_anonymous true\n"
                       "tls_version tlsv1.3\nset_tcp_nodelay true\nmax_qos 1\npersistence false\nlog_dest none\n"
                       f"{'user root' if os.geteuid() == 0 else ''}\n")
        self.process = subprocess.Popen([os.environ.get("MUSTER_MOSQUITTO") or "mosquitto", "-c", config],
                                        stderr=subprocess.DEVNULL)
        pin(self.process.pid, BROKER_CORE)
        if not e2e.wait_until(lambda: e2e.accepts(self.port), 20):
            self.close()
            raise RuntimeError("the bare broker does not listen")

    def close(self):
        self.process.terminate()
        self.process.wait()


def load_command(options, mode, manifest, port, *, niceness=0, **settings):
    """mqtt_load, pinned to the load's core. `niceness`: of a load beside another one that is measured, so that what is
    seen is the broker's doing and not the other generator's."""
    command = ["nice", "-n", str(niceness), "taskset", "-c", LOAD_CORE, os.path.join(options.binaries, "bench/mqtt_load"),
               mode, manifest, str(port)]
    for name, value in {"seconds": options.seconds, **settings}.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    return command


def run_load(options, mode, manifest, port, **settings):
    """Runs mqtt_load to its end; returns its JSON."""
    done = subprocess.run(load_command(options, mode, manifest, port, **settings), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mqtt_load failed: {done.stderr}")
    return json.loads(done.stdout)
