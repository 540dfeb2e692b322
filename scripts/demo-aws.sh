#!/usr/bin/env bash
# The function as it ships, built and deployed by the real `sam build` and `sam deploy` onto a local AWS on loopback, woken by its
# EventBridge schedule until a shop's closed orders are history. Exit 0 only when they all are.
# KEEP=1 leaves everything running at the end, to look around, until Enter or Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"
stack=milkrun-demo
migration=orders-history
patience_seconds=${DEMO_PATIENCE:-300}
logs=target/demo-aws

say() { printf '\n== %s\n' "$*"; }
fail() { echo "demo-aws: $*" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/milkrun-demo.XXXXXX")
chmod 755 "$work"
mkdir -p "$work/tmp" "$logs"
rm -f "$logs"/*.log
started=()

# Ends what this script started and nothing else: each runs in a session of its own, so its children are found by its id.
clean_up() {
  local pid
  for pid in "${started[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do
    for _ in $(seq 50); do kill -0 -- "-$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # start LOG COMMAND…
  local log=$1
  shift
  setsid "$@" >"$log" 2>&1 </dev/null &
  started+=("$!")
}
await() { # await WHAT LOG COMMAND…: until the command succeeds, or what was started last has ended
  local what=$1 log=$2
  shift 2
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "${started[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  fail "$what did not start, see above"
}
python() { "$tools/sam/bin/python" "$@"; }
free_port() { python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

# Nothing here may reach a real account: invented credentials, a loopback endpoint, no profile, no proxy.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI \
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_IGNORE_CONFIGURED_ENDPOINT_URLS "${!AWS_ENDPOINT_URL@}"
unset MAKEFLAGS MAKELEVEL MFLAGS MILKRUN_LEDGER MILKRUN_MIGRATIONS MILKRUN_TOPIC_ARN MILKRUN_LEASE_MARGIN
aws_port=$(free_port)
database_port=$(free_port)
export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 \
  AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
  AWS_ENDPOINT_URL="http://127.0.0.1:$aws_port" NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 SAM_CLI_TELEMETRY=0
# An empty one, so that neither reads nor rewrites the samconfig.toml of your own deployment.
touch "$work/samconfig.toml"
sam() { "$tools/sam/bin/sam" "$@"; }

case "$(uname -m)" in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac

say 'sam build (the first time compiles everything as it ships: some minutes)'
sam build --config-file "$work/samconfig.toml" --build-dir "$work/build" --parameter-overrides "Architecture=$architecture" \
  >"$logs/build.log" 2>&1 || { tail -n 40 "$logs/build.log" >&2; fail 'sam build failed, see above'; }
grep '^package:' "$logs/build.log"
cargo build --locked --quiet --bin milkrun
milkrun=${CARGO_TARGET_DIR:-target}/debug/milkrun

say 'a shop on a private MariaDB'
data=$work/mariadb
mkdir "$data"
as=()
if [ "$(id -u)" = 0 ]; then
  as=(--user=mysql)
  chown mysql "$data"
fi
mariadb-install-db --no-defaults "${as[@]}" --datadir="$data" --auth-root-authentication-method=normal --skip-test-db \
  >"$logs/mariadb.log" 2>&1 || { tail -n 20 "$logs/mariadb.log" >&2; fail 'MariaDB could not be set up, see above'; }
start "$logs/mariadb.log" mariadbd --no-defaults "${as[@]}" --datadir="$data" --socket="$data/socket" --port="$database_port" \
  --bind-address=127.0.0.1 --innodb-buffer-pool-size=64M
sql() { mariadb --no-defaults --socket="$data/socket" --user=root --default-character-set=utf8mb4 --batch --skip-column-names "$@"; }
await MariaDB "$logs/mariadb.log" sql -e 'SELECT 1'
password=$(python -c 'import secrets; print(secrets.token_hex(16))')
sql <scripts/demo-shop.sql
sql -e "CREATE USER milkrun@'127.0.0.1' IDENTIFIED BY '$password'; GRANT SELECT, INSERT, CREATE ON shop.* TO milkrun@'127.0.0.1'"
closed=$(sql shop -e "SELECT COUNT(id) FROM orders WHERE status IN ('uncollected', 'cancelled', 'dispensed')")
echo "$(sql shop -e 'SELECT COUNT(*) FROM orders') orders, of which $closed are closed"

say 'a local AWS, and sam deploy'
start "$logs/aws.log" env TMPDIR="$work/tmp" STATE_DIR="$work/state" IOT_MTLS_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT="$aws_port" \
  "$tools/ministack/bin/ministack"
await 'The local AWS' "$logs/aws.log" listens "$aws_port"
# Saved queries are left out, for the local AWS has none.
sam deploy --config-file "$work/samconfig.toml" --template-file "$work/build/template.yaml" --stack-name "$stack" --resolve-s3 \
  --capabilities CAPABILITY_IAM --no-confirm-changeset --no-progressbar --parameter-overrides \
  "Architecture=$architecture" Timeout=10 'ScheduleExpression="rate(1 minute)"' SavedQueries=false \
  "ShopDatabaseUrl=mysql://milkrun:$password@127.0.0.1:$database_port/shop" \
  >"$logs/deploy.log" 2>&1 || { tail -n 40 "$logs/deploy.log" >&2; fail 'sam deploy failed, see above'; }
echo "stack $stack is up: function, schedule, ledger, queue, alarms"

# What the function logged, from the local CloudWatch Logs, less the platform's lines about every `status` that was asked.
fetch_function_log() {
  python - "/aws/lambda/$stack" >"$logs/function.log" 2>/dev/null <<'PYTHON' || true
import sys
import boto3
logs = boto3.client("logs")
for page in logs.get_paginator("filter_log_events").paginate(logGroupName=sys.argv[1]):
    for event in page["events"]:
        if not event["message"].startswith(("START RequestId", "END RequestId", "REPORT RequestId")):
            print(event["message"].rstrip())
PYTHON
}
# One field of the one line that is the reply.
field() { python -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]) or "")' "$1"; }

say "milkrun --function $stack status $migration, until its schedule has brought it to the end (a tick a minute)"
state='' seen='' moment=$SECONDS
while [ "$state" != complete ]; do
  if [ $((SECONDS - moment)) -gt "$patience_seconds" ]; then
    fetch_function_log
    tail -n 20 "$logs/function.log" >&2
    fail "not complete after $patience_seconds s, state '$state'; what the function logged is above and in $logs/function.log"
  fi
  if reply=$("$milkrun" --function "$stack" --json status "$migration" 2>"$logs/status.log"); then
    state=$(field state <<<"$reply")
  else
    # Exit 4 is `busy`, a reply without a state: the function had no room. Anything without a reply is a failure of its own.
    [ -n "${reply:-}" ] || { cat "$logs/status.log" >&2; fetch_function_log; tail -n 20 "$logs/function.log" >&2; fail 'status failed, see above'; }
    state=$(field state <<<"$reply")
  fi
  now="$state $(python -c 'import json, sys; print((json.load(sys.stdin).get("progress") or {}).get("moved", 0))' <<<"$reply") moved"
  [ "$now" = "$seen" ] || printf '%4d s  %s\n' $((SECONDS - moment)) "$now"
  seen=$now
  if [ "$state" = paused ]; then
    fetch_function_log
    fail "paused: $(field reason <<<"$reply")"
  fi
  [ "$state" = complete ] || sleep 2
done
say "milkrun --function $stack verify $migration"
"$milkrun" --function "$stack" verify "$migration" || fail 'verify found something wrong, see above'
fetch_function_log

history=$(sql shop -e 'SELECT COUNT(*) FROM order_history')
[ "$history" = "$closed" ] || fail "$closed closed orders and $history rows of history: these should be equal"
say "complete: $history of $closed closed orders are history"
sql shop -e 'SELECT LEFT(document, 300) FROM order_history ORDER BY order_id LIMIT 1'
cat <<END

Where to look:
  $logs/function.log   what each run logged: a line of what it did, and a line of metrics
  $logs/deploy.log     what sam deploy made
  template.yaml                  what was deployed; docs/deploy.md says how to deploy it to your account
END
if [ "${KEEP:-}" = 1 ]; then
  cat <<END

All of it still runs. In another terminal:
  export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo
  $milkrun --function $stack verify $migration
  mariadb --no-defaults --socket=$data/socket --user=root shop
Enter ends it.
END
  read -r || true
fi
