"""train.label-smoothing against PyTorch: CrossEntropyLoss(weight, label_smoothing), and BCEWithLogitsLoss of smoothed
labels, with weights of rows and classes."""

import dataclasses
import json
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import torch
except ImportError:
    torch = None

STEPS = 25
# Two correct programs add in different orders; see pytorch_differential_test.py.
TOLERANCE = 1e-12
CATEGORICAL, BINARY = "categorical-cross-entropy", "binary-cross-entropy"


@dataclasses.dataclass
class Case:
    loss: str
    smoothing: float
    outputs: int
    class_weights: list = None
    weighted: bool = False  # rows
    hidden: tuple = (9,)
    rows: int = 61
    batch: int = 16  # the last minibatch of an epoch is smaller
    seed: int = 1
    threads: int = 1
    precision: str = "float64"

    def config(self):
        layers = "".join(f"layer = {units} tanh\n" for units in self.hidden)
        weights = "weights = w\n" if self.weighted else ""
        classes = f"class-weights = {','.join(map(str, self.class_weights))}\n" if self.class_weights else ""
        return (f"[data]\ntrain = data.h5\nshuffle = none\n{weights}"
                f"[model]\n{layers}layer = {self.outputs} linear\nprecision = {self.precision}\n"
                f"[train]\nloss = {self.loss}\nlabel-smoothing = {self.smoothing}\n{classes}epochs = 1000\n"
                f"max-steps = {STEPS}\nbatch-size = {self.batch}\nshard-rows = 5\nthreads = {self.threads}\n"
                f"log-every = 1\n[optimizer]\nlearning-rate = 0.05\nmomentum = 0.5\n"
                f"[checkpoint]\nevery-epochs = 1000\n")

    def data(self):
        random = np.random.default_rng([self.seed, 1])
        shape = (self.rows,) if self.loss == CATEGORICAL else (self.rows, self.outputs)
        classes = self.outputs if self.loss == CATEGORICAL else 2
        return {"x": random.normal(size=(self.rows, 4)), "y": random.integers(0, classes, shape),
                "w": random.exponential(size=self.rows) if self.weighted else np.ones(self.rows)}


