#!/usr/bin/python3
"""How fast sets train that are streamed, beside the same sets held in memory, and beside h5py's reading.

    tests/bench/streaming.py [--rounds 3] [--memory 256MiB] [--only wide|narrow|compressed] [--folder FOLDER]

`wide`: 1,048,576 x 784 float32 (3.3 GB), 784-512-256-10 at batch 256. `narrow`: 100 million rows of 3 features (1.6 GB),
3-30-10-3-1 at batch 1024. Whole epochs, streamed and in memory in turns; the ratio is the median of the rounds', and the
goals are 0.95 and 0.8. `compressed`: 262,144 x 784 small whole numbers as float32 in chunks of deflate 4; a network that
takes next to no time streams them, h5py reads them once from end to end; the goal is h5py's speed times the cores, 2 at
most. Peak memory is that of the program with its reading processes, shared pages counted once. Data sets stay in FOLDER
(default: the temporary folder) for the next call; files are read from the system's page cache where it holds them.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import h5py
import numpy as np
from networks import PROGRAM

CONFIG = """[data]
train = {data}
shuffle = window
[model]
{layers}
[train]
loss = {loss}
batch-size = {batch}
epochs = 1
[optimizer]
learning-rate = {rate}
[checkpoint]
every-epochs = none
keep-best = 0
"""
WIDE = (["512 relu", "256 relu", "10 linear"], "categorical-cross-entropy", 256, 1e-3)
NARROW = (["30 sigmoid", "10 sigmoid", "3 relu", "1 linear"], "mse", 1024, 1e-3)
CHEAP = (["1 linear"], "mse", 1024, 1e-9)


def write_set(path, rows, features, block, classes=0, whole=False, **layout):
    """Blocks of random rows, each a little other than the one before."""
    if path.exists():
        return
    random = np.random.default_rng(1)
    x = random.normal(size=(block, features)).astype(np.float32)
    if whole:
        x = np.rint(np.abs(x) * 40).clip(0, 255)
    pending = path.with_suffix(".part")
    with h5py.File(pending, "w") as file:
        x_set = file.create_dataset("x", (rows, features), np.float32, **layout)
        y_set = file.create_dataset("y", (rows,), np.int32 if classes else np.float32)
        for first in range(0, rows, block):
            x_set[first:first + block] = x if whole else x + np.float32(first / rows)
            y_set[first:first + block] = np.abs(x[:, 0] * 5) % classes if classes else np.sin(x[:, 0])
    pending.rename(path)
    os.sync()


def tree_bytes(pid):
    """Proportional set size of a process and its children."""
    total = 0
    pids = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            pids += children.read().split()
        for one in pids:
            with open(f"/proc/{one}/smaps_rollup", encoding="ascii") as lines:
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        pass  # it has just ended
    return total


def train(folder, data, network, memory):
    """Samples per second of an epoch, and peak bytes."""
    layers, loss, batch, rate = network
    config = folder / f"{data.stem}.ini"
    config.write_text(CONFIG.format(data=data, layers="\n".join("layer = " + layer for layer in layers), loss=loss,
                                    batch=batch, rate=rate), encoding="ascii")
    with tempfile.TemporaryDirectory(dir=folder) as run:
        process = subprocess.Popen([PROGRAM, "train", config, "--quiet", f"--run.dir={run}/run",
                                    f"--data.memory={memory}"], stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid))
            time.sleep(0.1)
        if process.returncode != 0:
            raise SystemExit(f"gradloom train {config} ended with {process.returncode}")
        with open(f"{run}/run/metrics.jsonl", encoding="ascii") as lines:
            epoch = next(line for line in map(json.loads, lines) if line["kind"] == "epoch")
    return epoch["samples_per_second"], peak


def beside_memory(name, folder, data, network, options):
    rounds = []
    for _ in range(options.rounds):
        rounds.append((*train(folder, data, network, options.memory), *train(folder, data, network, "16GiB")))
    streamed, peak, held, held_peak = (statistics.median(values) for values in zip(*rounds))
    ratio = statistics.median(one[0] / one[2] for one in rounds)
    print(f"| {name} | {streamed:,.0f} | {held:,.0f} | {ratio:.2f} | {peak / 2**20:.0f} | {held_peak / 2**20:.0f} |",
          flush=True)


def h5py_rate(data):
    """Rows per second, a chunk's height at a time."""
    start = time.perf_counter()
    with h5py.File(data) as file:
        x = file["x"]
        for first in range(0, x.shape[0], x.chunks[0]):
            x[first:first + x.chunks[0]]  # pylint: disable=pointless-statement
        return x.shape[0] / (time.perf_counter() - start)


def compressed(folder, data, options):
    rounds = [(train(folder, data, CHEAP, options.memory)[0], h5py_rate(data)) for _ in range(options.rounds)]
    streamed, read = (statistics.median(values) for values in zip(*rounds))
    ratio = statistics.median(one[0] / one[1] for one in rounds)
    cores = min(2, len(os.sched_getaffinity(0)))
    print(f"compressed: streamed {streamed:,.0f} rows/s, h5py reads {read:,.0f} rows/s: {ratio:.2f} x (goal {cores})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="256MiB", help="data.memory of what is streamed (default %(default)s)")
    parser.add_argument("--only", choices=("wide", "narrow", "compressed"))
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "gradloom-streaming")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    if options.only != "compressed":
        print("| network | streamed, samples/s | in memory | ratio | peak MiB | in memory |\n|---|---|---|---|---|---|")
    if options.only in (None, "wide"):
        write_set(folder / "wide.h5", 1_048_576, 784, 65_536, classes=10)
        beside_memory("784-512-256-10 at 256", folder, folder / "wide.h5", WIDE, options)
    if options.only in (None, "narrow"):
        write_set(folder / "narrow.h5", 100_000_000, 3, 1_000_000)
        beside_memory("3-30-10-3-1 at 1024", folder, folder / "narrow.h5", NARROW, options)
    if options.only in (None, "compressed"):
        write_set(folder / "compressed.h5", 262_144, 784, 65_536, whole=True, chunks=(128, 784), compression=4)
        compressed(folder, folder / "compressed.h5", options)


if __name__ == "__main__":
    main()
