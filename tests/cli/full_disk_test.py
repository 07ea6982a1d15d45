"""Run folders on disks of many sizes, from nothing to twice a checkpoint: a message where there is no room, never a
wreck, and with room again the run goes on to the bits of an undisturbed one.

Needs root, for small file systems in memory (tmpfs); skipped elsewhere.
"""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from support import SANITIZED, CliTest

CONFIG = """[data]
train = data.h5
valid-fraction = 0.2
[model]
layer = 300 tanh
layer = 200 tanh
layer = 1 linear
[train]
loss = mse
epochs = 2
batch-size = 20
log-every = 1
[optimizer]
momentum = 0.9
[checkpoint]
every-steps = 1
keep-last = 1
"""
STEPS = 2 * 4
SIZES = int(os.environ.get("GRADLOOM_DISKS", 12 if SANITIZED else 34))
PAGE = os.sysconf("SC_PAGESIZE")


def mount(*options):
    return subprocess.run(["mount", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class FullDisk(CliTest):
    def setUp(self):
        super().setUp()
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="gradloom-disk-"))
        self.addCleanup(self.disk.rmdir)
        if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", self.disk):
            self.skipTest("small file systems can be mounted by root alone")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=False)
        self.write_data()
        self.write("c.ini", CONFIG)
        self.run_program("train", "c.ini", "--run.dir=whole", "--quiet")

    def resize(self, size):
        for path in sorted(self.disk.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.assertTrue(mount("-o", f"remount,size={size}", self.disk))

    def train(self, *arguments):
        process = self.start("train", "c.ini", f"--run.dir={self.disk}/run", "--quiet", *arguments)
        out, err = process.communicate(timeout=100)
        return process.returncode, out, err.splitlines()

    def test_sizes(self):
        checkpoint = self.checkpoints("whole")[-1].stat().st_size
        ended = {0: 0, 4: 0}
        for number in range(SIZES):
            size = max(PAGE, 2 * checkpoint * number // (SIZES - 1) // PAGE * PAGE)  # a tmpfs of 0 has no bounds
            with self.subTest(size=size):
                self.resize(size)
                code = self.assert_ends_well(*self.train())
                ended[code] += 1
                self.assertTrue(mount("-o", "remount,size=64m", self.disk))
                code, _, err = self.train("--resume")
                self.assertEqual((code, err), (0, []))
                self.assert_same_end()
        self.assertGreater(ended[4], SIZES // 4)  # a checkpoint does not fit in half of one

    def assert_ends_well(self, code, out, err):
        self.assertIn(code, (0, 4), err)
        errors = [line for line in err if line.startswith("gradloom: error: ")]
        warnings = [line for line in err if line.startswith("gradloom: warning: ")]
        self.assertEqual((len(errors), out), (1 if code == 4 else 0, ""), err)
        self.assertEqual(len(errors) + len(warnings), len(err), err)
        for path in self.checkpoints(self.disk / "run"):
            self.run_program("verify", path)
        return code

    def assert_same_end(self):
        run, whole = self.checkpoints(self.disk / "run"), self.checkpoints("whole")
        self.assertEqual([path.name for path in run], [path.name for path in whole])
        self.assert_same_bits(run[-1], whole[-1])
        self.assert_same_bits(run[-1].with_name("best.h5"), whole[-1].with_name("best.h5"))
        steps = [record["step"] for record in self.metrics(self.disk / "run") if record["kind"] == "step"]
        self.assertEqual(steps, list(range(1, STEPS + 1)))

    LONG = ("--train.epochs=1000000", "--checkpoint.every-steps=20", "--checkpoint.every-epochs=none",
            "--checkpoint.keep-best=0")

    def start_and_fill(self, *arguments):
        """A long run on a disk that another program fills once a checkpoint is there."""
        self.resize("16m")
        process = self.start("train", "c.ini", f"--run.dir={self.disk}/run", "--quiet", *self.LONG, *arguments)
        self.wait_for(process, lambda: self.checkpoints(self.disk / "run"))
        with self.assertRaises(OSError), open(self.disk / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(PAGE))
        return process

    def wait_for(self, process, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertIsNone(process.poll(), "the run ended by itself")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)  # a poll: nothing is decided by how long it takes

    def test_a_disk_that_fills_up_while_training(self):
        process = self.start_and_fill()
        warning = process.stderr.readline()
        self.assertRegex(warning, "^gradloom: warning: .*training goes on")
        (self.disk / "ballast").unlink()
        newest = self.checkpoints(self.disk / "run")[-1]
        self.wait_for(process, lambda: self.checkpoints(self.disk / "run")[-1] > newest)
        process.terminate()
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, err)
        last = self.checkpoints(self.disk / "run")[-1]
        records = self.metrics(self.disk / "run")
        steps = [record["step"] for record in records if record["kind"] == "step"]
        self.assertEqual(steps, list(range(1, int(last.name[5:17]) + 1)))
        self.run_program("train", "c.ini", "--run.dir=long", "--quiet", *self.LONG, f"--train.max-steps={steps[-1]}")
        self.assert_same_bits(last, self.checkpoints("long")[-1])

    def test_a_run_that_is_to_end_where_the_disk_is_full(self):
        process = self.start_and_fill("--checkpoint.on-error=stop")
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 4, err)
        self.assertRegex(err, "^gradloom: error: .*checkpoint.on-error = stop")
        self.assertEqual(len(err.splitlines()), 1)
        for path in self.checkpoints(self.disk / "run"):
            self.run_program("verify", path)


if __name__ == "__main__":
    unittest.main()
