#!/usr/bin/env bash
# Nothing in the source or its tests may be unfinished, a stub, left over from debugging, or wait for another branch.
set -euo pipefail
cd "$(dirname "$0")/.."
if found=$(grep -rnE '\b(todo|dbg|unimplemented)!|\b(TODO|FIXME|XXX)\b|//[/!]?[[:space:]]*[Tt]odo\b|(is|are) not (there|built|merged|done) yet"|(an)?other branch\b' src tests); then
  printf 'loose ends:\n%s\n' "$found" >&2
  exit 1
fi
