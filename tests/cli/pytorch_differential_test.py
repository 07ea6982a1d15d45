"""The same training job, step by step, in Gradloom and in PyTorch.

Each case draws a network, a loss and an optimizer. Gradloom writes its initial parameters, PyTorch starts from them and
sees the same minibatches in the same order, and after some steps both must hold the same parameters, momentum buffers
and losses. Metrics are worked out again with NumPy, and so are the masks of dropout, from their definition.
"""

import dataclasses
import json
import os
import shutil
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import torch
except ImportError:
    torch = None

ACTIVATIONS = {"linear": "Identity", "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU", "leaky-relu": "LeakyReLU",
               "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "softplus": "Softplus",
               "selu": "SELU", "mish": "Mish", "hardswish": "Hardswish", "softsign": "Softsign",
               "prelu": "PReLU"}
NORMALIZATIONS = {"batch-norm": "BatchNorm1d", "layer-norm": "LayerNorm"}
LOSSES = {"mse": "MSELoss", "mae": "L1Loss", "huber": "HuberLoss", "binary-cross-entropy": "BCEWithLogitsLoss",
          "categorical-cross-entropy": "CrossEntropyLoss"}
INITIALIZERS = ["auto", "xavier-uniform", "xavier-normal", "he-uniform", "he-normal", "lecun-normal", "normal", "zeros"]
STEPS = 25
ALL_CASES = "GRADLOOM_ALL_CASES" in os.environ  # more seeds of dropout and of normalization

# Two correct programs add in different orders: a gradient differs by some tens of roundings of its terms, and every
# step carries the difference on, amplified a little by curvature and momentum. Allowed are thousands of roundings of
# float64 and a hundred of float32, several times what is seen; Nesterov left out shows from 7e-6 up at the second step.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
EXACT = {"float64": 1e-13, "float32": 1e-6}  # of one evaluation: no steps to amplify it
# Where a column of a minibatch hardly varies, a normalization makes its roundings up to 300 times as large.
NORMALIZED = {"float64": 1e-9, "float32": 1e-3}


@dataclasses.dataclass
class Case:
    """A training job. Layers are (units, activation), output layer included; a normalization may stand beside the
    activation, on either side of it, and `slopes=units` anywhere behind a prelu."""

    loss: str
    layers: list
    init: str = "auto"
    precision: str = "float64"
    rows: int = 61
    features: int = 5
    batch: int = 16
    shard: int = 16
    threads: int = 1
    rate: float = 0.05
    momentum: float = 0.0
    nesterov: bool = False
    decay: float = 0.0
    warmup: int = 0
    dropout: float = 0.0  # of every hidden layer
    standardize: str = "none"
    shuffle: str = "none"
    seed: int = 1

    @property
    def classify(self):
        return self.loss.endswith("cross-entropy")

    @property
    def normalized(self):
        return any(name in NORMALIZATIONS for _, functions in self.layers for name in functions.split())

    @property
    def tolerance(self):
        return (NORMALIZED if self.normalized else TOLERANCE)[self.precision]

    @property
    def exact(self):
        return EXACT[self.precision] * (100 if self.normalized else 1)

    def config(self):
        layers = "".join(f"{layer_line(*layer)} dropout={self.dropout}\n" for layer in self.layers[:-1])
        layers += layer_line(*self.layers[-1]) + "\n"
        return (f"[data]\ntrain = data.h5\nshuffle = {self.shuffle}\nstandardize = {self.standardize}\n"
                f"[model]\n{layers}init = {self.init}\nprecision = {self.precision}\n"
                f"[train]\nloss = {self.loss}\nepochs = 1000\nmax-steps = {STEPS}\nbatch-size = {self.batch}\n"
                f"shard-rows = {self.shard}\nthreads = {self.threads}\nseed = {self.seed}\nlog-every = 1\n"
                f"[optimizer]\nlearning-rate = {self.rate}\nmomentum = {self.momentum}\n"
                f"nesterov = {str(self.nesterov).lower()}\nweight-decay = {self.decay}\n"
                f"[schedule]\nwarmup-steps = {self.warmup}\n"
                f"[checkpoint]\nevery-epochs = 1000\n")

    def data(self):
        """(x, y): class indices, or float64 that the precision holds; off-centre where that is to be standardized."""
        random = np.random.default_rng([self.seed, 1])
        x = self.rounded(random.normal(size=(self.rows, self.features)))
        outputs = self.layers[-1][0]
        if self.loss == "categorical-cross-entropy":
            return x, random.integers(0, outputs, self.rows)
        if self.loss == "binary-cross-entropy":
            return x, random.integers(0, 2, (self.rows, outputs))
        y = np.sin(x @ random.normal(size=(self.features, outputs))) + 0.1 * random.normal(size=(self.rows, outputs))
        if self.standardize == "both":
            x, y = 30 + x * np.arange(1, self.features + 1), 1000 * y - 7
        return self.rounded(x), self.rounded(y)

    def rounded(self, values):
        return values.astype(self.precision).astype(np.float64)


