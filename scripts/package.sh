#!/usr/bin/env bash
# Installs Debian packages, of which it says what they are wanted for:
#
#   scripts/package.sh WHAT PACKAGE...
#
# Where that is not possible (it needs root) or GPROXY_SETUP=0 forbids it, it says what to install and ends with 1.
set -euo pipefail

what=$1
shift
if [ "${GPROXY_SETUP:-1}" = 0 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "setup: $what is missing: on Debian, apt-get install $*" >&2
  exit 1
fi
echo "setup: $what is missing: installing $*" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
