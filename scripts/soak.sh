#!/usr/bin/env bash
# The regimen, round after round with fresh seeds, until the time is up. At the end what was done, added up.
# A round that fails ends it, and shows the seed that repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."
secs=${1:?how many seconds}
[[ $secs =~ ^[0-9]+$ ]] || { echo "soak: SECS is \`$secs\`, but has to be a number of seconds" >&2; exit 2; }
log=$(mktemp)
round_log=$(mktemp)
trap 'rm -f "$log" "$round_log"' EXIT
# Built once: what is edited meanwhile is none of this run's business.
built=$(cargo test --features failpoints --test it --no-run 2>&1) || { echo "$built" >&2; exit 1; }
binary=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' <<<"$built")
[ -x "$binary" ] || { echo "soak: no test binary in: $built" >&2; exit 1; }
rounds=0
SECONDS=0
while ((SECONDS < secs)); do
  left=$((secs - SECONDS))
  # The parts that go by the clock; the others are as long as they are.
  export MILKRUN_CHAOS_SECS=$((left < 60 ? left : 60))
  if ! "$binary" chaos:: killed:: --nocapture --test-threads=2 >"$round_log" 2>&1; then
    cat "$round_log"
    echo "soak: VIOLATION in round $((rounds + 1)); the seed stands above" >&2
    exit 1
  fi
  rounds=$((rounds + 1))
  grep -oE 'chaos: [a-z]+: .*' "$round_log" >>"$log"
  echo "soak: round $rounds, $SECONDS s of $secs"
done
awk -v rounds="$rounds" -v secs="$SECONDS" '
  { part = $2; sub(":", "", part)
    for (i = 3; i <= NF; i++) { split($i, pair, "="); sum[pair[1]] += pair[2]; of[part " " pair[1]] += pair[2] } }
  END {
    for (name in of) { split(name, pair, " "); if (pair[2] != "violations") printf "  %-12s %-12s %d\n", pair[1], pair[2], of[name] | "sort" }
    close("sort")
    printf "soak: %d rounds in %d s: %d kills, %d injected faults, %d model states, %d violations\n",
      rounds, secs, sum["kills"], sum["faults"], sum["states"], sum["violations"]
    # In an hour 1,000 kills, 10,000 faults and 10 million states: less, and it has not looked hard enough.
    hours = secs / 3600
    if (!sum["kills"] || !sum["faults"] || !sum["states"]) { print "soak: nothing was injected" > "/dev/stderr"; exit 1 }
    if (hours >= 0.9 && (sum["kills"] < 1000 * hours || sum["faults"] < 10000 * hours || sum["states"] < 10000000 * hours)) {
      print "soak: too little was injected" > "/dev/stderr"; exit 1
    }
  }' "$log"
