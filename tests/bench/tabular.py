#!/usr/bin/python3
"""What the ready configs for tables reach on test rows, beside scikit-learn's MLP on the same rows.

    tests/bench/tabular.py DATA [--seeds 5] [--only NAME]

DATA is the folder of the raw files that the configs' comments name. Each config is trained by `gradloom train` for
every seed; scikit-learn as a newcomer would, with its defaults (a layer of 100, Adam, up to 200 epochs), and with the
config's layers and early stopping, both behind a StandardScaler (of the targets too, where they are numbers). Printed
are mean and range of the score over the seeds, and the seconds of a whole training, the program's start included.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
import warnings

import h5py
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from networks import gradloom

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCALE = "0.00392156862745098"
# Config: how its data are imported (files, other words, output), its layers but the last, and its score.
TASKS = {
    "california_housing": ([(["california_housing.csv"], ["--target", "median_house_value", "--missing", "mean",
                                                          "--split", "0.8,0.1,0.1"], "california_housing.h5")],
                           (512, 256, 128), "r2"),
    "building": ([([f"building.{part}.csv"], ["--target", "y0", "--target", "y1", "--target", "y2"],
                   f"building.{part}.h5") for part in ("train", "test")], (256, 128), "r2"),
    "higgs": ([([f"higgs7000.{part}.tsv"], ["--target", "0"], f"higgs.{part}.h5") for part in ("train", "test")],
              (256, 128), "auc"),
    "digits": ([(["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"], ["--scale", SCALE, "--split", "0.8,0,0.2"],
                 "digits.h5")], (256, 128), "accuracy"),
}


def rows_of(folder, name, part):
    with h5py.File(folder / f"data/{name}.{part}.h5") as file:
        x, y = file["x"][:], file["y"][:]
    return x, y.ravel() if y.ndim == 1 or y.shape[1] == 1 else y


def model_of(score, **settings):
    if score == "r2":
        return TransformedTargetRegressor(make_pipeline(StandardScaler(), MLPRegressor(**settings)),
                                          transformer=StandardScaler())
    return make_pipeline(StandardScaler(), MLPClassifier(**settings))


def score_of(score, model, x, y):
    if score == "r2":
        return r2_score(y, model.predict(x))
    if score == "auc":
        return roc_auc_score(y, model.predict_proba(x)[:, 1])
    return accuracy_score(y, model.predict(x))


def by_sklearn(folder, name, score, seed, **settings):
    model = model_of(score, random_state=seed, **settings)
    begin = time.perf_counter()
    model.fit(*rows_of(folder, name, "train"))
    return score_of(score, model, *rows_of(folder, name, "test")), time.perf_counter() - begin


def by_gradloom(folder, name, score, seed):
    run = f"--run.dir=runs/{name}-{seed}"
    begin = time.perf_counter()
    gradloom(folder, "train", ROOT / f"configs/{name}.ini", "--quiet", run, f"--train.seed={seed}")
    seconds = time.perf_counter() - begin
    told = gradloom(folder, "evaluate", f"runs/{name}-{seed}", f"data/{name}.test.h5", "--json")
    return json.loads(told)[score], seconds


def show(name, what, results):
    scores, seconds = zip(*results)
    print(f"| {name} | {what} | {statistics.mean(scores):.4f} ({min(scores):.4f} to {max(scores):.4f}) "
          f"| {statistics.median(seconds):.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=TASKS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| config | by | score, mean and range over seeds | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        (folder / "data").mkdir()
        for name, (imports, layers, score) in TASKS.items():
            if asked.only not in (None, name):
                continue
            for files, words, output in imports:
                paths = [asked.data.resolve() / file for file in files]
                gradloom(folder, "import", *paths, *words, "--output", f"data/{output}")
            seeds = range(1, asked.seeds + 1)
            show(name, f"gradloom, {score}", [by_gradloom(folder, name, score, seed) for seed in seeds])
            show(name, f"scikit-learn, its defaults, {score}", [by_sklearn(folder, name, score, s) for s in seeds])
            same = {"hidden_layer_sizes": layers, "early_stopping": True}
            show(name, f"scikit-learn, same layers, {score}",
                 [by_sklearn(folder, name, score, seed, **same) for seed in seeds])


if __name__ == "__main__":
    main()
