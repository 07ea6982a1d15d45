#!/usr/bin/python3
"""How fast `gradloom import` reads CSV, beside pandas' C parser. Needs python3-numpy, and python3-pandas for the comparison.

    tests/bench/import.py [--megabytes 200] [--rounds 5] [--folder FOLDER]

Tables of 28 columns, written as people write them; MB/s of text, the median of the rounds, in each of which all take
their turn. One core means one core for either program (by affinity). Gradloom writes the data set file, pandas leaves a
table in memory; its default numbers can be wrong in the last digits, `round_trip` are those that Gradloom gives.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from networks import PROGRAM

try:
    import pandas
except ImportError:
    pandas = None

COLUMNS = 28
PANDAS = """import sys, time, pandas
start = time.perf_counter()
pandas.read_csv(sys.argv[1], header=None, engine="c", float_precision=sys.argv[2] or None)
print(time.perf_counter() - start)
"""
KINDS = {
    "shortest (repr)": lambda value: repr(float(value)),
    "%.18e (numpy.savetxt)": lambda value: f"{value:.18e}",
    "%.6g": lambda value: f"{value:.6g}",
    "0 to 255": lambda value: str(int(abs(value) * 1000) % 256),
}


def write_table(path, kind, megabytes):
    """A thousand different rows, again and again."""
    rows = np.random.default_rng(1).normal(size=(1000, COLUMNS))
    text = "".join(",".join(map(kind, row)) + "\n" for row in rows)
    with open(path, "w", encoding="ascii") as file:
        for _ in range(max(1, megabytes * 1_000_000 // len(text))):
            file.write(text)


def on_cores(cores):
    return lambda: os.sched_setaffinity(0, cores)


def import_seconds(table, output, cores):
    start = time.perf_counter()
    subprocess.run([PROGRAM, "import", table, "--no-header", "--output", output], check=True,
                   stdout=subprocess.DEVNULL, preexec_fn=on_cores(cores))
    return time.perf_counter() - start


def pandas_seconds(table, precision, cores):
    """Its own clock: without the time that pandas takes to start."""
    done = subprocess.run([sys.executable, "-c", PANDAS, table, precision], check=True, capture_output=True, text=True,
                          preexec_fn=on_cores(cores))
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=None, help="for the tables (default: the temporary folder)")
    options = parser.parse_args()
    allowed = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table, output = os.path.join(folder, "t.csv"), os.path.join(folder, "t.h5")
        runs = {"gradloom, 1 core": lambda: import_seconds(table, output, allowed[:1]),
                f"gradloom, {len(allowed)} cores": lambda: import_seconds(table, output, allowed)}
        if pandas is None:
            print("pandas is not installed: Gradloom alone")
        else:
            runs["pandas, 1 core"] = lambda: pandas_seconds(table, "", allowed[:1])
            runs["pandas round_trip, 1 core"] = lambda: pandas_seconds(table, "round_trip", allowed[:1])
        print("| numbers | " + " | ".join(runs) + " |\n|---" + "|---" * len(runs) + "|")
        for name, kind in KINDS.items():
            write_table(table, kind, options.megabytes)
            seconds = {run: [] for run in runs}
            for _ in range(options.rounds):
                for run, measure in runs.items():
                    seconds[run].append(measure())
            rates = [os.path.getsize(table) / statistics.median(times) / 1e6 for times in seconds.values()]
            print(f"| {name} | " + " | ".join(f"{rate:.0f}" for rate in rates) + " |", flush=True)


if __name__ == "__main__":
    main()
