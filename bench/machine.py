"""Rows of `make faults` about the machine below the gateway: a disk that may only be read, a clock that jumps, hours of use."""

import concurrent.futures
import os
import shutil
import socket
import statistics
import subprocess
import threading
import time

from house import KEY, Callers, House, NotShown, until
from procs import Fault

CALLS = 80
HOUR = 3600
FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")
# What a process may gain in a soak: its allocator's slack, never a share of what passed.
SOAK_MB = 24
SOAK_HANDLES = 8


def _run(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


def _breaks(place):
    """Gives a small file system of its own an error, as a dying disk would: from now on the kernel lets nobody write to it, whatever is open."""
    with open("/proc/mounts") as mounts:
        device = next(line.split()[0] for line in mounts if line.split()[1] == place)
    name = os.path.basename(os.path.realpath(device))
    if not name.startswith("loop"):
        raise Fault(f"{device} is no file system of ours")
    with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w") as trigger:
        trigger.write("1")


def readonly(lab, folder, quick, addresses):
    """The file system of the data directory has an error and may only be read from then on; a start on it; and it is repaired."""
    place, image = os.path.join(folder, "disk"), os.path.join(folder, "image")
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(128 << 20)
    mount = ("mount", "-o", "loop,errors=remount-ro", image, place)
    if not (shutil.which("mkfs.ext4") and _run("mkfs.ext4", "-q", "-F", image) and _run(*mount)):
        raise NotShown("this user may not mount a file system of his own")
    try:
        house = House(lab, folder, data=os.path.join(place, "data")).start()
        callers = Callers(house, count=4)
        time.sleep(2)
        safe = set(callers.ids)
        until(lambda: not safe - set(house.row_ids()), 10)
        os.sync()
        _breaks(place)
        begun = time.monotonic()
        told = until(lambda: (house.chat() or "").startswith("503"), 10, step=0.05)
        yield f"read-only: calls are refused {time.monotonic() - begun:.1f} s later; expected 3 at most", told and time.monotonic() - begun < 3
        said = [house.chat() for _ in range(CALLS)]
        callers.stop()
        clean = [wrong for wrong in said + callers.failed if wrong is not None and '"error"' not in wrong]
        good, alive = sum(wrong is None for wrong in said), house.child.alive()
        yield f"then {good} of {CALLS} calls served, {CALLS - good} refused with a clear error; of others at the same time {len(clean)} otherwise{f': {clean[0]!r}' if clean else ''}", not good and not clean
        yield "the process lives, and says that it cannot write", alive and "ead-only" in house.said()
        house.kill()
        refusal = _refused_start(house)
        yield f"a start on it is refused: {refusal[-120:]!r}", "ead-only" in refusal
        _run("umount", "-l", place)
        _run("fsck.ext4", "-y", image)
        _run(*mount)
        house.start()
        lost = [set()]

        def stands():
            lost[0] = safe - set(house.row_ids())
            return not lost[0]

        stood = until(stands, 10)
        yield f"repaired: {len(lost[0])} of the {len(safe)} answers from before it without a row, and calls are served", stood and house.chat() is None
        house.stop()
    finally:
        _run("umount", "-l", place)


def _refused_start(house):
    """What the gateway says that does not start; nothing where it does."""
    try:
        house.start()
    except Fault:
        lines = [line for line in house.said().splitlines() if line.strip()]
        return lines[-1] if lines else ""
    house.stop()
    return ""


class Jumping:
    """The clock of one gateway, to be turned by hand: libfaketime reads the file at each look. Spans are not touched."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "time")
        library = next((path for path in FAKETIME if os.path.exists(path)), None)
        if library is None:
            raise NotShown("libfaketime is not there (apt-get install libfaketime)")
        self.turn(0)
        self.environment = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def turn(self, seconds):
        aside = self.file + ".new"
        with open(aside, "w") as file:
            file.write(f"{seconds:+d}s\n")
        os.replace(aside, self.file)


def clock(lab, folder, quick, addresses):
    """The wall clock jumps an hour forward, and back, and two hours back, under load."""
    jumping = Jumping(folder)
    house = House(lab, folder, env=jumping.environment).start()
    user = house.admin("POST", "/admin/users", {"name": "jumps", "password": "a long password"})["id"]
    house.admin("POST", f"/admin/users/{user}/permissions", {"pattern": "*"})
    house.admin("POST", "/admin/rate-limits", {"scope": "user", "scope_id": user, "requests_per_minute": 20, "concurrency": 4})
    key = house.admin("POST", f"/admin/users/{user}/keys", {"label": "faults"})["api_key"]
    callers = Callers(house, count=4)
    spent = sum(house.chat(key=key) is None for _ in range(25))
    yield f"a limit of 20 a minute serves {spent} of 25", spent == 20
    seen = []
    for name, seconds in (("an hour forward", HOUR), ("back again", 0), ("two hours back", -2 * HOUR), ("and right again", 0)):
        jumping.turn(seconds)
        begun = time.monotonic()
        served = sum(house.chat(key=key) is None for _ in range(25))
        whole = until(lambda: house.chat() is None, 5)
        seen.append((name, served, whole))
        yield f"{name}: {served} of 25 limited calls served, the others refused ({time.monotonic() - begun:.1f} s), and the unlimited are served", served <= 20 and whole
    yield "the hour forward gives the window anew, and going back gives nothing twice: 20, then at most what the windows allow", seen[0][1] == 20 and all(served <= 20 for _, served, _ in seen)
    callers.stop()
    own = [wrong for wrong in callers.failed if wrong]
    yield f"{callers.whole} calls beside it, {len(own)} failed{callers.first_failure()}", not own
    status = house.ask("GET", "/user/me", key=key)[0]
    yield f"keys and sessions serve on: {status}", status == 200
    rows = until(lambda: len(house.row_ids()) == len(set(house.row_ids())) and set(callers.ids) <= set(house.row_ids()), 20)
    yield f"every one of {callers.whole} answers is one row", rows
    # A minute that nobody has used: what is refused in it is reserved still.
    jumping.turn(2 * HOUR)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        free = sum(pool.map(lambda _: house.chat(key=key) is None, range(4)))
    yield f"nothing stays reserved: {free} of 4 calls at once are served under a limit of 4", free == 4
    house.stop()


class Leavers:
    """Clients that begin streams and leave them, again and again."""

    def __init__(self, house):
        self.house, self._over = house, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        body = b'{"model":"lab/script,pause_event=5,pause_ms=8000","messages":[{"role":"user","content":"count"}],"stream":true}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        while not self._over.wait(0.05):
            try:
                with socket.create_connection(("127.0.0.1", self.house.port), timeout=10) as connection:
                    connection.sendall(head.encode() + body)
                    connection.recv(4096)
            except OSError:
                pass

    def stop(self):
        self._over.set()
        self.thread.join(20)


def soak(lab, folder, minutes):
    """Hours of use: calls, refusals, faults of the provider, clients that leave, changes of the configuration. Memory and handles stay flat."""
    house = House(lab, folder).start()
    provider = house.admin("GET", "/admin/providers")[0]
    callers = Callers(house, count=6, pause=0.01)
    # Faults of the provider, and models that nobody serves: what they cost must come back too.
    worse = [Callers(house, count=1, model=model, pause=0.05) for model in ("lab/script,status=500", "lab/script,cut_event=3", "nobody/model")]
    leavers, samples, begun, number = Leavers(house), [], time.monotonic(), 0
    while (passed := time.monotonic() - begun) < minutes * 60:
        number += 1
        settings = {"base_url": f"http://127.0.0.1:{lab.port}", "dialects": ["chat"], "user_agent": f"soak/{number}"}
        house.admin("PATCH", f"/admin/providers/{provider['id']}", {"settings": settings})
        samples.append((passed, house.memory_kb() / 1024, house.handles()))
        time.sleep(1)
    leavers.stop()
    for caller in (callers, *worse):
        caller.stop()
    served, failed = callers.whole, sum(len(caller.failed) for caller in worse)
    # The first third fills pools, caches and the allocator's arenas.
    early = [sample for sample in samples if minutes * 20 <= sample[0] < minutes * 30]
    late = [sample for sample in samples if sample[0] >= minutes * 50]
    memory, handles = ([statistics.median(sample[place] for sample in span) for span in (early, late)] for place in (1, 2))
    yield f"{minutes} minutes: {served} calls served, {len(callers.failed)} failed{callers.first_failure()}; beside them {failed} that had to fail, {number} changes of the configuration", served > 0 and not callers.failed
    yield f"memory {memory[0]:.1f} MB after a third, {memory[1]:.1f} MB in the last sixth; expected {SOAK_MB} MB more at most", memory[1] - memory[0] <= SOAK_MB
    yield f"handles {handles[0]:.0f} and {handles[1]:.0f}; expected {SOAK_HANDLES} more at most", handles[1] - handles[0] <= SOAK_HANDLES
    house.stop()
