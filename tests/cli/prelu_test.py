"""Networks with learned slopes, through every command that meets them.

That they compute what PyTorch does is pytorch_differential_test.py's, that they load there torch_load_test.py's.
"""

import json
import unittest

import h5py
import numpy as np

from support import CliTest

CONFIG = """[data]
train = data.h5
valid-fraction = 0.2
standardize = both
[model]
layer = 24 prelu slopes=units dropout=0.2
layer = 10 prelu batch-norm
layer = 12 layer-norm prelu slopes=units
layer = 1 prelu
[train]
loss = mse
epochs = 4
batch-size = 24
shard-rows = 5
ema = 0.9
restore-best = true
[optimizer]
type = adam
weight-decay = 0.01
clip-grad-norm = 0.5
[checkpoint]
every-steps = 1
keep-last = 100
"""
PLAIN = ("--model.layer=24 relu", "--model.layer=10 tanh batch-norm", "--model.layer=12 layer-norm gelu",
         "--model.layer=1 linear")
SHAPES = {"layer_000": (24,), "layer_001": (1,), "layer_002": (12,), "layer_003": (1,)}


class Prelu(CliTest):
    def setUp(self):
        super().setUp()
        self.write_data(rows=200)
        self.write("c.ini", CONFIG)

    def train(self, run, *arguments):
        self.run_program("train", "c.ini", f"--run.dir={run}", *arguments)
        return self.checkpoints(run)[-1]

    def test_bits_do_not_depend_on_threads_stops_or_memory(self):
        whole = self.train("whole", "--train.threads=1")
        for threads in (2, 8):
            self.assert_same_bits(whole, self.train(f"run-{threads}", f"--train.threads={threads}"))
        for stop in (1, 9):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 2}",
                       "--train.restore-best=false")
        self.assert_same_bits(whole, self.train("parts", "--resume"))
        streamed = self.train("one", "--data.memory=16KiB", "--train.threads=1")
        self.assert_same_bits(streamed, self.train("four", "--data.memory=16KiB", "--train.threads=4"))

    def test_a_killed_run_goes_on_to_the_same_bits(self):
        self.run_program("verify-resume", "c.ini", "--kills", "2", "--train.epochs=6")

    def test_what_a_checkpoint_holds(self):
        self.train("run", "--train.epochs=0", "--model.init=zeros")
        with h5py.File(self.checkpoints("run")[0]) as file:
            for layer, shape in SHAPES.items():
                np.testing.assert_array_equal(file["model"][layer]["slope"][()], np.full(shape, 0.25))
        last = self.train("trained", "--train.epochs=2")
        with h5py.File(last) as file:
            for layer, shape in SHAPES.items():
                for group in ("model", "average"):
                    slope = file[group][layer]["slope"][()]
                    self.assertEqual(slope.shape, shape)
                    self.assertTrue((slope != 0.25).all(), (group, layer, slope))
                self.assertEqual(file["optimizer"][layer]["slope"]["exp_avg_sq"].shape, shape)
            self.assertEqual(dict(file["model/layer_000"].attrs),
                             {"activation": b"prelu", "slopes": b"units", "dropout": 0.2})
            self.assertEqual(file["model/layer_003"].attrs["slopes"], b"1")
        report = json.loads(self.run_program("inspect", last, "--json")[0])
        self.assertEqual([layer["slopes"] for layer in report["layers"]], ["units", "1", "units", "1"])
        self.assertEqual(report["parameters"], 3 * 24 + 24 * 10 + 10 * 12 + 12 + 24 + 10 + 12 + 1 + 2 * (10 + 12) +
                         24 + 1 + 12 + 1)
        text = self.run_program("inspect", last)[0]
        for line in ("3 -> 24 prelu slopes=units dropout=0.2", "24 -> 10 prelu batch-norm",
                     "10 -> 12 layer-norm prelu slopes=units", "12 -> 1 prelu"):
            self.assertIn(f"{line}\n", text)
        self.run_program("verify", last)

    def test_the_resolved_config_trains_the_same(self):
        first = self.train("run")
        resolved = (self.folder / "run/config.ini").read_text()
        for layer in ("24 prelu slopes=units dropout=0.2", "10 prelu batch-norm", "12 layer-norm prelu slopes=units",
                      "1 prelu"):
            self.assertRegex(resolved, rf"(?m)^layer = {layer} *(#|$)")
        self.run_program("train", "run/config.ini", "--run.dir=again")
        self.assert_same_bits(first, self.checkpoints("again")[-1])

    def test_one_unit_may_have_a_slope_of_its_own(self):
        """Which is the layer's one too: a run that says so can be resumed."""
        layers = ("--model.layer=1 prelu slopes=units", "--model.layer=1 prelu")
        self.train("run", *layers, "--train.max-steps=3")
        self.train("run", *layers, "--resume")

    def test_decay_leaves_slopes_alone(self):
        """With a rate that is all that the parameters are moved by, but for the decay of weights."""
        options = ("--optimizer.type=adamw", "--optimizer.learning-rate=0.5", "--optimizer.weight-decay=1",
                   "--train.epochs=1", "--train.max-steps=1", "--optimizer.clip-grad-norm=none",
                   "--model.precision=float64")
        both = []
        for decays in ("true", "false"):
            with h5py.File(self.train(decays, *options, f"--optimizer.decay-biases={decays}")) as file:
                both.append([file["model"][layer]["slope"][()] for layer in SHAPES])
        for decayed, spared in zip(*both):
            np.testing.assert_allclose(spared - decayed, np.full(decayed.shape, 0.5 * 0.25), rtol=1e-12)

    def test_predictions_are_those_of_the_last_epoch(self):
        last = self.train("run", "--model.precision=float64")
        self.run_program("predict", last, "data.h5", "--output", "p.h5")
        with h5py.File(self.folder / "p.h5") as predicted, h5py.File(self.folder / "data.h5") as data:
            error = predicted["prediction"][()] - data["y"][()].reshape(-1, 1)
        report = json.loads(self.run_program("evaluate", last, "data.h5", "--json")[0])
        self.assertAlmostEqual(report["rmse"], np.sqrt(np.mean(error**2)), delta=1e-9)

    def test_parameters_of_another_run(self):
        last = self.train("run")
        self.train("next", f"--model.init-from={last}", "--train.epochs=0")
        with h5py.File(last) as old, h5py.File(self.checkpoints("next")[0]) as new:
            for layer in SHAPES:  # the average is what the old one is judged by
                np.testing.assert_array_equal(new["model"][layer]["slope"][()], old["average"][layer]["slope"][()])
        self.assert_refused(4, ["layer_000/slope is of a prelu that model.layer does not describe"],
                            "train", "c.ini", "--run.dir=plain", f"--model.init-from={last}", *PLAIN)
        self.run_program("train", "c.ini", "--run.dir=plain", *PLAIN)
        self.assert_refused(4, ["layer_000/slope is missing", "model.init-from"], "train", "c.ini",
                            "--run.dir=none", "--model.init-from=plain/checkpoints/best.h5")
        self.assert_refused(4, ["layer_000/slope has shape (24) where the network has (1)"], "train", "c.ini",
                            "--run.dir=none", f"--model.init-from={last}", "--model.layer=24 prelu", *PLAIN[1:])
        self.assert_refused(2, ["24 prelu slopes=units", "checkpoint was trained with"], "train", "c.ini",
                            "--run.dir=plain", "--resume")

    def test_layers_that_cannot_be(self):
        for layer, complaint in (("5 relu slopes=units", "slopes belong to prelu; relu learns none"),
                                 ("5 prelu slopes=3", "slopes must be one of 1, units"),
                                 ("5 slopes=units prelu", "ACTIVATION must be one of"),
                                 ("5 prelu slopes=1 slopes=1", "slopes is set twice")):
            for command in ("check", "train"):
                self.assert_refused(2, [complaint], command, "c.ini", f"--model.layer={layer}",
                                    "--model.layer=1 linear")
        self.assert_refused(2, ["must be `1 linear`, not `1 prelu`"], "check", "c.ini",
                            "--train.loss=binary-cross-entropy", "--data.standardize=none")

    def test_bench(self):
        report = json.loads(self.run_program("bench", "c.ini", "--steps", "20", "--json")[0])
        self.assertEqual(report["network"], "3-24-10-12-1 prelu slopes=units dropout=0.2 prelu batch-norm "
                                            "layer-norm prelu slopes=units prelu")

    def test_divergence(self):
        self.run_program("train", "c.ini", "--optimizer.type=sgd", "--optimizer.learning-rate=1e30", expect=5)


if __name__ == "__main__":
    unittest.main()
