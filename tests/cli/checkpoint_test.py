"""Checkpoint files: what they hold, and what becomes of damaged and foreign ones (exit code 4)."""

import json
import shutil
import unittest

import h5py
import numpy as np
from support import CliTest


class Checkpoints(CliTest):
    def trained(self, *overrides):
        self.run_program("train", self.regression("[optimizer]\nmomentum = 0.9\n"), *overrides)
        return self.checkpoints()

    def damage(self, path, at):
        content = bytearray(path.read_bytes())
        content[at] ^= 0x40
        path.write_bytes(content)

    def test_contents(self):
        files = self.trained("--data.standardize=both", "--data.valid-fraction=0.2")
        self.assertEqual([f.name for f in files], [f"step-{n:012}.h5" for n in self.epoch_steps()])
        self.assertTrue((files[-1].parent / "best.h5").exists())
        self.assertEqual(files[-1].read_bytes()[:8], b"GRADLOOM")
        with h5py.File(files[-1], "r") as file:
            self.assertEqual(file.userblock_size, 512)
            self.assertEqual(file["model/layer_000/weight"].shape, (8, 3))
            self.assertEqual(file["model/layer_000/bias"].shape, (8,))
            self.assertEqual(file["model/layer_001/weight"].shape, (1, 8))
            self.assertEqual(file["model/layer_000/weight"].dtype, np.float32)
            self.assertEqual(self.text(file["model/layer_000"].attrs["activation"]), "tanh")
            for key in ("step", "epoch", "epoch_step", "seed", "samples_seen"):
                self.assertIn(key, file["progress"].attrs)
            self.assertEqual(file["progress"].attrs["epoch"], 3)
            for key, size in (("x_mean", 3), ("x_scale", 3), ("y_mean", 1), ("y_scale", 1)):
                self.assertEqual(file["preprocessing"][key].shape, (size,))
            self.assertIn("batch-size = 16", self.text(file["config"][()]))
            self.assertGreater(len(file["environment"].attrs), 2)
            names = []
            file["optimizer"].visit(names.append)
            self.assertTrue(any("momentum" in name for name in names), names)

    def epoch_steps(self):
        return [record["step"] for record in self.metrics() if record["kind"] == "epoch"]

    @staticmethod
    def text(value):
        return value.decode() if isinstance(value, bytes) else str(value)

    def test_retention(self):
        files = self.trained("--train.epochs=8", "--checkpoint.keep-last=2")
        self.assertEqual(len(files), 2)
        self.assertEqual(files[-1].name, f"step-{8 * 7:012}.h5")

    def test_no_epochs_writes_the_initial_checkpoint(self):
        files = self.trained("--train.epochs=0")
        self.assertEqual([f.name for f in files], ["step-000000000000.h5"])
        self.run_program("verify", files[0])

    def test_inspect(self):
        checkpoint = self.trained()[-1]
        for path in (checkpoint, self.folder / "runs/c", self.folder / "data.h5"):
            text, _ = self.run_program("inspect", path)
            self.assertTrue(text.strip())
            out, _ = self.run_program("inspect", path, "--json")
            self.assertIsInstance(json.loads(out), dict)

    def test_verify_good_files(self):
        checkpoint = self.trained()[-1]
        out, err = self.run_program("verify", checkpoint, self.folder / "data.h5")
        self.assertEqual(len(out.splitlines()), 2)
        self.assertEqual(err, "")

    def test_verify_goes_on_behind_a_bad_file(self):
        checkpoint = self.trained()[-1]
        bad = self.folder / "bad.h5"
        shutil.copy(checkpoint, bad)
        self.damage(bad, 5000)
        out, err = self.run_program("verify", bad, checkpoint, expect=4)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertEqual(len(err.splitlines()), 1)
        self.assertIn("bad.h5", err)

    def test_flipped_bits_anywhere(self):
        checkpoint = self.trained()[-1]
        size = checkpoint.stat().st_size
        bad = self.folder / "bad.h5"
        for at in (0, 7, 8, 12, 20, 31, 511, 512, 520, 700, 1500, size // 2, size - 1):
            with self.subTest(at):
                shutil.copy(checkpoint, bad)
                self.damage(bad, at)
                self.assert_verify_refuses(bad)

    def test_cut_files(self):
        content = self.trained()[-1].read_bytes()
        bad = self.folder / "bad.h5"
        for size in (600, 1024, len(content) // 2, len(content) - 1):
            with self.subTest(size):
                bad.write_bytes(content[:size])
                self.assert_verify_refuses(bad)
                self.assert_refused(4, ["bad.h5"], "evaluate", bad, "data.h5")
        bad.write_bytes(content + b"x")
        self.assert_verify_refuses(bad)

    def assert_verify_refuses(self, path, code=4):
        _, err = self.run_program("verify", path, expect=code)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(path.name, err)

    def test_verify_of_data(self):
        path = self.write_data(rows=3000)
        content = path.read_bytes()
        path.write_bytes(content[:len(content) // 2])
        self.assert_verify_refuses(path, code=3)
        self.write_data(x=np.full((5, 2), np.nan), y=np.ones(5))
        self.assert_verify_refuses(path, code=3)

    def test_verify_of_data_behind_a_user_block(self):
        with h5py.File(self.folder / "u.h5", "w", userblock_size=512) as file:
            file["x"], file["y"] = np.ones((5, 2)), np.ones(5)
        self.run_program("verify", "u.h5")

    def test_foreign_checkpoints(self):
        self.regression()
        self.write("text.h5", "hello\n" * 500)
        (self.folder / "empty.h5").write_bytes(b"")
        for name in ("text.h5", "empty.h5", "data.h5", "none.h5", "."):
            with self.subTest(name):
                self.assert_refused(4, [], "evaluate", name, "data.h5")
                self.assert_refused(4, [], "predict", name, "data.h5", "--output", "p.csv")
        self.assertFalse((self.folder / "p.csv").exists())

    def test_damaged_newest_checkpoint_is_passed_over(self):
        whole = self.trained("--train.epochs=4")
        expected = self.contents(whole[-1])
        self.damage(whole[-1], 3000)
        out, _ = self.run_program("train", "c.ini", "--resume", "--train.epochs=4")
        self.assertIn("warning", out)
        self.assertIn(whole[-1].name, out)
        self.assertEqual(self.contents(self.checkpoints()[-1]), expected)

    def test_existing_run_folder(self):
        self.trained()
        before = self.files()
        self.assert_refused(2, ["runs/c", "--resume", "--run.dir"], "train", "c.ini")
        self.assertTrue(before == self.files(), "the refused run changed something")

    def files(self):
        """Contents of every file but `lock`, which names the last process that took it."""
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.name != "lock"}

    def test_resume_with_another_config(self):
        self.trained()
        self.assert_refused(2, ["train.batch-size", "16", "17"], "train", "c.ini", "--resume", "--train.batch-size=17",
                            "--train.epochs=9")
        self.assert_refused(2, ["model.layer"], "train", "c.ini", "--resume", "--model.layer=1 linear")

    def test_resume_with_data_that_moved(self):
        self.trained()
        (self.folder / "data.h5").rename(self.folder / "elsewhere.h5")
        self.run_program("train", "c.ini", "--resume", "--train.epochs=4", "--data.train=elsewhere.h5")

    def test_resume_with_other_data(self):
        self.trained()
        self.write_data(rows=99)
        self.assert_refused(3, ["100", "99"], "train", "c.ini", "--resume", "--train.epochs=9")


if __name__ == "__main__":
    unittest.main()
