"""A run that is killed at random moments, and resumed on other numbers of threads, ends as the undisturbed run does.

GRADLOOM_KILLS: how many kills must land (25). A round is one run, killed up to 25 times; there are as many rounds as it
takes.
"""

import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from support import CliTest

KILLS = int(os.environ.get("GRADLOOM_KILLS", "25"))
KILLS_A_ROUND = 25

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

OPTIONS = (f"--train.epochs={4 * KILLS_A_ROUND}", "--quiet")


class Kills(CliTest):
    def test_kills_at_random_moments(self):
        self.regression(EXTRA)
        start = time.monotonic()
        self.run_program("train", "c.ini", "--run.dir=whole", *OPTIONS)
        self.session = 0.05 + 2 * (time.monotonic() - start) / KILLS_A_ROUND  # so that the kills spread over the run
        self.moments = random.Random(1)
        landed = rounds = self.got_on = 0
        while landed < KILLS:
            landed += self.kill_one_run(min(KILLS - landed, KILLS_A_ROUND))
            rounds += 1
            self.run_program("train", "c.ini", "--run.dir=run", "--resume", *OPTIONS)
            self.assert_same_files()
            self.assert_same_log()
            shutil.rmtree(self.folder / "run")
        self.assertEqual(landed, KILLS)
        print(f"{landed} kills in {rounds} rounds, {self.got_on} of them behind a new checkpoint: "
              f"{time.monotonic() - start:.0f} s")

    def kill_one_run(self, kills):
        """Resumes a run and kills it, `kills` times, or until it is complete. Returns how many kills landed."""
        for landed in range(kills):
            if not self.train_and_kill(self.moments.uniform(0, self.session)):
                return landed
        return kills

    def train_and_kill(self, seconds):
        """False where the run was complete before the kill."""
        before = self.checkpoints("run")[-1:]
        process = self.start("train", "c.ini", "--run.dir=run", "--resume",
                             f"--train.threads={self.moments.randint(1, 8)}",
                             f"--data.prefetch={self.moments.choice((0, 2))}", *OPTIONS)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=100)
        self.assertIn(process.returncode, (0, -signal.SIGKILL), out + err)
        self.assertEqual(err, "", "a damaged checkpoint, most likely")
        if process.returncode == 0:
            return False
        self.got_on += self.checkpoints("run")[-1:] != before
        return True

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
