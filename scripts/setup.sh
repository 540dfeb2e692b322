#!/usr/bin/env bash
# Installs what is missing. Takes the groups that are wanted: build (a C compiler), test (database servers, Java and Node for
# DynamoDB Local), aws (Python for the SAM command line), bench (what milkrun is compared with). Quick when nothing is missing: it asks for presence alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export MILKRUN_TOOLS="${MILKRUN_TOOLS:-$HOME/.cache/milkrun}"

missing=()
# need PROBE PACKAGE…: the packages are wanted unless the probe finds what they bring.
need() {
  local probe=$1
  shift
  eval "$probe" >/dev/null 2>&1 || missing+=("$@")
}
present() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }

want_build() {
  command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
  local needed found
  needed=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
  found=$(rustc --version | cut -d ' ' -f 2)
  if [ "$(printf '%s\n' "$needed" "${found%%-*}" | sort -V | head -n 1)" != "$needed" ]; then
    echo "setup: Rust $needed or newer is needed, this is $found: run: rustup update stable" >&2
    exit 1
  fi
  need 'present cc && [ -e /usr/include/stdlib.h ]' gcc libc6-dev
}
want_test() {
  need 'present mariadbd && present mariadb-install-db' mariadb-server
  need 'present mariadb' mariadb-client
  need 'ls /usr/lib/postgresql/*/bin/initdb' postgresql
  need 'present psql' postgresql-client
  need 'present javac' openjdk-17-jdk-headless
  need 'present node && present npm' nodejs npm
}
want_bench() {
  need 'present pt-archiver' percona-toolkit
  need 'present pgloader' pgloader
  need '[ -x /usr/bin/time ]' time
  need 'present node && present npm' nodejs npm
  need 'present python3 && python3 -c "import venv, ensurepip"' python3 python3-venv
}
want_aws() {
  need 'present python3 && python3 -c "import venv, ensurepip"' python3 python3-venv
}

# Packages are installed without starting a service: what the tests need they start themselves, on ports of their own.
policy=/usr/sbin/policy-rc.d
as_root=()
install_missing() {
  command -v apt-get >/dev/null || { echo "setup: this is no Debian; install what brings: ${missing[*]}" >&2; exit 1; }
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)
  fi
  echo "setup: installing ${missing[*]}"
  if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

scripts=()
for group in "$@"; do
  case "$group" in
    build) want_build ;;
    test) want_test; scripts+=(scripts/setup-dynamodb.sh) ;;
    bench) want_bench; scripts+=(scripts/setup-bench.sh) ;;
    aws) want_aws; scripts+=(scripts/setup-sam.sh) ;;
    *) echo "setup: unknown group $group, expected build, test, bench or aws" >&2; exit 2 ;;
  esac
done
[ "${#missing[@]}" = 0 ] || install_missing
# Each of these looks for what it brings first, and is done at once when it is there.
for script in "${scripts[@]}"; do
  [ ! -x "$script" ] || "$script"
done
