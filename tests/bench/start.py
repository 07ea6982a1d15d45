#!/usr/bin/python3
"""How soon training starts: seconds of a whole `gradloom train` of one step on an in-memory set of 100 MB.

    tests/bench/start.py [--runs 7]

That is the start, the reading and checking of the set, the step, the last checkpoint and the end: an upper bound of
what comes before the first step, whose goal is 0.3 s. Beside it what Python takes to import PyTorch.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from networks import Network, gradloom, write_config

ROWS, FEATURES = 862_069, 28  # and a target: 29 float32 a row, 100 MB
NETWORK = Network("28-64-1", FEATURES, "64 tanh,1 linear", "binary-cross-entropy", 1024, ROWS, 0.0)


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def show(what, times):
    print(f"{what}: median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s over {len(times)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config = write_config(NETWORK, folder)
        times = []
        for _ in range(asked.runs):
            shutil.rmtree(folder / "run", ignore_errors=True)
            times.append(seconds(lambda: gradloom(folder, "train", config, "--quiet", "--run.dir=run",
                                                  "--train.max-steps=1")))
        size = (folder / NETWORK.data_name()).stat().st_size / 1e6
        show(f"gradloom train, one step on {size:.0f} MB", times)
    words = [sys.executable, "-c", "import torch"]
    show("import torch", [seconds(lambda: subprocess.run(words, check=True)) for _ in range(asked.runs)])


if __name__ == "__main__":
    main()
