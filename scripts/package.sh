#!/usr/bin/env bash
# Builds the Lambda and lays out its deployment package: package.sh x86_64|arm64 FOLDER
# Then looks whether the package would load on provided.al2023, so that a wrong one fails here and not at its first run.
# MILKRUN_BOOTSTRAP=PATH packs a `bootstrap` that was built elsewhere (a cross build, say) instead of building one.
set -euo pipefail
export LC_ALL=C
newest_glibc=2.34                      # what provided.al2023 has
largest_zip=$((10 * 1024 * 1024))
root=$(cd "$(dirname "$0")/.." && pwd)

fail() { echo "package: $1" >&2; exit 1; }

wanted=${1:-} folder=${2:-}
case "$wanted" in
  x86_64) machine='Advanced Micro Devices X86-64' ;;
  arm64) machine='AArch64' ;;
  *) fail "unknown architecture '$wanted', expected x86_64 or arm64" ;;
esac
[ -n "$folder" ] || fail "no folder given: package.sh x86_64|arm64 FOLDER"

bootstrap=${MILKRUN_BOOTSTRAP:-}
if [ -z "$bootstrap" ]; then
  case "$(uname -m)" in x86_64 | amd64) host=x86_64 ;; aarch64 | arm64) host=arm64 ;; *) host=$(uname -m) ;; esac
  [ "$(uname -s)" = Linux ] || fail "this is no Linux: build in a Debian 12 container, or hand in MILKRUN_BOOTSTRAP=PATH"
  [ "$host" = "$wanted" ] || fail "the template asks for $wanted and this machine builds $host: \
build on $wanted, or ask for it with --parameter-overrides Architecture=$host, or hand in MILKRUN_BOOTSTRAP=PATH"
  target=${CARGO_TARGET_DIR:-$root/target}
  cargo build --manifest-path "$root/Cargo.toml" --target-dir "$target" --locked --profile dist --bin bootstrap
  bootstrap=$target/dist/bootstrap
fi

# What is packed is what is checked.
mkdir -p "$folder"
install -m 755 "$bootstrap" "$folder/bootstrap"
rm -rf "$folder/migrations"
if [ -d "$root/migrations" ]; then
  mkdir "$folder/migrations"
  cp "$root"/migrations/*.toml "$folder/migrations/"
fi

readelf -h "$folder/bootstrap" >/dev/null 2>&1 || fail "$bootstrap is no Linux executable"
found=$(readelf -h "$folder/bootstrap" | sed -n 's/^ *Machine: *//p')
[ "$found" = "$machine" ] || fail "$bootstrap is built for '$found', the template asks for $wanted ('$machine')"

# A static one asks for no version at all.
glibc=$(readelf -V "$folder/bootstrap" | sed -nE 's/.*Name: GLIBC_([0-9.]+) .*/\1/p' | sort -uV | tail -n 1)
if [ -n "$glibc" ] && [ "$(printf '%s\n' "$glibc" "$newest_glibc" | sort -V | tail -n 1)" != "$newest_glibc" ]; then
  fail "$bootstrap needs GLIBC_$glibc and provided.al2023 has $newest_glibc: build on Debian 12 or Amazon Linux 2023"
fi
# These are all that provided.al2023 brings and a Rust program may ask for.
readelf -d "$folder/bootstrap" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | while read -r library; do
  case "$library" in
    libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libgcc_s.so.1 | ld-linux-*) ;;
    *) fail "$bootstrap needs $library, which provided.al2023 does not have" ;;
  esac
done

# gzip and zip compress alike; no zip program is needed for the measure.
packed=$(tar -C "$folder" -c . | gzip -6 | wc -c)
[ "$packed" -lt "$largest_zip" ] || fail "zipped it would be $packed bytes, the most is $largest_zip: strip it"
echo "package: $wanted, GLIBC up to ${glibc:-none}, $((packed / 1024)) KB zipped, in $folder"
