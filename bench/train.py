#!/usr/bin/env python3
"""Puts instrumented binaries under every load of the benchmark, so that the compiler learns what they do; see scripts/dist.sh.

    train.py DIRECTORY NAME...     the binaries there, by their names: gproxy, bench-forwarder
"""

import os
import sys
import tempfile

from procs import Fault, Load, Mock, raise_open_files, stop_all
from scenes import SCENES
from targets import ADMIN_KEY, Forwarder, Gateway

# The open loop's rate is known only in a run; plain traffic teaches the same.
LEFT_OUT = ("open",)
MAKERS = {"gproxy": Gateway, "bench-forwarder": Forwarder}
TARGETS = {"gproxy": "gateway", "bench-forwarder": "forwarder"}


def train(directory, name, work):
    """Every scene that the binary has a part in, and then an orderly end, at which it writes down what it did."""
    mock = Mock(os.path.join(directory, "bench-mock"), os.path.join(work, f"{name}-mock.log"))
    os.makedirs(os.path.join(work, name))
    target = MAKERS[name](os.path.join(directory, name), mock, os.path.join(work, name))
    for scene in SCENES:
        if TARGETS[name] not in scene.targets or scene.name in LEFT_OUT:
            continue
        options = ["--target", f"127.0.0.1:{target.port}", "--key", ADMIN_KEY, *scene.options, "--seconds", scene.seconds]
        result = Load(os.path.join(directory, "bench-load"), options).result()
        if result["failed"]:
            raise Fault(f"{scene.name} on {name}: {result['failed']} calls failed ({result['first_error']})")
    target.stop()
    mock.child.stop()


def main():
    directory, names = sys.argv[1], sys.argv[2:]
    raise_open_files()
    with tempfile.TemporaryDirectory() as work:
        try:
            for name in names:
                train(directory, name, work)
        except Fault as fault:
            sys.exit(f"train: {fault}")
        finally:
            stop_all()


if __name__ == "__main__":
    main()
