"""The memory of import does not grow with the length of its sources, and holds little of a wide one."""

import pathlib
import re
import time
import unittest

import h5py
import numpy as np
from support import CliTest


class ImportMemory(CliTest):
    def peak_of(self, *arguments):
        """Peak resident MiB, looked at every few milliseconds: it only grows."""
        process = self.start("import", *arguments, "--threads", 2, "--output", "t.h5")
        peak = 0
        while process.poll() is None:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            found = re.search(r"VmHWM:\s+(\d+) kB", status)  # absent once it has ended
            peak = int(found.group(1)) / 1024 if found else peak
            time.sleep(0.002)
        _, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        return peak

    def test_long_tables(self):
        line = ",".join(f"{i}.25" for i in range(20)) + "\n"
        with open(self.folder / "long.csv", "w", encoding="ascii") as file:
            for _ in range(1000):
                file.write(line * 1400)  # 160 MB
        self.assertLess(self.peak_of("long.csv", "--no-header"), 64)
        with h5py.File(self.folder / "t.h5") as file:
            self.assertTrue((file["x"][()] == np.arange(20) + 0.25).all())
        self.assertLess(self.peak_of("long.csv", "--no-header", "--split", "0.5,0.5", "--target", 0, "--classify"), 80)

    def test_wide_tables(self):
        row = np.arange(100_000) % 1013 / 4
        with open(self.folder / "wide.csv", "w", encoding="ascii") as file:
            file.write(",".join(f"column {i}" for i in range(100_000)) + "\n")
            for _ in range(100):
                file.write(",".join(map(str, row)) + "\n")
        self.assertLess(self.peak_of("wide.csv", "--target", "column 77"), 128)
        with h5py.File(self.folder / "t.h5") as file:
            self.assertTrue((file["x"][()] == np.delete(row, 77)).all())
            self.assertTrue((file["y"][()] == row[77]).all())


if __name__ == "__main__":
    unittest.main()
