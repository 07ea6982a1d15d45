#!/usr/bin/env bash
# From a fresh clone to a trained model. Whatever is already there is left as it is, so a second call takes seconds,
# and a call after an interruption goes on where the first one stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly program=build/release/gradloom
readonly config=configs/quickstart.ini run=runs/quickstart
readonly train=data/quickstart.train.h5 test=data/quickstart.test.h5

echo "1. Packages"
apps/packages.sh build

echo "2. Program: $program"
command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
[[ -f build/release/build.ninja ]] || cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release --target gradloom_program

echo "3. Demo data: friedman1, with noise; other rows to train on than to be judged by"
mkdir -p data
[[ -f $train ]] || "$program" generate friedman1 --rows 400000 --noise 1 --seed 1 --output "$train"
[[ -f $test ]] || "$program" generate friedman1 --rows 10000 --noise 1 --seed 2 --output "$test"

echo "4. Training: $config"
if [[ -f $run/metrics.jsonl ]] && grep -q '"reason": *"\(epochs\|early-stopping\)"' "$run/metrics.jsonl"; then
  echo "done before; to train anew: rm -r $run"
else
  "$program" train "$config" --resume
fi

echo "5. On the held-out rows of $test"
"$program" evaluate "$run" "$test"
"$program" evaluate "$run" "$test" --json |
  awk 'match($0, /"r2": *[-0-9.e]+/) { r2 = substr($0, RSTART + 5, RLENGTH - 5) + 0; found = 1 }
       END { if (!found || r2 <= 0.9) { print "quickstart: R² is not over 0.9" > "/dev/stderr"; exit 1 } }'
cat <<END

run folder:  $PWD/$run  (checkpoints/, and config.ini: every key with its value and origin)
report:      $PWD/$run/metrics.jsonl  (a line for each logged step, epoch and checkpoint)
next:        $program inspect $run
             $program predict $run $test --output predictions.csv
             $program train $config --run.dir=runs/wider --model.layer="256 relu" --model.layer="1 linear"
END
