"""train.ema: an exponential moving average of the parameters, as torch.optim.swa_utils.AveragedModel keeps it, which
validation, the best epoch, evaluate and predict look at."""

import json
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import torch
except ImportError:
    torch = None

CONFIG = """[data]
train = data.h5
valid-fraction = 0.2
[model]
layer = {} tanh
layer = 1 linear
precision = {}
[train]
loss = mse
epochs = 6
batch-size = 16
log-every = 1
ema = 0.9
[optimizer]
learning-rate = 0.05
momentum = 0.5
"""
NARROW, WIDE = 9, 300


class Ema(CliTest):
    def setUp(self):
        super().setUp()
        self.write_data()
        self.config()

    def config(self, units=NARROW, precision="float64"):
        self.write("c.ini", CONFIG.format(units, precision))

    def train(self, run, *arguments):
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *arguments)
        return self.checkpoints(run)[-1]

    def block(self, checkpoint, group):
        with h5py.File(checkpoint) as file:
            return [file[group][layer][name][()] for layer in sorted(file[group]) for name in ("weight", "bias")]

    def outputs(self, parameters, x):
        """Of the network with one hidden layer of tanh."""
        w0, b0, w1, b1 = parameters
        return np.tanh(x @ w0.T + b0) @ w1.T + b1

    def predict(self, checkpoint):
        self.run_program("predict", checkpoint, "data.h5", "--output", "p.h5")
        with h5py.File(self.folder / "p.h5") as file:
            return file["prediction"][()]

    def data(self):
        with h5py.File(self.folder / "data.h5") as file:
            return file["x"][()].astype(np.float64), file["y"][()]


@unittest.skipIf(torch is None, "python3-torch is not installed")
class AsPyTorch(Ema):
    def replay(self, initial, decay, steps, batch, rate, momentum):
        layers = [torch.nn.Linear(*reversed(weight.shape), dtype=torch.float64) for weight in initial[::2]]
        for layer, weight, bias in zip(layers, initial[::2], initial[1::2]):
            layer.weight.data, layer.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
        network = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
        average = torch.optim.swa_utils.AveragedModel(network, avg_fn=lambda a, w, _: decay * a + (1 - decay) * w)
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum)
        x, y = map(torch.from_numpy, self.data())
        for step in range(steps):
            first = step % -(-len(x) // batch) * batch
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x[first:first + batch]), y[first:first + batch]).backward()
            optimizer.step()
            average.update_parameters(network)
        return [[p.detach().numpy() for p in model.parameters()] for model in (network, average.module)]

    def test_drawn_cases(self):
        for seed in range(10):
            random = np.random.default_rng(seed)
            decay, steps = float(random.choice([0.3, 0.9, 0.999])), int(random.integers(1, 40))
            batch = int(random.integers(7, 60))
            momentum, threads = float(random.choice([0, 0.9])), int(random.integers(1, 4))
            with self.subTest(seed=seed):
                self.config((NARROW, WIDE)[seed % 2])
                options = ("--data.shuffle=none", "--data.valid-fraction=0", "--train.epochs=1000",
                           f"--train.ema={decay}", f"--train.batch-size={batch}", f"--optimizer.momentum={momentum}",
                           "--train.shard-rows=6", f"--train.threads={threads}")
                initial = self.train(f"start-{seed}", "--train.max-steps=0", *options)
                np.testing.assert_equal(self.block(initial, "average"), self.block(initial, "model"))
                last = self.train(f"run-{seed}", f"--train.max-steps={steps}", *options)
                expected = self.replay(self.block(initial, "model"), decay, steps, batch, 0.05, momentum)
                for group, theirs in zip(("model", "average"), expected):
                    for a, b in zip(self.block(last, group), theirs):
                        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


