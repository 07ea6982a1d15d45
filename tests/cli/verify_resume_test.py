"""verify-resume: trains straight and in killed pieces on a copy of one's config, and compares bits."""

import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
from support import PROGRAM, REGRESSION, CliTest

FULL = """log-every = 1
[data]
valid-fraction = 0.2
standardize = both
[optimizer]
momentum = 0.9
nesterov = true
[checkpoint]
keep-last = 2
keep-best = 2
[early-stopping]
patience = 3
min-delta = 0.001
"""

# Hours, as far as these tests are concerned; pieces of it are cut by --minutes.
LONG = ("--train.epochs=100000000",)


class VerifyResume(CliTest):
    def scratch_folders(self):
        return sorted(self.folder.rglob("*.verify-*"))

    def snapshot(self):
        """Every path -> its bytes, or None for a folder."""
        return {path: path.read_bytes() if path.is_file() else None for path in self.folder.rglob("*")}

    def wait_for(self, condition, process):
        """A poll: nothing is decided by how long it takes."""
        deadline = time.monotonic() + 60
        while not (found := condition()):
            self.assertIsNone(process.poll(), "the program ended before what the test waits for")
            self.assertLess(time.monotonic(), deadline, "what the test waits for did not come")
            time.sleep(0.005)
        return found

    def kill_at_the_end(self, process):
        """For a test that fails while the process runs."""
        self.addCleanup(lambda: process.poll() is not None or (process.kill(), process.communicate()))


class SameBits(VerifyResume):
    def test_a_run_that_stops_early(self):
        self.regression(FULL)
        before = self.snapshot()
        out, err = self.run_program("verify-resume", "c.ini", "--kills=6", "--seed=1", "--train.epochs=500")
        self.assertEqual(err, "")
        lines = out.splitlines()
        self.assertEqual(len(lines), 3, out)
        self.assertRegex(lines[0], r"^straight run: \d+ steps in [\d.]+ s \(early-stopping\)$")
        self.assertRegex(lines[1], r"^in pieces: 6 kills landed, [0-6] of them .*; \d+ rounds?, threads [\d ]+, "
                                   r"seed 1$")
        self.assertRegex(lines[2], r"^same bits: metrics\.jsonl, step-\d{12}\.h5.*, best\.h5$")
        self.assertEqual(self.snapshot(), before)

    def test_a_long_run_is_cut_to_minutes(self):
        self.regression(FULL.replace("patience = 3", "patience = none"))
        out, _ = self.run_program("verify-resume", "c.ini", "--kills=8", "--minutes=0.02", *LONG)
        self.assertIn("(max-steps)\n", out)
        self.assertIn("in pieces: 8 kills landed", out)
        self.assertIn("same bits: ", out)

    def test_a_run_that_goes_back_after_a_divergence(self):
        self.regression("""on-divergence = rollback
[data]
valid-fraction = 0.2
[checkpoint]
every-epochs = 3
""")
        out, err = self.run_program("verify-resume", "c.ini", "--kills=4", "--seed=2", "--train.epochs=400",
                                    "--model.layer=1 linear", "--optimizer.learning-rate=2.6")
        self.assertIn("warning: training diverged in step", err)
        self.assertIn("same bits: ", out)

    def test_without_validation_there_is_no_best(self):
        self.regression("[optimizer]\nmomentum = 0.5\n")
        out, _ = self.run_program("verify-resume", "c.ini", "--kills=2", "--train.epochs=60",
                                  "--model.precision=float64")
        self.assertIn("same bits: ", out)
        self.assertNotIn("best.h5", out)

    def test_a_run_shorter_than_its_kills_takes_rounds(self):
        self.regression()
        out, _ = self.run_program("verify-resume", "c.ini", "--kills=12", "--train.max-steps=1")
        self.assertIn("straight run: 1 steps", out)
        self.assertIn("in pieces: 12 kills landed", out)

    def test_the_users_run_folder_is_not_touched(self):
        self.regression(FULL)
        self.run_program("train", "c.ini")
        running = self.start("train", "c.ini", "--run.dir=runs/d", "--quiet", *LONG,
                             "--early-stopping.patience=none")
        self.kill_at_the_end(running)
        self.wait_for((self.folder / "runs/d/lock").exists, running)
        finished = {path: data for path, data in self.snapshot().items() if "d" not in path.parts}
        for run in ("runs/c", "runs/c/", str(self.folder / "runs/c"), "runs/d", "elsewhere/deep/e"):
            out, _ = self.run_program("verify-resume", "c.ini", "--kills=1", "--run.dir", run)
            self.assertIn("same bits: ", out)
        self.assertIsNone(running.poll())
        self.assertEqual({path: data for path, data in self.snapshot().items() if "d" not in path.parts}, finished)
        running.terminate()
        running.communicate(timeout=60)


