"""Networks with batch and layer normalization, through every command that meets them.

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
layer = 24 batch-norm relu dropout=0.2
layer = 10 tanh batch-norm
layer = 12 layer-norm gelu
layer = 1 linear
[train]
loss = mse
epochs = 4
batch-size = 24
shard-rows = 5
[optimizer]
momentum = 0.9
weight-decay = 0.01
[checkpoint]
every-steps = 1
keep-last = 100
"""


class Normalization(CliTest):
    def setUp(self):
        super().setUp()
        self.write_data(rows=200)
        self.write("c.ini", CONFIG)

    def train(self, run, *arguments):
        self.run_program("train", "c.ini", f"--run.dir={run}", *arguments)
        return self.checkpoints(run)[-1]

    def tensor(self, checkpoint, name):
        with h5py.File(checkpoint) as file:
            return file["model"][name][()]

    def test_bits_do_not_depend_on_threads_or_stops(self):
        whole = self.train("whole", "--train.threads=1")
        for threads in (2, 8):
            self.assert_same_bits(whole, self.train(f"run-{threads}", f"--train.threads={threads}"))
        for stop in (0, 1, 9):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 2}")
        self.assert_same_bits(whole, self.train("parts", "--resume"))
        self.assertEqual([line["valid_loss"] for line in self.metrics("parts") if line["kind"] == "epoch"],
                         [line["valid_loss"] for line in self.metrics("whole") if line["kind"] == "epoch"])

    def test_a_killed_run_goes_on_to_the_same_bits(self):
        self.run_program("verify-resume", "c.ini", "--kills", "3", "--train.epochs=6")

    def test_what_a_checkpoint_holds(self):
        self.train("run", "--train.epochs=0")
        first = self.checkpoints("run")[0]
        for layer, units in (("layer_000", 24), ("layer_001", 10)):
            for name, value in (("norm_weight", 1), ("norm_bias", 0), ("running_mean", 0), ("running_var", 1)):
                np.testing.assert_array_equal(self.tensor(first, f"{layer}/{name}"), np.full(units, value))
        last = self.train("run", "--resume", "--train.epochs=2")
        with h5py.File(last) as file:
            model, states = file["model"], file["optimizer"]
            self.assertEqual(dict(model["layer_001"].attrs), {"activation": b"tanh", "normalization": b"batch-norm",
                                                              "norm_place": b"behind-activation"})
            self.assertEqual(sorted(model["layer_002"]), ["bias", "norm_bias", "norm_weight", "weight"])
            self.assertEqual(sorted(states["layer_000"]), ["bias", "norm_bias", "norm_weight", "weight"])
            self.assertTrue((model["layer_000/running_var"][()] != 1).all())
            self.assertTrue((model["layer_000/norm_weight"][()] != 1).all())
        layers = json.loads(self.run_program("inspect", last, "--json")[0])["layers"]
        self.assertEqual((layers[0]["normalization"], layers[0]["norm_place"]), ("batch-norm", "before-activation"))
        self.assertNotIn("normalization", layers[3])
        self.assertIn("24 -> 10 tanh batch-norm\n", self.run_program("inspect", last)[0])
        self.run_program("verify", last)

    def test_a_row_is_predicted_alike_alone_and_among_others(self):
        """By running averages, for which other rows do not matter."""
        self.train("run", "--model.precision=float64")
        self.run_program("predict", "run", "data.h5", "--output", "all.h5")
        with h5py.File(self.folder / "data.h5") as file:
            x, y = file["x"][7:8], file["y"][7:8]
        self.write_data("one.h5", x=x, y=y)
        self.run_program("predict", "run", "one.h5", "--output", "one.h5.out.h5")
        with h5py.File(self.folder / "all.h5") as every, h5py.File(self.folder / "one.h5.out.h5") as one:
            np.testing.assert_allclose(one["prediction"][()], every["prediction"][7:8], rtol=1e-12)
        self.assertEqual(json.loads(self.run_program("evaluate", "run", "one.h5", "--json")[0])["rows"], 1)

    def test_parameters_of_another_run(self):
        last = self.train("run")
        self.train("next", f"--model.init-from={last}", "--train.epochs=0")
        self.assertEqual({name: bits for name, bits in self.contents(self.checkpoints("next")[0]).items()
                          if name.startswith("model/")},
                         {name: bits for name, bits in self.contents(last).items() if name.startswith("model/")})
        plain = ("--model.layer=24 relu", "--model.layer=10 tanh", "--model.layer=12 gelu", "--model.layer=1 linear")
        self.assert_refused(4, ["layer_000/norm_weight is of a normalization that model.layer does not describe"],
                            "train", "c.ini", "--run.dir=plain", f"--model.init-from={last}", *plain)
        self.run_program("train", "c.ini", "--run.dir=plain", *plain)
        self.assert_refused(4, ["layer_000/norm_weight is missing", "model.init-from"], "train", "c.ini",
                            "--run.dir=none", "--model.init-from=plain/checkpoints/best.h5")
        self.assert_refused(2, ["24 batch-norm relu", "checkpoint was trained with"], "train", "c.ini",
                            "--run.dir=plain", "--resume")

    def test_minibatches_of_one_row(self):
        for rows, batch in ((49, 24), (1, 24), (40, 1)):
            self.write_data("few.h5", rows=rows)
            for command in ("check", "train", "bench"):
                self.assert_refused(2, ["train.batch-size", f"= {batch}: {rows} training rows leave a minibatch of one",
                                        "use another batch size, or layer-norm"],
                                    command, "c.ini", "--data.train=few.h5", "--data.valid-fraction=0",
                                    f"--train.batch-size={batch}", "--data.standardize=none")
        self.write_data("few.h5", rows=50)  # a last minibatch of two rows is one of the smallest
        self.run_program("train", "c.ini", "--data.train=few.h5", "--data.valid-fraction=0")

    def test_layers_that_cannot_be(self):
        for layer, complaint in (("5 batch-norm", "ACTIVATION must be one of"),
                                 ("5 batch-norm relu layer-norm", "'layer-norm' is a second normalization"),
                                 ("5 relu dropout=0.1 batch-norm", "'batch-norm' cannot stand here"),
                                 ("5 relu batchnorm", "did you mean batch-norm?"),
                                 ("5 relu none", "'none' is not known here")):
            self.assert_refused(2, [complaint], "check", "c.ini", f"--model.layer={layer}", "--model.layer=1 linear")
        self.assert_refused(2, ["layer-norm on the last layer", "hidden layers only"], "check", "c.ini",
                            "--model.layer=1 linear layer-norm")

    def test_bench(self):
        report = json.loads(self.run_program("bench", "c.ini", "--steps", "20", "--json")[0])
        self.assertEqual(report["network"],
                         "3-24-10-12-1 batch-norm relu dropout=0.2 tanh batch-norm layer-norm gelu linear")
        self.assertEqual(report["parameters"], 3 * 24 + 24 * 10 + 10 * 12 + 12 + 24 + 10 + 12 + 1 + 2 * (24 + 10 + 12))

    def test_divergence(self):
        self.run_program("train", "c.ini", "--optimizer.learning-rate=1e30", expect=5)


if __name__ == "__main__":
    unittest.main()