def layer_line(units, functions):
    """A layer's key, its settings behind its functions."""
    return f"layer = {units} " + " ".join(sorted(functions.split(), key=lambda word: "=" in word))


def drawn_case(seed):
    """70 seeds in a row meet every loss with every activation in the first hidden layer."""
    random = np.random.default_rng([seed, 2])
    losses, activations = list(LOSSES), list(ACTIVATIONS)
    hidden = [activations[seed % len(activations)], *random.choice(activations, random.integers(0, 4))]
    loss = losses[seed % len(losses)]
    hidden = [name + random.choice(["", " slopes=units"]) if name == "prelu" else name for name in hidden]
    outputs_of = ["linear", "linear", "tanh", "softplus", "prelu"]
    output = "linear" if loss.endswith("cross-entropy") else random.choice(outputs_of)
    outputs = int(random.integers(2 if loss == "categorical-cross-entropy" else 1, 5))
    init = INITIALIZERS[seed % len(INITIALIZERS)]
    batch = int(random.integers(7, 40))
    momentum = float(random.choice([0, 0.5, 0.9]))
    return Case(loss=loss, init=init, seed=seed, rows=int(random.integers(41, 100)), batch=batch,
                layers=[(int(random.integers(1, 14)), name) for name in hidden] + [(outputs, output)],
                features=int(random.integers(1, 9)), shard=int(random.integers(1, batch + 1)),
                threads=int(random.integers(1, 4)), momentum=momentum,
                nesterov=bool(momentum > 0 and random.integers(0, 2)), decay=float(random.choice([0, 0.01, 0.1])),
                warmup=int(random.choice([0, 0, 10])),
                rate=1e-4 if init == "normal" else 0.02)  # standard-normal weights make steep networks


def drawn_normalized_case(seed):
    """A case with a normalization in some hidden layers, and with no minibatch of one row."""
    random = np.random.default_rng([seed, 3])
    case = drawn_case(seed)
    norms = [("{}",), ("{} batch-norm", "batch-norm {}"), ("{} layer-norm", "layer-norm {}")]
    hidden = [(units + 3, str(random.choice(norms[(seed + index) % 3])).format(f))
              for index, (units, f) in enumerate(case.layers[:-1])]
    hidden[0] = (hidden[0][0], ("batch-norm {}", "{} batch-norm", "layer-norm {}", "{} layer-norm")[seed % 4].format(
        case.layers[0][1]))
    return dataclasses.replace(case, layers=hidden + case.layers[-1:], rows=case.rows + (case.rows % case.batch == 1))


@dataclasses.dataclass
class State:
    """What a checkpoint holds: parameters by their order in PyTorch, momentum buffers in that order, running averages,
    and the standardization by name."""

    parameters: list
    momentum: list
    averages: list
    scales: dict


def tensors(model, *wanted):
    return [(layer, name) for layer in sorted(model) for name in wanted if name in model[layer]]


def learned_tensors(model):
    """In PyTorch's order: a layer's functions as they are applied."""
    norm = ("norm_weight", "norm_bias")
    found = []
    for layer, group in sorted(model.items()):
        behind = group.attrs.get("norm_place") == b"behind-activation"
        found += tensors({layer: group}, "weight", "bias", *(("slope", *norm) if behind else (*norm, "slope")))
    return found


