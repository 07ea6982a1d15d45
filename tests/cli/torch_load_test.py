"""A checkpoint becomes a PyTorch model, by h5py and about twenty lines, whose outputs are those of `gradloom predict`:
by the lines here, which keep the precision, and by those of the README.

Run by ctest with the program's path in GRADLOOM; skipped where Python has no torch.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

try:
    import torch
except ImportError:
    torch = None

ACTIVATIONS = {"linear": "Identity", "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU", "leaky-relu": "LeakyReLU",
               "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "softplus": "Softplus",
               "selu": "SELU", "mish": "Mish", "hardswish": "Hardswish", "softsign": "Softsign",
               "prelu": "PReLU"}

NORMALIZATIONS = {"batch-norm": "BatchNorm1d", "layer-norm": "LayerNorm"}


def normalization_of(group):
    """The layer's nn.BatchNorm1d or nn.LayerNorm with its numbers."""
    numbers = {name: torch.from_numpy(group[name][()])
               for name in ("norm_weight", "norm_bias", "running_mean", "running_var") if name in group}
    kind = getattr(torch.nn, NORMALIZATIONS[group.attrs["normalization"].decode()])
    norm = kind(len(numbers["norm_weight"]), dtype=numbers["norm_weight"].dtype)
    # Not strict: there is no count of minibatches, which PyTorch keeps and does not use.
    norm.load_state_dict({name.removeprefix("norm_"): values for name, values in numbers.items()}, strict=False)
    return norm


def activation_of(group):
    activation = getattr(torch.nn, ACTIVATIONS[group.attrs["activation"].decode()])()
    if "slope" in group:
        activation.weight.data = torch.from_numpy(group["slope"][()])
    return activation


def load(path):
    """The network of a checkpoint, and its standardization as arrays by name."""
    with h5py.File(path) as file:
        layers = []
        for name in sorted(file["model"]):
            group = file["model"][name]
            weight = torch.from_numpy(group["weight"][()])
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
            linear.weight.data = weight
            linear.bias.data = torch.from_numpy(group["bias"][()])
            functions = [activation_of(group)]
            if "normalization" in group.attrs:
                before = group.attrs["norm_place"] == b"before-activation"
                functions.insert(0 if before else 1, normalization_of(group))
            layers += [linear, *functions]
        return torch.nn.Sequential(*layers).eval(), {name: data[()] for name, data in file["preprocessing"].items()}


def predict(path, x):
    model, scales = load(path)
    if "x_mean" in scales:
        x = (x - scales["x_mean"]) / scales["x_scale"]
    with torch.no_grad():
        y = model(torch.from_numpy(x).to(model[0].weight.dtype)).numpy()
    return y * scales["y_scale"] + scales["y_mean"] if "y_mean" in scales else y


