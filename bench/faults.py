#!/usr/bin/env python3
"""Faults of the gateway's own surroundings, played against the real binary on loopback; see README.md here.

    faults.py              every row, side by side; what measures milliseconds plays alone at the end; about two minutes
    faults.py --quick      outages of 10 s instead of 60 s
    faults.py --rows swap,drain
    faults.py --soak 120   two hours of use beside nothing else: memory and handles

Prints each row with its figure. Ends with 0 where every row holds, 1 where one does not, 2 where all that were played hold and one
could not be played on this machine; such a row says why.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time

import bombs
import machine
import surroundings
import tokens
from house import Lab, NotShown
from procs import Fault, raise_open_files, stop_all

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = {**surroundings.ROWS, "readonly": machine.readonly, "clock": machine.clock, "bombs": bombs.bombs, "panic": bombs.panic, "renewal": tokens.renewal}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", help="the gateway's binary (a release build)")
    parser.add_argument("--quick", action="store_true", help="outages of 10 s, a line of 64 MB")
    parser.add_argument("--rows", help="only these, with commas: " + ",".join(ROWS))
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="so long a soak, and no other row unless --rows says some")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def services():
    """The addresses of the database servers, as scripts/services.sh says them."""
    said = subprocess.run([os.path.join(ROOT, "scripts", "services.sh")], check=True, capture_output=True, text=True).stdout
    pairs = (line.removeprefix("export ").split("=", 1) for line in said.splitlines() if line.startswith("export "))
    return {name: value for name, value in pairs}


def play(name, row, lab, folder, chosen, addresses):
    """One row: its checks as (text, holds), or why it is not shown."""
    begun = time.monotonic()
    place = os.path.join(folder, name)
    os.mkdir(place)
    try:
        checks, why = list(row(lab, place, chosen.quick, addresses)), None
    except NotShown as reason:
        checks, why = [], str(reason)
    except (Fault, OSError, ValueError, KeyError) as fault:
        checks, why = [(f"{type(fault).__name__}: {fault}", False)], None
    return {"row": name, "seconds": round(time.monotonic() - begun, 1), "not_shown": why, "checks": checks}


def tell(found):
    for row in found:
        print(f"{row['row']} ({row['seconds']} s)" + (f": not shown: {row['not_shown']}" if row["not_shown"] else ""))
        for text, holds in row["checks"]:
            print(f"  {'holds' if holds else 'FAILS'}: {text}")


def main():
    chosen = options()
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    binary = chosen.gateway or os.path.join(target, "release", "gproxy")
    names = chosen.rows.split(",") if chosen.rows else [] if chosen.soak else list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        sys.exit(f"unknown row {unknown[0]!r}; expected some of {', '.join(ROWS)}")
    rows = dict(ROWS)
    if chosen.soak:
        rows["soak"] = lambda lab, folder, quick, addresses: machine.soak(lab, folder, chosen.soak)
        names.append("soak")
    raise_open_files()
    addresses = services()
    with tempfile.TemporaryDirectory(prefix="gproxy-faults-") as folder:
        try:
            lab = Lab(binary, os.path.join(folder, "lab.log"))
            one = lambda name: play(name, rows[name], lab, folder, chosen, addresses)
            together = [name for name in names if name not in surroundings.ALONE]
            with concurrent.futures.ThreadPoolExecutor(max(1, len(together))) as pool:
                found = list(pool.map(one, together))
            found += [one(name) for name in names if name in surroundings.ALONE]
        finally:
            stop_all()
    print(json.dumps(found, indent=1)) if chosen.json else tell(found)
    if not all(holds for row in found for _, holds in row["checks"]):
        return 1
    return 2 if any(row["not_shown"] for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
