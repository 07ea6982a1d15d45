"""Every capability of training switched on at once: the promises of a run hold for their sum too."""

import unittest

import h5py
import numpy as np

from support import SANITIZED, CliTest

CONFIG = """[data]
train = data.h5
weights = w
valid-fraction = 0.2
standardize = features
shuffle = window
[model]
layer = 24 batch-norm mish dropout=0.2
layer = 16 selu layer-norm dropout=0.1
layer = 12 prelu batch-norm slopes=units dropout=0.1
layer = 8 prelu
layer = 4 linear
[train]
loss = categorical-cross-entropy
class-weights = balanced
label-smoothing = 0.1
ema = 0.9
restore-best = true
metrics = accuracy,macro_f1,auc
epochs = 8
batch-size = 48
shard-rows = 7
log-every = 1
[optimizer]
type = {}
learning-rate = 0.02
weight-decay = 0.01
l1 = 1e-4
decay-biases = false
clip-grad-value = 0.5
clip-grad-norm = 0.3
[schedule]
type = plateau
patience = 0
warmup-steps = 5
[early-stopping]
monitor = valid_auc
patience = 5
[checkpoint]
every-steps = 3
keep-last = 50
keep-best = 2
"""


class EveryFeature(CliTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        x = random.normal(size=(600, 6))
        labels = (x[:, 0] > 0) * 2 + (x[:, 1] * x[:, 2] > 0)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file["x"], file["y"] = x.astype(np.float32), labels.astype(np.int32)
            file["w"] = random.uniform(0, 2, 600) * (random.uniform(size=600) > 0.1)
        self.config("adamw")

    def config(self, optimizer):
        self.write("c.ini", CONFIG.format(optimizer))

    def train(self, run, *arguments):
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *arguments)
        return self.checkpoints(run)[-1]

    def test_bits_do_not_depend_on_threads_stops_or_memory(self):
        whole = self.train("whole", "--train.threads=1")
        for threads in (2, 8):
            self.assert_same_bits(whole, self.train(f"run-{threads}", f"--train.threads={threads}"))
        for stop in (2, 11, 30):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 2}",
                       "--train.restore-best=false")
        self.assert_same_bits(whole, self.train("parts", "--resume"))

    @unittest.skipIf(SANITIZED, "a sanitizer's processes start too slowly to be killed at every moment")
    def test_a_run_survives_kills(self):
        self.run_program("verify-resume", "c.ini", "--kills=1")

    def test_streamed_rows_give_the_same_bits_for_any_threads(self):
        streamed = self.train("one", "--data.memory=16KiB", "--train.threads=1")
        with h5py.File(streamed) as file:
            self.assertIn("window_blocks", file["progress"].attrs)
        self.assert_same_bits(streamed, self.train("four", "--data.memory=16KiB", "--train.threads=4"))

    def test_it_learns_by_every_rule(self):
        for optimizer in ("sgd", "adam", "adamw", "rmsprop", "adagrad"):
            self.config(optimizer)
            self.train(optimizer)
            epochs = [line for line in self.metrics(optimizer) if line["kind"] == "epoch"]
            self.assertGreater(max(line["valid_auc"] for line in epochs), epochs[0]["valid_auc"], optimizer)


if __name__ == "__main__":
    unittest.main()
