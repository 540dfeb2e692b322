#!/usr/bin/env bash
# A shop's closed orders become history, run after run with small budgets, then every document is compared with its source.
# Needs no server and no AWS: shop, history and ledger are SQLite files in demo/, or in the folder DEMO_DIR. Again: nothing to do.
# Afresh: rm -r demo
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${DEMO_DIR:-demo}

say() { printf '\n%s\n' "$*"; }
# number FIELD: the first such field of a JSON reply on stdin.
number() { sed -nE "s/.*\"$1\" *: *([0-9]+).*/\1/p" | head -n 1; }
progress() { grep -oE '"progress" *: *\{[^}]*\}' | number moved; }
thousands() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

echo "Building milkrun and the shop (the first time compiles for some minutes)"
cargo build ${CI:+--locked} --bin milkrun --example shop
built=$(cargo metadata --no-deps --format-version 1 | grep -oE '"target_directory":"[^"]*"' | cut -d '"' -f 4)/debug

say "1. A shop: TPC-H orders at scale 0.1, with their line items"
"$built/examples/shop" "$folder/shop.db" 0.1

export SHOP_DATABASE_URL=sqlite://$folder/shop.db
milkrun=("$built/milkrun" --migrations examples/demo --ledger "sqlite://$folder/milkrun.db")

# A run here has two seconds, 128 MB and 25,000 orders, so that there are at least three: as on a schedule, each goes on where
# the one before stopped.
say "2. The closed orders become history: milkrun run shop-history --until-done"
last=$("${milkrun[@]}" run shop-history --until-done --time-limit 2s --memory-limit 128MB --max-items 25000 | tail -n 1)
echo "$last"

say "3. Every document is compared with its order: milkrun verify shop-history"
verified=$("${milkrun[@]}" --json verify shop-history --time-limit 5s --memory-limit 128MB | tail -n 1)
moved=$("${milkrun[@]}" --json status shop-history | progress)
echo "$(thousands "$(number checked <<<"$verified")") compared, $(thousands "$(number equal <<<"$verified")") equal"

if [[ "$last" == *": complete, 0 moved,"* ]]; then
  say "nothing to do: $(thousands "$moved") closed orders are history already. Afresh: rm -r $folder"
  exit 0
fi
cat <<END

$(thousands "$moved") moved. Where to look:
  $folder/shop.db                      the shop and its order_history; a document:
      sqlite3 $folder/shop.db "SELECT document FROM order_history LIMIT 1"
  $folder/milkrun.db                   the ledger: how far it came, what each run did
  examples/demo/shop-history.toml   the migration
The same command again finds nothing to do.
END
