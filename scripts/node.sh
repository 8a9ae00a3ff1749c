#!/bin/sh
# Installs JavaScript packages of the SDK tests outside the clone and prints their folder: those of tests/sdk/vercel, or of the folder
# beside it that is named. Kept warm: it is named by the hash of the lock file.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
wanted=$root/tests/sdk/${1:-vercel}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gproxy/node

want="the tests with the Vercel ai package and with an OpenID provider want Node 20 or later with npm: on Debian, apt-get install nodejs npm, else https://nodejs.org"
for tool in node npm; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "$tool is missing; $want" >&2
        exit 1
    fi
done
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
    echo "node is of version $major; $want" >&2
    exit 1
fi

home=$cache/$(cat "$wanted/package.json" "$wanted/package-lock.json" | cksum | cut -d' ' -f1)-node$major

if [ ! -f "$home/ready" ]; then
    mkdir -p "$cache"
    # Two builders at once are kept apart by a lock; half of an installation is never called ready.
    (
        if command -v flock >/dev/null 2>&1; then flock 9; fi
        if [ ! -f "$home/ready" ]; then
            rm -rf "$home"
            mkdir -p "$home"
            cp "$wanted/package.json" "$wanted/package-lock.json" "$home"
            (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
            touch "$home/ready"
        fi
    ) 9>"$home.lock"
fi

echo "$home"
