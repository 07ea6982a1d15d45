"""import and generate, as far as the command line goes: what they write is read by train, evaluate and h5py."""

import gzip
import itertools
import json
import os
import signal
import struct
import unittest

import h5py
import numpy as np
from support import CliTest

STORED = {"bool": "uint8", "uint8": "uint8", "int8": "int32", "int16": "int32", "uint16": "int32", "int32": "int32",
          "uint32": "int64", "int64": "int64", "uint64": "uint64", "float16": "float32", "float32": "float32",
          "float64": "float64"}


def random_array(dtype, shape, seed):
    """Values over the whole range of a type, its ends among them."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        bits = random.integers(0, 256, size=(int(np.prod(shape)), dtype.itemsize), dtype=np.uint8)
        values = bits.view(dtype.newbyteorder("=")).reshape(shape)
        values[~np.isfinite(values)] = np.finfo(dtype).tiny / 2  # subnormal
        return values.astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, size=shape).astype(dtype)
    bounds = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = random.integers(*bounds, size=shape, endpoint=True, dtype=dtype.newbyteorder("="))
    values.flat[:2] = bounds
    return values.astype(dtype)


CSV = "a,b,kind,price\n" + "".join(f"{i},{i * 0.5},{'xyz'[i % 3]},{3 * i + 1}\n" for i in range(60))


class Import(CliTest):
    def read(self, name, path):
        with h5py.File(self.folder / name, "r") as file:
            return file[path][()]

    def test_csv(self):
        self.write("t.csv", CSV)
        out, _ = self.run_program("import", "t.csv", "--target", "price", "--output", "t.h5")
        self.assertIn("t.h5: 60 rows, 5 features, 1 outputs", out)
        self.assertEqual(self.read("t.h5", "x").shape, (60, 5))
        self.assertTrue(np.array_equal(self.read("t.h5", "y").ravel(), 3 * np.arange(60) + 1))

    def test_targets_by_negative_index(self):
        self.write("t.csv", CSV)
        self.run_program("import", "t.csv", "--target", "-1", "--output", "by-index.h5")
        self.run_program("import", "t.csv", "--target=price", "--output", "by-name.h5")
        self.assertTrue(np.array_equal(self.read("by-index.h5", "y"), self.read("by-name.h5", "y")))

    def test_classes_and_split_train_and_evaluate(self):
        self.write("t.csv", CSV)
        out, _ = self.run_program("import", "t.csv", "--target", "kind", "--classify", "--split", "0.6,0.2,0.2",
                                  "--output", "t.h5")
        self.assertIn("x, y, z", out)
        rows = [len(self.read(f"t.{part}.h5", "x")) for part in ("train", "valid", "test")]
        self.assertEqual(sum(rows), 60)
        self.write("c.ini", "[data]\ntrain=t.train.h5\nvalid=t.valid.h5\ntest=t.test.h5\nstandardize=features\n"
                   "[model]\nlayer=3 linear\n[train]\nloss=categorical-cross-entropy\nepochs=2\n")
        self.run_program("train", "c.ini")
        metrics = json.loads(self.run_program("evaluate", "runs/c", "t.test.h5", "--json")[0])
        self.assertEqual(metrics["rows"], rows[2])

    def test_weights(self):
        """/weight goes with its rows through blocks, categories, dropped rows and a split, and trains."""
        rows = 4000
        text = "a,w,kind,price\n" + "".join(f"{i},{i % 5}.5,{'xyz'[i % 3]},{'' if i == 7 else 2 * i}\n"
                                           for i in range(rows))
        self.write("t.csv", text)
        self.run_program("import", "t.csv", "--target=price", "--weight=w", "--missing=drop", "--split=0.7,0.3",
                         "--output=t.h5")
        for part in ("train", "test"):
            with h5py.File(self.folder / f"t.{part}.h5") as file:
                self.assertEqual(list(file["x"].attrs["names"]), [b"a", b"kind=x", b"kind=y", b"kind=z"])
                self.assertEqual(file["weight"].shape, file["x"].shape[:1])
                self.assertTrue(np.array_equal(file["weight"][()], file["x"][:, 0] % 5 + 0.5))
        self.write("c.ini", "[data]\ntrain=t.train.h5\nweights=weight\nstandardize=both\n"
                   "[model]\nlayer=1 linear\n[train]\nloss=mse\nepochs=1\n")
        self.run_program("train", "c.ini")
        self.run_program("evaluate", "runs/c", "t.test.h5")
        self.write("plain.csv", "a,w,price\n" + "".join(f"{i},{i % 5}.5,{2 * i}\n" for i in range(rows)))
        self.run_program("import", "plain.csv", "--target=-1", "--weight=1", "--output=plain.h5")
        self.assertTrue(np.array_equal(self.read("plain.h5", "weight"), np.arange(rows) % 5 + 0.5))
        self.assertEqual(self.read("plain.h5", "x").shape, (rows, 1))

    def test_bad_weights(self):
        def refused(text, code, fragments, *options):
            self.write("t.csv", text)
            self.assert_refused(code, fragments, "import", "t.csv", "--target=y", "--output=t.h5", *options)
            self.assertFalse((self.folder / "t.h5").exists())

        for cell, text in (("-1", "is -1; a weight is a finite number >= 0"), ("1e200", "is 1e+200; weights are 0"),
                           ("inf", "which is not a finite number"), ("heavy", "which is not a number"),
                           ("", "and a row's weight")):
            refused(f"a,w,y\n1,2,3\n4,{cell},6\n7,8,9\n", 3, ["t.csv:3: column w (index 1)", text], "--weight=w",
                    "--missing=mean")
        good = "a,w,y\n1,2,3\n4,5,6\n"
        refused(good, 2, ["--weight v: t.csv has no such column"], "--weight=v")
        refused(good, 2, ["--weight y: is a target"], "--weight=y")
        refused(good, 2, ["--categorical w: is the weight"], "--weight=w", "--categorical=w")
        refused("w,y\n1,2\n", 2, ["every column is a target or the weight"], "--weight=w")
        self.write("t.svm", "1 1:2\n")
        self.assert_refused(2, ["--weight is for CSV and TSV"], "import", "t.svm", "--weight=w", "--output=t.h5")

    def test_bad_cells(self):
        self.write("t.csv", "a,b\n1,2\n3,\n5,6\n")
        self.assert_refused(3, ["t.csv", "3"], "import", "t.csv", "--target", "a", "--output", "t.h5")
        self.assertFalse((self.folder / "t.h5").exists())
        out, _ = self.run_program("import", "t.csv", "--target", "a", "--missing", "drop", "--output", "t.h5")
        self.assertIn("dropped 1 of 3 rows", out)
        out, _ = self.run_program("import", "t.csv", "--target", "a", "--missing=mean", "--output", "t.h5")
        self.assertIn("filled 1 missing cell", out)
        self.assertEqual(self.read("t.h5", "x").ravel().tolist(), [2, 4, 6])

    def test_wrong_options(self):
        self.write("t.csv", CSV)
        self.assert_refused(2, ["none.csv"], "import", "none.csv", "--target", "a", "--output", "t.h5")
        self.assert_refused(2, ["pice", "price"], "import", "t.csv", "--target", "pice", "--output", "t.h5")

    def test_idx(self):
        pixels = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2)
        with gzip.open(self.folder / "images.gz", "wb") as file:
            file.write(struct.pack(">IIII", 0x803, 5, 2, 2) + pixels.tobytes())
        (self.folder / "labels").write_bytes(struct.pack(">II", 0x801, 5) + bytes([0, 1, 2, 1, 0]))
        self.run_program("import", "images.gz", "labels", "--scale", "0.5", "--output", "t.h5")
        self.assertTrue(np.array_equal(self.read("t.h5", "x"), pixels.reshape(5, 4) * 0.5))
        self.assertEqual(self.read("t.h5", "y").ravel().tolist(), [0, 1, 2, 1, 0])

    def test_npy_cell_by_cell(self):
        """Every type, byte order, array order, format version and number of dimensions."""
        for number, (name, byte_order, order) in enumerate(itertools.product(STORED, "<>", "CF")):
            dtype = np.dtype(name).newbyteorder(byte_order)
            shape = [(4, 2, 3), (5, 3), (7,)][number % 3]
            with self.subTest(dtype=dtype.str, shape=shape, order=order):
                x = np.asarray(random_array(dtype, shape, number), order=order)
                with open(self.folder / "x.npy", "wb") as file:
                    np.lib.format.write_array(file, x, version=(1 + number // 3 % 3, 0))
                self.run_program("import", "x.npy", "--output", "t.h5")
                stored = self.read("t.h5", "x")
                self.assertEqual(stored.dtype, STORED[name])
                self.assertTrue(np.array_equal(stored, np.load(self.folder / "x.npy").reshape(shape[0], -1)))

    def test_npy_targets_split_and_train(self):
        x = np.asfortranarray(np.random.default_rng(3).normal(size=(60, 4)))
        np.save(self.folder / "x.npy", x)
        np.save(self.folder / "y.npy", np.arange(60, dtype=">i2") % 3)
        self.run_program("import", "x.npy", "y.npy", "--classify", "--scale", "0.5", "--split", "0.7,0.3", "--seed",
                         "4", "--output", "t.h5")
        parts = [(self.read(f"t.{part}.h5", "x"), self.read(f"t.{part}.h5", "y")) for part in ("train", "test")]
        self.assertEqual([len(part[0]) for part in parts], [42, 18])
        row_of = {row.tobytes(): i for i, row in enumerate(x * 0.5)}
        for rows, labels in parts:
            self.assertEqual([row_of[row.tobytes()] % 3 for row in rows], labels.tolist())
        self.write("c.ini", "[data]\ntrain=t.train.h5\ntest=t.test.h5\n[model]\nlayer=3 linear\n"
                   "[train]\nloss=categorical-cross-entropy\nepochs=1\n")
        self.run_program("train", "c.ini")

    def test_npy_larger_than_a_block(self):
        """Rows of several blocks of 2^21 values, in both orders."""
        values = np.arange(3 * 2**20 + 12, dtype=np.uint32).reshape(-1, 6)
        for order in "CF":
            np.save(self.folder / "x.npy", np.asarray(values, order=order))
            np.save(self.folder / "y.npy", np.asarray(values[:, :2], order=order))
            self.run_program("import", "x.npy", "y.npy", "--output", "t.h5")
            self.assertTrue(np.array_equal(self.read("t.h5", "x"), values))
            self.assertTrue(np.array_equal(self.read("t.h5", "y"), values[:, :2]))

    def test_npy_refusals(self):
        refused = {"object": np.array([{}, 1], dtype=object), "complex64": np.zeros(2, np.complex64),
                   "<U3": np.array(["abc"]), "S2": np.array([b"ab"]), "structured": np.zeros(2, "<f8,<i4"),
                   "longdouble": np.zeros(2, np.longdouble), "datetime": np.zeros(2, "M8[s]")}
        for name, array in refused.items():
            with self.subTest(name):
                np.save(self.folder / "x.npy", array)
                self.assert_refused(3, ["x.npy", "import takes bool, int8"], "import", "x.npy", "--output", "t.h5")
        np.save(self.folder / "x.npy", np.zeros((1000, 3)))
        with open(self.folder / "x.npy", "r+b") as file:
            file.truncate(5000)
        self.assert_refused(3, ["x.npy", "promises 1000 rows"], "import", "x.npy", "--output", "t.h5")
        self.assertFalse((self.folder / "t.h5").exists())


class Generate(CliTest):
    def test_every_set(self):
        for name in ("friedman1", "rosenbrock", "spirals", "blobs", "teacher"):
            with self.subTest(name):
                self.run_program("generate", name, "--rows", 50, "--seed", 3, "--output", f"{name}.h5")
                self.run_program("verify", f"{name}.h5")
                with h5py.File(self.folder / f"{name}.h5", "r") as file:
                    self.assertEqual((len(file["x"]), len(file["y"])), (50, 50))

    def test_refusals(self):
        self.assert_refused(2, ["blob", "did you mean blobs?"], "generate", "blob", "--rows", 5, "--output", "g.h5")
        self.assert_refused(2, ["--rows 0"], "generate", "blobs", "--rows", 0, "--output", "g.h5")
        self.assert_refused(2, ["--rows -5"], "generate", "blobs", "--rows", -5, "--output", "g.h5")
        self.assert_refused(4, ["no folder absent"], "generate", "blobs", "--rows", 5, "--output", "absent/g.h5")
        os.mkfifo(self.folder / "pipe")
        self.assert_refused(2, ["not a regular file"], "generate", "blobs", "--rows", 5, "--output", "pipe")

    def test_a_signal_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("generate", "blobs", "--rows", 10**12, "--output", "g.h5")
            while not list(self.folder.iterdir()):  # until the temporary file stands
                self.assertIsNone(process.poll())
            process.send_signal(number)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, -number)
            self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
