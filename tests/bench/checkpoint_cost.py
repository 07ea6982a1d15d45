"""What checkpoints cost: how much longer the steps behind a checkpoint take, over the time of all steps.

    tests/bench/checkpoint_cost.py [--every 100] [--batch 128] [--steps 5000] [--runs 5]

784-512-256-10, relu, categorical cross-entropy. Every stretch between two checkpoints is a pair of its own: its second
half, when the checkpoint has long been written, says how long an undisturbed step takes, and the first half how much
was added. That keeps the machine's ups and downs out, which are larger than the cost between one run and the next. Of
the steps at the same distance from a checkpoint the slowest fifth is left out, as another program's doing. The goal
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
log-every = 1
[checkpoint]
every-epochs = none
every-steps = {every}
keep-best = 0
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


def run(folder, *words):
    subprocess.run([PROGRAM, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def step_seconds(log):
    """Step -> what it took, the save of a checkpoint behind the step before it included."""
    with open(log, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    ends = {record["step"]: record["elapsed_seconds"] for record in records if record["kind"] == "step"}
    return {step: end - ends[step - 1] for step, end in ends.items() if step > 1}


def without_slowest_fifth(values):
    return statistics.mean(sorted(values)[:max(1, len(values) * 4 // 5)])


def cost(seconds, every):
    """Share of the time of all steps that checkpoints add, and the time of an undisturbed step."""
    behind = [[] for _ in range(every)]  # by distance from the last checkpoint
    for step, spent in seconds.items():
        if step > every:
            behind[(step - 1) % every].append(spent)
    typical = [without_slowest_fifth(values) for values in behind]
    undisturbed = statistics.mean(typical[every // 2:])
    return (sum(typical) - every * undisturbed) / (every * undisturbed), undisturbed


def main():
    asked = arguments()
    costs = []
    with tempfile.TemporaryDirectory(prefix="gradloom-bench-") as name:
        folder = pathlib.Path(name)
        run(folder, "generate", "blobs", "--rows", "20000", "--features", "784", "--output", "data.h5")
        (folder / "c.ini").write_text(CONFIG.format(batch=asked.batch, steps=asked.steps, every=asked.every))
        for number in range(asked.runs):
            run(folder, "train", "c.ini", f"--run.dir=run-{number}", "--quiet")
            share, undisturbed = cost(step_seconds(folder / f"run-{number}/metrics.jsonl"), asked.every)
            costs.append(share)
            print(f"run {number + 1}: {1e3 * undisturbed:.3f} ms a step, checkpoints add {share:+.2%}")
    print(f"a checkpoint every {asked.every} steps costs {statistics.median(costs):.2%} of training speed "
          f"(median of {asked.runs} runs, {min(costs):.2%} to {max(costs):.2%})")


if __name__ == "__main__":
    main()
