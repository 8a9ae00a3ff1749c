#!/bin/sh
# Makes the virtualenv of the SDK tests outside the clone and prints its python. Kept warm: its folder is named by the hash of requirements.txt.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
requirements=$root/tests/sdk/requirements.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gproxy/venv
key=$(cksum "$requirements" | cut -d' ' -f1)-$(python3 -c 'import sys; print("py%d%d" % sys.version_info[:2])')
home=$cache/$key

if [ ! -f "$home/ready" ]; then
    mkdir -p "$cache"
    # A virtualenv cannot be moved, so two builders at once are kept apart by a lock, not by a rename.
    (
        if command -v flock >/dev/null 2>&1; then flock 9; fi
        if [ ! -f "$home/ready" ]; then
            rm -rf "$home"
            python3 -m venv "$home" >&2
            "$home/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
            touch "$home/ready"
        fi
    ) 9>"$cache/$key.lock"
fi

echo "$home/bin/python"
