"""Weights of rows and of classes: in loss, gradient and metrics, in memory and streamed, against PyTorch and NumPy."""

import json
import time
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import torch
except ImportError:
    torch = None

LOSSES = {"mse": "mse_loss", "mae": "l1_loss", "huber": "huber_loss",
          "binary-cross-entropy": "binary_cross_entropy_with_logits", "categorical-cross-entropy": "cross_entropy"}
NARROW, WIDE = ("--model.layer=9 tanh",), ("--model.layer=100 tanh", "--model.layer=70 relu")
ROWS, BATCH, STEPS = 61, 16, 25  # the last minibatch of an epoch is smaller

# Two correct programs add in different orders; see pytorch_differential_test.py.
TOLERANCE = 1e-12

CONFIG = """[data]
train = data.h5
weights = w
shuffle = none
[train]
loss = {loss}
epochs = 1000
batch-size = 16
log-every = 1
[model]
layer = {outputs} linear
precision = float64
[optimizer]
learning-rate = 0.05
momentum = 0.5
[checkpoint]
every-epochs = 1000
"""


def labels_of(loss, rows, outputs, random):
    if loss == "categorical-cross-entropy":
        return np.minimum(random.geometric(0.5, rows) - 1, outputs - 1)  # far from balanced
    if loss == "binary-cross-entropy":
        return (random.random((rows, outputs)) < 0.3).astype(np.int64)
    return random.normal(size=(rows, outputs))


class WeightsTest(CliTest):
    def config(self, loss="mse", outputs=1):
        self.write("c.ini", CONFIG.format(loss=loss, outputs=outputs))

    def data(self, name="data.h5", loss="mse", outputs=1, rows=ROWS, features=4, seed=1, weights="random", chunks=None):
        """Returns x, y and w; a quarter of the weights are 0. `chunks`: rows of a deflated one, for each set."""
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(rows, features)), labels_of(loss, rows, outputs, random)
        w = random.exponential(size=rows) * (random.random(rows) < 0.75) if isinstance(weights, str) else weights
        with h5py.File(self.folder / name, "w") as file:
            for key, values in (("x", x), ("y", y), ("w", w)):
                if values is not None:
                    chunk_rows = (chunks or {}).get(key)
                    layout = {"chunks": (min(chunk_rows, rows), *values.shape[1:]), "compression": "gzip"} if chunk_rows else {}
                    file.create_dataset(key, data=values, **layout)
        return x, y, w

    def train(self, run, *options, layers=NARROW, outputs=1, expect=0):
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *layers, f"--model.layer={outputs} linear",
                         *options, expect=expect)
        return self.checkpoints(run)[-1]

    def model(self, checkpoint):
        return {name: value for name, value in self.contents(checkpoint).items() if not name.startswith("progress")}

    def parameters(self, checkpoint):
        with h5py.File(checkpoint) as file:
            return [file["model"][layer][name][()] for layer in sorted(file["model"]) for name in ("weight", "bias")]

    def class_weights(self, checkpoint):
        with h5py.File(checkpoint) as file:
            return file["preprocessing/class_weights"][()].tolist()

    def evaluate(self, *arguments):
        return json.loads(self.run_program("evaluate", *arguments, "--json")[0])

    def assert_near(self, found, expected, tolerance=TOLERANCE):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@unittest.skipIf(torch is None, "python3-torch is not installed")
