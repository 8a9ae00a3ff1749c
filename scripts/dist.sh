#!/usr/bin/env bash
# Builds what is measured and shipped (profile `dist`), guided by a profile of its own work: instrumented binaries are put under the
# loads of the benchmark for half a minute, and the compiler reads what they noted. The yardstick is trained and built in the same way.
# Wants `rustup component add llvm-tools`; without it the build is an ordinary one, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

target_dir="${CARGO_TARGET_DIR:-$HOME/.cache/gproxy/target}"
cargo="${CARGO:-cargo}"
host="$(rustc -vV | sed -n 's/^host: //p')"
readonly target_dir cargo host
# Only what carries the load is trained; the tools beside it are built with it, by the same command.
readonly trained=(gproxy bench-forwarder)
readonly working=("${trained[@]}" bench-mock bench-load)

say() { printf 'dist: %s\n' "$*"; }

profdata() {
  find "$(rustc --print sysroot)/lib/rustlib/$host/bin" -name llvm-profdata 2>/dev/null | head -n 1
}

# The target is named, so that build scripts and macros, which run here and now, are neither instrumented nor guided.
build() { # TARGET_DIR RUSTFLAGS BINARIES
  RUSTFLAGS="$2" "$cargo" build --locked --profile dist --features bench --target "$host" --target-dir "$1" "${@:3}"
}

merge="$(profdata)"
if [ -z "$merge" ] && command -v rustup >/dev/null; then
  timeout 300 rustup component add llvm-tools >/dev/null 2>&1 || true
  merge="$(profdata)"
fi
if [ -z "$merge" ]; then
  say "no llvm-profdata here (rustup component add llvm-tools): not guided by a profile"
  exec "$cargo" build --locked --profile dist --features bench --bins
fi

# The names stand in the compiler's flags: the same each time for what is noted down, so that little is built anew, and another
# for each profile, so that no binary is guided by an old one.
notes="$target_dir-instrumented/notes"
rm -rf "$notes"
say "1 of 3: instrumented binaries"
build "$target_dir-instrumented" "-Cprofile-generate=$notes" "${working[@]/#/--bin=}"
say "2 of 3: half a minute of work"
python3 bench/train.py "$target_dir-instrumented/$host/dist" "${trained[@]}"
profile="$target_dir-guided/$(cat "$notes"/*.profraw | sha256sum | cut -c 1-16).profdata"
mkdir -p "$target_dir-guided"
rm -f "$target_dir-guided"/*.profdata
"$merge" merge -o "$profile" "$notes"/*.profraw
say "3 of 3: guided binaries"
build "$target_dir-guided" "-Cprofile-use=$profile" --bins
mkdir -p "$target_dir/dist"
for binary in gproxy bench-mock bench-load bench-forwarder bench-parts; do
  # One that is running is replaced, not written over.
  install -m 755 "$target_dir-guided/$host/dist/$binary" "$target_dir/dist/"
done
say "$target_dir/dist"
