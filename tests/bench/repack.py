#!/usr/bin/python3
"""How fast `gradloom repack` rewrites a data set, beside a loop in h5py that reads and writes the same chunks.

    tests/bench/repack.py [--rounds 3] [--folder FOLDER]

262,144 x 784 small whole numbers as float32 (0.8 GB), contiguous; MB/s of elements, the median of the rounds, in which
all take their turn. h5py cannot shuffle rows of a set that is larger than memory: there is no twin to that.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import h5py
from networks import PROGRAM
from streaming import write_set

ROWS, FEATURES, CHUNK = 262_144, 784, 334  # the rows of a chunk of 1 MiB, as repack writes them


def repack_seconds(source, output, *options):
    start = time.perf_counter()
    subprocess.run([PROGRAM, "repack", source, "--output", output, *options], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def h5py_seconds(source, output, **layout):
    start = time.perf_counter()
    with h5py.File(source) as old, h5py.File(output, "w") as new:
        for name in ("x", "y"):
            made = new.create_dataset(name, old[name].shape, old[name].dtype,
                                      chunks=(CHUNK, *old[name].shape[1:]), **layout)
            for first in range(0, made.shape[0], CHUNK):
                made[first:first + CHUNK] = old[name][first:first + CHUNK]
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "gradloom-streaming")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    source, output = options.folder / "contiguous.h5", options.folder / "repacked.h5"
    write_set(source, ROWS, FEATURES, 65_536, whole=True)
    runs = {
        "repack": lambda: repack_seconds(source, output),
        "h5py": lambda: h5py_seconds(source, output),
        "repack --shuffle-rows": lambda: repack_seconds(source, output, "--shuffle-rows"),
        "repack --deflate 4": lambda: repack_seconds(source, output, "--deflate", "4"),
        "h5py, deflate 4 behind shuffle": lambda: h5py_seconds(source, output, compression=4, shuffle=True),
        "repack --shuffle-rows --deflate 4": lambda: repack_seconds(source, output, "--shuffle-rows", "--deflate", "4"),
    }
    seconds = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            seconds[name].append(run())
            os.sync()  # what one wrote is not the next one's burden
    print("| | MB/s |\n|---|---|")
    for name, times in seconds.items():
        print(f"| {name} | {ROWS * (FEATURES + 1) * 4 / statistics.median(times) / 1e6:,.0f} |")
    output.unlink()


if __name__ == "__main__":
    main()
