"""evaluate and predict against NumPy and PyTorch, which read the checkpoint through h5py."""

import csv
import json
import unittest

import h5py
import numpy as np
from support import REGRESSION, CliTest

CLASSES = """[data]
train = data.h5
standardize = features
[model]
layer = 16 relu
layer = 3 linear
[train]
loss = categorical-cross-entropy
epochs = 5
batch-size = 16
[optimizer]
learning-rate = 0.1
"""

ACTIVATIONS = {"linear": lambda z: z, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}


def logits_of(checkpoint, x):
    """The network's output for raw features, in float64."""
    a = np.asarray(x, dtype=np.float64)
    with h5py.File(checkpoint, "r") as file:
        if "preprocessing/x_mean" in file:
            a = (a - file["preprocessing/x_mean"][()]) / file["preprocessing/x_scale"][()]
        for name in sorted(file["model"]):
            layer = file["model"][name]
            activation = layer.attrs["activation"]
            activation = activation.decode() if isinstance(activation, bytes) else str(activation)
            a = ACTIVATIONS[activation](a @ layer["weight"][()].T.astype(np.float64) + layer["bias"][()])
        if "preprocessing/y_mean" in file:
            a = a * file["preprocessing/y_scale"][()] + file["preprocessing/y_mean"][()]
    return a


def read(path, name):
    with h5py.File(path, "r") as file:
        return file[name][()]


