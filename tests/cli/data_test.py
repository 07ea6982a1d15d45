"""Data sets as h5py writes them train as they are; wrong ones are refused with exit code 3."""

import json
import unittest

import h5py
import numpy as np
from support import REGRESSION, CliTest

CLASSES = REGRESSION.replace("layer = 1 linear", "layer = 3 linear").replace("mse", "categorical-cross-entropy")
BINARY = REGRESSION.replace("mse", "binary-cross-entropy")
OF_CLASSES = {"rows", "loss", "accuracy", "precision", "recall", "f1", "macro_precision", "macro_recall", "macro_f1", "auc",
              "log_loss", "calibration_error", "classes", "confusion_matrix"}


class GoodData(CliTest):
    def train(self, text=REGRESSION, run="run"):
        """One epoch on data.h5; what evaluate says of it."""
        self.write("c.ini", text)
        self.run_program("check", "c.ini")
        self.run_program("train", "c.ini", "--train.epochs=1", f"--run.dir={run}")
        out, _ = self.run_program("evaluate", run, "data.h5", "--json")
        return json.loads(out)

    def test_element_types(self):
        random = np.random.default_rng(1)
        x = random.integers(0, 100, size=(64, 4))
        y = random.integers(-5, 5, size=(64, 1))
        reference = None
        # Every type holds these numbers exactly, so every run must give the same loss.
        for kind in ("u1", "i1", "<i2", ">i2", "<u4", ">i4", "<i8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
            with self.subTest(kind):
                self.write_data(x=x.astype(kind), y=y.astype("<f8" if "u" in kind else kind))
                metrics = self.train(REGRESSION + "[data]\nstandardize = both\n", kind.replace("<", "little-").replace(">", "big-"))
                reference = reference or metrics
                self.assertEqual(metrics, reference)

    def test_chunks_and_filters(self):
        random = np.random.default_rng(2)
        x = random.normal(size=(300, 5)).astype(np.float32)
        y = random.normal(size=(300, 2)).astype(np.float32)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.create_dataset("x", data=x, chunks=(7, 3), compression="gzip", shuffle=True, fletcher32=True)
            file.create_dataset("y", data=y, chunks=True, maxshape=(None, 2))
        metrics = self.train(REGRESSION.replace("layer = 1 linear", "layer = 2 linear"))
        self.assertEqual(metrics["rows"], 300)
        self.assertEqual(set(metrics), {"rows", "loss", "mse", "rmse", "mae", "r2", "max_error", "pinball"})

    def test_targets_in_one_dimension(self):
        self.write_data(y=np.arange(100.0))
        self.assertEqual(self.train(REGRESSION + "[data]\nstandardize = both\n")["rows"], 100)

    def test_boolean_targets(self):
        self.write_data(y=np.arange(100) % 2 == 0)
        metrics = self.train(BINARY)
        self.assertEqual(set(metrics) - {"top_5"}, OF_CLASSES)

    def test_class_indices(self):
        for kind in ("u1", "<i8", "<f4"):
            with self.subTest(kind):
                self.write_data(y=(np.arange(100) % 3).astype(kind))
                metrics = self.train(CLASSES, "kind-" + kind.strip("<"))
                self.assertEqual(set(metrics) - {"top_5"}, OF_CLASSES)

    def test_several_files_and_names(self):
        self.write_data("part-1.h5", rows=30, x=None, y=None, features=np.ones((30, 3)), t=np.ones(30))
        self.write_data("part-2.h5", rows=12, x=None, y=None, features=np.zeros((12, 3)), t=np.zeros(12))
        self.write("c.ini", REGRESSION.replace("train = data.h5", "train = part-*.h5\nfeatures = features\ntargets = t"))
        out, _ = self.run_program("check", "c.ini")
        self.assertIn("42 rows", out)
        self.run_program("train", "c.ini")

    def test_one_row(self):
        self.write_data(rows=1)
        self.assertEqual(self.train()["rows"], 1)


class BadData(CliTest):
    def assert_data_refused(self, fragments, text=REGRESSION):
        self.write("c.ini", text)
        for command in ("check", "train"):
            self.assert_refused(3, fragments, command, "c.ini")
        self.assertEqual(list(self.folder.glob("runs/*/checkpoints/*.h5")), [])

    def test_foreign_files(self):
        for name, content in (("text", b"not a data set\n"), ("empty", b""), ("png", b"\x89PNG\r\n\x1a\n" + bytes(100))):
            with self.subTest(name):
                (self.folder / "data.h5").write_bytes(content)
                self.assert_data_refused(["data.h5"])

    def test_cut_files(self):
        whole = self.write_data(rows=3000).read_bytes()
        for size in (9, 100, 2000, len(whole) // 2, len(whole) - 1):
            with self.subTest(size):
                (self.folder / "data.h5").write_bytes(whole[:size])
                self.assert_data_refused(["data.h5"])

    def test_missing_sets(self):
        self.write_data(y=None)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.create_dataset("x", data=np.ones((5, 3)))
            file.create_dataset("z", data=np.ones((5, 1)))
        self.assert_data_refused(["data.h5", "/y", "/z", "data.targets"])

    def test_not_finite(self):
        for value, word in ((np.nan, "NaN"), (np.inf, "Inf")):
            x = np.ones((50, 3))
            x[17, 2] = value
            self.write_data(x=x, y=np.ones((50, 1)))
            self.assert_data_refused(["data.h5", "/x", "row 17", "column 2", word])
            y = np.ones((50, 1))
            y[3, 0] = value
            self.write_data(x=np.ones((50, 3)), y=y)
            self.assert_data_refused(["data.h5", "/y", "row 3", "column 0", word])

    def test_too_large_for_float32(self):
        x = np.ones((50, 3))
        x[4, 1] = 1e200
        self.write_data(x=x, y=np.ones(50))
        self.assert_data_refused(["row 4", "column 1", "float64"])
        self.run_program("check", "c.ini", "--model.precision=float64")

    def test_shapes(self):
        cases = {
            "rows differ": (np.ones((10, 3)), np.ones((9, 1)), ["10", "9"]),
            "empty": (np.ones((0, 3)), np.ones((0, 1)), ["no rows"]),
            "no columns": (np.ones((10, 0)), np.ones((10, 1)), ["no columns"]),
            "x is a vector": (np.ones(10), np.ones((10, 1)), ["/x", "(10)"]),
            "x is a cube": (np.ones((10, 2, 2)), np.ones((10, 1)), ["/x", "(10, 2, 2)"]),
            "y is a cube": (np.ones((10, 3)), np.ones((10, 1, 1)), ["/y"]),
            "too many targets": (np.ones((10, 3)), np.ones((10, 4)), ["data.h5", "4", "1"]),
        }
        for name, (x, y, fragments) in cases.items():
            with self.subTest(name):
                self.write_data(x=x, y=y)
                self.assert_data_refused(fragments)

    def test_text_is_no_number(self):
        self.write_data(x=np.array([[b"a", b"b"]] * 10), y=np.ones(10))
        self.assert_data_refused(["data.h5", "/x"])

    def test_labels(self):
        for label, text in ((3, CLASSES), (-1, CLASSES), (0.5, CLASSES), (2, BINARY), (0.5, BINARY)):
            with self.subTest(label):
                y = np.zeros(100)
                y[41] = label
                self.write_data(y=y)
                self.assert_data_refused(["data.h5", "row 41", f"{label:g}"], text)

    def test_validation_data_that_does_not_fit(self):
        self.write_data()
        self.write_data("v.h5", x=np.ones((10, 4)), y=np.ones(10))
        self.assert_data_refused(["v.h5", "4", "3"], REGRESSION + "[data]\nvalid = v.h5\n")

    def test_memory_limit(self):
        self.write_data(rows=1000)
        self.assert_data_refused(["data.memory", "16 bytes"], REGRESSION + "[data]\nmemory = 16\n")


if __name__ == "__main__":
    unittest.main()