def read_checkpoint(path):
    with h5py.File(path) as file:
        model = file["model"]
        learned = learned_tensors(model)
        return State(
            [model[layer][name][()] for layer, name in learned],
            [file[path][()] for path in (f"optimizer/{layer}/{name}/momentum" for layer, name in learned) if path in file],
            [model[layer][name][()] for layer, name in tensors(model, "running_mean", "running_var")],
            {name: values[()] for name, values in file["preprocessing"].items()})


def philox(key, counter):
    """Philox4x32-10 (Salmon et al., SC11) of two words of key and four of counter, arrays that broadcast: four words."""
    k0, k1, c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in (*key, *counter))
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.broadcast_arrays(c0, c1, c2, c3)


def kept_units(p, seed, epoch, layer, rows, units):
    """A dropout mask, (rows, units), by the definition in engine/linalg/dropout.hpp."""
    key = philox((seed & 0xFFFFFFFF, seed >> 32), (epoch, 0, 6, layer))[:2]
    blocks = np.arange((units + 3) // 4)
    words = np.stack(philox(key, (rows[:, None], 0, 7, blocks)), axis=-1).reshape(len(rows), -1)[:, :units]
    return words >= int(p * 2**32)


class Replay:
    """PyTorch's network, loss and optimizer for a case, from given initial parameters."""

    def __init__(self, case, initial):
        self.case = case
        self.dtype = getattr(torch, case.precision)
        layers, inputs = [], case.features
        for units, functions in case.layers:
            linear = torch.nn.Linear(inputs, units, dtype=self.dtype)
            layers.append(torch.nn.Sequential(linear, *self.modules(functions.split(), units)))
            inputs = units
        self.network = torch.nn.Sequential(*layers)
        self.set_state(initial)
        self.loss_of = getattr(torch.nn, LOSSES[case.loss])()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=case.rate, momentum=case.momentum,
                                         nesterov=case.nesterov, weight_decay=case.decay)

    def modules(self, words, units):
        for name in words:
            if name in NORMALIZATIONS:
                yield getattr(torch.nn, NORMALIZATIONS[name])(units, dtype=self.dtype)
            elif name == "prelu":
                yield torch.nn.PReLU(units if "slopes=units" in words else 1, dtype=self.dtype)
            elif "=" not in name:
                yield getattr(torch.nn, ACTIVATIONS[name])()

    def set_state(self, state):
        for parameter, values in zip(self.network.parameters(), state.parameters, strict=True):
            parameter.data = torch.from_numpy(values)
        for average, values in zip(self.averages(), state.averages, strict=True):
            average.copy_(torch.from_numpy(values))

    def averages(self):
        """The running averages of every batch-norm, mean before variance."""
        return [buffer for name, buffer in self.network.named_buffers() if "running" in name]

    def tensors(self, x, y):
        y = torch.from_numpy(y)
        return torch.from_numpy(x).to(self.dtype), y if y.dtype == torch.int64 and y.dim() == 1 else y.to(self.dtype)

    def outputs(self, x, epoch, first_row):
        """Of these rows in training: behind each hidden layer stands nn.Dropout, with Gradloom's mask."""
        p, numbers = self.case.dropout, np.arange(first_row, first_row + len(x))
        for index, layer in enumerate(self.network):
            x = layer(x)
            if p > 0 and index + 1 < len(self.network):
                kept = kept_units(p, self.case.seed, epoch, index, numbers, x.shape[1])
                x = x * torch.from_numpy(kept) / (1 - p)
        return x

    def rates(self):
        """Of every step."""
        return [self.case.rate * min(1, (step + 1) / max(1, self.case.warmup)) for step in range(STEPS)]

    def train(self, x, y):
        """Loss and learning rate of every step, over the minibatches of whole epochs one after the other."""
        x, y = self.tensors(x, y)
        batches = list(zip(x.split(self.case.batch), y.split(self.case.batch)))
        history = []
        for step, rate in enumerate(self.rates()):
            self.optimizer.param_groups[0]["lr"] = rate
            epoch, index = divmod(step, len(batches))
            rows, targets = batches[index]
            self.optimizer.zero_grad()
            loss = self.loss_of(self.outputs(rows, epoch, index * self.case.batch), targets)
            loss.backward()
            self.optimizer.step()
            history.append((loss.item(), rate))
        return history

    def parameters(self):
        return [parameter.detach().numpy() for parameter in self.network.parameters()]

    def momentum(self):
        if self.case.momentum == 0:
            return []
        return [self.optimizer.state[parameter]["momentum_buffer"].numpy() for parameter in self.network.parameters()]

    def evaluate(self, x, y):
        """Outputs as float64, and the loss over all rows."""
        x, y = self.tensors(x, y)
        self.network.eval()
        with torch.no_grad():
            output = self.network(x)
            return output.double().numpy(), self.loss_of(output, y).item()


