"""Help, versions, and command lines that are refused."""

import os
import subprocess
import unittest

from support import PROGRAM, CliTest

COMMANDS = ["train", "evaluate", "predict", "import", "generate", "inspect", "bench", "verify", "check",
            "verify-resume", "repack", "schedule", "cross-validate"]


class CommandLine(CliTest):
    def test_help_names_every_command(self):
        out, err = self.run_program("help")
        self.assertEqual(err, "")
        for command in COMMANDS:
            self.assertIn(f"  {command} ", out)

    def test_each_command_has_help(self):
        for command in COMMANDS:
            by_word, _ = self.run_program("help", command)
            by_option, _ = self.run_program(command, "--help")
            self.assertEqual(by_word, by_option)
            self.assertTrue(by_word.startswith(f"usage: gradloom {command} "), by_word)

    def test_help_wins_over_missing_arguments(self):
        out, _ = self.run_program("predict", "nothing.h5", "--help")
        self.assertIn("--output FILE", out)

    def test_help_config_lists_the_keys(self):
        out, _ = self.run_program("help", "config")
        for word in ("[optimizer]", "learning-rate", "default 0.01", "batch-size", "early-stopping"):
            self.assertIn(word, out)

    def test_version_names_libraries(self):
        out, _ = self.run_program("--version")
        for word in ("gradloom ", "oneTBB ", "OpenBLAS", "HDF5 1.", "Boost 1.", "core type", "instruction set"):
            self.assertIn(word, out)

    def test_no_command_prints_usage_on_stderr(self):
        out, err = self.run_program(expect=2)
        self.assertEqual(out, "")
        self.assertIn("usage: gradloom COMMAND", err)

    def test_unknown_command(self):
        self.assert_refused(2, ["unknown command 'trian'", "did you mean train?"], "trian")
        self.assert_refused(2, ["unknown command 'frobnicate'", "gradloom help"], "frobnicate")
        self.assert_refused(2, ["unknown command"], "help", "frobnicate")

    def test_unknown_option(self):
        self.assert_refused(2, ["--resme", "did you mean --resume?"], "train", "c.ini", "--resme")
        self.assert_refused(2, ["--jsn", "did you mean --json?"], "evaluate", "a", "b", "--jsn")
        self.assert_refused(2, ["-x"], "train", "c.ini", "-x")

    def test_missing_and_surplus_arguments(self):
        self.assert_refused(2, ["CONFIG is missing"], "train")
        self.assert_refused(2, ["DATA is missing"], "evaluate", "a")
        self.assert_refused(2, ["FILE"], "verify")
        self.assert_refused(2, ["'c' is one argument too many"], "evaluate", "a", "b", "c")
        self.assert_refused(2, ["--output FILE is missing"], "predict", "a", "b")
        self.assert_refused(2, ["--rows N is missing"], "generate", "blobs", "--output", "x.h5")

    def test_wrong_option_values(self):
        self.assert_refused(2, ["--json takes no value"], "evaluate", "a", "b", "--json=1")
        self.assert_refused(2, ["--output needs a value"], "predict", "a", "b", "--output")
        self.assert_refused(2, ["--output needs a value"], "predict", "a", "b", "--output", "--threads", "1")
        self.assert_refused(2, ["--output is given twice"], "predict", "a", "b", "--output=a.h5", "--output=b.h5")
        for threads in ("-1", "0", "many", "1.5", "641", ""):
            self.assert_refused(2, ["--threads", "from 1 to 640"], "evaluate", "a", "b", f"--threads={threads}")
        self.assert_refused(2, ["--noise x", "number"], "generate", "blobs", "--rows", 5, "--output=x.h5", "--noise=x")
        self.assert_refused(2, ["--missing maen"], "import", "a.csv", "--output=x.h5", "--missing", "maen")
        self.assert_refused(2, ["--split 0.5,b"], "import", "a.csv", "--output=x.h5", "--split=0.5,b")
        self.assert_refused(2, ["exclude each other"], "import", "a.csv", "--output=x.h5", "--header", "--no-header")

    def test_standard_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn("cannot write to standard output", done.stderr)

    def test_blas_variable_of_the_environment_does_no_harm(self):
        for value in (None, "1", "2", "junk"):
            environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
            if value:
                environment["OPENBLAS_NUM_THREADS"] = value
            self.run_program("--version", env=environment)


if __name__ == "__main__":
    unittest.main()
