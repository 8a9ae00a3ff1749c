#!/usr/bin/env bash
# Serves the demo provider from an empty folder with a key made for this run, says how to ask it, and leaves nothing behind.
set -euo pipefail
gateway=$1 host=$2 port=$3

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
key="sk-demo-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')"
cat <<SAY
address: http://$host:$port
key:     $key

  export GPROXY_KEY=$key
  curl http://$host:$port/v1/chat/completions -H "Authorization: Bearer \$GPROXY_KEY" \\
    -H 'content-type: application/json' -d '{"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}'

Ctrl-C ends it.
SAY
cd "$folder"
GPROXY_ADMIN_KEY="$key" GPROXY_DATA_DIR="$folder/data" "$gateway" --host "$host" --port "$port" &
running=$!
trap 'kill "$running" 2>/dev/null || true' INT TERM
# The first wait ends with the signal, the second with the gateway.
wait "$running" || wait "$running" || true