def metrics_of(case, output, y, y_scale):
    """Of what `evaluate` reports beside the loss, by NumPy; errors in the target's own units, R2 averaged over outputs."""
    if case.loss == "categorical-cross-entropy":
        return {"accuracy": np.mean(output.argmax(axis=1) == y)}
    if case.loss == "binary-cross-entropy":
        return {"accuracy": np.mean((output > 0) == (y == 1))}
    error = (output - y) * y_scale
    r2 = 1 - np.sum((output - y) ** 2, axis=0) / np.sum((y - y.mean(axis=0)) ** 2, axis=0)
    return {"rmse": np.sqrt(np.mean(error ** 2)), "mae": np.mean(np.abs(error)), "r2": np.mean(r2)}


@unittest.skipIf(torch is None, "this Python has no torch; python3-torch brings it")
class Differential(CliTest):
    def assert_close(self, ours, theirs, tolerance, what):
        """Within `tolerance` of the largest number among both, or of 1."""
        ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        self.assertEqual(ours.shape, theirs.shape, what)
        error = np.max(np.abs(ours - theirs)) / max(1, np.max(np.abs(theirs)))
        self.assertLessEqual(error, tolerance, what)

    def checkpoint(self, step):
        return read_checkpoint(self.folder / f"runs/c/checkpoints/step-{step:012d}.h5")

    def standardized(self, case, x, y, scales):
        """The data as the network sees it, by NumPy's mean and deviation, which the checkpoint must hold too."""
        for part, values in (("x", x), ("y", y)) if case.standardize == "both" else ():
            np.testing.assert_allclose(scales[f"{part}_mean"], values.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(scales[f"{part}_scale"], values.std(axis=0), rtol=1e-12)
        if case.standardize == "none":
            return x, y
        return (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)

    def check(self, case):
        """Trains `case` in both programs and compares all that can be seen."""
        x, y = case.data()
        self.write_data(x=x, y=y)
        self.write("c.ini", case.config())
        self.run_program("train", "c.ini", "--train.max-steps=0")
        self.run_program("train", "c.ini", "--resume")
        initial = self.checkpoint(0)
        for values in initial.momentum:
            self.assertFalse(values.any())
        x, y = self.standardized(case, x, y, initial.scales)
        replay = Replay(case, initial)
        self.check_history(case, replay.train(x, y))
        self.check_state(case, replay)
        self.check_metrics(case, replay, x, y)

    def check_history(self, case, theirs):
        ours = [line for line in self.metrics() if line["kind"] == "step"]
        self.assertEqual([line["step"] for line in ours], list(range(1, STEPS + 1)))
        for line, (loss, rate) in zip(ours, theirs):
            self.assertAlmostEqual(line["learning_rate"], rate, delta=1e-15)
            self.assert_close(line["train_loss"], loss, case.tolerance, f"loss of step {line['step']}")

    def check_state(self, case, replay):
        final = self.checkpoint(STEPS)
        pairs = {"parameters": (final.parameters, replay.parameters()), "momentum": (final.momentum, replay.momentum()),
                 "averages": (final.averages, [average.numpy() for average in replay.averages()])}
        for what, (ours, theirs) in pairs.items():
            self.assertEqual(len(ours), len(theirs), what)
            for index, (a, b) in enumerate(zip(ours, theirs)):
                self.assertEqual(a.dtype, case.precision)
                self.assert_close(a, b, case.tolerance, f"{what} {index}")
        replay.set_state(final)  # the same network from here on

    def check_metrics(self, case, replay, x, y):
        ours = json.loads(self.run_program("evaluate", "runs/c", "data.h5", "--json")[0])
        output, loss = replay.evaluate(x, y)
        y_scale = case.data()[1].std(axis=0) if case.standardize == "both" else 1
        theirs = {"rows": case.rows, "loss": loss, **metrics_of(case, output, y, y_scale)}
        for name, value in theirs.items():
            self.assert_close(ours[name], value, case.exact, name)

    def check_all(self, cases):
        for case in cases:
            with self.subTest(case=case):
                shutil.rmtree(self.folder / "runs", ignore_errors=True)
                self.check(case)

    def test_every_loss_with_every_activation(self):
        self.check_all(drawn_case(seed) for seed in range(70))

    def test_single_precision(self):
        self.check_all(dataclasses.replace(drawn_case(seed), precision="float32") for seed in range(100, 110))

    def test_dropout(self):
        cases = [drawn_case(seed) for seed in range(500, 545 if ALL_CASES else 515)]
        cases = [dataclasses.replace(case, dropout=0.1 + 0.2 * (index % 4), seed=case.seed + (index % 3 << 40))
                 for index, case in enumerate(cases)]
        self.check_all(cases)
        self.check_all(dataclasses.replace(case, precision="float32") for case in cases[:10])

    def test_normalization(self):
        cases = [drawn_normalized_case(seed) for seed in range(600, 628 if ALL_CASES else 614)]
        self.assertTrue(any(case.rows % case.batch for case in cases))
        self.check_all(dataclasses.replace(case, dropout=(0, 0.3)[index % 2]) for index, case in enumerate(cases))
        self.check_all(dataclasses.replace(case, precision="float32") for case in cases[:4])
        shutil.rmtree(self.folder / "runs")
        self.check(Case(loss="categorical-cross-entropy", rows=500, features=70, batch=192, shard=48, threads=3,
                        layers=[(256, "batch-norm relu"), (130, "gelu batch-norm"), (90, "layer-norm tanh"),
                                (10, "linear")], momentum=0.9))

    def test_learned_slopes(self):
        """One of a layer and one of each unit, beside either normalization, before dropout, and of the output."""
        layers = [(9, "prelu"), (8, "batch-norm prelu slopes=units"), (7, "prelu slopes=units layer-norm"),
                  (6, "prelu batch-norm"), (5, "layer-norm prelu"), (4, "prelu slopes=units")]
        cases = [Case(loss=loss, layers=layers[first:] + [(3, output)], rows=70, batch=16, shard=shard, threads=3,
                      dropout=dropout, momentum=0.9, decay=0.01, seed=first + 700)
                 for first, loss, output, shard, dropout in (
                     (0, "mse", "prelu slopes=units", 5, 0), (1, "huber", "prelu", 16, 0.2), (2, "mae", "linear", 1, 0),
                     (3, "categorical-cross-entropy", "linear", 7, 0.3), (4, "binary-cross-entropy", "linear", 16, 0),
                     (5, "mse", "prelu", 3, 0))]
        self.check_all(cases)
        self.check_all(dataclasses.replace(case, precision="float32") for case in cases[3:])
        shutil.rmtree(self.folder / "runs")
        self.check(Case(loss="categorical-cross-entropy", rows=500, features=70, batch=192, shard=48, threads=3,
                        layers=[(256, "prelu slopes=units"), (130, "prelu"), (10, "linear")], momentum=0.9))

    def test_standardized(self):
        for precision in TOLERANCE:
            self.check_all(dataclasses.replace(drawn_case(seed), standardize="both", precision=precision)
                           for seed in (200, 201, 202))

    def test_full_batches_in_any_order(self):
        cases = (drawn_case(seed) for seed in range(300, 305))
        self.check_all(dataclasses.replace(case, shuffle="full", batch=case.rows) for case in cases)

    def test_shards_of_every_size(self):
        case = dataclasses.replace(drawn_case(400), batch=13, rows=30, momentum=0.9)
        self.check_all(dataclasses.replace(case, shard=shard, threads=3) for shard in range(1, 14, 2))

    def test_wide_layers(self):
        """Layers that are reduced in tiles by several threads, in both precisions."""
        wide = Case(loss="categorical-cross-entropy", layers=[(256, "relu"), (130, "gelu"), (10, "linear")], rows=500,
                    features=70, batch=192, shard=48, threads=3, momentum=0.9)
        self.check_all(dataclasses.replace(wide, precision=precision, shard=shard)
                       for precision in TOLERANCE for shard in (48, 192))


if __name__ == "__main__":
    unittest.main()
