"""The same bits for every number of threads, and however often a run was stopped, killed and resumed."""

import json
import signal
import time
import unittest

from support import REGRESSION, CliTest

EXTRA = """max-minutes = 5
[data]
valid-fraction = 0.2
standardize = both
[optimizer]
momentum = 0.9
nesterov = true
"""


DROPOUT = ("--model.layer=24 relu dropout=0.3", "--model.layer=8 tanh dropout=0.5", "--model.layer=1 linear")


class SameBits(CliTest):
    def train(self, run, *arguments, expect=0):
        self.run_program("train", "c.ini", f"--run.dir={run}", *arguments, expect=expect)
        return self.checkpoints(run)[-1]

    def test_threads(self):
        self.regression(EXTRA)
        first = self.train("one", "--train.threads=1")
        for threads in (2, 3, 8, 64):
            self.assert_same_bits(first, self.train(f"run-{threads}", f"--train.threads={threads}"))

    def test_threads_of_a_wide_network(self):
        """A loss is summed the same way whatever the threads: /progress holds the sum, in the middle of an epoch too."""
        self.regression(EXTRA)
        options = ("--model.layer=90 tanh", "--model.layer=80 relu", "--model.layer=1 linear", "--train.batch-size=40",
                   "--train.max-steps=7")
        first = self.train("one", "--train.threads=1", *options)
        for threads in (2, 3, 16):
            self.assert_same_bits(first, self.train(f"run-{threads}", f"--train.threads={threads}", *options))

    def test_threads_in_float64_with_many_shards(self):
        self.regression(EXTRA)
        options = ("--model.precision=float64", "--train.batch-size=64", "--train.shard-rows=8", "--data.shuffle=none")
        first = self.train("one", "--train.threads=1", *options)
        self.assert_same_bits(first, self.train("four", "--train.threads=4", *options))

    def test_stops_at_odd_steps(self):
        self.regression(EXTRA)
        whole = self.train("whole")
        for stop in (0, 1, 4, 7, 12):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 3}")
        self.assert_same_bits(whole, self.train("parts", "--resume"))
        self.assert_log_is_whole("parts", self.metrics("whole"))

    def test_dropout(self):
        """Masks follow the rows: through threads, gathering ahead, and stops in the middle of an epoch."""
        self.regression(EXTRA)
        shards = (*DROPOUT, "--train.shard-rows=4")
        whole = self.train("whole", "--train.threads=1", *shards)
        for threads, ahead in ((2, 0), (8, 2), (64, 0)):
            run = self.train(f"run-{threads}", f"--train.threads={threads}", f"--data.prefetch={ahead}", *shards)
            self.assert_same_bits(whole, run)
        for stop in (1, 4, 7):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 3}", *shards)
        self.assert_same_bits(whole, self.train("parts", "--resume", *shards))
        other = ("--model.layer=24 relu", *shards[1:])
        self.assert_refused(2, ["24 relu dropout=0.3"], "train", "c.ini", "--run.dir=parts", "--resume", *other)

    def test_longer_runs_go_through_the_same_states(self):
        self.regression(EXTRA)
        longer = self.train("longer", "--train.epochs=5")
        self.train("extended")
        self.assert_same_bits(longer, self.train("extended", "--resume", "--train.epochs=5"))

    def test_finished_runs_stay(self):
        self.regression(EXTRA)
        before = self.contents(self.train("run"))
        self.assertEqual(self.contents(self.train("run", "--resume")), before)

    def test_resume_without_a_run_starts_one(self):
        self.regression(EXTRA)
        self.assert_same_bits(self.train("plain"), self.train("requeued", "--resume"))

    def assert_log_is_whole(self, run, whole):
        """No step or epoch stands twice, none is missing, and the losses are those of the uninterrupted run."""
        for kind in ("step", "epoch"):
            expected = [(r["step"], r["train_loss"]) for r in whole if r["kind"] == kind]
            found = [(r["step"], r["train_loss"]) for r in self.metrics(run) if r["kind"] == kind]
            self.assertEqual(found, expected)