class Regression(CliTest):
    def setUp(self):
        super().setUp()
        self.regression("[data]\nstandardize = both\n")
        self.run_program("train", "c.ini")
        self.x, self.y = read(self.folder / "data.h5", "x"), read(self.folder / "data.h5", "y")
        self.checkpoint = self.checkpoints()[-1]

    def test_predictions_are_those_of_the_network(self):
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.h5")
        predicted = read(self.folder / "p.h5", "prediction")
        self.assertEqual((predicted.shape, predicted.dtype), ((100, 1), np.float32))
        # float32 forward against float64: a few roundings of values of order 1.
        np.testing.assert_allclose(predicted, logits_of(self.checkpoint, self.x), rtol=0, atol=1e-5)

    def test_csv_and_hdf5_agree(self):
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.h5")
        self.run_program("predict", self.checkpoint, "data.h5", "--output=p.csv")
        with open(self.folder / "p.csv", newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        self.assertEqual((len(header), len(rows)), (1, 100))
        self.assertTrue(np.array_equal(np.array(rows, dtype=np.float32), read(self.folder / "p.h5", "prediction")))

    def test_targets_need_not_be_there(self):
        self.write_data("x.h5", x=self.x)
        with h5py.File(self.folder / "x.h5", "a") as file:
            del file["y"]
        self.run_program("predict", "runs/c", "x.h5", "--output", "p.h5")
        self.assertEqual(len(read(self.folder / "p.h5", "prediction")), 100)
        self.assert_refused(3, ["x.h5", "/y"], "evaluate", "runs/c", "x.h5")

    def test_metrics_are_in_the_targets_units(self):
        out, _ = self.run_program("evaluate", "runs/c", "data.h5", "--json")
        metrics = json.loads(out)
        error = logits_of(self.checkpoint, self.x) - self.y
        scale = read(self.checkpoint, "preprocessing/y_scale")
        self.assertEqual(metrics["rows"], 100)
        self.assertAlmostEqual(metrics["rmse"], np.sqrt(np.mean(error**2)), delta=1e-5)
        self.assertAlmostEqual(metrics["mae"], np.mean(np.abs(error)), delta=1e-5)
        self.assertAlmostEqual(metrics["loss"], np.mean((error / scale) ** 2), delta=1e-5)
        self.assertAlmostEqual(metrics["r2"], 1 - np.mean(error**2) / np.var(self.y), delta=1e-5)

    def test_readable_lines(self):
        out, _ = self.run_program("evaluate", "runs/c", "data.h5")
        self.assertEqual([line.split()[0] for line in out.splitlines()],
                         ["rows", "loss", "mse", "rmse", "mae", "r2", "max_error", "pinball"])

    def test_r2_of_a_constant_target_is_0_and_of_one_row_null(self):
        for rows, r2 in ((100, 0), (1, None)):
            self.write_data("constant.h5", x=self.x[:rows], y=np.ones(rows))
            out, _ = self.run_program("evaluate", "runs/c", "constant.h5", "--json")
            self.assertEqual(json.loads(out)["r2"], r2)

    def test_threads_change_nothing(self):
        outputs = set()
        predictions = set()
        for threads in (1, 2, 4):
            outputs.add(self.run_program("evaluate", "runs/c", "data.h5", "--json", "--threads", threads)[0])
            self.run_program("predict", "runs/c", "data.h5", "--output=p.h5", "--threads", threads)
            predictions.add(read(self.folder / "p.h5", "prediction").tobytes())
        self.assertEqual((len(outputs), len(predictions)), (1, 1))

    def test_refusals(self):
        self.assert_refused(2, ["p.txt", ".h5", ".csv"], "predict", "runs/c", "data.h5", "--output", "p.txt")
        self.assert_refused(2, ["none.h5"], "predict", "runs/c", "none.h5", "--output", "p.h5")
        self.assert_refused(4, ["nowhere"], "predict", "runs/c", "data.h5", "--output", "nowhere/p.h5")
        self.write_data("wide.h5", x=np.ones((4, 5)), y=np.ones(4))
        self.assert_refused(3, ["wide.h5", "5", "3"], "predict", "runs/c", "wide.h5", "--output", "p.h5")
        self.assert_refused(3, ["wide.h5", "5", "3"], "evaluate", "runs/c", "wide.h5")
        self.assertEqual(list(self.folder.glob("*p.*")), [])

    def test_pytorch_takes_the_weights(self):
        try:
            import torch
        except ImportError:
            self.skipTest("python3-torch is not installed")
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.h5")
        model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        with h5py.File(self.checkpoint, "r") as file:
            for layer, linear in zip(("layer_000", "layer_001"), (model[0], model[2])):
                linear.weight.data = torch.from_numpy(file["model"][layer]["weight"][()])
                linear.bias.data = torch.from_numpy(file["model"][layer]["bias"][()])
            scaling = {name: file["preprocessing"][name][()] for name in file["preprocessing"]}
        x = (self.x - scaling["x_mean"]) / scaling["x_scale"]
        with torch.no_grad():
            outputs = model(torch.from_numpy(x.astype(np.float32))).numpy()
        np.testing.assert_allclose(read(self.folder / "p.h5", "prediction"),
                                   outputs * scaling["y_scale"] + scaling["y_mean"], rtol=0, atol=1e-5)


class Classification(CliTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        self.label = np.arange(150) % 3
        self.x = random.normal(size=(150, 2)) + 3 * np.eye(3)[self.label][:, :2]
        self.write_data(x=self.x, y=self.label)

    def test_categorical(self):
        self.write("c.ini", CLASSES)
        self.run_program("train", "c.ini")
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.h5")
        logits = logits_of(self.checkpoints()[-1], self.x)
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(read(self.folder / "p.h5", "prediction"), probability, rtol=0, atol=1e-5)
        label = read(self.folder / "p.h5", "label")
        self.assertTrue(np.array_equal(label.ravel(), read(self.folder / "p.h5", "prediction").argmax(axis=1)))
        metrics = json.loads(self.run_program("evaluate", "runs/c", "data.h5", "--json")[0])
        self.assertAlmostEqual(metrics["accuracy"], np.mean(label.ravel() == self.label), places=12)
        picked = probability[np.arange(150), self.label]
        self.assertAlmostEqual(metrics["loss"], -np.mean(np.log(picked)), delta=1e-5)
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.csv")
        lines = (self.folder / "p.csv").read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(lines), 151)
        self.assertIn("label", lines[0])

    def test_binary(self):
        self.write_data(x=self.x, y=self.label == 1)
        self.write("c.ini", REGRESSION.replace("mse", "binary-cross-entropy"))
        self.run_program("train", "c.ini")
        self.run_program("predict", "runs/c", "data.h5", "--output", "p.h5")
        probability = 1 / (1 + np.exp(-logits_of(self.checkpoints()[-1], self.x)))
        predicted = read(self.folder / "p.h5", "prediction")
        np.testing.assert_allclose(predicted, probability, rtol=0, atol=1e-5)
        self.assertTrue(np.array_equal(read(self.folder / "p.h5", "label").ravel() != 0, predicted.ravel() > 0.5))


if __name__ == "__main__":
    unittest.main()
