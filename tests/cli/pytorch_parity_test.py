"""The same training jobs in Gradloom and in PyTorch, side by side on real data, five seeds each.

Network (sigmoid, as these sets were made for), epochs, batch size and optimizer are the same; each starts as it does by
default and shuffles in its own way, so the scores are compared as distributions: Gradloom's mean may not be worse than
PyTorch's by more than PyTorch's own deviation.
"""

import csv
import json
import os
import pathlib
import statistics
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import torch
except ImportError:
    torch = None

ROOT = pathlib.Path(os.environ.get("GRADLOOM_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
REAL_DATA = ROOT.parent / "shared" / "data"
SEEDS = range(1, 6)
EPOCHS, BATCH, RATE, MOMENTUM, HIDDEN = 40, 64, 0.1, 0.9, 16


def read_table(path):
    """Columns x0.. and y0.. of a Proben1 table, as float32 matrices."""
    with open(path, newline="", encoding="ascii") as text:
        header, *rows = csv.reader(text)
    values = np.array(rows, dtype=np.float32)
    is_target = np.array([name.startswith("y") for name in header])
    return values[:, ~is_target], values[:, is_target]


def torch_score(parts, classify, seed):
    """Test accuracy, or minus the test's mean squared error, of a network trained by PyTorch."""
    torch.manual_seed(seed)
    (x, y), (test_x, test_y) = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in parts]
    units = 3
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.Sigmoid(), torch.nn.Linear(HIDDEN, units))
    loss = torch.nn.CrossEntropyLoss() if classify else torch.nn.MSELoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss(network(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        output = network(test_x)
        return (output.argmax(1) == test_y).float().mean().item() if classify else -loss(output, test_y).item()


@unittest.skipIf(torch is None, "python3-torch is not installed")
class SideBySide(CliTest):
    def parts(self, name, classify):
        """[(x, y) of training, of test], as PyTorch wants them; also written as data sets."""
        found = []
        for part in ("train", "test"):
            path = REAL_DATA / f"{name}.{part}.csv"
            if not path.exists():
                self.skipTest(f"{path} is not there")
            x, y = read_table(path)
            y = y.argmax(1) if classify else y
            with h5py.File(self.folder / f"{part}.h5", "w") as file:
                file["x"], file["y"] = x, y
            found.append((x, y))
        return found

    def gradloom_score(self, classify, seed):
        loss = "categorical-cross-entropy" if classify else "mse"
        run = f"runs/{loss}-{seed}"
        self.write("c.ini", f"[data]\ntrain = train.h5\n[run]\ndir = {run}\n"
                            f"[model]\nlayer = {HIDDEN} sigmoid\nlayer = 3 linear\n"
                            f"[train]\nloss = {loss}\nepochs = {EPOCHS}\nbatch-size = {BATCH}\nseed = {seed}\n"
                            f"[optimizer]\nlearning-rate = {RATE}\nmomentum = {MOMENTUM}\n"
                            f"[checkpoint]\nevery-epochs = {EPOCHS}\n")
        self.run_program("train", "c.ini")
        metrics = json.loads(self.run_program("evaluate", run, "test.h5", "--json")[0])
        return metrics["accuracy"] if classify else -metrics["loss"]

    def compare(self, name, classify):
        parts = self.parts(name, classify)
        torch.set_num_threads(1)
        theirs = [torch_score(parts, classify, seed) for seed in SEEDS]
        ours = [self.gradloom_score(classify, seed) for seed in SEEDS]
        mean, deviation = statistics.mean(theirs), statistics.stdev(theirs)
        print(f"{name}: PyTorch {mean:.5f} +- {deviation:.5f}, Gradloom {statistics.mean(ours):.5f}")
        self.assertGreaterEqual(statistics.mean(ours), mean - deviation)

    def test_thyroid(self):
        self.compare("thyroid", classify=True)

    def test_building(self):
        self.compare("building", classify=False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
