#!/usr/bin/env python3
"""Counts the instructions of an admission, part by part, with `valgrind --tool=callgrind`; see README.md here.

    admission.py BINARY            a bench-parts that was built with all optimizations

Each figure is the difference of two runs of one step, less that of the step before it, so that what is done once (rows, snapshot, the
first growth of maps) is in none of them. Prints a table in Markdown.
"""

import os
import re
import subprocess
import sys
import tempfile

FEW, MANY = 2_000, 12_000
LIMITS = "--without-quotas"


def instructions(binary, step, rounds, options, inside):
    """All that the program executes, or only what a function does."""
    with tempfile.TemporaryDirectory() as work:
        argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.path.join(work, 'out')}"]
        argv += [f"--toggle-collect=*{inside}*"] if inside else []
        argv += [binary, "admission", "--count", step, "--rounds", str(rounds), *options]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"admission: {done.stdout}")
        return int(re.search(r"Collected : (\d+)", done.stdout).group(1))


def each(binary, step, *options, inside=None):
    """Instructions of one round."""
    few, many = (instructions(binary, step, rounds, options, inside) for rounds in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def table(binary):
    name, permit, find, release = (each(binary, step) for step in ("name", "permit", "find", "release"))
    find_limits, release_limits = (each(binary, step, LIMITS) for step in ("find", "release"))
    given_back = each(binary, "release", inside="end_given_back")
    given_back_limits = each(binary, "release", LIMITS, inside="end_given_back")
    settled = each(binary, "settle", inside="end_settled")
    held, held_limits = release - find - given_back, release_limits - find_limits - given_back_limits
    rows = [
        ("a permission is found, the organization's and the key's", permit - name),
        ("the ten limits that count the call are found", find_limits - permit),
        ("the model's price is found, and what the three quotas are to set aside", find - find_limits),
        ("taken from the ten limits in one step; what is left is told in headers", held_limits),
        ("reserved of the three quotas in the same step", held - held_limits),
    ]
    lines = ["| part | instructions |", "|---|--:|"]
    lines += [f"| {text} | {count:,.0f} |" for text, count in rows]
    lines += [f"| **an admission** | **{sum(count for _, count in rows):,.0f}** |"]
    lines += [f"| its end: settled, that is priced, given back and spent | {settled:,.0f} |"]
    lines += [f"| or its end: given back, nothing is spent | {given_back:,.0f} |"]
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(table(sys.argv[1]))


if __name__ == "__main__":
    main()
