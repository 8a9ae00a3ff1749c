"""Processes of a bench run: started pinned, read through /proc, ended by pid."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

GATEWAY_CORE = 0
LOAD_CORE = 1
RR_PRIORITY = 10

_children = []


class Fault(Exception):
    """Something that makes a run worthless; its text is for people."""


def free_port():
    """Finds a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def realtime_permitted():
    """Says whether this user may use SCHED_RR."""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(RR_PRIORITY))
        os.sched_setscheduler(0, policy, param)
        return True
    except PermissionError:
        return False


def raise_open_files():
    """Lifts the soft limit of open files: a thousand streams need two thousand in a forwarder."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Child:
    """A process pinned to one core, in a session of its own."""

    def __init__(self, name, argv, core, log=None, env=None):
        self.name = name
        self.log = log
        if not shutil.which(argv[0]):
            raise Fault(f"{argv[0]} is not there")
        out = open(log, "ab") if log else subprocess.PIPE
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out if log else None,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        if log:
            out.close()
        self.pid = self.process.pid
        _children.append(self)
        prefer(self.pid)

    def pids(self):
        """The process and its children (nginx has a worker)."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as children:
                    queue.extend(int(child) for child in children.read().split())
            except OSError:
                pass
        return found

    def threads(self):
        for pid in self.pids():
            try:
                tids = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            for tid in tids:
                yield pid, int(tid)

    def cpu(self):
        """A reading of the CPU time spent, for `spent`."""
        return self._cpu_of_threads(), self._cpu_of_processes()

    def spent(self, before):
        """CPU time since a reading, in ns: the scheduler's own books, which are exact, but forget threads that have ended."""
        exact, whole = (now - then for now, then in zip(self.cpu(), before))
        return whole if whole > exact * 1.02 else exact

    def _cpu_of_processes(self):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def _cpu_of_threads(self):
        total = 0
        for pid, tid in self.threads():
            try:
                with open(f"/proc/{pid}/task/{tid}/schedstat") as stat:
                    total += int(stat.read().split()[0])
            except OSError:
                pass
        return total

    def memory_kb(self, field="VmRSS"):
        """Sums a field of /proc/PID/status over the tree."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += sum(int(line.split()[1]) for line in status if line.startswith(field + ":"))
        return total

    def forget_peak(self):
        """Makes VmHWM begin anew at VmRSS."""
        for pid in self.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as refs:
                refs.write("5")

    def realtime(self, on):
        """Puts every thread under SCHED_RR, or back."""
        policy = os.SCHED_RR if on else os.SCHED_OTHER
        param = os.sched_param(RR_PRIORITY if on else 0)
        for _, tid in self.threads():
            try:
                os.sched_setscheduler(tid, policy, param)
            except ProcessLookupError:
                pass

    def alive(self):
        return self.process.poll() is None

    def last_words(self):
        if not self.log:
            return ""
        with open(self.log, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log) - 2000))
            return log.read().decode(errors="replace")

    def stop(self, how=signal.SIGTERM, patience=15):
        """Ends it by pid and waits; with force where it will not."""
        if self.alive():
            self.process.send_signal(how)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self in _children:
            _children.remove(self)


def prefer(pid):
    """Gives the session's scheduling group the greatest weight, where groups exist and we may: a shared machine then disturbs less."""
    try:
        with open(f"/proc/{pid}/autogroup", "w") as group:
            group.write("-20")
    except OSError:
        pass


def stop_all():
    for child in reversed(list(_children)):
        child.stop(patience=3)


def wait_port(child, port, patience=10):
    """Waits until somebody listens."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not child.alive():
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise Fault(f"{child.name} does not listen on {port}: {child.last_words()}")


def ask(port, method, path, timeout=5):
    """One small HTTP request; status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def wait_ready(child, port, patience=20):
    """Waits for /readyz to say 200; gives the milliseconds since `child` was asked for."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not child.alive():
            break
        try:
            if ask(port, "GET", "/readyz", timeout=2)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.001)
    raise Fault(f"{child.name} is not ready: {child.last_words()}")


class Mock:
    """The mock provider and its books."""

    FIELDS = ("requests", "answered", "broken", "unknown", "events", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")

    def __init__(self, binary, log):
        self.port = free_port()
        self.child = Child("mock", [binary, "--listen", f"127.0.0.1:{self.port}"], LOAD_CORE, log)
        wait_port(self.child, self.port)

    def stats(self):
        return json.loads(ask(self.port, "GET", "/__stats")[1])

    def settled(self, pause=0.05, patience=10):
        """Reads the books once they have stood still for a while."""
        deadline, before = time.monotonic() + patience, self.stats()
        while time.monotonic() < deadline:
            time.sleep(pause)
            now = self.stats()
            if now == before:
                return now
            before = now
        raise Fault("the mock is still answering long after the load has ended")

    def release(self):
        ask(self.port, "POST", "/__release")


class Load:
    """A run of the load generator."""

    def __init__(self, binary, options, realtime=False):
        chrt = ["chrt", "-r", str(RR_PRIORITY)] if realtime else []
        self.child = Child("load", [*chrt, binary, *map(str, options)], LOAD_CORE)

    def line(self):
        text = self.child.process.stdout.readline()
        if not text:
            raise Fault(f"the load generator said nothing (status {self.child.process.wait()})")
        return json.loads(text)

    def result(self, patience=120):
        try:
            out, _ = self.child.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise Fault(f"a load run hangs: {self.child.process.args}") from None
        finally:
            self.child.stop()
        lines = out.decode().splitlines()
        if not lines:
            raise Fault(f"the load generator said nothing (status {self.child.process.returncode})")
        return json.loads(lines[-1])
