"""train.on-divergence = rollback: back to the last checkpoint with half the learning rate, with the same bits however
often the run was interrupted; and a resume on other kernels than the checkpoint's."""

import os
import random
import signal
import subprocess
import time
import unittest

from support import CliTest

# A linear network under more than twice the learning rate that it bears: its error grows until float32 overflows, some dozens of
# steps later.
CONFIG = """[data]
train = data.h5
valid-fraction = 0.2
[model]
layer = 1 linear
[train]
loss = mse
epochs = 40
batch-size = 16
log-every = 1
on-divergence = rollback
[optimizer]
learning-rate = 2.6
momentum = 0.1
[checkpoint]
every-epochs = 3
"""


class Rollback(CliTest):
    def setUp(self):
        super().setUp()
        self.write_data()
        self.write("c.ini", CONFIG)

    def train(self, run, *arguments, expect=0):
        return self.run_program("train", "c.ini", f"--run.dir={run}", *arguments, expect=expect)

    def records(self, run, kind):
        return [record for record in self.metrics(run) if record["kind"] == kind]

    def assert_log_is_whole(self, run):
        steps = [record["step"] for record in self.records(run, "step")]
        self.assertEqual(steps, list(range(1, 40 * 5 + 1)))

    def test_goes_back_and_on(self):
        out, _ = self.train("run")
        rollbacks = self.records("run", "rollback")
        self.assertGreater(len(rollbacks), 1)
        self.assertEqual([r["rollbacks"] for r in rollbacks], list(range(1, len(rollbacks) + 1)))
        for record in rollbacks:
            self.assertEqual(record["learning_rate_factor"], 0.5 ** record["rollbacks"])
            self.assertLess(record["step"], record["diverged_step"])
            self.assertIn("layer_000", record["reason"])
            self.assertIn("rows", record["reason"])
        self.assertIn("warning: training diverged in step", out)
        self.assert_log_is_whole("run")
        rates = {record["step"]: record["learning_rate"] for record in self.records("run", "step")}
        self.assertEqual(rates[1], 2.6)
        self.assertEqual(rates[200], 2.6 * rollbacks[-1]["learning_rate_factor"])
        losses = {record["step"]: record["train_loss"] for record in self.records("run", "epoch")}
        self.assertLess(losses[200], 1e-6 * losses[rollbacks[-1]["step"]])  # it learns where it had blown up

    def test_threads_and_interruptions_leave_the_bits_as_they_are(self):
        self.train("whole", "--train.threads=1")
        for step in range(7, 201, 13):
            self.train("parts", "--resume", f"--train.max-steps={step}", f"--train.threads={1 + step % 4}", "--quiet",
                       "--checkpoint.keep-last=1")
        self.train("parts", "--resume", "--quiet")
        self.assert_same_bits(self.checkpoints("whole")[-1], self.checkpoints("parts")[-1])
        self.assert_log_is_whole("parts")
        self.assertEqual(self.records("parts", "rollback"), self.records("whole", "rollback"))

    def test_kills_leave_the_bits_as_they_are(self):
        begin = time.monotonic()
        self.train("whole", "--quiet")
        session = time.monotonic() - begin
        moments = random.Random(3)
        for _ in range(12):
            process = self.start("train", "c.ini", "--run.dir=run", "--resume", "--quiet")
            try:
                process.wait(timeout=moments.uniform(0, session))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        self.train("run", "--resume", "--quiet")
        self.assert_same_bits(self.checkpoints("whole")[-1], self.checkpoints("run")[-1])
        self.assert_log_is_whole("run")
        self.assertEqual(self.records("run", "rollback"), self.records("whole", "rollback"))

    def test_limit(self):
        for limit in (0, 1):
            run = f"limit-{limit}"
            _, err = self.train(run, f"--train.rollback-limit={limit}", "--quiet", expect=5)
            error = err.splitlines()[-1]
            for fragment in ("diverged in step", "layer_000", "rows", f"{limit} times", "rollback-limit", "stands"):
                self.assertIn(fragment, error)
            self.assertEqual(len(self.records(run, "rollback")), limit)
            self.assertEqual(self.metrics(run)[-1]["reason"], "diverged")

    def test_a_clock_is_nothing_to_go_back_by(self):
        self.assert_refused(2, ["train.on-divergence", "every-steps"], "train", "c.ini",
                            "--checkpoint.every-epochs=none", "--checkpoint.every-minutes=1")


class OtherKernels(CliTest):
    """OpenBLAS takes its kernels by OPENBLAS_CORETYPE; a checkpoint knows with which it was written."""

    def setUp(self):
        super().setUp()
        self.there = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem"}
        here, there = (self.run_program("--version", env=env)[0] for env in (None, self.there))
        if here == there:
            self.skipTest("OPENBLAS_CORETYPE chooses no other kernels here")
        self.regression()
        self.run_program("train", "c.ini", "--train.epochs=1", env=self.there)

    def test_warns(self):
        out, _ = self.run_program("train", "c.ini", "--resume")
        self.assertRegex(out, "warning: .*core type Nehalem there and .* here; bits can differ")
        out, _ = self.run_program("train", "c.ini", "--resume", "--train.epochs=4")
        self.assertNotIn("warning", out)  # now that the newest checkpoint is from here

    def test_strict_refuses(self):
        before = self.contents(self.checkpoints()[-1])
        self.assert_refused(2, ["train.strict", "core type Nehalem", "train.strict = false"], "train", "c.ini",
                            "--resume", "--train.strict=true")
        self.assertEqual(self.contents(self.checkpoints()[-1]), before)
        self.run_program("train", "c.ini", "--resume", "--train.strict=true", env=self.there)


if __name__ == "__main__":
    unittest.main()