class Signals(CliTest):
    """A run that would last for hours, ended by signals once it has logged some steps."""

    LONG = ("--train.epochs=1000000", "--train.log-every=1", "--checkpoint.every-epochs=none")

    def setUp(self):
        super().setUp()
        # A script's `&` ignores it, and the programs under test would inherit that.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def wait_for_lines(self, process, run, kind="step", more_than=3):
        log = self.folder / run / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.assertIsNone(process.poll(), "the run ended by itself")
            if log.exists() and log.read_text(encoding="utf-8").count(f'"kind":"{kind}"') > more_than:
                return
            time.sleep(0.005)  # a poll: nothing is decided by how long it takes
        self.fail(f"no {kind} lines were logged")

    def end_by(self, number, run, *arguments, once="step"):
        process = self.start("train", "c.ini", f"--run.dir={run}", *self.LONG, *arguments, "--quiet")
        self.wait_for_lines(process, run, once)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def test_sigterm_and_sigint_leave_a_checkpoint(self):
        self.regression(EXTRA)
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            run = f"run-{code}"
            returned, text = self.end_by(number, run)
            self.assertEqual(returned, code, text)
            last = self.checkpoints(run)[-1]
            self.run_program("verify", last)
            end = self.metrics(run)[-1]
            self.assertEqual((end["kind"], end["reason"]), ("end", "signal"))
            step = int(last.name[5:17])
            self.assertEqual(end["step"], step)
            # Going on to some later step gives what a run that was never stopped gives there.
            to = f"--train.max-steps={step + 11}"
            self.run_program("train", "c.ini", f"--run.dir={run}", *self.LONG, to, "--resume", "--quiet")
            self.run_program("train", "c.ini", f"--run.dir=whole-{code}", *self.LONG, to, "--quiet")
            self.assert_same_bits(self.checkpoints(run)[-1], self.checkpoints(f"whole-{code}")[-1])
            self.assert_steps_in_order(run, step + 11)

    def test_an_ignored_sigint_does_not_end_the_run(self):
        self.regression()
        process = self.start("train", "c.ini", "--run.dir=run", *self.LONG, "--quiet",
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        try:
            self.wait_for_lines(process, "run")
            process.send_signal(signal.SIGINT)
            logged = (self.folder / "run/metrics.jsonl").read_text(encoding="utf-8").count('"kind":"step"')
            self.wait_for_lines(process, "run", more_than=logged + 3)
        finally:
            process.terminate()
            _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (143, ""))

    def test_kill_and_resume(self):
        self.regression(EXTRA)
        every = ("--checkpoint.every-steps=2", "--checkpoint.keep-last=2")
        returned, text = self.end_by(signal.SIGKILL, "run", *every, once="checkpoint")
        self.assertEqual(returned, -signal.SIGKILL, text)
        reached = int(self.checkpoints("run")[-1].name[5:17]) + 9
        options = (*self.LONG, *every, f"--train.max-steps={reached}", "--quiet")
        self.run_program("train", "c.ini", "--run.dir=run", *options, "--resume")
        self.run_program("train", "c.ini", "--run.dir=whole", *options)
        self.assert_same_bits(self.checkpoints("run")[-1], self.checkpoints("whole")[-1])
        self.assert_steps_in_order("run", reached)
        self.assertEqual(list((self.folder / "run").rglob(".*")), [], "leftovers of the killed process")

    def assert_steps_in_order(self, run, last):
        steps = [record["step"] for record in self.metrics(run) if record["kind"] == "step"]
        self.assertEqual(steps, list(range(1, last + 1)))

    def test_sigusr1_writes_a_checkpoint_and_goes_on(self):
        self.regression()
        process = self.start("train", "c.ini", "--run.dir=run", *self.LONG, "--quiet")
        try:
            self.wait_for_lines(process, "run")
            for _ in range(2):
                before = len(self.logged_checkpoints("run"))
                process.send_signal(signal.SIGUSR1)
                self.wait_for_lines(process, "run", "checkpoint", more_than=before)
            asked_for = self.logged_checkpoints("run")[:2]
            self.wait_for_lines(process, "run", more_than=asked_for[-1] + 3)  # it went on
        finally:
            process.terminate()
            _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (143, ""))
        for step in asked_for:
            self.run_program("verify", self.folder / f"run/checkpoints/step-{step:012}.h5")
            self.run_program("train", "c.ini", f"--run.dir=whole-{step}", f"--train.max-steps={step}", *self.LONG)
            self.assert_same_bits(self.folder / f"run/checkpoints/step-{step:012}.h5",
                                  self.checkpoints(f"whole-{step}")[-1])

    def logged_checkpoints(self, run):
        lines = (self.folder / run / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]  # whole ones
        return [json.loads(line)["step"] for line in lines if '"kind":"checkpoint"' in line]

    def test_a_second_signal_ends_the_run_at_once(self):
        self.run_program("generate", "friedman1", "--rows", "8000", "--output", "data.h5")
        self.write("c.ini", REGRESSION)
        # One step takes a good second of products, and the signals come right behind each other (two of a kind would be
        # one to the system).
        process = self.start("train", "c.ini", "--run.dir=run", "--model.layer=1500 tanh", "--model.layer=1500 tanh",
                             "--model.layer=1 linear", "--train.batch-size=8000", "--quiet")
        self.wait_for_lines(process, "run", "start", more_than=0)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        self.assertIn((process.returncode, err), ((143, ""), (130, "")))  # the system may deliver them in either order
        self.assertEqual(self.metrics("run")[-1]["kind"], "start")
        self.assertEqual(self.checkpoints("run"), [])

    def test_a_second_process_is_refused(self):
        self.regression()
        process = self.start("train", "c.ini", "--run.dir=run", *self.LONG, "--quiet")
        try:
            self.wait_for_lines(process, "run")
            self.assert_refused(2, ["run"], "train", "c.ini", "--run.dir=run", "--resume")
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def test_a_reader_that_leaves_does_not_end_the_run(self):
        self.regression()
        process = self.start("train", "c.ini", "--train.epochs=20", "--train.log-every=1")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 0)
        process.stderr.close()
        self.assertEqual(self.metrics()[-1]["kind"], "end")


if __name__ == "__main__":
    unittest.main()
