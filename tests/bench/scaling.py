#!/usr/bin/python3
"""How training speed grows with threads: samples per second of the networks with over 1e5 parameters at batch 1024.

    tests/bench/scaling.py [--runs 3] [--steps N] [--only 784-512-256-10] [--threads 1,2] [--json FILE]

gradloom bench runs with 1, 2, 4, ... threads in turns, so that the machine's ups and downs meet all of them; the ratio
to one thread is the median of the rounds' ratios of median steps. The goal is 1.9 with 2 threads.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import tempfile

from networks import DIGITS, HIGGS, WIDE, bench, table_head, table_line, write_config

BATCH = 1024
NETWORKS = [dataclasses.replace(network, batch=BATCH) for network in (HIGGS, DIGITS, WIDE)]

COLUMNS = {"network": 16, "batch": 5, "threads": 7, "samples/s": 9, "to one thread": 13, "gemm_fraction": 13}


def thread_counts():
    cores = len(os.sched_getaffinity(0))
    return [n for n in (1, 2, 4, 8, 16) if n <= cores]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="rounds over all numbers of threads")
    parser.add_argument("--steps", type=int, help="steps to time in each; default: about a second, at least 20")
    parser.add_argument("--only", metavar="NAME", choices=[n.name for n in NETWORKS], help="one network")
    parser.add_argument("--threads", default=",".join(map(str, thread_counts())),
                        help="numbers of threads, the first is what others are held to (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write every report there")
    return parser.parse_args()


def measure(network, folder, asked, counts):
    """Number of threads -> its reports, one a round."""
    config = write_config(network, folder)
    steps = [f"--steps={asked.steps}"] if asked.steps else []
    reports = {threads: [] for threads in counts}
    for _ in range(asked.runs):
        for threads in counts:
            reports[threads].append(bench(folder, config, f"--train.threads={threads}", *steps))
    return reports


def cells(network, threads, reports, base):
    def median(key):
        return statistics.median(report[key] for report in reports)

    ratio = statistics.median(one["median_step_seconds"] / report["median_step_seconds"]
                              for one, report in zip(base, reports))
    return [network.name, str(BATCH), str(threads), f"{BATCH / median('median_step_seconds'):,.0f}", f"{ratio:.2f}",
            f"{median('gemm_fraction'):.3f}"]


def main():
    asked = arguments()
    counts = [int(number) for number in asked.threads.split(",")]
    found = []
    print(table_head(COLUMNS, COLUMNS.values()), flush=True)
    with tempfile.TemporaryDirectory(prefix="gradloom-bench-") as name:
        for network in NETWORKS:
            if asked.only not in (None, network.name):
                continue
            reports = measure(network, pathlib.Path(name), asked, counts)
            for threads in counts:
                print(table_line(cells(network, threads, reports[threads], reports[counts[0]]), COLUMNS.values()),
                      flush=True)
            found += [report for threads in counts for report in reports[threads]]
    if asked.json:
        pathlib.Path(asked.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
