#!/usr/bin/env bash
# Compiles the library for wasm32-unknown-unknown with the feature `edge`, and prints what it weighs.
#
# Where rustup has the target, or can get it, that is used. Else Debian's own compiler builds std from its source;
# the first time costs a minute, later ones reuse it. GPROXY_EDGE_TOOLCHAIN=rustup or =debian chooses by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly target=wasm32-unknown-unknown
# Its own folder: another compiler's std must not push the native build's artefacts out, nor wait for its lock.
target_dir="${CARGO_TARGET_DIR:-$HOME/.cache/gproxy/target}-edge"
# A free Worker takes 3 MB, compressed.
readonly budget=$((3 * 1024 * 1024))

say() { printf 'edge: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

has_std() { # COMPILER
  compgen -G "$("$1" --print sysroot)/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null
}

use_rustup() {
  if ! has_std rustc && command -v rustup >/dev/null; then
    say "adding $target with rustup"
    timeout 300 rustup target add "$target" >/dev/null 2>&1 || true
  fi
  has_std rustc
}

# The Debian packages; where they are missing they are installed, if that can be done here.
use_debian() {
  local missing=()
  [ -x /usr/bin/cargo ] && /usr/bin/rustc --version 2>/dev/null | grep -q ' 1\.9[5-9]\| 1\.[1-9][0-9][0-9]' || missing+=(rustc-web cargo-web)
  command -v wasm-ld-19 >/dev/null || missing+=(lld-19)
  compgen -G '/usr/lib/rustlib/src/rust/library/std/Cargo.toml' >/dev/null || compgen -G '/usr/src/rustc-*/library/std/Cargo.toml' >/dev/null || missing+=(rust-web-src)
  [ "${#missing[@]}" -eq 0 ] && return 0
  scripts/package.sh "a compiler for $target" "${missing[@]}"
}

# Only here the library is one that a JavaScript host loads: a native build would link it a second time, for minutes.
build() { # CARGO, then more arguments
  local cargo=$1
  shift
  "$cargo" rustc --lib --crate-type cdylib --locked --profile edge --target "$target" --target-dir "$target_dir" --no-default-features --features edge "$@"
}

export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='--cfg getrandom_backend="wasm_js"'
# Flags of the native build do not fit here, and would hide the line above.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS

chosen="${GPROXY_EDGE_TOOLCHAIN:-}"
if [ "$chosen" != debian ] && use_rustup; then
  say "$(rustc --version), std from rustup"
  build cargo
elif [ "$chosen" != rustup ] && use_debian; then
  say "$(/usr/bin/rustc --version), std from source"
  target_dir="$target_dir-debian"
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
  build /usr/bin/cargo -Zbuild-std=std,panic_abort
else
  die "no way to compile for $target here: rustup has no such target, and Debian's compiler is not to be had"
fi

wasm="$target_dir/$target/edge/gproxy.wasm"
[ -f "$wasm" ] || die "$wasm was not made"
bytes=$(wc -c <"$wasm")
packed=$(gzip -9 -c "$wasm" | wc -c)
say "gproxy.wasm: $bytes bytes, $packed compressed (of $budget)"
[ "$packed" -le "$budget" ] || die "too large for a Worker"