class Refused(VerifyResume):
    def test_command_lines(self):
        self.regression()
        before = self.snapshot()
        for fragments, words in (
            (["CONFIG is missing"], []),
            (["no.ini", "no such file"], ["no.ini"]),
            (["train.epocs", "train.epochs"], ["c.ini", "--train.epocs=3"]),
            (["--kills 0", "from 1 to"], ["c.ini", "--kills=0"]),
            (["--kills many"], ["c.ini", "--kills=many"]),
            (["--minutes 0", "above 0"], ["c.ini", "--minutes=0"]),
            (["--minutes 1000000000", "a week"], ["c.ini", "--minutes=1000000000"]),
            (["--minutes soon", "number"], ["c.ini", "--minutes=soon"]),
            (["--seed -1"], ["c.ini", "--seed=-1"]),
            (["trains no step"], ["c.ini", "--train.epochs=0"]),
            (["trains no step"], ["c.ini", "--train.max-minutes=0"]),
            (["nowhere.h5"], ["c.ini", "--data.train=nowhere.h5"]),
        ):
            with self.subTest(words=words):
                self.assert_refused(2, fragments, "verify-resume", *words)
        self.assertEqual(self.snapshot(), before)

    def test_errors_of_the_training_are_passed_on(self):
        self.regression()
        self.write_data("nan.h5", x=np.full((100, 3), np.nan, dtype=np.float32), y=np.zeros((100, 1)))
        self.write("d.ini", REGRESSION.replace("layer = 8", "init-from = nowhere.h5\nlayer = 8"))
        for code, config, word in (
            (3, "c.ini", "--data.train=nan.h5"),
            (5, "c.ini", "--optimizer.learning-rate=1e20"),
            (2, "c.ini", "--data.valid=nowhere.h5"),
            (2, "d.ini", "--train.epochs=2"),  # tells the line of d.ini, not of its copy
        ):
            expected = self.assert_refused(code, [], "train", config, "--run.dir=x", "--quiet", word)
            error = self.assert_refused(code, [], "verify-resume", config, word)
            self.assertEqual(error, expected)
            shutil.rmtree(self.folder / "x", ignore_errors=True)
        self.assertEqual(self.scratch_folders(), [])
        self.assertFalse((self.folder / "runs").exists())

    def test_a_scratch_folder_that_cannot_be_made(self):
        self.regression()
        self.assert_refused(4, ["data.h5", "cannot be created"], "verify-resume", "c.ini", "--run.dir=data.h5/run")


