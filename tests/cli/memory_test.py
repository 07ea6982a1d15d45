"""The memory that training takes at most: what `gradloom bench` promises for the config, against the peak resident
size; and that of repack: what --memory says."""

import json
import os
import subprocess
import sys
import unittest

from support import PROGRAM, CliTest

CONFIG = """[data]
train = data.h5
{data}
[model]
{layers}
[train]
loss = mse
batch-size = {batch}
max-steps = 12
[optimizer]
learning-rate = 0.0001
momentum = {momentum}
[checkpoint]
every-steps = 3
"""


class Memory(CliTest):
    def write_set(self, rows, features):
        """By another process: what this one ever held would count as its children's, which are forks of it."""
        self.run_program("generate", "teacher", "--rows", rows, "--features", features, "--output", "data.h5")

    def config(self, layers, batch=64, momentum=0.0, data=""):
        lines = "\n".join(f"layer = {layer}" for layer in layers)
        self.write("c.ini", CONFIG.format(layers=lines, batch=batch, momentum=momentum, data=data))

    def promised(self, *arguments):
        out, _ = self.run_program("bench", "c.ini", "--steps", "3", "--json", *arguments)
        memory = json.loads(out)["memory_bytes"]
        self.assertLessEqual(memory["peak_resident"], memory["promised"])
        return memory["promised"]

    def peak(self, *arguments, command=("train", "c.ini", "--quiet")):
        """Peak resident bytes of one session, the processes that it starts included one by one."""
        process = subprocess.Popen([PROGRAM, *command, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss * 1024

    def assert_within(self, *arguments):
        promised = self.promised(*arguments)
        self.assertLessEqual(self.peak(*arguments), promised)
        self.assertLessEqual(self.peak("--resume", "--train.max-steps=20", *arguments), promised)

    def test_wide_network(self):
        """Checkpoints are written while it trains: the state stands in memory once more."""
        self.write_set(2000, 64)
        self.config(["3000 relu", "3000 relu", "1 linear"])
        self.assert_within()

    def test_wide_network_with_momentum(self):
        self.write_set(2000, 64)
        self.config(["2500 relu", "2500 relu", "1 linear"], momentum=0.9)
        self.assert_within()

    def test_large_set(self):
        self.write_set(400_000, 100)
        self.config(["32 tanh", "1 linear"], batch=256)
        self.assert_within()

    def test_streamed_set(self):
        """Of 162 MB no more than data.memory; what is held out, standardized and judged included."""
        self.write_set(400_000, 100)
        for data in ("memory = 32MiB", "memory = 32MiB\nvalid-fraction = 0.2\nstandardize = both"):
            with self.subTest(data):
                self.config(["32 tanh", "1 linear"], batch=256, data=data)
                run = f"--run.dir=run-{len(data)}"
                self.assertLess(self.promised(run), 100 << 20)
                self.assert_within(run)

    def test_wide_rows_in_passes(self):
        """Of 200 MB: whatever goes over all rows takes small pieces of them."""
        self.write_set(1000, 50_000)
        self.config(["1 linear"], batch=16, data="memory = 16MiB\nvalid = data.h5")
        most = (16 + 64) << 20
        self.assertLess(self.peak(), most)
        self.assertLess(self.peak(command=("check", "c.ini")), most)
        self.assertLess(self.peak(command=("evaluate", "runs/c", "data.h5", "--memory", "16MiB")), most)
        self.assertLess(self.peak(command=("predict", "runs/c", "data.h5", "--memory", "16MiB", "--output", "p.h5")), most)

    def test_many_inputs(self):
        """Each worker computes a part of a gradient in memory of its own."""
        self.write_set(30, 300_000)
        for units in (1, 40):
            with self.subTest(units=units):
                self.config([f"{units} linear", "1 linear"], batch=16)
                self.assert_within("--train.threads=4", f"--run.dir=run-{units}")


SET = """import h5py, numpy, sys
rows = int(sys.argv[1])
with h5py.File("data.h5", "w") as file:
    x = file.create_dataset("x", (rows, 50), "f4", chunks=eval(sys.argv[2]), compression=eval(sys.argv[3]))
    x[...] = numpy.arange(rows * 50, dtype="f4").reshape(rows, 50)
    file["y"] = numpy.arange(rows)
"""


class RepackMemory(CliTest):
    MEMORY = 16 << 20
    LIBRARY = 40 << 20  # what HDF5 keeps of its own, however large a set

    def write_set(self, *arguments):
        """By another process: what this one ever held would count as its children's, which are forks of it."""
        subprocess.run([sys.executable, "-c", SET, *map(str, arguments)], cwd=self.folder, check=True)

    def peak(self, *arguments):
        """Peak resident bytes, of the process that reads for it too, one by one."""
        process = subprocess.Popen([PROGRAM, "repack", "data.h5", "--output", "out.h5", "--memory", str(self.MEMORY),
                                    *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss * 1024

    def test_layouts(self):
        rows = 500_000  # 100 MB
        self.write_set(100, None, None)
        most = self.peak() + self.MEMORY + self.LIBRARY
        for chunks, compression in (((rows, 50), None), ((rows, 1), 1)):
            self.write_set(rows, chunks, compression)
            for order in ((), ("--shuffle-rows",)):
                with self.subTest(chunks=chunks, compression=compression, order=order):
                    self.assertLess(self.peak(*order), most)


if __name__ == "__main__":
    unittest.main()
