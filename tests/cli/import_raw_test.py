"""Real data from their raw files by import alone: every cell is what pandas, or where it is missing NumPy, reads there."""

import csv
import gzip
import os
import pathlib
import unittest

import h5py
import numpy as np
from support import CliTest

try:
    import pandas
except ImportError:
    pandas = None

SOURCE = pathlib.Path(os.environ.get("GRADLOOM_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
DATA = SOURCE.parent / "shared/data"


def table_of(path, separator, header):
    """Names (where there is a header) and cells: numbers, or texts where a column has any; NaN where none stands."""
    if pandas is not None:
        frame = pandas.read_csv(path, sep=separator, header=0 if header else None, float_precision="round_trip")
        return [str(name) for name in frame.columns], [frame[column].to_numpy() for column in frame.columns]
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=separator))
    names, rows = (rows[0], rows[1:]) if header else ([str(i) for i in range(len(rows[0]))], rows)
    columns = []
    for cells in zip(*rows):
        try:
            columns.append(np.array([float(cell) if cell else np.nan for cell in cells]))
        except ValueError:
            columns.append(np.array(cells, dtype=object))
    return names, columns


def idx_of(path):
    with gzip.open(path) as file:
        raw = file.read()
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


class RawFiles(CliTest):
    def source(self, name):
        if not (DATA / name).exists():
            self.skipTest(f"there is no {name} in {DATA}")
        return DATA / name

    def imported(self, *arguments):
        self.run_program("import", *arguments, "--output", "t.h5")
        with h5py.File(self.folder / "t.h5", "r") as file:
            found = {name: file[name][()] for name in file}
            for name in file:
                for key, values in file[name].attrs.items():
                    found[f"{name}@{key}"] = [value.decode() for value in values]
        return found

    def expect_numbers(self, name, separator, header, targets):
        """A table of numbers: /x holds all columns but the targets, which are in /y."""
        path = self.source(name)
        names, columns = table_of(path, separator, header)
        options = [word for target in targets for word in ("--target", names[target] if header else target)]
        found = self.imported(path, *options)
        features = [i for i in range(len(columns)) if i not in targets]
        self.assertEqual(found["x"].dtype, np.float64)
        self.assertTrue(np.array_equal(found["x"], np.column_stack([columns[i] for i in features])))
        self.assertTrue(np.array_equal(found["y"], np.column_stack([columns[i] for i in targets])))
        if header:
            self.assertEqual(found["x@names"], [names[i] for i in features])
            self.assertEqual(found["y@names"], [names[i] for i in targets])

    def test_california_housing(self):
        path = self.source("california_housing.csv")
        names, columns = table_of(path, ",", True)
        data = dict(zip(names, columns))
        found = self.imported(path, "--target", "median_house_value", "--missing", "mean")
        kinds = sorted(set(data["ocean_proximity"]))
        numbers = [name for name in names if name not in ("median_house_value", "ocean_proximity")]
        self.assertEqual(found["x@names"], numbers + [f"ocean_proximity={kind}" for kind in kinds])
        for i, name in enumerate(numbers):
            missing = np.isnan(data[name])
            self.assertEqual(missing.sum(), 207 if name == "total_bedrooms" else 0)
            self.assertTrue(np.array_equal(found["x"][~missing, i], data[name][~missing]), name)
            if missing.any():
                filled = set(found["x"][missing, i])
                self.assertEqual(len(filled), 1)
                self.assertAlmostEqual(filled.pop() / np.mean(data[name][~missing]), 1, delta=1e-14)
        for i, kind in enumerate(kinds):
            self.assertTrue(np.array_equal(found["x"][:, len(numbers) + i], data["ocean_proximity"] == kind))
        self.assertTrue(np.array_equal(found["y"].ravel(), data["median_house_value"]))

    def test_california_housing_without_incomplete_rows(self):
        path = self.source("california_housing.csv")
        names, columns = table_of(path, ",", True)
        data = dict(zip(names, columns))
        whole = ~np.isnan(data["total_bedrooms"])
        found = self.imported(path, "--target", "median_house_value", "--missing", "drop")
        for i, name in enumerate(found["x@names"]):
            column, _, kind = name.partition("=")
            expected = data[column] == kind if kind else data[column]
            self.assertTrue(np.array_equal(found["x"][:, i], expected[whole]), name)
        self.assertTrue(np.array_equal(found["y"].ravel(), data["median_house_value"][whole]))

    def test_digits(self):
        images, labels = self.source("t10k-images-idx3-ubyte.gz"), self.source("t10k-labels-idx1-ubyte.gz")
        found = self.imported(images, labels)
        self.assertEqual(found["x"].dtype, np.uint8)
        self.assertTrue(np.array_equal(found["x"], idx_of(images).reshape(10_000, 784)))
        self.assertTrue(np.array_equal(found["y"], idx_of(labels)))
        scaled = self.imported(images, labels, "--scale", "0.00392156862745098")
        self.assertTrue(np.array_equal(scaled["x"], (found["x"] * 0.00392156862745098).astype(np.float32)))

    def test_higgs(self):
        self.expect_numbers("higgs7000.train.tsv", "\t", False, [0])
        self.expect_numbers("higgs7000.test.tsv", "\t", False, [0])

    def test_building(self):
        self.expect_numbers("building.train.csv", ",", True, [14, 15, 16])
        self.expect_numbers("building.test.csv", ",", True, [14, 15, 16])

    def test_thyroid(self):
        self.expect_numbers("thyroid.train.csv", ",", True, [21, 22, 23])
        self.expect_numbers("thyroid.test.csv", ",", True, [21, 22, 23])

    def test_labels_of_higgs_become_classes(self):
        path = self.source("higgs7000.train.tsv")
        _, columns = table_of(path, "\t", False)
        found = self.imported(path, "--target", 0, "--classify")
        self.assertEqual(found["y@classes"], ["0", "1"])
        self.assertTrue(np.array_equal(found["y"], columns[0].astype(np.int32)))


if __name__ == "__main__":
    unittest.main()
