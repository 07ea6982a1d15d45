"""What train writes and says: metrics, ends, divergence."""

import math
import unittest

from support import CliTest

STEP_FIELDS = {"kind", "step", "epoch", "train_loss", "learning_rate", "samples_per_second", "elapsed_seconds"}


class Training(CliTest):
    def test_run_folder_and_metrics(self):
        self.run_program("train", self.regression("log-every = 2\n[data]\nvalid = data.h5\n"))
        run = self.folder / "runs/c"
        for name in ("config.ini", "metrics.jsonl", "lock", "checkpoints/best.h5"):
            self.assertTrue((run / name).exists(), name)
        records = self.metrics()
        kinds = [record["kind"] for record in records]
        self.assertEqual((kinds[0], kinds[-1]), ("start", "end"))
        self.assertEqual(set(kinds), {"start", "step", "epoch", "checkpoint", "end"})
        steps = [record for record in records if record["kind"] == "step"]
        epochs = [record for record in records if record["kind"] == "epoch"]
        self.assertEqual([record["step"] for record in steps], list(range(2, 22, 2)))
        self.assertEqual([(record["step"], record["epoch"]) for record in epochs], [(7, 1), (14, 2), (21, 3)])
        for record in steps + epochs:
            self.assertLessEqual(STEP_FIELDS, set(record))
            self.assertTrue(math.isfinite(record["train_loss"]))
            self.assertEqual(record["learning_rate"], 0.01)
        for record in epochs:
            self.assertLessEqual({"valid_loss", "valid_rmse", "valid_mae", "valid_r2"}, set(record))
        self.assertLess(epochs[-1]["valid_loss"], epochs[0]["valid_loss"])

    def test_plain_lines(self):
        out, err = self.run_program("train", self.regression("log-every = 3\n"))
        self.assertEqual(err, "")
        self.assertNotIn("\r", out)
        self.assertNotIn("\x1b", out)
        self.assertIn("100 training rows, 3 features, 1 output", out)
        self.assertIn("step 3/21", out)
        self.assertIn("epoch 3/3", out)
        self.assertIn("run folder: runs/c", out)
        self.assertIn("next: gradloom evaluate runs/c", out)

    def test_bar_on_a_terminal(self):
        name = self.regression("log-every = 1\n")
        text, err = self.run_on_terminal("train", name, terminal="stdout")
        self.assertEqual(err, "")
        self.assertIn(b"\repoch 1/3 [", text)
        self.assertIn(b"\r\x1b[K", text)
        self.assertNotIn(b"step 1/21", text)
        self.assertIn(b"run folder: runs/c", text)

    def test_quiet(self):
        self.assertEqual(self.run_program("train", self.regression(), "--quiet"), ("", ""))

    def test_ends(self):
        name = self.regression("[data]\nvalid-fraction = 0.3\n")
        cases = {
            "epochs": (),
            "max-steps": ("--train.max-steps=5",),
            "max-minutes": ("--train.max-minutes=0",),
            "early-stopping": ("--early-stopping.patience=1", "--early-stopping.min-delta=1e9", "--train.epochs=50"),
        }
        for reason, options in cases.items():
            with self.subTest(reason):
                self.run_program("train", name, f"--run.dir={reason}", *options)
                self.assertEqual(self.metrics(reason)[-1]["reason"], reason)
                self.assertEqual(len(self.checkpoints(reason)) > 0, True)

    def test_test_data(self):
        self.regression("[data]\ntest = data.h5\n")
        out, _ = self.run_program("train", "c.ini")
        self.assertIn("test: loss", out)
        self.assertIn("test_r2", self.metrics()[-1])

    def test_divergence(self):
        self.regression()
        line = self.assert_diverges("train", "c.ini", "--optimizer.learning-rate=1e30", "--quiet")
        for fragment in ("step", "layer_00", "rows", "learning-rate"):
            self.assertIn(fragment, line)
        self.assertGreater(self.metrics("runs/c")[-1]["elapsed_seconds"], 0)
        # What was written before stands, and a run can go on from it at a lower rate.
        self.run_program("train", "c.ini", "--run.dir=r", "--train.epochs=1")
        before = self.contents(self.checkpoints("r")[-1])
        line = self.assert_diverges("train", "c.ini", "--run.dir=r", "--resume", "--optimizer.learning-rate=1e30",
                                    "--quiet")
        self.assertIn("step 7", line)
        self.assertEqual(self.contents(self.checkpoints("r")[-1]), before)
        self.run_program("train", "c.ini", "--run.dir=r", "--resume")

    def assert_diverges(self, *arguments):
        return self.assert_refused(5, ["diverged"], *arguments)

    def test_run_folder_that_cannot_be_written(self):
        name = self.regression()
        self.write("occupied", "a file\n")
        self.assert_refused(2, ["occupied"], "train", name, "--run.dir=occupied")
        self.assert_refused(4, ["occupied/run"], "train", name, "--run.dir=occupied/run")


if __name__ == "__main__":
    unittest.main()
