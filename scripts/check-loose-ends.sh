#!/usr/bin/env bash
# Nothing in the source may be unfinished or left over from debugging.
set -euo pipefail
cd "$(dirname "$0")/.."
if found=$(grep -rnE '\b(todo|dbg|unimplemented)!|\b(TODO|FIXME|XXX)\b' src); then
  printf 'loose ends in src:\n%s\n' "$found" >&2
  exit 1
fi