@unittest.skipIf(torch is None, "this Python has no torch; python3-torch brings it")
class TorchLoad(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def gradloom(self, *arguments):
        done = subprocess.run([os.environ["GRADLOOM"], *map(str, arguments)], cwd=self.path, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def train(self, x, y, loss, layers, *options):
        with h5py.File(self.path / "data.h5", "w") as file:
            file["x"], file["y"] = x, y
        lines = ["[data]", "train = data.h5", "[model]"] + [f"layer = {layer}" for layer in layers]
        lines += ["[train]", f"loss = {loss}", "epochs = 3"]
        (self.path / "net.ini").write_text("\n".join(lines) + "\n")
        self.gradloom("train", "net.ini", *options)
        self.gradloom("predict", "runs/net", "data.h5", "--output", "p.h5")
        with h5py.File(self.path / "p.h5") as file:
            return file["prediction"][()], file["label"][()] if "label" in file else None

    def checkpoint(self):
        return sorted((self.path / "runs/net/checkpoints").glob("step-*.h5"))[-1]

    def test_regression_with_every_activation(self):
        x = np.random.default_rng(1).normal(5, 3, (600, 4))
        y = np.stack([100 + x[:, 0] * x[:, 1], x[:, 2] - x[:, 3]], axis=1)
        layers = [f"6 {activation}" for activation in ACTIVATIONS] + ["2 linear"]
        ours, label = self.train(x, y, "mse", layers, "--data.standardize=both")
        self.assertIsNone(label)
        self.assertEqual(ours.dtype, np.float32)
        deviation = y.std(axis=0)  # float32 outputs are compared in units of the network
        np.testing.assert_allclose(ours / deviation, predict(self.checkpoint(), x) / deviation, rtol=1e-5, atol=1e-5)

    def test_classification(self):
        x = np.random.default_rng(2).normal(size=(300, 3)).astype(np.float32)
        y = x.argmax(axis=1)
        ours, label = self.train(x, y, "categorical-cross-entropy", ["8 tanh", "3 linear"])
        theirs = torch.softmax(torch.from_numpy(predict(self.checkpoint(), x)), dim=1).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(label, ours.argmax(axis=1))

    def test_normalizations(self):
        x = np.random.default_rng(4).normal(2, 3, size=(300, 3))
        layers = ["6 batch-norm relu", "7 tanh batch-norm", "5 layer-norm gelu dropout=0.1", "4 relu layer-norm",
                  "1 linear"]
        ours, _ = self.train(x, x.sum(axis=1), "mse", layers, "--model.precision=float64")
        np.testing.assert_allclose(ours, predict(self.checkpoint(), x), rtol=1e-12, atol=1e-12)

    def test_learned_slopes(self):
        x = np.random.default_rng(5).normal(size=(300, 3))
        layers = ["6 prelu", "5 batch-norm prelu slopes=units", "4 prelu layer-norm dropout=0.1",
                  "2 prelu slopes=units"]
        y = np.stack([x[:, 0] * x[:, 1], x[:, 2]], axis=1)
        ours, _ = self.train(x, y, "mse", layers, "--model.precision=float64", "--optimizer.learning-rate=0.1")
        model, _ = load(self.checkpoint())
        slopes = [module.weight.detach().numpy() for module in model if isinstance(module, torch.nn.PReLU)]
        self.assertEqual([slope.shape for slope in slopes], [(1,), (5,), (1,), (2,)])
        self.assertTrue(all((slope != 0.25).all() for slope in slopes))
        np.testing.assert_allclose(ours, predict(self.checkpoint(), x), rtol=1e-12, atol=1e-12)

    def test_the_lines_of_the_readme(self):
        """On every activation, on both kinds of slopes and of normalizations, and on the average by train.ema."""
        readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
        lines = readme.split("```python\nimport h5py, torch\n")[1].split("```")[0]
        path = re.search(r'h5py\.File\("(.*)"\)', lines)[1]
        x = np.random.default_rng(6).normal(size=(300, 3)).astype(np.float32)
        layers = [f"6 {activation}" for activation in ACTIVATIONS]
        layers += ["5 batch-norm prelu slopes=units dropout=0.1", "4 prelu layer-norm", "1 linear"]
        for options in ((), ("--train.ema=0.9",)):
            shutil.rmtree(self.path / "runs", ignore_errors=True)
            ours, _ = self.train(x, x[:, 0] * x[:, 1], "mse", layers, *options)
            names = {"h5py": h5py, "torch": torch}
            exec(lines.replace(path, str(self.checkpoint())), names)
            with torch.no_grad():
                np.testing.assert_allclose(ours, names["model"](torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-5)

    def test_double_precision(self):
        x = np.random.default_rng(3).normal(size=(300, 3))
        ours, _ = self.train(x, x.sum(axis=1), "mse", ["5 sigmoid", "1 linear"], "--model.precision=float64")
        self.assertEqual(ours.dtype, np.float64)
        np.testing.assert_allclose(ours, predict(self.checkpoint(), x), rtol=1e-12, atol=1e-12)


if __name__ == "__main__":
    unittest.main()
