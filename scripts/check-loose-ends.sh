#!/usr/bin/env bash
# Nothing in the source or its tests may be unfinished, a stub, or left over from debugging.
set -euo pipefail
cd "$(dirname "$0")/.."
if found=$(grep -rnE '\b(todo|dbg|unimplemented)!|\b(TODO|FIXME|XXX)\b|//[/!]?[[:space:]]*[Tt]odo\b' src tests); then
  printf 'loose ends:\n%s\n' "$found" >&2
  exit 1
fi
