#!/usr/bin/env bash
# Finds the database servers that the store's tests use, or starts private ones; prints how the tests reach them:
#
#   eval "$(scripts/services.sh)"          # what listens on the usual ports and lets them in, private servers for the rest
#   eval "$(scripts/services.sh private)"  # private servers only
#   scripts/services.sh stop               # ends the private servers
#
# Run it as often as you like. Missing programs are installed by package.sh, which needs root. Private servers listen on
# 127.0.0.1 without passwords, keep their files in $GPROXY_SERVICES_DIR (default /tmp/gproxy-services), and force nothing
# onto the disk: they are for tests only.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

mode=${1:-}
home=${GPROXY_SERVICES_DIR:-/tmp/gproxy-services}
postgres_port=55432 mysql_port=53306 redis_port=56379

say() { echo "services: $*" >&2; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

await() { # port, name
  for _ in $(seq 100); do
    if listens "$1"; then return; fi
    sleep 0.2
  done
  say "$2 does not listen on port $1; see its log under $home"
  exit 1
}

# Runs a command as a system user where we are root: neither PostgreSQL nor MariaDB likes to run as root.
as() { # user, command...
  local user=$1
  shift
  if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

need() { # program, package
  if command -v "$1" >/dev/null || ls /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1; then return; fi
  "$here/package.sh" "$1" "$2"
}

folder() { # name, user
  mkdir -p "$home/$1"
  chmod 755 "$home"
  if [ "$(id -u)" = 0 ]; then chown "$2" "$home/$1"; fi
}

start_postgres() {
  need initdb postgresql
  local bin
  bin=$(dirname "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")
  folder postgres postgres
  local data=$home/postgres/data
  cd "$home"
  [ -e "$data/PG_VERSION" ] || as postgres "$bin/initdb" -D "$data" -A trust -U postgres --no-sync >&2
  as postgres "$bin/pg_ctl" -D "$data" -l "$home/postgres/log" -w start \
    -o "-p $postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$home/postgres -c fsync=off" >&2
}

start_mysql() {
  need mariadbd mariadb-server
  folder mysql mysql
  local data=$home/mysql/data user=mysql
  [ "$(id -u)" = 0 ] || user=$(id -un)
  cd "$home"
  [ -e "$data/mysql" ] || TMPDIR=$home/mysql mariadb-install-db --no-defaults --user="$user" --datadir="$data" \
    --auth-root-authentication-method=normal --skip-test-db >&2
  TMPDIR=$home/mysql nohup mariadbd --no-defaults --user="$user" --datadir="$data" --port=$mysql_port --bind-address=127.0.0.1 \
    --socket="$home/mysql/socket" --pid-file="$home/mysql/pid" --innodb-flush-log-at-trx-commit=0 >"$home/mysql/log" 2>&1 </dev/null &
}

start_redis() {
  need redis-server redis-server
  mkdir -p "$home/redis"
  redis-server --port $redis_port --bind 127.0.0.1 --save '' --appendonly no --daemonize yes --dir "$home/redis" \
    --pidfile "$home/redis/pid" --logfile "$home/redis/log" >&2
}

stop() {
  local pid
  for file in "$home/postgres/data/postmaster.pid" "$home/mysql/pid" "$home/redis/pid"; do
    if [ -e "$file" ] && pid=$(head -1 "$file") && kill "$pid" 2>/dev/null; then say "ended process $pid ($file)"; fi
  done
}

# Whether a server that somebody else started lets the tests in. Where no client is at hand to ask it, it is taken to.
admits_postgres() { ! command -v psql >/dev/null || psql -qwc '' "postgres://postgres@127.0.0.1:5432" >/dev/null 2>&1; }
admits_mysql() { ! command -v mariadb >/dev/null || mariadb --no-defaults -h 127.0.0.1 -P 3306 -u root --password= -e '' >/dev/null 2>&1; }
admits_redis() { ! command -v redis-cli >/dev/null || [ "$(redis-cli -h 127.0.0.1 -p 6379 ping 2>/dev/null)" = PONG ]; }

offer() { # name, usual port, private port, variable, address with PORT in it
  local port=$2
  if [ "$mode" = private ] || ! listens "$port" || ! "admits_$1"; then
    port=$3
    if listens "$port"; then
      say "$1: private server stands on port $port"
    else
      say "$1: starting a private server on port $port"
      "start_$1"
      await "$port" "$1"
    fi
  else
    say "$1: found on port $port"
  fi
  echo "export $4=${5/PORT/$port}"
}

case $mode in
  '' | private)
    # The tests start some of their own as well.
    need redis-server redis-server
    offer postgres 5432 $postgres_port GPROXY_TEST_POSTGRES postgres://postgres@127.0.0.1:PORT
    offer mysql 3306 $mysql_port GPROXY_TEST_MYSQL mysql://root@127.0.0.1:PORT
    offer redis 6379 $redis_port GPROXY_TEST_REDIS redis://127.0.0.1:PORT
    ;;
  stop) stop ;;
  *)
    say "unknown argument $mode; expected none, private or stop"
    exit 2
    ;;
esac
