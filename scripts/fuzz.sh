#!/usr/bin/env bash
# Runs the fuzz targets, each for SECONDS, with the fixtures as seeds: scripts/fuzz.sh SECONDS [TARGET...]
# What they find new stays in fuzz/corpus and makes the next run begin where this one ended.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:?how many seconds for each target}
shift
cd "$root/fuzz"
# libFuzzer's instruments are an unstable option of the stable compiler.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/gproxy/target}/fuzz
host=$(rustc -vV | sed -n "s/^host: //p")
export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is not installed: installing it (cargo install cargo-fuzz --locked)"
  cargo install cargo-fuzz --locked
fi

# The fixtures by what reads them.
seeds=$CARGO_TARGET_DIR/seeds
gather() {
  local into=$seeds/$1 file
  shift
  mkdir -p "$into"
  for file in "$@"; do
    cp "$file" "$into/$(cksum <"$file" | cut -d' ' -f1)"
  done
}
rm -rf "$seeds"
fixtures=../tests/fixtures/generate
gather framing $fixtures/*/*/stream.sse
gather answers $fixtures/*/*/answer.json
for dialect in chat responses claude gemini; do
  gather request_$dialect $fixtures/$dialect/*/request.json
  gather stream_$dialect $fixtures/$dialect/*/stream.sse
done

mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else cargo fuzz list; fi)
cargo fuzz build --target "$host"
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  echo "fuzz: $target for $seconds seconds"
  log=$CARGO_TARGET_DIR/$target.log
  if ! cargo fuzz run --target "$host" "$target" "corpus/$target" "$seeds/$target" -- -max_total_time="$seconds" \
    -dict=json.dict -max_len=16384 -len_control=50 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target failed; its whole report is $log" >&2
    exit 1
  fi
  awk '/^stat::number_of_executed_units|^stat::average_exec_per_sec|^stat::slowest_unit_time_sec|^stat::new_units_added/ { print "  " $1, $2 }' "$log"
done
