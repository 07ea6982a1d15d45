"""What the tests of the program share: a folder each, the program, data sets and configs.

The program is in GRADLOOM; ctest sets it.
"""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

# The program sets this and starts itself again where it is not set: a quarter of the time of a small run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

PROGRAM = os.environ.get("GRADLOOM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/gradloom"))

# Whether the program was built with a sanitizer, and is several times slower; ctest says so.
SANITIZED = os.environ.get("GRADLOOM_SANITIZED", "") != ""

REGRESSION = """[data]
train = data.h5
[model]
layer = 8 tanh
layer = 1 linear
[train]
loss = mse
epochs = 3
batch-size = 16
"""


class CliTest(unittest.TestCase):
    """Each test runs in an empty folder of its own."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gradloom-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *arguments, **keywords):
        return subprocess.Popen([PROGRAM, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords)

    def run_program(self, *arguments, expect=0, **keywords):
        """Runs to the end; the exit code must be `expect`. Returns (stdout, stderr)."""
        process = self.start(*arguments, **keywords)
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, expect, f"gradloom {arguments}\n{out}\n{err}")
        return out, err

    def run_on_terminal(self, *arguments, terminal="stderr"):
        """One stream of the program is a terminal. Returns what it shows there, and the text of the other stream."""
        leader, follower = pty.openpty()
        other = "stdout" if terminal == "stderr" else "stderr"
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   **{terminal: follower, other: subprocess.PIPE})
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:  # Linux says so where the last writer has closed the terminal
                break
            if not part:
                break
            shown += part
        os.close(leader)
        told = process.communicate(timeout=100)[0 if other == "stdout" else 1].decode()
        self.assertEqual(process.returncode, 0, (shown, told))
        return shown, told

    def assert_refused(self, code, fragments, *arguments):
        """One line on standard error, with these fragments, and this exit code. Returns the line."""
        _, err = self.run_program(*arguments, expect=code)
        lines = err.splitlines()
        errors = [line for line in lines if line.startswith("gradloom: error: ")]
        self.assertEqual(len(errors), 1, err)
        self.assertEqual(lines, errors, err)
        for fragment in fragments:
            self.assertIn(fragment, errors[0])
        return errors[0]

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def write_data(self, name="data.h5", rows=100, **sets):
        """A data set file; x and y of a smooth regression task where they are not given."""
        random = np.random.default_rng(5)
        sets.setdefault("x", random.normal(size=(rows, 3)).astype(np.float32))
        if "y" not in sets:
            x = np.asarray(sets["x"], dtype=np.float64)
            sets["y"] = np.sin(x[:, :1]) + 0.5 * x[:, 1:2]
        with h5py.File(self.folder / name, "w") as file:
            for key, values in sets.items():
                if values is not None:
                    file.create_dataset(key, data=values)
        return self.folder / name

    def regression(self, extra=""):
        """data.h5 and c.ini of a small regression run. Returns the config's name."""
        self.write_data()
        self.write("c.ini", REGRESSION + extra)
        return "c.ini"

    def metrics(self, run="runs/c"):
        with open(self.folder / run / "metrics.jsonl", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def checkpoints(self, run="runs/c"):
        """Step files, oldest first."""
        return sorted((self.folder / run / "checkpoints").glob("step-*.h5"))

    def contents(self, checkpoint):
        """What the promise of same bits is about: bytes of every data set and attribute of these groups."""
        found = {}

        def collect(name, item):
            if not name.startswith(("model", "average", "optimizer", "progress")):
                return
            if isinstance(item, h5py.Dataset):
                found[name] = item[()].tobytes()
            for key, value in item.attrs.items():
                found[f"{name}@{key}"] = np.asarray(value).tobytes()

        with h5py.File(checkpoint, "r") as file:
            file.visititems(collect)
        self.assertTrue(any(name.startswith("model/") for name in found))
        return found

    def assert_same_bits(self, first, second):
        a, b = self.contents(first), self.contents(second)
        self.assertEqual(a.keys(), b.keys())
        self.assertEqual([name for name in a if a[name] != b[name]], [])
