#!/usr/bin/env bash
# Holds all sources to .clang-format and .clang-tidy, with the compile commands of the release preset. Both
# tools are pinned to version 14: other versions format and warn differently.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in clang-format-14 clang-tidy-14; do
  command -v "$tool" >/dev/null || { echo "lint: skipped, this system has no $tool"; exit 0; }
done
[[ -f build/release/compile_commands.json ]] || { echo "lint: run 'cmake --preset release' first" >&2; exit 1; }

failed=0
find include engine apps tests \( -name '*.hpp' -o -name '*.cpp' \) -print0 |
  xargs -0 clang-format-14 --dry-run -Werror || failed=1
echo "lint: clang-format done"

# Most of the time goes into headers that all files share, so CMake puts ten files into one: a sixth of the time.
units=build/lint
cmake --preset release -B "$units" -DGRADLOOM_BUILD_TESTS=OFF -DCMAKE_UNITY_BUILD=ON \
  -DCMAKE_UNITY_BUILD_BATCH_SIZE=10 --log-level=WARNING >/dev/null
export units

# Silent on success; on failure its findings, without the count of warnings in system headers.
tidy() {
  local findings
  findings=$(clang-tidy-14 --quiet "$@" 2>/dev/null) && return 0
  printf '%s\n' "$findings"
  return 1
}

# A file, or many in one. Where those are not clean, or are no program because two use one name, each is looked at alone.
tidy_unit() {
  local file files result=0
  mapfile -t files < <(sed -n 's/^#include "\(.*\.cpp\)"$/\1/p' "$1")
  ((${#files[@]})) || files=("$1")
  tidy -p "$units" --checks=-bugprone-suspicious-include --header-filter='(include/gradloom|engine|apps)/' "$1" \
    >/dev/null && return 0
  for file in "${files[@]}"; do tidy -p build/release "$file" || result=1; done
  return $result
}
export -f tidy tidy_unit
sed -n 's/^ *"file": "\(.*\)".*/\1/p' "$units/compile_commands.json" | tr '\n' '\0' |
  xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy_unit "$1"' _ || failed=1
echo "lint: clang-tidy done"
exit $failed
