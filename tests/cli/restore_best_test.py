"""train.restore-best: a run that is complete ends with its best epoch's parameters and optimizer state."""

import json
import unittest

import h5py
import numpy as np

from support import CliTest

# Targets of nothing but noise: validation is best early, and worse with every later epoch.
CONFIG = """[data]
train = data.h5
valid-fraction = 0.3
[model]
layer = 40 tanh
layer = 1 linear
[train]
loss = mse
epochs = 40
batch-size = 16
[optimizer]
learning-rate = 0.1
momentum = 0.9
"""
RESTORE = "--train.restore-best=true"
PATIENCE = "--early-stopping.patience=5"


class RestoreBest(CliTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(7)
        self.write_data(x=random.normal(size=(100, 3)), y=random.normal(size=(100, 1)))
        self.write("c.ini", CONFIG)

    def train(self, run, *arguments, expect=0):
        out, _ = self.run_program("train", "c.ini", f"--run.dir={run}", *arguments, expect=expect)
        return out

    def last(self, run):
        return self.checkpoints(run)[-1]

    def best(self, run):
        return self.folder / run / "checkpoints/best.h5"

    def progress(self, checkpoint):
        with h5py.File(checkpoint) as file:
            return dict(file["progress"].attrs)

    def end(self, run):
        return self.metrics(run)[-1]

    def part(self, checkpoint, groups):
        return {name: value for name, value in self.contents(checkpoint).items() if name.startswith(groups)}

    def evaluate(self, checkpoint):
        return json.loads(self.run_program("evaluate", checkpoint, "data.h5", "--json")[0])

    def files(self, run):
        return {path: path.read_bytes() for path in (self.folder / run).rglob("*")
                if path.is_file() and path.name != "lock"}  # which holds the number of a process

    def assert_restored(self, run, plain):
        """The last checkpoint of `run` has the state of its best one, and the progress of that of `plain`."""
        last, best = self.last(run), self.best(run)
        state = ("model", "optimizer")
        self.assertEqual(self.part(last, state), self.part(best, state))
        self.assertNotEqual(self.part(last, state), self.part(self.last(plain), state))
        self.assertEqual(last.name, self.last(plain).name)
        progress = self.part(last, ("progress",))
        step = self.progress(best)["step"]
        self.assertEqual(self.progress(last)["restored_step"], step)
        del progress["progress@restored_step"]
        self.assertEqual(progress, self.part(self.last(plain), ("progress",)))
        self.assertLess(step, self.progress(last)["step"])
        self.assertEqual(self.end(run)["restored_step"], step)
        self.assert_same_bits(best, self.best(plain))
        self.run_program("verify", last, best)
        self.assertEqual(self.evaluate(last), self.evaluate(best))
        return step

    def test_every_end_takes_over_the_best(self):
        ends = {"epochs": [], "early-stopping": [PATIENCE], "max-steps": ["--train.max-steps=123"]}
        for reason, options in ends.items():
            with self.subTest(reason):
                self.train(f"plain-{reason}", *options)
                out = self.train(f"run-{reason}", RESTORE, *options)
                self.assertEqual(self.end(f"run-{reason}")["reason"], reason)
                step = self.assert_restored(f"run-{reason}", f"plain-{reason}")
                self.assertIn(f"restored: it holds the best epoch's state, of step {step} (train.restore-best)\n", out)
                self.assertNotIn("restored", self.train(f"plain-{reason}", "--resume", *options))
        text, _ = self.run_program("inspect", self.last("run-epochs"))
        self.assertRegex(text, r"\nrestored: the state of step \d+, the best epoch's; training ended\n")

    def test_threads_leave_the_bits_as_they_are(self):
        self.train("one", RESTORE, PATIENCE, "--train.threads=1")
        self.train("three", RESTORE, PATIENCE, "--train.threads=3")
        self.assert_same_bits(self.last("one"), self.last("three"))

    def test_kills(self):
        out, _ = self.run_program("verify-resume", "c.ini", RESTORE, "--kills=5", "--seed=3", "--train.epochs=300",
                                  "--checkpoint.keep-last=1")
        self.assertIn("same bits: ", out)

    def test_a_kill_before_the_take_over(self):
        """What stands then is the run's own last checkpoint, or the one before it."""
        self.train("straight", RESTORE)
        self.train("killed")
        self.train("earlier", "--train.max-steps=190")
        for run in ("killed", "earlier"):
            self.train(run, RESTORE, "--resume")
            self.assert_same_bits(self.last("straight"), self.last(run))

    def test_a_complete_run_stays_as_it_is(self):
        self.train("run", RESTORE)
        before = self.contents(self.last("run"))
        for options in ([RESTORE], [], [RESTORE, "--train.epochs=30"]):
            out = self.train("run", "--resume", *options)
            self.assertIn("restored: ", out)
            self.assertEqual(self.contents(self.last("run")), before)

    def test_it_cannot_be_made_longer(self):
        self.train("run", RESTORE, "--quiet")
        files = self.files("run")
        for options in ([RESTORE, "--train.epochs=50"], ["--train.epochs=50"]):
            error = self.assert_refused(2, ["step-", "train.restore-best", "model.init-from", "run.dir"], "train",
                                        "c.ini", "--run.dir=run", "--resume", "--quiet", *options)
            self.assertIn(f"took over the state of step {self.progress(self.best('run'))['step']} ", error)
        self.assertEqual(self.files("run"), files)
        self.train("next", f"--model.init-from={self.last('run')}", "--train.epochs=1")

    def test_where_the_last_epoch_is_the_best_nothing_is_taken_over(self):
        short = "--train.epochs=1"
        self.train("plain", short)
        self.assertNotIn("restored", self.train("run", RESTORE, short))
        self.assert_same_bits(self.last("plain"), self.last("run"))
        self.train("run", "--resume")
        self.train("straight")
        self.assert_same_bits(self.last("straight"), self.last("run"))

    def test_without_a_whole_epoch_there_is_no_best(self):
        out = self.train("run", RESTORE, "--train.max-steps=3")
        self.assertIn("warning: train.restore-best: no epoch has ended", out)
        self.assertNotIn("warning", self.train("start", RESTORE, "--train.max-steps=0"))

    def test_time_that_runs_out_ends_no_run(self):
        self.train("run", RESTORE, "--train.max-minutes=0.002", "--train.epochs=100000000")
        self.assertEqual(self.end("run")["reason"], "max-minutes")
        self.assertNotIn("restored_step", self.end("run"))
        self.assertNotIn("restored_step", self.progress(self.last("run")))

    def test_a_lost_best_epoch(self):
        self.train("run")
        self.best("run").unlink()
        self.assert_refused(4, ["best.h5", "stands"], "train", "c.ini", "--run.dir=run", "--resume", "--quiet", RESTORE)
        self.assertNotIn("restored_step", self.progress(self.last("run")))

    def test_refused(self):
        for fragments, options in ((["train.restore-best", "checkpoint.keep-best"], ["--checkpoint.keep-best=0"]),
                                   (["train.restore-best", "validation rows"], ["--data.valid-fraction=0"])):
            self.assert_refused(2, fragments, "train", "c.ini", RESTORE, *options)
        self.train("run", RESTORE, "--data.valid-fraction=0", "--early-stopping.monitor=train_loss")


if __name__ == "__main__":
    unittest.main()
