#!/usr/bin/env python3
"""Checks licences, sources and banned crates of every dependency against deny.toml, from `cargo metadata` alone.

`cargo deny` checks the same and more; this stands in where it is not installed. Exits non-zero on the first kind of fault.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def allowed(expression: str, licences: set[str]) -> bool:
    """Whether an SPDX expression can be met by the licences: OR by one side, AND by both. A slash is an old OR."""
    text = expression.replace("/", " OR ")
    while inner := re.search(r"\(([^()]*)\)", text):
        text = text.replace(inner[0], "met" if allowed(inner[1], licences) else "unmet")
    known = licences | {"met"}
    return any(all(word.strip() in known for word in choice.split(" AND ")) for choice in text.split(" OR "))


def faults(packages: list[dict], rules: dict) -> list[str]:
    """One line for each crate that must not be there."""
    licences = set(rules["licenses"]["allow"])
    banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
    found = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not allowed(package["license"] or "none", licences):
            found.append(f"{name}: licence {package['license']!r} is not allowed")
        if package["name"] in banned:
            found.append(f"{name}: banned: {banned[package['name']]}")
        if package["source"] not in (None, CRATES_IO):
            found.append(f"{name}: comes from {package['source']}, not from the public registry")
    return found


def check_itself(rules: dict) -> None:
    """The check must be able to fail."""
    good = {"name": "a", "version": "1", "license": "(MIT OR GPL-3.0-only) AND Unicode-3.0", "source": CRATES_IO}
    assert faults([good], rules) == []
    for fault in ({"license": "GPL-3.0-only"}, {"license": None}, {"license": "MIT AND GPL-2.0-only"}, {"license": "MIT AND (GPL-2.0-only OR unmet)"}, {"name": "openssl-sys"}, {"source": "git+x"}):
        assert len(faults([good | fault], rules)) == 1, fault


def main() -> int:
    """Checks the whole graph."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    check_itself(rules)
    command = ["cargo", "metadata", "--format-version=1", "--all-features", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)["packages"]
    found = faults(packages, rules)
    print("\n".join(found) if found else f"deny: licences, bans and sources of {len(packages)} crates are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
