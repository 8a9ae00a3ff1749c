#!/usr/bin/env python3
"""Counts what a plain call takes of a processor, where a clock says little; see README.md here.

    caches.py DIRECTORY [NAME...]   the binaries there, and who is counted: forwarder, gateway (both)

Runs each under `valgrind --tool=callgrind`, which plays a processor with 32 KB of first cache for code and for data each and 512 KB of
second cache. Of the user's space only, and without what the kernel does to the caches. Prints a table in Markdown.
"""

import glob
import os
import subprocess
import sys
import tempfile
import time

from procs import Fault, Load, Mock, raise_open_files, stop_all
from targets import ADMIN_KEY, Forwarder, Gateway

CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=524288,8,64")
CONNECTIONS = 64
WARM, CALLS = 1_000, 6_000
# Under valgrind calls are so few that batches of rows would be small, which they are not in life.
RUNTIME = "[runtime]\nstorage_write_aggregate_window_ms = 1000\n"
PATIENCE = 120
COLUMNS = (
    ("instructions", ("Ir",)),
    ("code not in the first cache", ("I1mr",)),
    ("data not in the first", ("D1mr", "D1mw")),
    ("code not in the second", ("ILmr",)),
    ("read, not in the second", ("DLmr",)),
    ("written, not in the second", ("DLmw",)),
)


def started(name, directory, mock, work, under):
    if name == "forwarder":
        return Forwarder(os.path.join(directory, "bench-forwarder"), mock, work, under)
    return Gateway(os.path.join(directory, "gproxy"), mock, work, under, RUNTIME, PATIENCE)


def ask(directory, target, calls):
    options = ["--target", f"127.0.0.1:{target.port}", "--key", ADMIN_KEY, "--connections", CONNECTIONS, "--requests", calls]
    result = Load(os.path.join(directory, "bench-load"), options).result(PATIENCE)
    if result["failed"]:
        raise Fault(f"{result['failed']} calls failed ({result['first_error']})")


def totals(path):
    """The events of one thread, by their names."""
    with open(path) as out:
        lines = [line.split() for line in out if line.startswith(("events:", "totals:"))]
    found = {line[0]: line[1:] for line in lines}
    return dict(zip(found["events:"], map(int, found["totals:"])))


def count(name, directory, work):
    """What a call comes to, by events, over all threads."""
    work = os.path.join(work, name)
    os.makedirs(work)
    mock = Mock(os.path.join(directory, "bench-mock"), os.path.join(work, "mock.log"))
    out = os.path.join(work, "callgrind")
    under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={out}", *CACHES]
    target = started(name, directory, mock, work, under)
    ask(directory, target, WARM)
    time.sleep(2)
    subprocess.run(["callgrind_control", "--instr=on", str(target.child.pid)], check=True, capture_output=True)
    ask(directory, target, CALLS)
    # The last rows are written.
    time.sleep(2)
    target.child.stop(patience=PATIENCE)
    mock.child.stop()
    threads = [totals(path) for path in glob.glob(out + "-*")]
    return {event: sum(thread.get(event, 0) for thread in threads) / CALLS for _, events in COLUMNS for event in events}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    directory, names = sys.argv[1], sys.argv[2:] or ["forwarder", "gateway"]
    raise_open_files()
    print(f"| a plain call, {CONNECTIONS} connections | " + " | ".join(text for text, _ in COLUMNS) + " |")
    print("|---" + "|--:" * len(COLUMNS) + "|")
    with tempfile.TemporaryDirectory() as work:
        try:
            for name in names:
                counted = count(name, directory, work)
                print(f"| {name} | " + " | ".join(f"{sum(counted[event] for event in events):,.0f}" for _, events in COLUMNS) + " |")
        except Fault as fault:
            sys.exit(f"caches: {fault}")
        finally:
            stop_all()


if __name__ == "__main__":
    main()
