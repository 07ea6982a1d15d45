#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.
#   tests/run.sh          release, AddressSanitizer + UBSan, ThreadSanitizer, lint
#   tests/run.sh --fast   release only
#   tests/run.sh --all    the long tests too (ctest label `soak`), a minute of each fuzzer among them
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-normal}
case "$mode" in
  normal | --fast | --all) ;;
  *) echo "usage: tests/run.sh [--fast | --all]" >&2; exit 2 ;;
esac

groups=(build test lint)
[[ $mode == --all ]] && groups+=(fuzz)
apps/packages.sh "${groups[@]}"
command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
jobs=$(nproc)
passed=() failed=()

# check NAME COMMAND...: runs it, goes on where it fails, and remembers.
check() {
  local name=$1 start=$SECONDS
  shift
  echo "==== $name"
  if "$@"; then passed+=("$name"); else failed+=("$name"); fi
  echo "==== $name: $((SECONDS - start)) s"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  cmake --preset "$preset" -DGRADLOOM_BUILD_TESTS=ON --log-level=WARNING >/dev/null &&
    cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} -- --quiet
}

release() {
  local labels=(-LE soak)
  [[ $mode == --all ]] && labels=()
  build release && ctest --preset release -j "$jobs" "${labels[@]}"
}

asan() {
  export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
  local left_out='soak|release-alone|in-units'
  [[ $mode == --all ]] && left_out='soak|release-alone'
  build asan gradloom_tests gradloom_program train_in_memory && ctest --preset asan -j "$jobs" -LE "$left_out"
}

tsan() {
  # A long history: a race of TBB's is known by the library's name in both stacks, so both must be remembered.
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.suppressions halt_on_error=1 history_size=7"
  # Of what may start a thread in its own process.
  build tsan gradloom_tests train_in_memory && ctest --preset tsan -j "$jobs" -R '^(example|unit_.*)$'
}

# The other builds compile the sources of a folder together; here each has to include what it uses.
alone() { build debug; }

check release release
if [[ $mode != --fast ]]; then
  check asan asan
  check tsan tsan
  check lint tests/lint.sh
fi
[[ $mode == --all ]] && check "every source alone" alone

for name in "${failed[@]}"; do echo "failed: $name"; done
echo "${#passed[@]} passed, ${#failed[@]} failed"
[[ ${#failed[@]} -eq 0 ]]
