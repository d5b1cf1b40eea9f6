#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One command from nothing to a device's message in a stream, every break-in refused, nothing left behind."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from lab import BINARIES, SOURCE, Lab, Process, run_story, wait_until

PROGRAM = os.path.join(BINARIES, "muster")


def processes_that_name(folder):
    """Everything that was started for this folder names it on its command line."""
    return [(pid, Process.arguments(int(pid))) for pid in os.listdir("/proc")
            if pid.isdigit() and any(folder in word for word in Process.arguments(int(pid)))
            and int(pid) != os.getpid() and Process.alive(int(pid))]


def ordinary_user():
    """Somebody to run as: when we are root, the first user that is not a system's."""
    if os.geteuid() != 0:
        return None
    for entry in sorted(pwd.getpwall(), key=lambda e: e.pw_uid):
        if 1000 <= entry.pw_uid < 60000:
            return entry
    return pwd.getpwnam("nobody")


def run_once(folder, user=None, timeout=300):
    """muster up --tour --once. `user`: a passwd entry to run as."""
    def become():
        os.setsid()
        if user is not None:
            os.setgroups([user.pw_gid])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

    environment = dict(os.environ, HOME="/tmp", NO_COLOR="1")
    return subprocess.run([PROGRAM, "up", "--folder", folder, "--tour", "--once"], capture_output=True, text=True,
                          timeout=timeout, check=False, preexec_fn=become, env=environment, cwd="/tmp")


def check_tour(check, done, who):
    if not check(done.returncode == 0, f"{who}: the tour ends with exit status 0", done.returncode):
        print(done.stdout[-6000:], done.stderr[-2000:])
    check("WRONG" not in done.stdout, f"{who}: no verdict is wrong")
    check("telemetry arrives normalised" in done.stdout, f"{who}: the normalised stream was read")
    for attempt in ("no certificate", "certificate of a look-alike CA", "another device's client id",
                    "subscribe to $share/x/#", "subscribe to $SYS/#", "subscribe to globex/#",
                    "revoked certificate, live connection", "suspended device, new connection"):
        check(any(line.strip().startswith("ok") and attempt in line for line in done.stdout.splitlines()),
              f"{who}: refused: {attempt}")


def check_examples(check):
    for program in ("server", "edge", "worker"):
        example = os.path.join(SOURCE, "docs/config", program + ".toml")
        done = subprocess.run([PROGRAM, program, "--config", example, "--check-config"], capture_output=True, text=True,
                              timeout=30, check=False)
        check(done.returncode == 0, f"docs/config/{program}.toml is a good configuration", done.stderr)
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as misspelt:
            with open(example) as file:
                misspelt.write("misspelt_key = 1\n" + file.read())
            misspelt.flush()
            done = subprocess.run([PROGRAM, program, "--config", misspelt.name, "--check-config"], capture_output=True,
                                  text=True, timeout=30, check=False)
        check(done.returncode == 1 and "misspelt_key" in done.stderr, f"muster {program} names a key it does not know",
              done.stderr)


def story(check):
    check_examples(check)
    base = tempfile.mkdtemp(prefix="muster first ", dir="/tmp")  # a space in every path
    os.chmod(base, 0o755)
    try:
        folder = os.path.join(base, "my deployment")
        began = time.monotonic()
        check_tour(check, run_once(folder), "first start")
        print(f"       first start with tour: {time.monotonic() - began:.1f} s")
        left = processes_that_name(folder)
        check(not left, "no process is left behind", left)

        second_start(check, folder)
        killed_supervisor(check, folder)
        other_user(check, base)
    finally:
        for pid, _ in processes_that_name(base):
            os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(base, ignore_errors=True)


def second_start(check, folder):
    began = time.monotonic()
    lab = Lab(folder=folder)
    lab.start()
    took = time.monotonic() - began
    try:
        print(f"       second start: {took:.1f} s")
        check(took < 30, "the second start needs seconds", took)
        refused = subprocess.run([PROGRAM, "up", "--folder", folder], capture_output=True, text=True, timeout=30, check=False)
        check(refused.returncode == 1 and "another `muster up` is running" in refused.stderr,
              "a second `muster up` on the same folder is refused with a sentence", refused.stderr)
        healthy = lab.muster("doctor", "--folder", folder)
        check(healthy.returncode == 0, "muster doctor is green", healthy.stdout + healthy.stderr)
        listed = lab.muster("device", "list", "acme", "--folder", folder)
        check("sim-10" in listed.stdout, "ten simulated devices are registered", listed.stdout + listed.stderr)
        misspelt = lab.muster("tenant", "show", "Acme!", "--folder", folder)
        check(misspelt.returncode == 1 and misspelt.stderr.startswith("muster: "), "a wrong name is answered by a sentence",
              misspelt.stderr)
    finally:
        check(lab.stop() == 0, "Ctrl-C ends with exit status 0")
        lab.close()
    check(not processes_that_name(folder), "nothing is left behind after Ctrl-C")


def killed_supervisor(check, folder):
    lab = Lab(folder=folder)
    lab.start()
    os.kill(lab.supervisor.pid, signal.SIGKILL)
    lab.supervisor.wait()
    lab.supervisor = None
    check(wait_until(lambda: not processes_that_name(folder)), "nothing is left behind after kill -9 of the supervisor",
          processes_that_name(folder))
    lab.start()
    check(lab.stop() == 0, "it starts again after that")
    lab.close()


def other_user(check, base):
    user = ordinary_user()
    if user is None:
        print("       not root: the first start was already that of an ordinary user")
        return
    home = os.path.join(base, "of somebody else")
    os.mkdir(home)
    os.chown(home, user.pw_uid, user.pw_gid)
    # A socket's path may have 107 octets; a folder's name may be longer.
    check_tour(check, run_once(os.path.join(home, "x" * 100), user), f"as user {user.pw_name}, with a long path")


run_story(__doc__, story)
