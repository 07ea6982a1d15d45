#!/usr/bin/env bash
# Builds the fuzzers with Clang 14 and runs one after the other; ends with 1 where one of them found something.
#   tests/fuzz/run.sh [AMOUNT [NAME...]]
# AMOUNT of each: "60s" or a number of executions (default 30s). NAME: config, csv, ... (default: all). What a run
# learns stays in build/fuzz/corpus for the next one; findings are in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/../.."

amount=${1:-30s}
[[ $amount =~ ^[0-9]+s?$ ]] || { echo "usage: tests/fuzz/run.sh [SECONDSs | EXECUTIONS [NAME...]]" >&2; exit 2; }
limit=(-runs="$amount")
[[ $amount == *s ]] && limit=(-max_total_time="${amount%s}")
shift || true
command -v clang++-14 >/dev/null || { echo "fuzz: skipped, this system has no clang++-14"; exit 77; }

command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
cmake --preset fuzz --log-level=WARNING >/dev/null
cmake --build --preset fuzz -j "$(nproc)" --target fuzzers -- --quiet

work=$PWD/build/fuzz
names=("$@")
[[ ${#names[@]} -gt 0 ]] || for source in tests/fuzz/*_fuzz.cpp; do names+=("$(basename "$source" _fuzz.cpp)"); done
/usr/bin/python3 -B tests/fuzz/seeds.py "$work/seeds"

# A parser may hold a few blocks of its own beside what the input's bytes can fill; 5 s for one input is a hang.
bounds=(-max_len=4096 -malloc_limit_mb=256 -rss_limit_mb=1024 -timeout=5)
# Without the fake stack: it makes an exception ten times as expensive, and most inputs end in one.
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=0:quarantine_size_mb=16
export UBSAN_OPTIONS=print_stacktrace=1

failed=0
for name in "${names[@]}"; do
  corpus=$work/corpus/$name log=$work/fuzz_$name.log
  mkdir -p "$corpus" "$work/findings"
  if "$work/tests/fuzz/fuzz_$name" "${limit[@]}" "${bounds[@]}" -dict="$work/seeds/$name.dict" -print_final_stats=1 \
    -artifact_prefix="$work/findings/$name-" "$corpus" "$work/seeds/$name" >"$log" 2>&1; then
    result="nothing found"
  else
    failed=1 result="FOUND, see $log"
    grep -E '^(fuzz:|==[0-9]+==|SUMMARY|.*runtime error|Test unit written)' "$log" || tail -n 20 "$log"
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-12s %12s executions, %s\n' "$name" "${executions:-no}" "$result"
done
exit $failed
