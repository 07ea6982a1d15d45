"""`inspect` on data sets as h5py writes them, its numbers against exact sums and NumPy."""

import json
import math
import subprocess
import unittest
from fractions import Fraction

import h5py
import numpy as np
from support import PROGRAM, REGRESSION, CliTest

ULP = np.finfo(np.float64).eps


def exact(values):
    """Mean and population deviation without a rounding before the last ones."""
    fractions = [Fraction(value) for value in values]
    mean = sum(fractions) / len(fractions)
    variance = sum((value - mean) ** 2 for value in fractions) / len(fractions)
    return float(mean), math.sqrt(variance)


class Statistics(CliTest):
    def inspect(self, name="data.h5", *options):
        """By path, what it says of each set; and the whole."""
        text = self.run_program("inspect", name, "--json", *options)[0]
        whole = json.loads(text)
        return {item["path"]: item for item in whole["data_sets"]}, whole

    def assert_columns(self, columns, values):
        values = np.asarray(values)
        values = values.reshape(len(values), -1)
        self.assertEqual(len(columns), values.shape[1])
        for c, column in enumerate(columns):
            wide = values[:, c].astype(np.float64)
            there = wide[np.isfinite(wide)]
            mean, deviation = exact(there.tolist())
            self.assertEqual(column["min"], there.min())
            self.assertEqual(column["max"], there.max())
            self.assertLessEqual(abs(column["mean"] - mean), ULP * abs(mean))
            self.assertLessEqual(abs(column["deviation"] - deviation), 3 * ULP * deviation)
            self.assertTrue(np.allclose([column["mean"], column["deviation"]], [there.mean(), there.std()],
                                        rtol=1e-9, atol=1e-12))
            self.assertEqual(column["missing"], np.isnan(wide).sum())
            self.assertEqual(column.get("infinite", 0), np.isinf(wide).sum())

    def test_element_types(self):
        random = np.random.default_rng(1)
        for kind in ("u1", "i1", ">i2", "<i4", ">u4", "<i8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
            with self.subTest(kind):
                x = (100 * random.random((1500, 4))).astype(kind)
                y = (50 + 3 * random.normal(size=1500)).astype(kind)
                self.write_data(x=x, y=y)
                sets, _ = self.inspect()
                self.assert_columns(sets["/x"]["columns"], x)
                self.assert_columns(sets["/y"]["columns"], y)

    def test_layouts_and_threads(self):
        random = np.random.default_rng(2)
        x = (1e9 + random.random((9000, 21))).astype(np.float64)
        x[5, 3], x[6, 3], x[7, 4] = np.nan, np.inf, -np.inf
        expected = None
        for layout in ({}, {"chunks": (500, 21), "compression": 4, "shuffle": True}, {"chunks": (9000, 1), "compression": 1},
                       {"chunks": (1, 21), "fletcher32": True}, {"chunks": (333, 4)}):
            with h5py.File(self.folder / "data.h5", "w") as file:
                file.create_dataset("x", data=x, **layout)
                file.create_dataset("y", data=np.arange(9000) % 5 == 0)
            for threads in (1, 2, 8):
                with self.subTest(layout, threads=threads):
                    sets, _ = self.inspect("data.h5", "--threads", threads)
                    expected = expected or sets["/x"]["columns"]
                    self.assertEqual(sets["/x"]["columns"], expected)
        self.assert_columns(expected, x)
        self.assertEqual(sets["/y"]["counts"], {"0": 7200, "1": 1800})

    def test_integers_beyond_float64(self):
        x = np.array([[2**60 + 1, 2**64 - 1], [2**60 + 3, 2**64 - 3]], dtype=np.uint64)
        self.write_data(x=x, y=np.array([-(2**63), 2**62 + 1]))
        sets, _ = self.inspect()
        first, second = sets["/x"]["columns"]
        self.assertEqual((first["min"], first["max"], first["deviation"]), (2**60 + 1, 2**60 + 3, 1))
        self.assertEqual((second["min"], second["max"]), (2**64 - 3, 2**64 - 1))
        self.assertEqual((sets["/y"]["columns"][0]["min"], sets["/y"]["columns"][0]["max"]), (-(2**63), 2**62 + 1))

    def test_standardization_is_the_same(self):
        random = np.random.default_rng(3)
        x = (100 + 10 * random.normal(size=(5000, 3))).astype(np.float32)
        self.write_data(x=x, y=random.normal(size=5000))
        self.write("c.ini", REGRESSION + "[data]\nstandardize = both\n")
        self.run_program("train", "c.ini", "--train.epochs=0")
        sets, whole = self.inspect()
        with h5py.File(self.checkpoints()[-1]) as file:
            for side in ("x", "y"):
                for key, name in (("mean", "mean"), ("scale", "deviation")):
                    stored = file["preprocessing"][f"{side}_{key}"][()].tolist()
                    # Of /y, training sees float32.
                    if side == "x":
                        self.assertEqual(stored, [column[name] for column in sets["/x"]["columns"]])
                    else:
                        self.assertAlmostEqual(stored[0], sets["/y"]["columns"][0][name], places=6)
        self.assertEqual(whole["standardize"], "features")

    def test_held_out_rows_do_not_count(self):
        x = np.random.default_rng(4).normal(size=(3000, 2))
        self.write_data(x=x, y=x[:, 0])
        self.write("c.ini", REGRESSION + "[data]\nstandardize = features\nvalid-fraction = 0.5\n[model]\nprecision = float64\n")
        scales = set()
        for threads in (1, 2, 8):
            self.run_program("train", "c.ini", "--train.epochs=0", f"--train.threads={threads}", f"--run.dir=run{threads}")
            with h5py.File(self.checkpoints(f"run{threads}")[-1]) as file:
                scales.add(file["preprocessing/x_scale"][()].tobytes())
        self.assertEqual(len(scales), 1)
        self.assertNotEqual(scales.pop(), np.array([exact(x[:, 0])[1], exact(x[:, 1])[1]]).tobytes())

    def test_verdict(self):
        random = np.random.default_rng(5)
        x = np.stack([random.normal(size=4000), 1000 * random.normal(size=4000), np.full(4000, 3.25),
                      random.random(4000) < 0.5], axis=1)
        x[17, 0] = np.nan
        with h5py.File(self.folder / "data.h5", "w") as file:
            data = file.create_dataset("x", data=x, chunks=(1, 4))
            data.attrs["names"] = np.array([b"age", b"income", b"version", b"member"])
            labels = file.create_dataset("y", data=(random.random(4000) < 0.02).astype(np.uint8))
            labels.attrs["classes"] = np.array([b"no", b"yes"])
        _, whole = self.inspect()
        found = {(finding["about"], finding["kind"]): finding for finding in whole["verdict"]}
        self.assertEqual(found["/x", "missing"]["columns"], [0])
        self.assertEqual(found["/x", "constant"]["columns"], [2])
        self.assertEqual(found["/x", "binary"]["columns"], [3])
        self.assertIn("income", found["/x", "scale"]["text"])
        self.assertIn("binary-cross-entropy", found["/y", "classes"]["text"])
        self.assertIn("out of balance", found["/y", "balance"]["text"])
        self.assertNotIn(("/x", "layout"), found)  # 4,000 chunks are not yet many
        self.assertEqual(whole["standardize"], "features")
        text, _ = self.run_program("inspect", "data.h5")
        self.assertIn('missing values (NaN) in column 0 "age", 1 of 4000 rows', text)
        self.assertIn("  1 (yes): ", text)
        self.assertTrue(text.endswith("  data.standardize = features\n"))

    def test_a_thousand_columns(self):
        x = np.random.default_rng(6).normal(size=(300, 1000)).astype(np.float32)
        self.write_data(x=x, y=None)
        sets, _ = self.inspect()
        self.assertEqual(len(sets["/x"]["columns"]), 1000)
        text, _ = self.run_program("inspect", "data.h5")
        self.assertLess(len(text.splitlines()), 40)
        self.assertIn("and 980 columns more", text)
        self.assertIn("  all 1000: ", text)

    def test_names_stay_in_their_line(self):
        name = b"income\n\x1b[31m " + 40 * "\u00fc".encode()
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.create_dataset("x", data=[[np.nan], [1.0]]).attrs["names"] = np.array([name])
        text, _ = self.run_program("inspect", "data.h5")
        self.assertIn("  income??[31m " + 19 * "\u00fc" + "...  ", text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(len(text.splitlines()), 8)

    def test_nothing_and_next_to_nothing(self):
        self.write_data(x=np.ones((0, 3)), y=np.ones((0, 1)))
        sets, whole = self.inspect()
        self.assertEqual([column["mean"] for column in sets["/x"]["columns"]], [None] * 3)
        self.assertEqual([finding["kind"] for finding in whole["verdict"]], ["rows", "rows"])
        self.run_program("inspect", "data.h5")
        self.write_data(x=np.full((1, 2), np.nan), y=np.ones(1))
        sets, _ = self.inspect()
        self.assertEqual([column["missing"] for column in sets["/x"]["columns"]], [1, 1])
        self.run_program("inspect", "data.h5")

    def test_memory_stays_bounded(self):
        """240 MB in chunks of all rows and one column: neither is the set held, nor is a chunk read twice."""
        rows = 2_000_000
        with h5py.File(self.folder / "data.h5", "w") as file:
            x = file.create_dataset("x", shape=(rows, 30), dtype="f4", chunks=(rows, 1), compression=1)
            for column in range(30):
                x[:, column] = np.arange(rows, dtype=np.float32) % (column + 2)
        limit = "import resource, sys; import subprocess as s; code = s.call(sys.argv[1:], stdout=s.DEVNULL); " \
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        peak = subprocess.run(["/usr/bin/python3", "-c", limit, PROGRAM, "inspect", "data.h5", "--threads", "2"],
                              cwd=self.folder, check=True, capture_output=True, text=True, timeout=100).stdout
        sets, whole = self.inspect()
        self.assertEqual([column["max"] for column in sets["/x"]["columns"]], [c + 1 for c in range(30)])
        self.assertTrue(any("gradloom repack data.h5" in finding["text"] for finding in whole["verdict"]))
        if "asan" not in PROGRAM:  # a sanitizer takes memory of its own
            self.assertLess(int(peak), 160 * 1024)


if __name__ == "__main__":
    unittest.main()
