#!/usr/bin/python3
"""Training speed beside PyTorch: prints the table of goals.

    tests/bench/throughput.py [--runs 1] [--only 784-512-256-10] [--threads N] [--json FILE]

Data are generated in a temporary folder. PyTorch (pytorch_train.py, at the best of its four settings of threads) and
gradloom train run in turns, end to end; of each run the best epoch counts, as it reports it. Speeds are medians over
the runs, the ratio the median of the runs' ratios. gemm_fraction is what gradloom bench says: the time of the step's
matrix products alone over that of the step. About five minutes for one run; on a machine that does nothing else.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from networks import GOALS, bench, gradloom, table_head, table_line, write_config

PEER = pathlib.Path(__file__).with_name("pytorch_train.py")

COLUMNS = {"network": 16, "batch": 5, "PyTorch samples/s": 17, "at": 20, "Gradloom samples/s": 18, "ratio": 6,
           "goal": 5, "passed": 6, "gemm_fraction": 13}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="pairs of runs for each network")
    parser.add_argument("--only", metavar="NAME", choices=sorted({n.name for n in GOALS}), help="one network")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: the allowed cores")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_pytorch(network, folder, threads):
    """Samples per second, setting, and what all settings gave."""
    words = [sys.executable, PEER, network.data_name(), "--layers", network.layers, "--loss", network.loss,
             "--batch", network.batch, "--epochs", network.peer_epochs, "--max-steps", network.peer_steps,
             "--threads", threads]
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"pytorch_train.py: {done.stderr.strip()}")
    return json.loads(done.stdout)


def run_gradloom(network, folder, config, threads):
    """Samples per second of the best epoch."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    gradloom(folder, "train", config, "--quiet", "--run.dir=run", f"--train.threads={threads}")
    with open(folder / "run/metrics.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    epochs = [record["samples_per_second"] for record in records if record["kind"] == "epoch"]
    assert len(epochs) == network.epochs
    return max(epochs)


def measure(network, folder, asked):
    """All figures of one network, ready for JSON."""
    config = write_config(network, folder)
    peers, own = [], []
    for number in range(asked.runs):
        peers.append(run_pytorch(network, folder, asked.threads))
        own.append(run_gradloom(network, folder, config, asked.threads))
        say(f"{network.name} at {network.batch}, run {number + 1}: PyTorch {peers[-1]['samples_per_second']:.0f} "
            f"({peers[-1]['setting']}), Gradloom {own[-1]:.0f} samples/s")
    report = bench(folder, config, f"--train.threads={asked.threads}")
    ratio = statistics.median(mine / peer["samples_per_second"] for mine, peer in zip(own, peers))
    return {
        "network": network.name, "batch_size": network.batch, "threads": asked.threads,
        "pytorch_samples_per_second": statistics.median(peer["samples_per_second"] for peer in peers),
        "pytorch_setting": max(peers, key=lambda peer: peer["samples_per_second"])["setting"],
        "gradloom_samples_per_second": statistics.median(own), "ratio": ratio, "goal": network.goal,
        "passed": ratio >= network.goal, "gemm_fraction": report["gemm_fraction"], "gemm_goal": network.gemm_goal,
        "gemm_passed": report["gemm_fraction"] >= network.gemm_goal, "pytorch_runs": peers, "gradloom_runs": own,
        "bench": report}


def cells(result):
    gemm = f"{result['gemm_fraction']:.3f}" + ("" if result["gemm_passed"] else " (low)")
    return [result["network"], str(result["batch_size"]), f"{result['pytorch_samples_per_second']:,.0f}",
            result["pytorch_setting"], f"{result['gradloom_samples_per_second']:,.0f}", f"{result['ratio']:.2f}",
            f"{result['goal']:g}", "yes" if result["passed"] else "no", gemm]


def main():
    asked = arguments()
    results = []
    print(table_head(COLUMNS, COLUMNS.values()), flush=True)
    with tempfile.TemporaryDirectory(prefix="gradloom-bench-") as name:
        for network in GOALS:
            if asked.only in (None, network.name):
                results.append(measure(network, pathlib.Path(name), asked))
                print(table_line(cells(results[-1]), COLUMNS.values()), flush=True)
        versions = gradloom(name, "--version").splitlines()
    if asked.json:
        pathlib.Path(asked.json).write_text(json.dumps({"versions": versions, "networks": results}, indent=1) + "\n",
                                            encoding="utf-8")


if __name__ == "__main__":
    main()
