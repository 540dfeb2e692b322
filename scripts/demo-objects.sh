#!/usr/bin/env bash
# 20,000 objects made of this machine's own files are copied from one bucket of a local S3 into another, by runs of which two are killed on
# the way; then the source changes, and a sweep brings exactly that. Needs no AWS. Everything is in demo/objects, or in
# DEMO_DIR/objects, made afresh each time.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${DEMO_DIR:-demo}/objects
objects=${OBJECTS:-20000}
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"

say() { printf '\n%s\n' "$*"; }
fail() { echo "demo-objects: $1" >&2; exit 1; }
# equal, moved: of a JSON reply on stdin.
equal() { sed -nE 's/.*"equal":([0-9]+).*/\1/p'; }
moved() { sed -nE 's/.*"progress":\{"moved":([0-9]+).*/\1/p'; }
free_port() { "$tools/ministack/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

echo "Building milkrun and the objects (the first time compiles for some minutes)"
cargo build ${CI:+--locked} --bin milkrun --example assets
built=$(cargo metadata --no-deps --format-version 1 | grep -oE '"target_directory":"[^"]*"' | cut -d '"' -f 4)/debug

rm -rf "$folder"
mkdir -p "$folder/migrations"
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; wait 2>/dev/null' EXIT

say "1. An S3 with $objects objects"
s3=$(free_port)
IOT_MTLS_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT=$s3 AWS_ENDPOINT_URL=http://127.0.0.1:$s3 SERVICES=s3 \
  "$tools/ministack/bin/ministack" >"$folder/s3.log" 2>&1 & servers+=($!)
for _ in $(seq 150); do answers "$s3" && break; sleep 0.2; done
answers "$s3" || fail "the server does not answer: see $folder/s3.log"
"$built/examples/assets" fill "http://127.0.0.1:$s3" assets-us "$objects"
sed "s/18481/$s3/g" examples/objects/assets-to-eu.toml >"$folder/migrations/assets-to-eu.toml"

export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
milkrun=("$built/milkrun" --migrations "$folder/migrations" --ledger "sqlite://$folder/milkrun.db")

say "2. Two runs are killed on the way, with -9"
for _ in 1 2; do
  "${milkrun[@]}" --json run assets-to-eu --time-limit 30s >/dev/null 2>&1 & run=$!
  sleep 4
  kill -9 "$run" 2>/dev/null || fail "it was faster than the kill"
  wait "$run" 2>/dev/null || true
  # Nobody gave its lease back: it runs out.
  sleep 4.5
  "${milkrun[@]}" --json status assets-to-eu | moved | sed 's/.*/killed after & objects/'
done

say "3. The next ones go on where they were: milkrun run assets-to-eu --until-done"
"${milkrun[@]}" run assets-to-eu --until-done --time-limit 10s --memory-limit 256MB

say "4. Both listings side by side: milkrun verify assets-to-eu"
verified=$("${milkrun[@]}" --json verify assets-to-eu | tail -n 1)
[ "$(equal <<<"$verified")" = "$objects" ] || fail "not all of them are there: $verified"
"$built/examples/assets" compare "http://127.0.0.1:$s3" assets-us assets-eu

say "5. The source changes, and a sweep brings exactly that"
sleep 1.1
"$built/examples/assets" change "http://127.0.0.1:$s3" assets-us
before=$("${milkrun[@]}" --json status assets-to-eu | moved)
sleep 1.1
"${milkrun[@]}" --json run assets-to-eu --until-done --time-limit 30s >"$folder/sweep.json" || fail "the sweep failed: $(tail -n 1 "$folder/sweep.json")"
after=$("${milkrun[@]}" --json status assets-to-eu | moved)
[ "$((after - before))" = 170 ] || fail "$((after - before)) objects were copied or deleted, not 170"
echo "150 copied, 20 deleted"
"$built/examples/assets" compare "http://127.0.0.1:$s3" assets-us assets-eu
cat <<END

Where to look:
  $folder/migrations/assets-to-eu.toml       the migration
  docs/objects.md                            what is copied, what is skipped, and everything else
END
