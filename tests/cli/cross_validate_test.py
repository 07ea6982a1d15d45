"""gradloom cross-validate, and data.fold, the key that it sets for each run."""

import json
import signal
import time
import unittest

import h5py
import numpy as np

import support
from support import CliTest

STANDARDIZED = support.REGRESSION.replace("[model]", "standardize = features\n[model]")
CLASSES = """[data]
train = data.h5
standardize = features
[model]
layer = 6 relu
layer = 3 linear
[train]
loss = categorical-cross-entropy
epochs = 2
batch-size = 16
"""
ROWS = 90


class CrossValidate(CliTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        # Row r alone has something in column r: the means that a checkpoint holds tell which rows trained.
        self.x = np.eye(ROWS)
        self.y = random.normal(size=(ROWS, 1))
        self.labels = random.choice(3, size=ROWS, p=(0.6, 0.3, 0.1))
        self.write("c.ini", STANDARDIZED)

    def regression(self, extra=""):
        self.write_data(x=self.x, y=self.y)
        self.write("c.ini", STANDARDIZED + extra)

    def classes(self, extra=""):
        self.write_data(x=self.x, y=self.labels)
        self.write("c.ini", CLASSES + extra)

    def cross_validate(self, *arguments, expect=0):
        out, err = self.run_program("cross-validate", "c.ini", "--json", *arguments, expect=expect)
        self.assertEqual(err, "")
        return json.loads(out)

    def last(self, run):
        return self.checkpoints(run)[-1]

    def trained(self, run):
        """The rows that a run trained on."""
        with h5py.File(self.last(run)) as file:
            return set(np.flatnonzero(file["preprocessing/x_mean"][:]))

    def held_out(self, run):
        return set(range(ROWS)) - self.trained(run)

    def folds(self, count, run="runs/c"):
        return [self.held_out(f"{run}/fold-{number}") for number in range(1, count + 1)]

    def evaluate(self, checkpoint, rows):
        """What `evaluate` says of these rows of the set."""
        with h5py.File(self.folder / "data.h5") as file:
            sets = {name: file[name][sorted(rows)] for name in file}
        self.write_data("fold.h5", **sets)
        return json.loads(self.run_program("evaluate", checkpoint, "fold.h5", "--json")[0])

    def test_every_row_is_tested_once(self):
        self.regression()
        self.cross_validate("--folds", 4)
        folds = self.folds(4)
        self.assertEqual(sorted(row for fold in folds for row in fold), list(range(ROWS)))
        self.cross_validate("--folds", 4, "--train.seed=2", "--run.dir=other")
        self.assertNotEqual(self.folds(4, "other"), folds)

    def test_five_folds_by_default(self):
        self.regression()
        self.assertEqual(self.cross_validate()["folds"], 5)
        self.assertTrue((self.folder / "runs/c/fold-5").is_dir())
        self.assertFalse((self.folder / "runs/c/fold-6").exists())

    def test_stratified_folds_have_their_share_of_each_class(self):
        self.classes()
        result = self.cross_validate("--folds", 4, "--stratified")
        self.assertTrue(result["stratified"])
        folds = self.folds(4)
        self.assertEqual(sorted(row for fold in folds for row in fold), list(range(ROWS)))
        for label in range(3):
            counts = [sum(self.labels[row] == label for row in fold) for fold in folds]
            self.assertLessEqual(max(counts) - min(counts), 1, (label, counts))
        self.assertEqual([one["rows"] for one in result["results"]], [len(fold) for fold in folds])

    def test_stratified_folds_of_binary_targets(self):
        self.write_data(x=self.x, y=(self.labels > 0).astype(np.uint8))
        self.write("c.ini", CLASSES.replace("3 linear", "1 linear").replace("categorical", "binary"))
        self.cross_validate("--folds", 3, "--stratified")
        counts = [sum(self.labels[row] > 0 for row in fold) for fold in self.folds(3)]
        self.assertLessEqual(max(counts) - min(counts), 1)

    def test_scores_are_those_of_evaluate_on_the_fold(self):
        for write in (self.regression, self.classes):
            with self.subTest(write.__name__):
                write()
                run = f"runs/{write.__name__}"
                result = self.cross_validate("--folds", 3, f"--run.dir={run}")
                for of_fold, rows in zip(result["results"], self.folds(3, run)):
                    scores = self.evaluate(self.last(of_fold["run_dir"]), rows)
                    for name in ("classes", "confusion_matrix"):
                        scores.pop(name, None)
                    self.assertEqual({name: of_fold[name] for name in scores}, scores)
                    self.assertEqual(of_fold["reason"], "epochs")
                    self.assertEqual(of_fold["epoch"], self.metrics(of_fold["run_dir"])[-1]["epoch"])

    def test_means_and_deviations(self):
        self.regression()
        result = self.cross_validate("--folds", 4, "--train.metrics=pinball_0.9")
        self.assertEqual(set(result["mean"]), {"loss", "mse", "rmse", "mae", "r2", "max_error", "pinball", "pinball_0.9"})
        self.assertEqual(list(result["mean"]), list(result["deviation"]))
        for name in result["mean"]:
            values = [of_fold[name] for of_fold in result["results"]]
            self.assertAlmostEqual(result["mean"][name], np.mean(values), delta=1e-12 * abs(np.mean(values)))
            self.assertAlmostEqual(result["deviation"][name], np.std(values, ddof=1), delta=1e-12 * np.std(values))
        with open(self.folder / "runs/c/cross-validation.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file), result)

    def test_what_a_fold_leaves_undefined_is_null(self):
        self.labels[:] = 0
        self.labels[:4] = 1
        self.classes()
        result = self.cross_validate("--folds", 8)
        aucs = [of_fold["auc"] for of_fold in result["results"]]
        self.assertIn(None, aucs)
        self.assertIsNone(result["mean"]["auc"])
        self.assertIsNotNone(result["mean"]["accuracy"])

    def test_a_fold_is_a_run_with_data_fold(self):
        self.regression()
        self.cross_validate("--folds", 3, "--train.threads=1")
        self.run_program("train", "c.ini", "--data.fold=2/3", "--run.dir=alone", "--train.threads=2")
        self.assert_same_bits(self.last("runs/c/fold-2"), self.last("alone"))
        out, _ = self.run_program("schedule", "c.ini", "--data.fold=2/3", "--json")
        self.assertEqual(json.loads(out)["training_rows"], len(self.trained("alone")))
        self.assertIn(f"test: {len(self.held_out('alone'))} rows", self.run_program("check", "c.ini", "--data.fold=2/3")[0])

    def test_the_table(self):
        self.regression()
        out, _ = self.run_program("cross-validate", "c.ini", "--folds", 2)
        self.assertIn("fold 2/2: runs/c/fold-2\n", out)
        self.assertEqual(out.count("\ntest: loss "), 2)
        table = out[out.index("2 folds"):].splitlines()
        self.assertEqual(table[0].split(), ["2", "folds", "mean", "deviation", "least", "most"])
        result = json.loads((self.folder / "runs/c/cross-validation.json").read_text(encoding="utf-8"))
        for line in table[1:]:
            name, mean, deviation, least, most = line.split()
            values = [of_fold[name] for of_fold in result["results"]]
            shown = [result["mean"][name], result["deviation"][name], min(values), max(values)]
            self.assertEqual([float(mean), float(deviation), float(least), float(most)],
                             [float(f"{value:.6g}") for value in shown])
        quiet, _ = self.run_program("cross-validate", "c.ini", "--folds", 2, "--quiet", "--run.dir=quiet")
        self.assertEqual(quiet.splitlines(), table)

    def test_validation_rows_are_of_the_other_folds(self):
        self.regression()
        arguments = ["--data.valid-fraction=0.3", "--train.epochs=20", "--optimizer.learning-rate=0.3"]
        result = self.cross_validate("--folds", 3, *arguments)
        plain = self.cross_validate("--folds", 3, "--run.dir=plain")
        for number, of_fold in enumerate(result["results"], start=1):
            tested = self.held_out(f"plain/fold-{number}")
            trained = self.trained(of_fold["run_dir"])
            validated = self.metrics(of_fold["run_dir"])[0]["validation_rows"]
            self.assertEqual(of_fold["rows"], len(tested))
            self.assertFalse(tested & trained)
            self.assertEqual(len(tested) + len(trained) + validated, ROWS)
            best = self.folder / of_fold["run_dir"] / "checkpoints/best.h5"
            self.assertEqual(of_fold["rmse"], self.evaluate(best, tested)["rmse"])
        self.assertEqual(plain["folds"], 3)

    def test_test_rows_of_the_config_are_left_alone(self):
        self.regression()
        self.write_data("test.h5", x=self.x, y=self.y)
        out, err = self.run_program("cross-validate", "c.ini", "--folds", 2, "--data.test=test.h5", "--json")
        self.assertEqual(err, "gradloom: warning: command line: data.test = test.h5: is left alone; each fold is tested "
                              "on its own rows\n")
        rows = [of_fold["rows"] for of_fold in json.loads(out)["results"]]
        self.assertEqual(sum(rows), ROWS)

    def test_a_stop_and_a_resume_leave_no_trace(self):
        self.regression()
        slow = ["--train.epochs=400", "--checkpoint.every-epochs=50"]
        straight = self.cross_validate("--folds", 3, "--run.dir=straight", *slow)
        for number in (signal.SIGTERM, signal.SIGKILL):
            run = f"stopped-{int(number)}"
            command = ["cross-validate", "c.ini", "--json", "--folds", 3, f"--run.dir={run}", *slow]
            process = self.start(*command)
            log = self.folder / run / "fold-2/metrics.jsonl"
            while process.poll() is None and not (log.exists() and '"epoch"' in log.read_text(encoding="utf-8")):
                time.sleep(0.001)
            process.send_signal(number)
            process.communicate(timeout=100)
            self.assertIn(process.returncode, (143, -9, 0))
            if process.returncode == 143:
                self.assertFalse((self.folder / run / "cross-validation.json").exists())
            out, _ = self.run_program(*command, "--resume")
            resumed = json.loads(out)
            for one, other in zip(straight["results"], resumed["results"]):
                self.assert_same_bits(self.last(one["run_dir"]), self.last(other["run_dir"]))
                other["run_dir"] = one["run_dir"]
            self.assertEqual(resumed, straight)
            before = {path: path.stat().st_mtime_ns for path in (self.folder / run).rglob("step-*.h5")}
            self.assertEqual(json.loads(self.run_program(*command, "--resume")[0])["mean"], straight["mean"])
            self.assertEqual({path: path.stat().st_mtime_ns for path in before}, before)

    def test_streamed_folds_are_those_in_memory(self):
        rows = 6000
        random = np.random.default_rng(1)
        x = random.normal(size=(rows, 40)).astype(np.float32)
        labels = (x[:, 0] + 0.5 * x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1.5)
        self.write_data(x=x, y=labels)
        self.write("c.ini", CLASSES)
        for arguments in ([], ["--stratified"], ["--stratified", "--data.valid-fraction=0.2"]):
            with self.subTest(arguments=arguments):
                name = "-".join(["run", *arguments]).replace("/", "")
                common = ["--folds", 2, "--data.shuffle=none", *arguments]
                memory = self.cross_validate(*common, f"--run.dir={name}-memory")
                streamed = self.cross_validate(*common, f"--run.dir={name}-stream", "--data.memory=700KiB")
                for one, other in zip(memory["results"], streamed["results"]):
                    with h5py.File(self.last(other["run_dir"])) as file:
                        self.assertGreater(file["progress"].attrs["window_blocks"], 0)
                    a, b = self.contents(self.last(one["run_dir"])), self.contents(self.last(other["run_dir"]))
                    differ = [key for key in a if a[key] != b[key]]
                    self.assertTrue(all("window" in key for key in differ), differ)
                    other["run_dir"] = one["run_dir"]
                self.assertEqual(memory, streamed)

    def test_refusals(self):
        self.regression()
        refused = self.assert_refused
        refused(2, ["--folds", "from 2 to 255"], "cross-validate", "c.ini", "--folds", 1)
        refused(2, ["--folds"], "cross-validate", "c.ini", "--folds", 256)
        refused(2, ["data.fold = 1/5 stratified", "one class each", "mse"], "cross-validate", "c.ini", "--stratified")
        refused(2, ["command line: data.fold = 1/3", "goes through all folds"], "cross-validate", "c.ini",
                "--data.fold=1/3")
        for text in ("0/3", "4/3", "1/1", "1/256", "3", "1/3 layered", "-1/3", "1/3stratified", "/"):
            refused(2, [f"data.fold = {text}: must be none, or FOLD/FOLDS [stratified]"], "train", "c.ini",
                    f"--data.fold={text}")
        refused(2, ["data.fold = 1/3", "data.test names test rows already"], "train", "c.ini", "--data.fold=1/3",
                "--data.test=data.h5")
        refused(3, ["data.h5: data.fold = ", "/255 of 90 rows leaves none to test on; use fewer folds"],
                "cross-validate", "c.ini", "--folds", 255)
        refused(3, ["data.valid-fraction = 0.001", "leaves none to validate on"], "cross-validate", "c.ini",
                "--data.valid-fraction=0.001")
        self.assertFalse((self.folder / "runs").exists())

    def test_a_row_count_does_not_tell_stratified_folds(self):
        self.classes()
        self.assert_refused(2, ["data.fold = 1/3 stratified", "labels"], "schedule", "c.ini", "--rows", 100,
                            "--data.fold=1/3 stratified")
        out, _ = self.run_program("schedule", "c.ini", "--json", "--data.fold=1/3 stratified")
        self.run_program("train", "c.ini", "--data.fold=1/3 stratified")
        self.assertEqual(json.loads(out)["training_rows"], len(self.trained("runs/c")))

    def test_folds_that_stand_there_are_not_trained_over(self):
        self.regression()
        self.run_program("train", "c.ini", "--data.fold=2/3", "--run.dir=runs/c/fold-2")
        self.assert_refused(2, ["runs/c/fold-2: holds checkpoints", "--resume"], "cross-validate", "c.ini", "--folds", 3)
        self.assertFalse((self.folder / "runs/c/fold-1").exists())
        self.assert_refused(2, ["fold 2/4: ", "data.fold = 2/4: the checkpoint was trained with 2/3"], "cross-validate",
                            "c.ini", "--folds", 4, "--resume", "--quiet")
        self.run_program("cross-validate", "c.ini", "--folds", 3, "--resume", "--run.dir=runs/new")

    def test_an_error_names_the_fold(self):
        self.regression()
        message = self.assert_refused(5, ["fold 1/5: ", "step 1"], "cross-validate", "c.ini", "--quiet",
                                      "--optimizer.learning-rate=1e300", "--train.epochs=50")
        self.assertNotIn("\n", message)


if __name__ == "__main__":
    unittest.main()