class Program(Ema):
    def test_evaluate_predict_and_validation_use_the_average(self):
        last = self.train("run", "--data.valid-fraction=0", "--data.valid=data.h5")
        x, y = self.data()
        average = self.outputs(self.block(last, "average"), x)
        self.assertGreater(np.abs(average - self.outputs(self.block(last, "model"), x)).max(), 1e-3)
        np.testing.assert_allclose(self.predict(last), average, rtol=1e-12, atol=1e-12)
        loss = np.mean((average - y) ** 2)
        found = json.loads(self.run_program("evaluate", last, "data.h5", "--json")[0])
        self.assertAlmostEqual(found["loss"], loss, delta=1e-13)
        epoch = [line for line in self.metrics("run") if line["kind"] == "epoch"][-1]
        self.assertAlmostEqual(epoch["valid_loss"], loss, delta=1e-13)
        with h5py.File(last) as file:
            best = file["progress"].attrs["best_score"]
        self.assertEqual(best, min(line["valid_loss"] for line in self.metrics("run") if line["kind"] == "epoch"))
        self.assertIn("average of the parameters: ", self.run_program("inspect", last)[0])
        self.run_program("verify", last)

    def test_test_rows_and_new_runs_get_the_average(self):
        last = self.train("run", "--data.test=data.h5", "--checkpoint.keep-best=0")
        found = json.loads(self.run_program("evaluate", last, "data.h5", "--json")[0])
        self.assertAlmostEqual(self.metrics("run")[-1]["test_loss"], found["loss"], delta=1e-14)
        for ema in ("none", "0.5"):
            start = self.train(f"next-{ema}", f"--model.init-from={last}", "--train.epochs=0", f"--train.ema={ema}")
            np.testing.assert_equal(self.block(start, "model"), self.block(last, "average"))
        np.testing.assert_equal(self.block(start, "average"), self.block(last, "average"))

    def test_training_itself_does_not_see_it(self):
        with_average, without = self.train("run"), self.train("plain", "--train.ema=none")
        for group in ("model", "optimizer"):
            found, expected = ({name: value for name, value in self.contents(path).items() if name.startswith(group)}
                               for path in (with_average, without))
            self.assertEqual(found, expected)
        self.assertFalse(any(name.startswith("average") for name in self.contents(without)))

    def test_threads_and_stops_leave_the_bits_as_they_are(self):
        for units in (NARROW, WIDE):
            self.config(units, "float32")
            whole = self.train(f"whole-{units}", "--train.threads=1")
            self.assertTrue(any(name.startswith("average/") for name in self.contents(whole)))
            self.assert_same_bits(whole, self.train(f"three-{units}", "--train.threads=3"))
            for step in (0, 1, 2, 9, 17):
                self.train(f"parts-{units}", "--resume", f"--train.max-steps={step}", f"--train.threads={1 + step % 4}")
            self.assert_same_bits(whole, self.train(f"parts-{units}", "--resume"))

    def test_kills_of_a_run_that_restores_its_best(self):
        """Average and parameters come back together, after a divergence too."""
        for options in (["--early-stopping.patience=4", "--optimizer.learning-rate=0.3"],
                        ["--train.on-divergence=rollback", "--model.layer=1 linear", "--optimizer.learning-rate=2.6",
                         "--optimizer.momentum=0.1", "--checkpoint.every-epochs=3"]):
            out, _ = self.run_program("verify-resume", "c.ini", "--train.restore-best=true", "--kills=4", "--seed=5",
                                      "--train.epochs=200", "--model.precision=float32", *options)
            self.assertIn("same bits: ", out)

    def test_the_best_epoch_is_restored_with_its_average(self):
        random = np.random.default_rng(7)
        self.write_data(x=random.normal(size=(100, 3)), y=random.normal(size=(100, 1)))  # noise: early epochs are best
        self.config(40)
        last = self.train("run", "--train.restore-best=true", "--train.epochs=60", "--optimizer.learning-rate=0.2")
        best = self.folder / "run/checkpoints/best.h5"
        for group in ("model", "average"):
            np.testing.assert_equal(self.block(last, group), self.block(best, group))
        with h5py.File(last) as file:
            self.assertLess(file["progress"].attrs["restored_step"], file["progress"].attrs["step"])

    def test_refused(self):
        for value in ("0", "1", "-0.5", "1.5", "nan", "yes"):
            self.assert_refused(2, ["train.ema", "none, or a number > 0 and < 1"], "train", "c.ini",
                                f"--train.ema={value}")
        self.train("run", "--train.epochs=1", "--train.ema=none")
        self.assert_refused(2, ["train.ema", "none"], "train", "c.ini", "--run.dir=run", "--resume", "--quiet")

    def test_bench_counts_its_memory(self):
        self.config(WIDE)
        state = [json.loads(self.run_program("bench", "c.ini", "--steps=3", "--json", f"--train.ema={ema}")[0])
                 ["memory_bytes"]["state"] for ema in ("none", "0.9")]
        self.assertEqual(state[1], state[0] * 3 // 2)  # parameters, momentum, average


if __name__ == "__main__":
    unittest.main()
