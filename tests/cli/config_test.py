"""Configs that are refused: exit code 2, with file, line, key and the way out; and `check`."""

import unittest

from support import REGRESSION, CliTest

LINES = REGRESSION.count("\n")  # what a test appends starts on the next line, in [train]


class Configs(CliTest):
    def assert_config_refused(self, text, fragments):
        self.write("c.ini", text)
        for command in ("train", "check"):
            self.assert_refused(2, fragments, command, "c.ini")
        self.assertFalse((self.folder / "runs").exists())

    def test_wrong_lines(self):
        where = f"c.ini:{LINES + 1}: "
        cases = [
            ("epoch = 3", [where, "train.epoch", "did you mean train.epochs?"]),
            ("epochs = 4", [where, "train.epochs", "set twice"]),
            ("seed = -1", [where + "train.seed = -1: must be an integer"]),
            ("threads = 0", [where, "from 1 to 640"]),
            ("no equals sign", [where, "is not `key = value`"]),
            ("[optimiser]", [where, "did you mean optimizer?"]),
            ("[optimizer]\nlearning-rate = nan", [f"c.ini:{LINES + 2}: optimizer.learning-rate = nan"]),
            ("[model]\nlayer = 5 reul", ["did you mean relu?"]),
            ("[optimizer]\nnesterov = true", ["needs optimizer.momentum"]),
            ("[early-stopping]\npatience = 3", ["needs validation rows"]),
        ]
        for line, fragments in cases:
            with self.subTest(line):
                self.assert_config_refused(REGRESSION + line + "\n", fragments)

    def test_missing_required_keys(self):
        self.assert_config_refused("", ["data.train is missing"])
        self.assert_config_refused(REGRESSION.replace("loss = mse\n", ""), ["train.loss is missing", "loss = mse"])
        self.assert_config_refused(REGRESSION.replace("layer = 8 tanh\nlayer = 1 linear\n", ""), ["model.layer"])

    def test_missing_config_and_missing_data(self):
        self.assert_refused(2, ["none.ini", "no such file"], "train", "none.ini")
        self.assert_refused(2, ["folder"], "train", ".")
        self.assert_config_refused(REGRESSION, ["c.ini:2", "data.train", "data.h5"])
        self.assert_config_refused(REGRESSION.replace("data.h5", "*.h5"), ["*.h5"])
        self.write_data()
        self.assert_config_refused(REGRESSION + "[data]\nvalid = v.h5\n", ["data.valid", "v.h5"])

    def test_binary_config(self):
        self.write_data()
        self.assert_refused(2, ["data.h5", "not a text file"], "train", "data.h5")

    def test_wrong_overrides(self):
        name = self.regression()
        self.assert_refused(2, ["command line", "did you mean train.epochs?"], "train", name, "--train.epoch=3")
        self.assert_refused(2, ["command line", "did you mean train.epochs?"], "train", name, "--epochs=3")
        self.assert_refused(2, ["train.epochs = -3"], "train", name, "--train.epochs", "-3")
        self.assert_refused(2, ["--train.epochs=VALUE"], "train", name, "--train.epochs")
        self.assert_refused(2, ["set twice"], "train", name, "--train.epochs=1", "--train.epochs=2")
        self.assertFalse((self.folder / "runs").exists())

    def test_check_says_ok_and_writes_nothing(self):
        name = self.regression()
        out, err = self.run_program("check", name, "--train.epochs=5")
        self.assertEqual(out.splitlines()[-1], "ok")
        self.assertEqual(err, "")
        self.assertIn("100 rows", out)
        self.assertFalse((self.folder / "runs").exists())

    def test_resolved_config_trains_the_same(self):
        name = self.regression()
        self.run_program("train", name, "--train.epochs=2", "--model.layer", "5 relu", "--model.layer=1 linear")
        resolved = (self.folder / "runs/c/config.ini").read_text(encoding="utf-8")
        self.assertIn("# command line", resolved)
        self.assertIn("# c.ini:7", resolved)
        self.assertIn("# default", resolved)
        self.write("again.ini", resolved)
        self.run_program("train", "again.ini", "--run.dir=runs/again")
        self.assert_same_bits(self.checkpoints()[-1], self.checkpoints("runs/again")[-1])


if __name__ == "__main__":
    unittest.main()