class Differences(VerifyResume):
    """Files that change under a run: what pieces make of them is not what the straight run made."""

    def start_verifying(self, *arguments):
        process = self.start("verify-resume", "c.ini", *arguments)
        self.kill_at_the_end(process)
        return process

    def finish(self, process, code):
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, code, out + err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("gradloom: error: ", err)
        return out, err

    def write_parameters(self, name, value):
        with h5py.File(self.folder / name, "w") as file:
            for layer, shape in enumerate(((8, 3), (1, 8))):
                file[f"model/layer_{layer:03}/weight"] = np.full(shape, value, dtype=np.float32)
                file[f"model/layer_{layer:03}/bias"] = np.zeros(shape[0], dtype=np.float32)

    def test_a_difference_is_reported_and_kept(self):
        self.regression(FULL.replace("patience = 3", "patience = none"))
        self.write_parameters("init.h5", 0.1)
        self.write_parameters("other.h5", 0.2)
        process = self.start_verifying("--model.init-from=init.h5", "--train.epochs=400", "--kills=2",
                                       "--minutes=100")  # no run by way of trial, which would read the file, too
        log = lambda: [path for path in self.folder.glob("runs/*/straight/metrics.jsonl")
                       if '"kind":"step"' in path.read_text(encoding="utf-8")]
        self.wait_for(log, process)
        # Stopped, it starts no pieces, however long this test takes; its child trains on.
        process.send_signal(signal.SIGSTOP)
        self.assertEqual(list(self.folder.glob("runs/*/round-1")), [], "too late to change what the pieces start from")
        os.replace(self.folder / "other.h5", self.folder / "init.h5")
        process.send_signal(signal.SIGCONT)
        out, err = self.finish(process, 1)
        self.assertIn("DIFFERENT", out)
        self.assertRegex(out, r"step-\d{12}\.h5: /model/layer_000/weight element \d+: \S+ against ")
        self.assertRegex(out, r"metrics\.jsonl: step 1, train_loss: ")
        self.assertNotIn("same bits", out)
        kept, = self.scratch_folders()
        self.assertIn(kept.name, err)
        self.assertTrue((kept / "straight/checkpoints").is_dir() and (kept / "round-1/checkpoints").is_dir())

    def test_data_that_change_are_refused_by_the_piece(self):
        self.regression(FULL.replace("patience = 3", "patience = none"))
        self.write_data("other.h5", rows=60)
        process = self.start_verifying("--kills=200", "--minutes=0.05", *LONG)
        self.wait_for(lambda: list(self.folder.glob("runs/*/round-1/checkpoints/step-*.h5")), process)
        os.replace(self.folder / "other.h5", self.folder / "data.h5")
        _, err = self.finish(process, 3)
        self.assertIn("was trained on 76 rows", err)
        self.assertIn("where the straight run passed", err)
        kept, = self.scratch_folders()
        self.assertIn(kept.name, err)


class Signals(VerifyResume):
    def setUp(self):
        super().setUp()
        # A script's `&` ignores it, and the programs under test would inherit that.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def children_of(self, process):
        """Processes that train for it: found by their parent, as /proc tells it."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if int(fields[1]) == process.pid and fields[0] != "Z":
                found.append(int(path.parent.name))
        return found

    @staticmethod
    def is_running(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def start_long(self, **keywords):
        self.regression(FULL.replace("patience = 3", "patience = none"))
        process = self.start("verify-resume", "c.ini", *LONG, **keywords)
        self.kill_at_the_end(process)
        self.wait_for(lambda: list(self.folder.glob("runs/*/straight/checkpoints/step-*.h5")), process)
        child, = self.children_of(process)
        return process, child

    def test_sigint_and_sigterm_clean_up(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            process, child = self.start_long()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out, err), (code, "", ""))
            self.assertFalse(self.is_running(child))
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["c.ini", "data.h5"])

    def test_an_ignored_sigint_stays_ignored(self):
        process, child = self.start_long(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)
        self.assertFalse(self.is_running(child))

    def test_an_ignored_sigchld_hides_no_end_of_a_child(self):
        self.regression()
        out, err = self.run_program("verify-resume", "c.ini", "--kills=2", "--seed=1", "--train.epochs=20",
                                    preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertIn("same bits: ", out)
        self.assertEqual(err, "")

    def test_no_child_outlives_a_killed_parent(self):
        process, child = self.start_long()
        process.kill()
        process.communicate(timeout=60)
        deadline = time.monotonic() + 60
        while self.is_running(child):  # a poll
            self.assertLess(time.monotonic(), deadline, "the child trains on")
            time.sleep(0.005)

    def test_a_child_that_somebody_else_kills_is_no_landed_kill(self):
        process, child = self.start_long()
        os.kill(child, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("ended by signal 9", err)
        self.assertEqual(self.scratch_folders(), [])


class OnATerminal(VerifyResume):
    def test_progress_is_drawn_over_itself(self):
        self.regression(FULL)
        ours, theirs = os.openpty()
        process = subprocess.Popen([PROGRAM, "verify-resume", "c.ini", "--kills=2"], cwd=self.folder, stdout=theirs,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:  # EIO: the last writer is gone
            pass
        finally:
            os.close(ours)
            process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, text)
        self.assertIn(b"\rin pieces: 1 of 2 kills", text)
        self.assertIn(b"same bits: ", text)


if __name__ == "__main__":
    unittest.main()
