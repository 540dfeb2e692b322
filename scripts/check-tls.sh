#!/usr/bin/env bash
# One TLS stack: rustls with aws-lc-rs. A second one would double the code that guards passwords, and the roots it trusts.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$(cargo tree --edges no-dev --prefix none --format '{p}' | sed 's/ (\*)$//' | sort -u)
others=$(grep -E '^(ring|native-tls|openssl|openssl-sys) |^hyper v0|^rustls v0\.2[0-2]' <<<"$tree" || true)
if [ -n "$others" ]; then
  printf 'tls: a second TLS stack comes in:\n%s\nFind who brings it with: cargo tree --edges no-dev --invert NAME\n' "$others" >&2
  exit 1
fi
stacks=$(grep -cE '^rustls v' <<<"$tree" || true)
if [ "$stacks" != 1 ]; then
  printf 'tls: %s versions of rustls come in, expected 1:\n%s\n' "$stacks" "$(grep -E '^rustls v' <<<"$tree" || true)" >&2
  exit 1
fi
# With this feature the driver trusts the system's roots; without it, those of the web that are compiled in.
users=$(cargo tree --edges no-dev --invert rustls-native-certs --prefix none)
if ! grep -q '^sqlx-core ' <<<"$users"; then
  echo "tls: sqlx-core lacks its feature rustls-native-certs, so that it would trust roots of its own: see Cargo.toml" >&2
  exit 1
fi
echo "tls: one stack, $(grep -E '^rustls v' <<<"$tree")"
