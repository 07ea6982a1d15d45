"""bench: what it tells, that it leaves nothing behind, and what it refuses."""

import json
import math
import unittest

import numpy as np

from support import CliTest

KEYS = {"network", "parameters", "precision", "batch_size", "shards", "shard_rows", "threads", "step_threads", "steps",
        "median_step_seconds", "p10_step_seconds", "p90_step_seconds", "samples_per_second", "median_products_seconds",
        "step_gflops", "products_gflops", "gemm_fraction", "split", "memory_bytes"}
PARTS = {"data_wait", "forward", "backward", "reduction", "update", "other"}

# Enough work to be spread over threads, several shards, and layers of both reductions.
SPREAD = """[data]
train = data.h5
[model]
layer = 256 tanh dropout=0.1
layer = 512 relu
layer = 1 linear
[train]
loss = mse
batch-size = 96
shard-rows = 40
"""


class Bench(CliTest):
    def bench(self, *arguments):
        out, err = self.run_program("bench", "c.ini", "--json", *arguments)
        self.assertEqual(err, "")
        self.assertEqual(out.count("\n"), 1)
        return json.loads(out)

    def assert_whole(self, report, steps):
        """Every key is there, every number can be true, and they agree with each other."""
        self.assertEqual(set(report), KEYS)
        self.assertEqual(report["steps"], steps)
        step = report["median_step_seconds"]
        self.assertLessEqual(report["p10_step_seconds"], step)
        self.assertLessEqual(step, report["p90_step_seconds"])
        self.assertGreater(report["p10_step_seconds"], 0)
        products = report["median_products_seconds"]
        self.assertGreater(products, 0)
        self.assertTrue(math.isclose(report["gemm_fraction"], products / step, rel_tol=1e-9))
        self.assertTrue(math.isclose(report["step_gflops"] * step, report["products_gflops"] * products, rel_tol=1e-9))
        self.assertGreater(report["samples_per_second"], 0)
        self.assertEqual(set(report["split"]), PARTS)
        for part, seconds in report["split"].items():
            self.assertGreaterEqual(seconds, -1e-9 * step, part)  # other is a difference: rounding
        self.assertTrue(math.isclose(sum(report["split"].values()), step, rel_tol=1e-9))
        for part in ("data_wait", "forward", "backward", "update"):
            self.assertGreater(report["split"][part], 0, part)

    def test_json(self):
        self.regression()
        report = self.bench("--steps", "7", "--train.threads=2")
        self.assert_whole(report, 7)
        told = {key: report[key] for key in ("network", "parameters", "precision", "batch_size", "threads",
                                             "step_threads")}
        self.assertEqual(told, {"network": "3-8-1 tanh linear", "parameters": 3 * 8 + 8 + 8 + 1,
                                "precision": "float32", "batch_size": 16, "threads": 2, "step_threads": 1})

    def test_a_step_that_is_spread(self):
        self.write_data(rows=500)
        self.write("c.ini", SPREAD)
        for overrides in ([], ["--model.precision=float64"], ["--data.shuffle=none"], ["--optimizer.momentum=0.9"]):
            with self.subTest(overrides=overrides):
                report = self.bench("--steps=5", "--train.threads=3", *overrides)
                self.assert_whole(report, 5)
                self.assertEqual((report["shards"], report["shard_rows"]), (3, 40))
                self.assertEqual((report["threads"], report["step_threads"]), (3, 3))

    def test_the_products_are_counted(self):
        self.write_data(rows=500)
        self.write("c.ini", SPREAD)
        report = self.bench("--steps=3")
        # Three products a layer, but no deltas for the inputs; two operations for each weight and row.
        operations = 2 * 96 * (2 * 3 * 256 + 3 * 256 * 512 + 3 * 512)
        counted = 1e9 * report["products_gflops"] * report["median_products_seconds"]
        self.assertTrue(math.isclose(counted, operations, rel_tol=1e-9))

    def test_memory_is_told(self):
        self.write_data(rows=500)
        self.write("c.ini", SPREAD)
        memory = self.bench("--steps=3", "--optimizer.momentum=0.9")["memory_bytes"]
        self.assertEqual(memory["data"], 500 * (3 + 1) * 4)
        parameters = 4 * 256 + 257 * 512 + 513
        self.assertTrue(2 * 4 * parameters <= memory["state"] <= 2 * 4 * (parameters + 6 * 16))  # tensors are aligned
        self.assertEqual(memory["activations"], 96 * (256 + 512 + 1) * 4)
        self.assertEqual(memory["promised"], memory["data"] + 3 * memory["state"] + memory["activations"] + 2**26)
        self.assertGreater(memory["peak_resident"], memory["data"] + memory["state"])

    def test_a_set_smaller_than_the_minibatch(self):
        self.regression()
        self.assertEqual(self.bench("--steps=4", "--train.batch-size=1000")["batch_size"], 100)

    def test_without_a_number_of_steps(self):
        self.regression()
        self.assertGreaterEqual(self.bench()["steps"], 20)

    def test_lines(self):
        out, err = self.run_program("bench", self.regression(), "--steps=3", "--train.threads=2")
        self.assertEqual(err, "")
        lines = dict(line.split(maxsplit=1) for line in out.splitlines())
        self.assertLessEqual({"network", "minibatch", "threads", "step", "speed", "products", "gemm_fraction",
                              "memory"} | PARTS, set(lines))
        self.assertIn("3-8-1 tanh linear: 41 parameters, float32", lines["network"])
        self.assertIn("2, a step is too little work for more than 1", lines["threads"])
        self.assertIn("3 steps", lines["step"])

    def test_nothing_is_written(self):
        self.regression()
        before = sorted(self.folder.rglob("*"))
        self.bench("--steps=3")
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    def test_refusals(self):
        self.regression()
        for steps in ("0", "-1", "many", "1.5", "", "10000001"):
            self.assert_refused(2, ["--steps", "from 1 to 10000000"], "bench", "c.ini", f"--steps={steps}")
        self.assert_refused(2, ["--jsn", "did you mean --json?"], "bench", "c.ini", "--jsn")
        self.assert_refused(2, ["CONFIG is missing"], "bench")
        self.assert_refused(2, ["nowhere.ini"], "bench", "nowhere.ini")
        self.assert_refused(2, ["train.batch-sise", "train.batch-size"], "bench", "c.ini", "--train.batch-sise=3")
        self.assert_refused(2, ["nowhere.h5"], "bench", "c.ini", "--data.train=nowhere.h5")
        self.assert_refused(2, ["model.init-from", "nowhere.h5"], "bench", "c.ini", "--model.init-from=nowhere.h5")
        self.write("junk.h5", "no HDF5")
        self.assert_refused(3, ["junk.h5"], "bench", "c.ini", "--data.train=junk.h5")

    def test_divergence(self):
        random = np.random.default_rng(1)
        self.write_data(x=1e3 * random.normal(size=(100, 3)), y=1e3 * random.normal(size=(100, 1)))
        self.write("c.ini", "[data]\ntrain = data.h5\n[model]\nlayer = 8 relu\nlayer = 1 linear\n"
                            "[train]\nloss = mse\nbatch-size = 16\n[optimizer]\nlearning-rate = 10\n")
        self.assert_refused(5, ["diverged in step", "layer_00", "rows", "optimizer.learning-rate"], "bench", "c.ini")


if __name__ == "__main__":
    unittest.main()