def drawn_case(seed):
    random = np.random.default_rng([seed, 2])
    loss = (CATEGORICAL, CATEGORICAL, BINARY)[seed % 3]
    outputs = int(random.integers(2, 7)) if loss == CATEGORICAL else int(random.integers(1, 4))
    classes = outputs if loss == CATEGORICAL else 2
    can_weigh = loss == CATEGORICAL or outputs == 1
    class_weights = [round(float(w), 3) for w in random.uniform(0.2, 3, classes)] if can_weigh and seed % 2 else None
    return Case(loss=loss, smoothing=float(random.choice([0.05, 0.1, 0.5, 0.99])), outputs=outputs,
                class_weights=class_weights, weighted=bool(seed // 2 % 2), rows=int(random.integers(41, 100)),
                hidden=((9,), (100, 70))[seed // 4 % 2], batch=int(random.integers(7, 40)), seed=seed,
                threads=int(random.integers(1, 4)))


class Smoothing(CliTest):
    def write_case(self, case):
        data = case.data()
        self.write_data(**data)
        self.write("c.ini", case.config())
        return data

    def train(self, run, *options):
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *options)
        return self.checkpoints(run)[-1]

    def parameters(self, checkpoint):
        with h5py.File(checkpoint) as file:
            return [file["model"][layer][name][()] for layer in sorted(file["model"]) for name in ("weight", "bias")]

    def evaluate(self, run, *options):
        return json.loads(self.run_program("evaluate", run, "data.h5", "--json", *options)[0])


@unittest.skipIf(torch is None, "python3-torch is not installed")
class AsPyTorch(Smoothing):
    def network(self, parameters):
        layers = []
        for weight, bias in zip(parameters[::2], parameters[1::2]):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
            linear.weight.data, linear.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
            layers += [linear, torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    def mean_loss(self, case, output, y, w, smoothing):
        """By PyTorch's own means where rows count alike; else by its losses of single rows."""
        weight = torch.tensor(case.class_weights, dtype=torch.float64) if case.class_weights else None
        of_rows = w if weight is None else w * weight[y if case.loss == CATEGORICAL else y[:, 0]]
        if case.loss == BINARY:
            labels = y.double() * (1 - smoothing) + smoothing / 2
            each = torch.nn.BCEWithLogitsLoss(reduction="none")(output, labels).mean(1)
            return (of_rows * each).sum() / of_rows.sum()
        criterion = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing,
                                              reduction="none" if case.weighted else "mean")
        loss = criterion(output, y)
        return (w * loss).sum() / of_rows.sum() if case.weighted else loss

    def check(self, case):
        run = f"run-{case.seed}"
        data = {name: torch.from_numpy(values) for name, values in self.write_case(case).items()}
        network = self.network(self.parameters(self.train(f"start-{case.seed}", "--train.max-steps=0")))
        last = self.train(run)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5)
        losses, per_epoch = [], -(-case.rows // case.batch)
        for step in range(STEPS):
            rows = slice(step % per_epoch * case.batch, (step % per_epoch + 1) * case.batch)
            optimizer.zero_grad()
            loss = self.mean_loss(case, network(data["x"][rows]), data["y"][rows], data["w"][rows], case.smoothing)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        logged = [line["train_loss"] for line in self.metrics(run) if line["kind"] == "step"]
        np.testing.assert_allclose(logged, losses, rtol=TOLERANCE, atol=TOLERANCE)
        for found, expected in zip(self.parameters(last), network.parameters()):
            np.testing.assert_allclose(found, expected.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
        self.check_evaluation(case, run, network, data)

    def check_evaluation(self, case, run, network, data):
        """The loss that evaluate tells is the one that was minimised, log_loss the plain one."""
        found = self.evaluate(run)
        with torch.no_grad():
            output = network(data["x"])
            smoothed = self.mean_loss(case, output, data["y"], data["w"], case.smoothing).item()
            unweighted = dataclasses.replace(case, class_weights=None)
            plain = self.mean_loss(unweighted, output, data["y"], data["w"], 0).item()
        self.assertAlmostEqual(found["loss"], smoothed, delta=1e-12 * max(1, smoothed))
        # Of probabilities that were rounded.
        self.assertAlmostEqual(found["log_loss"], plain, delta=1e-11 * max(1, plain))

    def test_drawn_cases(self):
        cases = [drawn_case(seed) for seed in range(24)]
        self.assertTrue(any(case.class_weights and case.weighted for case in cases if case.loss == CATEGORICAL))
        for case in cases:
            with self.subTest(case=case):
                self.check(case)


class Program(Smoothing):
    CASE = Case(CATEGORICAL, 0.2, 4, class_weights=[1, 2, 0.5, 3], hidden=(90, 70), weighted=True, precision="float32")

    def test_threads_and_stops_leave_the_bits_as_they_are(self):
        self.write_case(self.CASE)
        whole = self.train("whole")
        self.assert_same_bits(whole, self.train("three", "--train.threads=3"))
        for step in (1, 6, 17, STEPS):
            parts = self.train("parts", "--resume", f"--train.max-steps={step}", f"--train.threads={1 + step % 3}")
        self.assert_same_bits(whole, parts)

    def test_validation_has_the_smoothed_loss(self):
        self.write_case(self.CASE)
        self.train("run", "--data.valid=data.h5", "--train.metrics=log_loss", "--train.max-steps=8")
        line = [line for line in self.metrics("run") if line["kind"] == "epoch"][-1]
        found = self.evaluate(self.checkpoints("run")[-1])
        self.assertAlmostEqual(line["valid_loss"], found["loss"], delta=1e-6)
        self.assertAlmostEqual(line["valid_log_loss"], found["log_loss"], delta=1e-6)
        self.assertGreater(abs(found["loss"] - found["log_loss"]), 1e-3)

    def test_checkpoints_know_it(self):
        self.write_case(self.CASE)
        last = self.train("run", "--train.max-steps=2")
        with h5py.File(last) as file:
            self.assertEqual(file["model"].attrs["label_smoothing"], 0.2)
        self.assertIn("label smoothing: 0.2\n", self.run_program("inspect", last)[0])
        self.assert_refused(2, ["train.label-smoothing", "0.2"], "train", "c.ini", "--run.dir=run", "--resume",
                            "--train.label-smoothing=0.1", "--quiet")
        plain = self.train("plain", "--train.max-steps=2", "--train.label-smoothing=0")
        with h5py.File(plain) as file:
            self.assertNotIn("label_smoothing", file["model"].attrs)

    def test_refused(self):
        self.write_case(self.CASE)
        for value in ("1", "-0.1", "nan", "much"):
            self.assert_refused(2, ["train.label-smoothing", ">= 0 and < 1"], "train", "c.ini",
                                f"--train.label-smoothing={value}")
        self.regression("label-smoothing = 0.1\n")
        self.assert_refused(2, ["c.ini:10", "train.label-smoothing = 0.1", "mse has no labels"], "check", "c.ini")


if __name__ == "__main__":
    unittest.main()
