"""Trains every ready config of configs/ on the data that its comment names, and holds it to the score it promises.

GRADLOOM is the program, GRADLOOM_SOURCE the root of the tree. Data that cannot be generated lie in ../shared/data beside
the tree; where they do not, the test is skipped.
"""

import json
import os
import pathlib
import unittest

from support import CliTest

ROOT = pathlib.Path(os.environ.get("GRADLOOM_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
REAL_DATA = ROOT.parent / "shared" / "data"


class ReadyConfigs(CliTest):
    def setUp(self):
        super().setUp()
        (self.folder / "data").mkdir()

    def real(self, *names):
        """Paths of real data sets, or a skip."""
        paths = [REAL_DATA / name for name in names]
        for path in paths:
            if not path.exists():
                self.skipTest(f"{path} is not there")
        return paths

    def train_and_score(self, name, data):
        """Metrics of the config's best (else last) model on `data`."""
        self.run_program("train", ROOT / "configs" / f"{name}.ini")
        out, _ = self.run_program("evaluate", f"runs/{name}", data, "--json")
        return json.loads(out)

    def test_quickstart(self):
        for part, rows, seed in (("train", 400000, 1), ("test", 10000, 2)):
            self.run_program("generate", "friedman1", "--rows", rows, "--noise", 1, "--seed", seed,
                             "--output", f"data/quickstart.{part}.h5")
        self.assertGreater(self.train_and_score("quickstart", "data/quickstart.test.h5")["r2"], 0.93)

    def test_regression_net(self):
        self.run_program("generate", "rosenbrock", "--rows", 1000, "--features", 3, "--output", "data/rosenbrock3.h5")
        self.assertGreater(self.train_and_score("regression_net", "data/rosenbrock3.h5")["r2"], 0.8)

    def test_figure_1a(self):
        self.run_program("generate", "rosenbrock", "--rows", 2000, "--features", 2, "--output", "data/rosenbrock2.h5")
        self.assertGreater(self.train_and_score("figure_1a", "data/rosenbrock2.h5")["r2"], 0.98)

    def test_california_housing(self):
        self.run_program("import", *self.real("california_housing.csv"), "--target", "median_house_value",
                         "--missing", "mean", "--split", "0.8,0.1,0.1", "--output", "data/california_housing.h5")
        metrics = self.train_and_score("california_housing", "data/california_housing.test.h5")
        self.assertGreaterEqual(metrics["r2"], 0.78)

    def test_digits(self):
        self.run_program("import", *self.real("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
                         "--scale", 0.00392156862745098, "--split", "0.8,0,0.2", "--output", "data/digits.h5")
        self.assertGreaterEqual(self.train_and_score("digits", "data/digits.test.h5")["accuracy"], 0.95)

    def test_building(self):
        for part in ("train", "test"):
            self.run_program("import", *self.real(f"building.{part}.csv"), "--target", "y0", "--target", "y1",
                             "--target", "y2", "--output", f"data/building.{part}.h5")
        self.assertGreaterEqual(self.train_and_score("building", "data/building.test.h5")["r2"], 0.75)

    def test_higgs(self):
        for part in ("train", "test"):
            self.run_program("import", *self.real(f"higgs7000.{part}.tsv"), "--target", 0,
                             "--output", f"data/higgs.{part}.h5")
        self.assertGreaterEqual(self.train_and_score("higgs", "data/higgs.test.h5")["auc"], 0.7)

    def test_every_config_has_a_test(self):
        configs = {path.stem for path in (ROOT / "configs").glob("*.ini")}
        self.assertEqual({f"test_{name}" for name in configs} - set(dir(self)), set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
