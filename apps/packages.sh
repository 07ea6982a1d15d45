#!/usr/bin/env bash
# The one list of Debian and Ubuntu packages. `apps/packages.sh GROUP...` installs what is missing of the groups
# `build`, `test`, `lint` and `fuzz`; it is silent and needs neither root nor a network where nothing is missing.
set -euo pipefail

declare -A groups=(
  [build]="g++ cmake ninja-build pkg-config libtbb-dev libopenblas-pthread-dev libboost-program-options-dev
           libhdf5-dev librandom123-dev libhwy-dev libfmt-dev nlohmann-json3-dev libxxhash-dev zlib1g-dev
           libdeflate-dev libzip-dev"
  [test]="git catch2 libbenchmark-dev python3 python3-h5py python3-numpy python3-torch python3-sklearn"
  [lint]="clang-format-14 clang-tidy-14"  # the style is pinned to one version: others format differently
  [fuzz]="clang-14 libclang-rt-14-dev"    # libFuzzer and its sanitizers
)
pinned=" ${groups[lint]} ${groups[fuzz]} "

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }
has_candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

missing=()
for group in "$@"; do
  for package in ${groups[$group]:?"no group of that name; groups: ${!groups[*]}"}; do
    is_installed "$package" || missing+=("$package")
  done
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "packages.sh: not a Debian or Ubuntu system; install what corresponds to: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "packages.sh: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 </dev/null || { cat "$log" >&2; echo "packages.sh: failed: $*" >&2; exit 1; }; }
apt_get() { quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@"; }

echo "Installing ${#missing[@]} packages with apt: ${missing[*]}"
apt_get update
wanted=()
for package in "${missing[@]}"; do
  # A newer system may no longer have the pinned tools: tests/lint.sh and tests/fuzz/run.sh say so and skip.
  if [[ $pinned == *" $package "* ]] && ! has_candidate "$package"; then continue; fi
  wanted+=("$package")
done
[[ ${#wanted[@]} -eq 0 ]] || apt_get install -y --no-install-recommends "${wanted[@]}"
