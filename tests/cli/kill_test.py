"""A run that is killed at random moments, and resumed on other numbers of threads, ends as the undisturbed run does.

GRADLOOM_KILLS: how many kills (25).
"""

import os
import random
import signal
import subprocess
import time
import unittest

from support import CliTest

KILLS = int(os.environ.get("GRADLOOM_KILLS", "25"))

# Checkpoints at every third step, often in the middle of an epoch: most kills hit a write, a link or a removal.
EXTRA = """log-every = 1
[data]
valid-fraction = 0.2
standardize = both
[optimizer]
momentum = 0.9
nesterov = true
[checkpoint]
every-steps = 3
keep-last = 2
keep-best = 2
"""


class Kills(CliTest):
    def setUp(self):
        super().setUp()
        self.regression(EXTRA)
        self.options = (f"--train.epochs={4 * KILLS}", "--quiet")

    def test_kills_at_random_moments(self):
        start = time.monotonic()
        self.run_program("train", "c.ini", "--run.dir=whole", *self.options)
        session = 0.05 + 2 * (time.monotonic() - start) / KILLS  # so that the kills spread over the run
        moments = random.Random(1)
        for _ in range(KILLS):
            if not self.train_and_kill(moments.uniform(0, session), moments):
                break
        self.run_program("train", "c.ini", "--run.dir=run", "--resume", *self.options)
        self.assert_same_files()
        self.assert_same_log()

    def train_and_kill(self, seconds, moments):
        """False where the run was complete before the kill."""
        threads, prefetch = moments.choice((1, 2, 3, 8)), moments.choice((0, 2))
        process = self.start("train", "c.ini", "--run.dir=run", "--resume", f"--train.threads={threads}",
                             f"--data.prefetch={prefetch}", *self.options)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=100)
        self.assertIn(process.returncode, (0, -signal.SIGKILL), out + err)
        return process.returncode != 0

    def assert_same_files(self):
        whole, run = self.checkpoints("whole"), self.checkpoints("run")
        self.assertEqual([path.name for path in run], [path.name for path in whole])
        whole.append(whole[0].with_name("best.h5"))
        run.append(run[0].with_name("best.h5"))
        for one, other in zip(whole, run):
            self.assert_same_bits(one, other)
        self.assertEqual(list((self.folder / "run").rglob(".*")), [], "leftovers of killed processes")

    def assert_same_log(self):
        for kind in ("step", "epoch"):
            whole, run = ([self.without_times(record) for record in self.metrics(folder) if record["kind"] == kind]
                          for folder in ("whole", "run"))
            self.assertEqual(run, whole)

    @staticmethod
    def without_times(record):
        return {key: value for key, value in record.items() if key not in ("elapsed_seconds", "samples_per_second")}


if __name__ == "__main__":
    unittest.main()