class AsPyTorch(WeightsTest):
    def losses(self, loss, output, y):
        """Of each row, its mean over the outputs."""
        each = getattr(torch.nn.functional, LOSSES[loss])(output, y, reduction="none")
        return each if each.dim() == 1 else each.mean(1)

    def replay(self, initial, loss, x, y, w):
        """The network after STEPS steps, and their losses and weights."""
        x, w = torch.from_numpy(x), torch.from_numpy(w)
        y = torch.from_numpy(y) if loss.startswith("cat") else torch.from_numpy(y).double()
        network = self.network(initial)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5)
        history = []
        for step in range(STEPS):
            first = step % -(-ROWS // BATCH) * BATCH
            rows = slice(first, first + BATCH)
            optimizer.zero_grad()
            mean = (w[rows] * self.losses(loss, network(x[rows]), y[rows])).sum() / w[rows].sum()
            mean.backward()
            optimizer.step()
            history.append((mean.item(), w[rows].sum().item()))
        return network, history

    def network(self, parameters):
        layers = []
        for weight, bias in zip(parameters[::2], parameters[1::2]):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
            linear.weight.data, linear.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
            hidden = torch.nn.Tanh() if not layers else torch.nn.ReLU()
            layers += [linear, hidden]
        return torch.nn.Sequential(*layers[:-1])

    def compare(self, loss, outputs, layers, class_weights=None):
        """Both programs on the same minibatches; class weights multiply those of rows."""
        self.config(loss, outputs)
        x, y, w = self.data(loss=loss, outputs=outputs)
        options = [f"--train.class-weights={','.join(map(str, class_weights))}"] if class_weights else []
        start = self.train(f"start-{loss}-{len(layers)}", "--train.epochs=0", layers=layers, outputs=outputs)
        run = f"run-{loss}-{len(layers)}-{bool(class_weights)}"
        last = self.train(run, f"--train.max-steps={STEPS}", *options, layers=layers, outputs=outputs)
        effective = w * np.array(class_weights)[y.reshape(-1).astype(int)] if class_weights else w
        network, history = self.replay(self.parameters(start), loss, x, y, effective)
        for found, expected in zip(self.parameters(last), network.parameters()):
            self.assert_near(found, expected.detach().numpy())
        log = self.metrics(run)
        self.assert_near([r["train_loss"] for r in log if r["kind"] == "step"], [mean for mean, _ in history])
        epoch = history[:-(-ROWS // BATCH)]
        self.assert_near([r["train_loss"] for r in log if r["kind"] == "epoch"][0],
                         sum(mean * weight for mean, weight in epoch) / sum(weight for _, weight in epoch))

    def test_every_loss(self):
        for loss, outputs in (("mse", 1), ("mae", 3), ("huber", 2), ("binary-cross-entropy", 3),
                              ("categorical-cross-entropy", 4)):
            for layers in (NARROW, WIDE):
                with self.subTest(loss=loss, layers=layers):
                    self.compare(loss, outputs, layers)

    def test_class_weights(self):
        for layers in (NARROW, WIDE):
            self.compare("binary-cross-entropy", 1, layers, [0.5, 3.25])
            self.compare("categorical-cross-entropy", 4, layers, [0.5, 2, 0.125, 7])

    def test_class_weights_are_those_of_cross_entropy_loss(self):
        self.config("categorical-cross-entropy", 4)
        x, y, _ = self.data(loss="categorical-cross-entropy", outputs=4, weights=None)
        last = self.train("run", "--data.weights=none", "--train.class-weights=0.5, 2, 0.125, 7", "--train.epochs=1",
                          outputs=4)
        output = self.network(self.parameters(last))(torch.from_numpy(x))
        weight = torch.tensor([0.5, 2, 0.125, 7], dtype=torch.float64)
        expected = torch.nn.CrossEntropyLoss(weight=weight)(output, torch.from_numpy(y)).item()
        self.assert_near(self.evaluate(last, "data.h5")["loss"], expected)


class Metrics(WeightsTest):
    def predictions(self, checkpoint, data="data.h5"):
        self.run_program("predict", checkpoint, data, "--output", "p.h5")
        with h5py.File(self.folder / "p.h5") as file:
            return file["prediction"][()]

    def test_regression(self):
        self.config(outputs=2)
        x, y, w = self.data(outputs=2, rows=1300)  # some blocks of rows
        last = self.train("run", "--train.epochs=2", "--data.standardize=both", outputs=2)
        found = self.evaluate(last, "data.h5")
        error = self.predictions(last) - y
        self.assertEqual(found["rows"], 1300)
        self.assert_near(found["rmse"], np.sqrt(np.average((error**2).mean(1), weights=w)))
        self.assert_near(found["mae"], np.average(np.abs(error).mean(1), weights=w))
        spread = np.average((y - np.average(y, axis=0, weights=w))**2, axis=0, weights=w)
        self.assert_near(found["r2"], np.mean(1 - np.average(error**2, axis=0, weights=w) / spread))
        # The loss is of targets that were standardized, by all rows alike.
        self.assert_near(found["loss"], np.average(((error / y.std(axis=0))**2).mean(1), weights=w))
        streamed = self.evaluate(last, "data.h5", "--memory=16KiB")
        self.assertEqual(streamed, found)

    def test_accuracy_counts_rows_by_weight_and_classes_alike(self):
        self.config("categorical-cross-entropy", 3)
        x, y, w = self.data(loss="categorical-cross-entropy", outputs=3, rows=600)
        last = self.train("run", "--train.epochs=2", "--train.class-weights=1,5,25", outputs=3)
        found = self.evaluate(last, "data.h5")
        p = self.predictions(last)
        self.assert_near(found["accuracy"], np.average(p.argmax(1) == y, weights=w))
        counts = w * np.array([1, 5, 25])[y]
        self.assert_near(found["loss"], np.average(-np.log(p[np.arange(600), y]), weights=counts))

    def test_validation_and_test_rows_have_weights_too(self):
        self.config()
        self.data()
        self.data("valid.h5", seed=2)
        self.data("test.h5", seed=3)
        last = self.train("run", "--train.epochs=3", "--data.valid=valid.h5", "--data.test=test.h5")
        valid = [r for r in self.metrics("run") if r["kind"] == "epoch"][-1]
        found = self.evaluate(last, "valid.h5")
        self.assertEqual([valid["valid_loss"], valid["valid_rmse"]], [found["loss"], found["rmse"]])
        self.assertNotEqual(self.evaluate(last, "valid.h5", "--weights", "none")["loss"], found["loss"])

    def test_held_out_rows_keep_their_weights(self):
        """Rows of weight 0 are of other targets: who mixed weights up would see them."""
        self.config()
        x, y, w = self.data(rows=400)
        y[w == 0] += 1e6
        with h5py.File(self.folder / "data.h5", "a") as file:
            file["y"][...] = y
        for shuffle in ("full", "none"):
            self.train(shuffle, "--train.epochs=1", f"--data.shuffle={shuffle}", "--data.valid-fraction=0.3")
            epoch = [r for r in self.metrics(shuffle) if r["kind"] == "epoch"][0]
            self.assertLess(epoch["train_loss"], 100)
            self.assertLess(epoch["valid_loss"], 100)

    def test_evaluate_asks_for_the_weights_of_training(self):
        self.config()
        x, y, w = self.data()
        last = self.train("run", "--train.epochs=1")
        plain = self.evaluate(last, "data.h5", "--weights=none")
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["x"], file["y"], file["v"] = x, y, w
        self.assert_refused(3, ["other.h5: there is no data set /w", "--weights none"], "evaluate", last, "other.h5")
        self.assertEqual(self.evaluate(last, "other.h5", "--weights", "none"), plain)
        self.assertEqual(self.evaluate(last, "other.h5", "--weights=v"), self.evaluate(last, "data.h5"))
        self.run_program("predict", last, "other.h5", "--output", "p.h5")

    def test_a_model_that_was_trained_without_weights_can_be_judged_by_them(self):
        self.config()
        self.data()
        last = self.train("run", "--train.epochs=1", "--data.weights=none")
        self.assertNotEqual(self.evaluate(last, "data.h5", "--weights=/w"), self.evaluate(last, "data.h5"))

    def test_rows_that_all_weigh_nothing_judge_nothing(self):
        self.config()
        self.data()
        last = self.train("run", "--train.epochs=1")
        self.data("zero.h5", weights=np.zeros(ROWS))
        for memory in ("1MiB", "4KiB"):
            self.assert_refused(3, ["zero.h5: all rows have a weight of 0"], "evaluate", last, "zero.h5",
                                f"--memory={memory}")


class SameBits(WeightsTest):
    OPTIONS = ("--model.precision=float32", "--data.shuffle=full", "--train.epochs=3", "--train.shard-rows=5")

    def test_weights_of_one_are_none(self):
        for loss, outputs in (("mse", 1), ("binary-cross-entropy", 3), ("categorical-cross-entropy", 3)):
            self.config(loss, outputs)
            self.data(loss=loss, outputs=outputs, weights=np.ones(ROWS, dtype=np.int8))
            for name, layers in (("narrow", NARROW), ("wide", WIDE)):
                options = (*self.OPTIONS, "--train.max-steps=10", "--data.valid-fraction=0.2")
                with_weights = self.train(f"ones-{loss}-{name}", *options, layers=layers, outputs=outputs)
                without = self.train(f"none-{loss}-{name}", "--data.weights=none", *options, layers=layers,
                                     outputs=outputs)
                self.assert_same_bits(with_weights, without)
                logs = [[{k: v for k, v in r.items() if k in ("step", "train_loss", "valid_loss", "valid_r2",
                                                              "valid_accuracy")} for r in self.metrics(run)]
                        for run in (f"ones-{loss}-{name}", f"none-{loss}-{name}")]
                self.assertEqual(*logs)

    def test_the_scale_of_all_weights_has_no_effect(self):
        self.config()
        _, _, w = self.data()
        first = self.train("first", *self.OPTIONS)
        self.data(weights=w * 2.0**90)  # exact, but beyond what float32 holds squared
        self.assertEqual(self.model(self.train("second", *self.OPTIONS)), self.model(first))

    def test_threads_and_stops(self):
        self.config("categorical-cross-entropy", 3)
        self.data(loss="categorical-cross-entropy", outputs=3, rows=333)
        options = (*self.OPTIONS, "--train.class-weights=balanced", "--data.valid-fraction=0.2",
                   "--checkpoint.every-epochs=1")
        for layers in (NARROW, WIDE):
            run = f"run-{len(layers)}"
            whole = self.train(run, "--train.threads=1", *options, layers=layers, outputs=3)
            for threads, ahead in ((2, 0), (8, 2)):
                other = self.train(f"{run}-{threads}", f"--train.threads={threads}", f"--data.prefetch={ahead}",
                                   *options, layers=layers, outputs=3)
                self.assert_same_bits(whole, other)
            for stop in (0, 1, 20, 33, 47):
                self.train(f"{run}-parts", "--resume", f"--train.max-steps={stop}", *options, layers=layers, outputs=3)
            parts = self.train(f"{run}-parts", "--resume", *options, layers=layers, outputs=3)
            self.assert_same_bits(whole, parts)
            losses = [[(r["kind"], r["step"], r["train_loss"]) for r in self.metrics(name)
                       if r["kind"] in ("step", "epoch")] for name in (run, f"{run}-parts")]
            self.assertEqual(*losses)

    def test_a_killed_run_goes_on_with_the_same_bits(self):
        self.config()
        self.data(rows=500)
        options = ("--model.precision=float32", "--data.shuffle=full", "--train.epochs=40",
                   "--checkpoint.every-steps=7", "--checkpoint.every-epochs=1")
        whole = self.train("whole", *options)
        process = self.start("train", "c.ini", "--quiet", "--run.dir=killed", *NARROW, "--model.layer=1 linear",
                             *options)
        while process.poll() is None and not self.checkpoints("killed"):
            time.sleep(0.005)  # a poll: nothing is decided by how long it takes
        process.kill()
        process.communicate()
        self.assert_same_bits(whole, self.train("killed", "--resume", *options))

    def test_streamed_rows_are_those_in_memory(self):
        self.config("binary-cross-entropy")
        options = ("--train.epochs=2", "--train.batch-size=100", "--data.standardize=features", "--train.threads=2",
                   "--train.class-weights=balanced")
        small, tall = {"x": 100, "y": 300, "w": 250}, {"w": 9000}  # the tall one is held in memory
        judged = ("--data.valid=valid.h5",), ("--data.valid-fraction=0.2",)
        for chunks, valid in ((None, judged[0]), (None, judged[1]), (small, judged[0]), (small, judged[1]), (tall, ())):
            self.data(loss="binary-cross-entropy", rows=9000, features=16, chunks=chunks)
            self.data("valid.h5", loss="binary-cross-entropy", rows=3000, features=16, seed=2, chunks=chunks)
            with self.subTest(chunks=chunks, valid=valid):
                self.assert_same_runs(*options, *valid)

    def assert_same_runs(self, *options):
        """Streamed and in memory."""
        self.runs = getattr(self, "runs", 0) + 1
        found = {}
        for memory in ("640KiB", "64MiB"):
            run = f"run-{self.runs}-{memory}"
            last = self.train(run, *options, f"--data.memory={memory}")
            with h5py.File(last, "r") as file:
                self.assertEqual("window_blocks" in file["progress"].attrs, memory == "640KiB")
            log = [(r["train_loss"], r.get("valid_loss"), r.get("valid_accuracy")) for r in self.metrics(run)
                   if r["kind"] in ("step", "epoch")]
            found[memory] = self.model(last), self.class_weights(last), log
        self.assertEqual(found["640KiB"], found["64MiB"])

    def test_streamed_windows_go_on_after_a_stop(self):
        self.config("categorical-cross-entropy", 3)
        self.data(loss="categorical-cross-entropy", outputs=3, rows=9000)
        options = ("--train.epochs=2", "--train.batch-size=100", "--data.shuffle=window", "--data.memory=96KiB",
                   "--train.class-weights=balanced")
        whole = self.train("whole", *options, "--train.threads=1", outputs=3)
        for stop in (1, 50, 95):
            self.train("parts", "--resume", f"--train.max-steps={stop}", *options, outputs=3)
        with open(self.folder / "parts/statistics.json", encoding="utf-8") as file:
            self.assertEqual(sum(json.load(file)["class_rows"]), 9000)
        self.assert_same_bits(whole, self.train("parts", "--resume", "--train.threads=8", *options, outputs=3))


class Meaning(WeightsTest):
    def test_a_weight_of_k_is_the_row_k_times(self):
        self.config()
        random = np.random.default_rng(4)
        w = random.integers(0, 4, ROWS)
        x, y, _ = self.data(weights=w.astype(">u2")[:, None])
        options = ("--train.epochs=8", "--train.batch-size=1000")
        weighted = self.train("weighted", *options)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file["x"], file["y"] = np.repeat(x, w, axis=0), np.repeat(y, w, axis=0)
        repeated = self.train("repeated", "--data.weights=none", *options)
        for found, expected in zip(self.parameters(weighted), self.parameters(repeated)):
            self.assert_near(found, expected)
        losses = [[r["train_loss"] for r in self.metrics(run) if r["kind"] == "epoch"]
                  for run in ("weighted", "repeated")]
        self.assert_near(*losses)

    def test_a_minibatch_that_weighs_nothing_changes_nothing(self):
        self.config()
        w = np.ones(ROWS)
        w[BATCH:2 * BATCH] = 0
        self.data(weights=w)
        options = ("--optimizer.momentum=0", "--checkpoint.every-steps=1", "--checkpoint.keep-last=9",
                   "--train.epochs=1")
        for layers in (NARROW, WIDE):
            run = f"run-{len(layers)}"
            self.train(run, *options, layers=layers)
            first, second, third = [self.model(path) for path in self.checkpoints(run) if "000" in path.name][:3]
            self.assertEqual(first, second)
            self.assertNotEqual(second, third)
            log = self.metrics(run)
            steps = [r["train_loss"] for r in log if r["kind"] == "step"]
            self.assertEqual(steps[1], 0)
            self.assert_near([r["train_loss"] for r in log if r["kind"] == "epoch"][0],
                             np.average(steps, weights=[16, 0, 16, 13]))

    def test_balanced(self):
        """n / (classes * n_c) over the training rows, whatever those weigh."""
        for loss, outputs in (("categorical-cross-entropy", 3), ("binary-cross-entropy", 1)):
            self.config(loss, outputs)
            _, y, _ = self.data(loss=loss, outputs=outputs)
            counts = np.bincount(y.reshape(-1))
            balanced = self.train(f"{loss}-1", "--train.class-weights=balanced", "--train.epochs=2", outputs=outputs)
            expected = (ROWS / (len(counts) * counts)).tolist()
            self.assertEqual(self.class_weights(balanced), expected)
            listed = self.train(f"{loss}-2", f"--train.class-weights={','.join(map(str, expected))}",
                                "--train.epochs=2", outputs=outputs)
            self.assert_same_bits(balanced, listed)

    def test_commands_take_weights(self):
        self.config("categorical-cross-entropy", 3)
        self.data(loss="categorical-cross-entropy", outputs=3)
        weights = ("--train.class-weights=1,2,4", "--train.epochs=1")
        facts, _ = self.run_program("check", "c.ini", *weights)
        self.assertIn("1 target column, weights", facts)
        self.assertIn("class weights: 1, 2, 4", facts)
        self.run_program("bench", "c.ini", "--steps=3", *weights)
        self.run_program("train", "c.ini", "--quiet", *weights)
        self.assertIn("class weights: [1.0,2.0,4.0]", self.run_program("inspect", self.checkpoints("runs/c")[-1])[0])
        self.run_program("verify", self.checkpoints("runs/c")[-1], "data.h5")


class Refusals(WeightsTest):
    def refused(self, code, fragments, *options):
        for command in ("check", "train"):
            self.assert_refused(code, fragments, command, "c.ini", "--train.epochs=1", *options)

    def test_data(self):
        self.config()
        x, y, w = self.data()
        self.refused(3, ["data.h5: there is no data set /v", "data.weights"], "--data.weights=v")
        bad = w.copy()
        for value, text in ((-1, "is -1; a weight is a finite number >= 0"), (np.nan, "is nan; a weight"),
                            (np.inf, "is inf; a weight"), (1e101, "is 1e+101; weights are 0, or from"),
                            (1e-101, "is 1e-101; weights are 0, or from")):
            bad[17] = value
            self.data(weights=bad)
            for memory in ("64MiB", "4KiB"):
                self.refused(3, [f"data.h5: /w row 17 {text}"], f"--data.memory={memory}")
        self.data(weights=np.zeros(ROWS))
        for memory in ("64MiB", "4KiB"):
            self.refused(3, ["data.h5: all", "have a weight of 0"], f"--data.memory={memory}")
        for shape, text in (((ROWS, 2), "has shape (61, 2); weights are (rows)"), ((ROWS - 1,), "has 60 rows"),
                            ((ROWS, 1, 1), "has shape (61, 1, 1)")):
            self.data(weights=np.ones(shape))
            self.refused(3, [f"data.h5: /w {text}"])
        self.data(weights=np.full(ROWS, b"one"))
        self.refused(3, ["data.h5: /w holds", "not numbers"])
        self.data()
        self.data("valid.h5", weights=None)
        self.refused(3, ["valid.h5: there is no data set /w"], "--data.valid=valid.h5")
        self.refused(3, ["valid.h5: there is no data set /w"], "--data.train=data.h5 valid.h5")

    def test_class_weights(self):
        self.config()
        self.data()
        key = "--train.class-weights="
        self.refused(2, ["train.class-weights = balanced: needs rows of one class each", "not mse"], key + "balanced")
        self.config("binary-cross-entropy", 2)
        self.data(loss="binary-cross-entropy", outputs=2)
        self.refused(2, ["with one output, not binary-cross-entropy with 2"], key + "1,2")
        self.config("categorical-cross-entropy", 4)
        self.data(loss="categorical-cross-entropy", outputs=3)  # class 3 has no rows
        self.refused(2, ["train.class-weights = 1,2: has 2 numbers for 4 classes"], key + "1,2")
        for wrong in ("0,1,1,1", "1,-2,1,1", "1,,2,3", "1,2,3,nan", "1,2,3,4,", "equal"):
            self.refused(2, ["train.class-weights", "must be none, balanced, or a number"], key + wrong)
        for memory in ("64MiB", "8KiB"):
            self.refused(3, ["data.h5: no training row is of class 3"], key + "balanced", f"--data.memory={memory}")

    def test_a_resume_keeps_its_weights(self):
        self.config("categorical-cross-entropy", 3)
        x, y, w = self.data(loss="categorical-cross-entropy", outputs=3)
        run = ("train", "c.ini", "--quiet", "--train.class-weights=balanced")
        self.run_program(*run, "--train.max-steps=3")
        _, err = self.run_program(*run, "--resume", "--data.weights=none", expect=2)
        self.assertIn("data.weights = none: the checkpoint was trained with w", err)
        _, err = self.run_program(*run[:3], "--resume", "--train.class-weights=1,2,3", expect=2)
        self.assertIn("train.class-weights = 1,2,3: the checkpoint was trained with balanced", err)
        y[0] = (y[0] + 1) % 3
        with h5py.File(self.folder / "data.h5", "a") as file:
            file["y"][...] = y
        _, err = self.run_program(*run, "--resume", expect=3)
        self.assertIn("class weights balanced by other rows", err)


if __name__ == "__main__":
    unittest.main()
