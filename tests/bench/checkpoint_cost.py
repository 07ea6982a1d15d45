"""What checkpoints cost: training speed with one every so many steps over training speed with none, run by run in pairs.

    tests/bench/checkpoint_cost.py [--every 100] [--batch 128] [--steps 3000] [--pairs 7]

784-512-256-10, relu, categorical cross-entropy. Both runs of a pair do the same steps; their order alternates. The goal
is a cost of at most 1 %. Uses build/release/gradloom, or the program in GRADLOOM.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

PROGRAM = os.environ.get("GRADLOOM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/gradloom"))

CONFIG = """[data]
train = data.h5
[model]
layer = 512 relu
layer = 256 relu
layer = 10 linear
[train]
loss = categorical-cross-entropy
batch-size = {batch}
epochs = 1000000
max-steps = {steps}
[checkpoint]
every-epochs = none
keep-best = 0
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=7)
    return parser.parse_args()


def run(folder, *words):
    subprocess.run([PROGRAM, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def seconds(folder, name, *options):
    """Of the training alone, the wait for the last checkpoint included."""
    run(folder, "train", "c.ini", f"--run.dir={name}", "--quiet", *options)
    with open(folder / name / "metrics.jsonl", encoding="utf-8") as lines:
        return json.loads(lines.readlines()[-1])["elapsed_seconds"]


def main():
    asked = arguments()
    costs = []
    with tempfile.TemporaryDirectory(prefix="gradloom-bench-") as name:
        folder = pathlib.Path(name)
        run(folder, "generate", "blobs", "--rows", "20000", "--features", "784", "--output", "data.h5")
        (folder / "c.ini").write_text(CONFIG.format(batch=asked.batch, steps=asked.steps), encoding="utf-8")
        seconds(folder, "warm-up")
        for pair in range(asked.pairs):
            timed = {}
            for kind in (("with", "without"), ("without", "with"))[pair % 2]:
                options = (f"--checkpoint.every-steps={asked.every}",) if kind == "with" else ()
                timed[kind] = seconds(folder, f"{kind}-{pair}", *options)
            costs.append(timed["with"] / timed["without"] - 1)
            print(f"pair {pair + 1}: {timed['with']:.3f} s with, {timed['without']:.3f} s without: {costs[-1]:+.2%}")
    print(f"a checkpoint every {asked.every} steps costs {statistics.median(costs):+.2%} of training speed "
          f"(median of {asked.pairs} pairs, {min(costs):+.2%} to {max(costs):+.2%})")


if __name__ == "__main__":
    main()
