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

# The units of the build, in which the sources of a folder stand together: most of the time goes into headers that they
# share. Silent on success; on failure the findings, without the count of warnings in system headers.
tidy() {
  local findings
  findings=$(clang-tidy-14 --quiet -p build/release --checks=-bugprone-suspicious-include \
    --header-filter='(include/gradloom|engine|apps)/' "$1" 2>/dev/null) && return 0
  printf '%s\n' "$findings"
  return 1
}
export -f tidy
sed -n "s|^ *\"file\": \"$PWD/\(.*\)\".*|\1|p" build/release/compile_commands.json |
  grep -v '^tests/\|^build/release/tests/' | tr '\n' '\0' |
  xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy "$1"' _ || failed=1
echo "lint: clang-tidy done"
exit $failed
