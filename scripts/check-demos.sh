#!/usr/bin/env bash
# All demos do what they promise. The demo's folder is a fresh one: a developer's own demo/ stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

DEMO_DIR=$(mktemp -d "${TMPDIR:-/tmp}/milkrun-demos.XXXXXX")
export DEMO_DIR
trap 'rm -rf "$DEMO_DIR"' EXIT

# says TEXT COMMAND…: the command succeeds, and TEXT is in what it prints.
says() {
  local text=$1 printed
  shift
  printed=$("$@" | tee >(cat >&2))
  grep -qF -- "$text" <<<"$printed" || { echo "check-demos: \`$*\` did not print: $text" >&2; exit 1; }
}

says '72,884 moved' make demo
says 'nothing to do' make demo
says 'byte for byte' make demo-files
says '150 copied, 20 deleted' make demo-objects
make demo-aws
