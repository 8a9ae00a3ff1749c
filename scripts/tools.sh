#!/usr/bin/env bash
# Sets up what a build wants and does not find, and with `tests` also what the tests want:
#
#   scripts/tools.sh [tests]
#
# Rust comes from its own installer into the home folder, a C compiler and Python from package.sh. Where GPROXY_SETUP=0 forbids it, it
# says what to install and ends with 1.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
readonly cargo wanted

say() { echo "setup: $*" >&2; }

is_recent() {
  local version
  version=$("$cargo" --version 2>/dev/null | cut -d' ' -f2)
  [ -n "$version" ] && [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ]
}

rust() {
  if is_recent; then return; fi
  if [ "${GPROXY_SETUP:-1}" = 0 ]; then
    say "Rust $wanted or later is missing: https://rustup.rs"
    exit 1
  fi
  if command -v rustup >/dev/null; then
    say "Rust $wanted or later is missing: rustup update stable"
    rustup update --no-self-update stable
  else
    say "Rust $wanted or later is missing: installing it into ${CARGO_HOME:-~/.cargo} and ${RUSTUP_HOME:-~/.rustup}, as https://rustup.rs does"
    command -v curl >/dev/null || scripts/package.sh curl curl ca-certificates
    local installer
    installer=$(mktemp)
    curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh -o "$installer"
    sh "$installer" -q -y --profile minimal --component rustfmt --component clippy --no-modify-path >&2
    rm "$installer"
  fi
  hash -r
  if ! is_recent; then
    say "$("$cargo" --version) is what answers to \"$cargo\", and Rust $wanted or later is wanted: https://rustup.rs"
    exit 1
  fi
}

# SQLite and TLS are in C.
command -v cc >/dev/null || scripts/package.sh "a C compiler" gcc libc6-dev
rust
if [ "${1:-}" = tests ]; then
  type -P kill >/dev/null || scripts/package.sh "a kill that is not the shell's" procps
  python3 -c 'import ensurepip, venv' 2>/dev/null || scripts/package.sh "Python with venv" python3 python3-venv
fi
