#!/usr/bin/env bash
# 5,000 profiles with four to ten files each: the files move from a file server on this machine into an S3 on this machine, and the rows
# follow; a page lists the result; then `rollback` puts every row back as it was. Needs no AWS. Everything is in demo/files, or in
# DEMO_DIR/files, made afresh each time. KEEP=1 leaves the servers running until Enter, so that the page has its pictures.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${DEMO_DIR:-demo}/files
profiles=${PROFILES:-5000}
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"

say() { printf '\n%s\n' "$*"; }
fail() { echo "demo-files: $1" >&2; exit 1; }
# number FIELD: the first such field of a JSON reply on stdin.
number() { sed -nE "s/.*\"$1\" *: *([0-9]+).*/\1/p" | head -n 1; }
free_port() { "$tools/ministack/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

echo "Building milkrun and the profiles (the first time compiles for some minutes)"
cargo build ${CI:+--locked} --bin milkrun --example profiles
built=$(cargo metadata --no-deps --format-version 1 | grep -oE '"target_directory":"[^"]*"' | cut -d '"' -f 4)/debug

rm -rf "$folder"
mkdir -p "$folder/migrations"
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; wait 2>/dev/null' EXIT

say "1. A file server, an S3, and $profiles profiles in SQLite"
files=$(free_port) s3=$(free_port)
"$built/examples/profiles" serve "$files" & servers+=($!)
IOT_MTLS_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT=$s3 AWS_ENDPOINT_URL=http://127.0.0.1:$s3 SERVICES=s3 \
  "$tools/ministack/bin/ministack" >"$folder/s3.log" 2>&1 & servers+=($!)
for _ in $(seq 150); do answers "$files" && answers "$s3" && break; sleep 0.2; done
answers "$files" && answers "$s3" || fail "the servers do not answer: see $folder/s3.log"
"$built/examples/profiles" make "$folder/app.db" "$profiles" "http://127.0.0.1:$files"
sed "s/18480/$files/g; s/18481/$s3/g" examples/files/profile-photos.toml >"$folder/migrations/profile-photos.toml"

export APP_DATABASE_URL=sqlite://$folder/app.db
export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
curl -sf -X PUT "http://127.0.0.1:$s3/profile-photos" >/dev/null || fail "no bucket could be made"
milkrun=("$built/milkrun" --migrations "$folder/migrations" --ledger "sqlite://$folder/milkrun.db")
before=$("$built/examples/profiles" digest "$folder/app.db")

# Runs of ten seconds and 256 MB: as on a schedule, each goes on where the one before stopped.
say "2. The files move, and the rows follow: milkrun run profile-photos --until-done"
"${milkrun[@]}" run profile-photos --until-done --time-limit 10s --memory-limit 256MB

say "3. Every object that a row points at is looked at: milkrun verify profile-photos"
verified=$("${milkrun[@]}" --json verify profile-photos | tail -n 1)
[ "$(number equal <<<"$verified")" = "$profiles" ] || fail "not all of them are there: $verified"
echo "$profiles profiles, all of their files where they say"
page=$("$built/examples/profiles" page "$folder/app.db" "$folder/moved.html")
echo "A page of them: $page"
if [ -n "${KEEP:-}" ]; then read -rp "The servers run until Enter, so that it has its pictures: "; fi

say "4. And back: milkrun rollback profile-photos"
"${milkrun[@]}" rollback profile-photos
after=$("$built/examples/profiles" digest "$folder/app.db")
[ "$before" = "$after" ] || fail "a row is not as it was"
echo "Every row says what it said before, byte for byte."
cat <<END

Where to look:
  $folder/moved.html                         what it looked like in between (KEEP=1 make demo-files shows the pictures, too)
  $folder/migrations/profile-photos.toml     the migration
  docs/files.md                              what happens to a row, and everything else
END
