"""Metrics: against scikit-learn on random and degenerate data; in the log, as monitors; what is refused."""

import json
import re
import unittest

import h5py
import numpy as np

from support import CliTest

try:
    import warnings

    from sklearn import metrics as sk
    from sklearn.calibration import calibration_curve

    warnings.filterwarnings("ignore", module="sklearn")  # it warns where a metric is not defined
except ImportError:
    sk = None

# float64 against float64, some thousand additions.
TOLERANCE = 1e-12

CONFIG = """[data]
train = data.h5
weights = {weights}
[train]
loss = {loss}
epochs = 0
[model]
layer = {outputs} linear
precision = {precision}
init-from = identity.h5
"""

BINARY, CATEGORICAL = "binary-cross-entropy", "categorical-cross-entropy"
LOG_LOSS_CUT = np.finfo(np.float64).eps


class IdentityTest(CliTest):
    """A network that hands its inputs on: its outputs, or logits, are the features."""

    def model(self, loss, outputs, weighted, precision="float64"):
        with h5py.File(self.folder / "identity.h5", "w") as file:
            file["model/layer_000/weight"] = np.eye(outputs)
            file["model/layer_000/bias"] = np.zeros(outputs)
        self.write("c.ini", CONFIG.format(loss=loss, outputs=outputs, precision=precision,
                                          weights="w" if weighted else "none"))

    def judge(self, loss, x, y, weights=None, options=(), precision="float64", classes=None):
        """Returns what `evaluate --json` says, and what predict wrote."""
        self.model(loss, x.shape[1], weights is not None, precision)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file["x"], file["y"] = x, y
            if weights is not None:
                file["w"] = weights
            if classes is not None:
                file["y"].attrs["classes"] = np.array(classes, dtype="S")
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={self.id()}-{self.runs}")
        run = f"{self.id()}-{self.runs}"
        self.runs += 1
        out, _ = self.run_program("evaluate", run, "data.h5", "--json", *options)
        self.run_program("predict", run, "data.h5", "--output", "p.h5")
        with h5py.File(self.folder / "p.h5") as file:
            return json.loads(out), file["prediction"][()].astype(np.float64)

    runs = 0

    def assert_close(self, found, expected, what):
        if expected is None or np.isnan(expected):
            self.assertIsNone(found, what)
        else:
            self.assertLessEqual(abs(found - expected), TOLERANCE * max(1, abs(expected)), (what, found, expected))


@unittest.skipIf(sk is None, "python3-sklearn is not installed")
class ScikitLearn(IdentityTest):
    """The same numbers, to 1e-12, from the predictions that the program writes."""

    def regression(self, x, y, weights=None, name=""):
        found, p = self.judge("mse", x, y, weights, ("--metrics", "mse rmse mae r2 max_error pinball pinball_0.9"))
        y, p = y.reshape(len(y), -1), p.reshape(len(p), -1)
        kept = slice(None) if weights is None else weights > 0
        mse = sk.mean_squared_error(y, p, sample_weight=weights)
        expected = {
            "mse": mse, "rmse": np.sqrt(mse), "mae": sk.mean_absolute_error(y, p, sample_weight=weights),
            "r2": sk.r2_score(y, p, sample_weight=weights) if len(y) > 1 else None,
            "max_error": max(sk.max_error(y[kept, o], p[kept, o]) for o in range(y.shape[1])),
            "pinball": sk.mean_pinball_loss(y, p, sample_weight=weights),
            "pinball_0.9": sk.mean_pinball_loss(y, p, alpha=0.9, sample_weight=weights)}
        for metric, value in expected.items():
            self.assert_close(found[metric], value, (name, metric))

    def test_regression(self):
        random = np.random.default_rng(1)
        x = random.normal(size=(3000, 3))
        y = x + random.normal(size=x.shape) * [0.1, 1, 10]
        weights = random.exponential(size=3000) * (random.random(3000) < 0.7)
        self.regression(x, y, name="three outputs")
        self.regression(x, y, weights, "weights, some of them 0")
        self.regression(x[:, :1] + 1e4, y[:, :1] + 1e4, weights, "far from 0")
        self.regression(x[:, :1], np.full((3000, 1), 0.5), name="a constant target")
        self.regression(np.full((50, 1), 2.5), np.full((50, 1), 2.5), name="a constant target that is met")
        self.regression(x[:1, :1], y[:1, :1], name="one row")

    def averages(self, found, y, labels, weights, average, macro, name):
        for metric, value in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
            facts = {"sample_weight": weights, "zero_division": 0}
            self.assert_close(found[metric], value(y, labels, average=average, **facts), (name, metric))
            self.assert_close(found["macro_" + metric], value(y, labels, average=macro, **facts), (name, "macro", metric))

    def area(self, y, p, weights):
        if weights is not None:
            y, p, weights = y[weights > 0], p[weights > 0], weights[weights > 0]
        return sk.roc_auc_score(y, p, sample_weight=weights) if len(np.unique(y)) == 2 else np.nan

    def binary_calibration(self, y, p, weights, bins):
        if weights is None:
            true, predicted = calibration_curve(y, p, n_bins=bins)
            counts = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p), minlength=bins)
            return np.sum(np.abs(true - predicted) * counts[counts > 0]) / len(y)
        places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
        return sum(abs(np.sum((weights * (y - p))[places == b])) for b in range(bins)) / weights.sum()

    def binary(self, x, y, weights=None, name="", precision="float64"):
        found, p = self.judge(BINARY, x, y, weights, precision=precision)
        y, p, labels = y.reshape(-1), p.reshape(-1), (x.reshape(-1) > 0).astype(int)
        self.averages(found, y, labels, weights, "binary", "macro", name)
        self.assert_close(found["accuracy"], sk.accuracy_score(y, labels, sample_weight=weights), name)
        self.assert_close(found["auc"], self.area(y, p, weights), (name, "auc"))
        self.assert_close(found["log_loss"],
                          sk.log_loss(y, p.clip(LOG_LOSS_CUT, 1 - LOG_LOSS_CUT), labels=[0, 1], sample_weight=weights),
                          (name, "log_loss"))
        self.assert_close(found["calibration_error"], self.binary_calibration(y, p, weights, 15), (name, "calibration"))
        self.classes(found, y, labels, [0, 1], weights, name)

    def classes(self, found, y, labels, names, weights, name):
        scores = sk.precision_recall_fscore_support(y, labels, labels=names, sample_weight=weights, zero_division=0)
        for k, of in enumerate(found["classes"]):
            for metric, values in zip(("precision", "recall", "f1", "rows"), scores):
                self.assert_close(of[metric], values[k], (name, k, metric))
        np.testing.assert_allclose(found["confusion_matrix"],
                                   sk.confusion_matrix(y, labels, labels=names, sample_weight=weights), rtol=TOLERANCE)

    def test_binary(self):
        random = np.random.default_rng(2)
        x = 3 * random.normal(size=(4000, 1))
        y = (random.random((4000, 1)) < 1 / (1 + np.exp(-x))).astype(np.int64)
        weights = random.exponential(size=4000) * (random.random(4000) < 0.7)
        self.binary(x, y, name="random")
        self.binary(x, y, weights, "weights, some of them 0")
        self.binary(np.round(x), y, weights, "ties")
        self.binary(np.round(100 * x), y, name="probabilities of 0 and 1")
        self.binary(np.round(10 * x).astype(np.float32), y, weights, "float32", "float32")
        self.binary(np.zeros_like(x), y, name="all scores equal")
        self.binary(x, np.zeros_like(y), name="class 0 alone")
        self.binary(x, np.ones_like(y), weights, name="class 1 alone")
        self.binary(-np.abs(x), y, name="class 1 is never predicted")
        self.binary(x, y, np.where(y[:, 0] == 1, 0.0, 1.0), "class 1 weighs nothing")

    def test_several_binary_outputs(self):
        random = np.random.default_rng(3)
        x = np.round(2 * random.normal(size=(1500, 3)), 1)
        y = (random.random(x.shape) < 1 / (1 + np.exp(-x))).astype(np.int64)
        weights = random.exponential(size=1500)
        found, p = self.judge(BINARY, x, y, weights)
        labels = (x > 0).astype(int)
        self.averages(found, y, labels, weights, "macro", "macro", "several")
        self.assert_close(found["accuracy"], np.average(labels == y, axis=0, weights=weights).mean(), "accuracy")
        self.assert_close(found["auc"], sk.roc_auc_score(y, p, average="macro", sample_weight=weights), "auc")
        self.assert_close(found["log_loss"],
                          np.mean([sk.log_loss(y[:, o], p[:, o], sample_weight=weights) for o in range(3)]), "log_loss")
        self.assert_close(found["calibration_error"], np.mean(
            [self.binary_calibration(y[:, o], p[:, o], weights, 15) for o in range(3)]), "calibration")
        self.assertEqual([of["class"] for of in found["classes"]], ["0", "1", "2"])
        self.assertNotIn("confusion_matrix", found)

    def categorical(self, x, y, weights=None, name="", precision="float64", options=()):
        found, p = self.judge(CATEGORICAL, x, y, weights, options, precision)
        classes, labels = list(range(x.shape[1])), x.argmax(axis=1)
        kept = np.full(len(y), True) if weights is None else weights > 0
        w = np.ones(len(y)) if weights is None else weights
        self.averages(found, y[kept], labels[kept], None if weights is None else w[kept], "macro", "macro", name)
        self.assert_close(found["accuracy"], sk.accuracy_score(y, labels, sample_weight=weights), (name, "accuracy"))
        areas = [self.area((y == k).astype(int), p[:, k], weights) for k in classes]
        for of, area in zip(found["classes"], areas):
            self.assert_close(of["auc"], area, (name, of["class"], "auc"))
        if len(classes) > 2 and not np.isnan(areas).any() and precision == "float64":
            self.assert_close(found["auc"], sk.roc_auc_score(
                y[kept], p[kept], multi_class="ovr", sample_weight=None if weights is None else w[kept]), (name, "auc"))
        defined = [area for area in areas if not np.isnan(area)]
        self.assert_close(found["auc"], np.mean(defined) if defined else np.nan, (name, "auc"))
        q = p.clip(LOG_LOSS_CUT, 1 - LOG_LOSS_CUT)
        self.assert_close(found["log_loss"], sk.log_loss(
            y, q / q.sum(axis=1, keepdims=True), labels=classes, sample_weight=weights), (name, "log_loss"))
        if len(classes) > 5:
            self.assert_close(found["top_5"], sk.top_k_accuracy_score(
                y, p, k=5, labels=classes, sample_weight=weights), (name, "top_5"))
        places = np.searchsorted(np.linspace(0, 1, 16)[1:-1], p.max(axis=1))
        gaps = w * ((labels == y) - p.max(axis=1))
        self.assert_close(found["calibration_error"],
                          sum(abs(gaps[places == b].sum()) for b in range(15)) / w.sum(), (name, "calibration"))
        self.classes(found, y, labels, classes, weights, name)

    def test_categorical(self):
        random = np.random.default_rng(4)
        y = np.minimum(random.geometric(0.35, 3000) - 1, 7)
        x = random.normal(size=(3000, 8)) + 1.5 * np.eye(8)[y]
        weights = random.exponential(size=3000) * (random.random(3000) < 0.7)
        self.categorical(x, y, name="random")
        self.categorical(x, y, weights, "weights, some of them 0")
        self.categorical(x, y, weights, "scores in a file", options=("--memory", "400KB"))
        self.categorical(np.round(x), y, weights, "ties")
        self.categorical(np.round(60 * x), y, name="probabilities of 0 and 1")
        self.categorical(np.round(x).astype(np.float32), y, weights, "float32", "float32")
        self.categorical(np.zeros_like(x), y, name="all scores equal")
        self.categorical(x, np.full_like(y, 3), name="one class")
        self.categorical(x - 1e3 * (np.arange(8) > 5), np.minimum(y, 4), weights, "classes that never occur")
        self.categorical(x[:, :2], y % 2, name="two classes")


class Reports(IdentityTest):
    def data(self, classes, rows, seed=5):
        random = np.random.default_rng(seed)
        y = random.integers(0, classes, rows)
        return random.normal(size=(rows, classes)) + 2 * np.eye(classes)[y], y

    def evaluate(self, classes, rows, names=None):
        x, y = self.data(classes, rows)
        found, _ = self.judge(CATEGORICAL, x, y, classes=names)
        return found, self.run_program("evaluate", f"{self.id()}-{self.runs - 1}", "data.h5")[0]

    def test_few_classes_are_all_told_by_name(self):
        found, text = self.evaluate(3, 60, ["setosa", "versicolor", "virginica"])
        self.assertEqual([of["class"] for of in found["classes"]], ["setosa", "versicolor", "virginica"])
        self.assertRegex(text, r"(?m)^class +rows +precision +recall +f1 +auc$")
        matrix = [[int(n) for n in line] for line in re.findall(r"(?m)^v?\w+ +(\d+) +(\d+) +(\d+)$", text)]
        self.assertEqual(matrix, found["confusion_matrix"])
        self.assertRegex(text, r"(?m)^accuracy +0\.\d+$")

    def test_of_many_classes_the_worst_are_told(self):
        found, text = self.evaluate(300, 1500)
        self.assertEqual((len(found["classes"]), len(found["confusion_matrix"])), (300, 300))
        self.assertLess(len(text.splitlines()), 60)
        self.assertLess(max(map(len, text.splitlines())), 100)
        self.assertIn("10 of 300 classes, by the lowest f1:", text)
        lowest = min(found["classes"], key=lambda of: of["f1"])["class"]
        self.assertRegex(text, rf"(?m)^{lowest} ")
        self.assertIn("kinds of confusion, by the most rows (--json has all)", text)

    def test_too_many_classes_for_a_matrix_are_cells(self):
        found, _ = self.evaluate(1001, 1200)
        self.assertNotIn("confusion_matrix", found)
        self.assertEqual(sum(rows for *_, rows in found["confusions"]), 1200)
        right = sum(rows for actual, predicted, rows in found["confusions"] if actual == predicted)
        self.assertAlmostEqual(right / 1200, found["accuracy"], delta=1e-12)

    def test_chosen_metrics_alone(self):
        x, y = self.data(4, 50)
        found, _ = self.judge(CATEGORICAL, x, y, options=("--metrics", "top_2, auc"))
        self.assertEqual(list(found), ["rows", "loss", "top_2", "auc"])
        run = f"{self.id()}-0"
        for names, fragments in (("rmse", ["no such metric", "accuracy, top_K"]), ("acuracy", ["did you mean accuracy?"]),
                                 ("top_4", ["name fewer"]), ("top", ["top_K"]), ("auc auc", ["twice"]), ("", [])):
            self.assert_refused(2, ["--metrics", *fragments], "evaluate", run, "data.h5", "--metrics", names)

    def test_same_bits_for_any_threads_in_memory_and_streamed(self):
        x, y = self.data(6, 20_000)
        self.judge(CATEGORICAL, x, y, np.random.default_rng(1).exponential(size=len(y)))
        outs = {self.run_program("evaluate", f"{self.id()}-0", "data.h5", "--json", "--threads", threads, "--memory",
                                 memory)[0] for threads in (1, 2, 3) for memory in ("1GiB", "1MiB")}
        self.assertEqual(len(outs), 1)


CLASSES = """[data]
train = train.h5
valid = valid.h5
[model]
layer = 6 tanh
layer = 3 linear
[train]
loss = categorical-cross-entropy
epochs = 12
batch-size = 32
[optimizer]
learning-rate = 0.3
"""


class Training(CliTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(8)
        for name in ("train", "valid"):
            y = random.integers(0, 3, 300)
            self.write_data(f"{name}.h5", x=random.normal(size=(300, 4)) + np.eye(4)[y], y=y)
        self.write("c.ini", CLASSES)

    def epochs(self, run):
        return [line for line in self.metrics(run) if line["kind"] == "epoch"]

    def model(self, checkpoint):
        return {name: value for name, value in self.contents(checkpoint).items() if not name.startswith("progress")}

    def train(self, run, *options, expect=0):
        self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *options, expect=expect)

    def test_the_log_has_the_chosen_metrics(self):
        self.train("usual")
        self.train("chosen", "--train.metrics=auc macro_f1,top_2", "--early-stopping.monitor=valid_log_loss")
        usual, chosen = self.epochs("usual"), self.epochs("chosen")
        names = [[name for name in lines[0] if name.startswith("valid_")] for lines in (usual, chosen)]
        self.assertEqual(names[0], ["valid_loss", "valid_accuracy"])
        self.assertEqual(names[1], ["valid_loss", "valid_auc", "valid_macro_f1", "valid_top_2", "valid_log_loss"])
        self.assertEqual([line["valid_loss"] for line in usual], [line["valid_loss"] for line in chosen])
        self.assertEqual(*[self.model(self.checkpoints(run)[-1]) for run in ("usual", "chosen")])
        for line in chosen:
            self.assertAlmostEqual(line["valid_log_loss"], line["valid_loss"], delta=1e-6)  # float32

    def test_the_log_says_what_evaluate_says(self):
        self.train("r", "--train.metrics=auc f1 calibration_error_10 log_loss")
        out, _ = self.run_program("evaluate", self.checkpoints("r")[-1], "valid.h5", "--json")
        told, last = json.loads(out), self.epochs("r")[-1]
        for name in ("auc", "f1", "calibration_error_10", "log_loss", "loss"):
            self.assertEqual(told[name], last[f"valid_{name}"], name)

    def best(self, run, monitor, higher):
        with h5py.File(self.folder / run / "checkpoints" / "best.h5") as file:
            step = int(file["progress"].attrs["step"])
            score = float(file["progress/best_scores"][0])
        scores = [line[monitor] for line in self.epochs(run)]
        wanted = max(scores) if higher else min(scores)
        self.assertEqual(score, wanted)
        self.assertEqual(step, self.epochs(run)[scores.index(wanted)]["step"])

    def test_every_monitor_knows_its_direction(self):
        for monitor, higher in (("valid_auc", True), ("valid_f1", True), ("valid_top_2", True), ("valid_accuracy", True),
                                ("valid_log_loss", False), ("valid_calibration_error", False), ("valid_loss", False)):
            with self.subTest(monitor):
                self.train(monitor, f"--early-stopping.monitor={monitor}", "--optimizer.learning-rate=2")
                self.best(monitor, monitor, higher)

    def test_stopping_by_a_metric_is_exact_over_resumes(self):
        options = ("--early-stopping.monitor=valid_auc", "--early-stopping.patience=2", "--train.epochs=60",
                   "--train.metrics=auc accuracy", "--optimizer.learning-rate=2")
        self.train("whole", *options)
        end = self.metrics("whole")[-1]
        self.assertEqual(end["reason"], "early-stopping")
        self.assertGreater(end["epoch"], 3)
        for steps in (13, 25, 10**6):
            self.train("parts", "--resume", *options, f"--train.max-steps={steps}")
        self.assertEqual(self.metrics("parts")[-1]["reason"], "early-stopping")
        self.assert_same_bits(self.checkpoints("whole")[-1], self.checkpoints("parts")[-1])
        self.assertEqual([line["valid_auc"] for line in self.epochs("whole")],
                         [line["valid_auc"] for line in self.epochs("parts")])

    def test_an_undefined_monitor_never_improves(self):
        x = np.zeros((50, 4), np.float32)
        self.write_data("valid.h5", x=x, y=np.ones(50, np.int64))
        self.train("r", "--early-stopping.monitor=valid_auc", "--early-stopping.patience=3", "--train.epochs=20")
        self.assertEqual([line["valid_auc"] for line in self.epochs("r")], [None] * 4)
        self.assertEqual(self.metrics("r")[-1]["reason"], "early-stopping")

    def test_test_rows_are_judged_by_them_too(self):
        self.train("r", "--train.metrics=recall auc", "--data.test=valid.h5")
        end = self.metrics("r")[-1]
        self.assertEqual([name for name in end if name.startswith("test_")], ["test_loss", "test_recall", "test_auc"])

    def test_refusals(self):
        for key, value, *fragments in (
                ("train.metrics", "rmse", "categorical-cross-entropy has no rmse", "accuracy, top_K"),
                ("train.metrics", "top_3", "of 3 classes", "name fewer"),
                ("train.metrics", "acuracy", "'acuracy' is no metric", "did you mean accuracy?"),
                ("train.metrics", "auc,auc", "names auc twice"), ("train.metrics", ",", "must be at least one"),
                ("train.metrics", "pinball_1.5", "is no metric"), ("train.metrics", "top_0", "is no metric"),
                ("train.metrics", "calibration_error_2.5", "is no metric"),
                ("early-stopping.monitor", "valid_pinball_0.9", "has no pinball_0.9"),
                ("early-stopping.monitor", "valid_aux", "did you mean valid_auc?"),
                ("early-stopping.monitor", "train_auc", "must be one of")):
            with self.subTest(value):
                self.assert_refused(2, [f"{key} = {value}", *fragments], "train", "c.ini", f"--{key}={value}")
        self.assertFalse((self.folder / "runs").exists())
        self.train("r")
        self.assert_refused(2, ["early-stopping.monitor = valid_auc", "valid_loss"], "train", "c.ini", "--run.dir=r",
                            "--resume", "--early-stopping.monitor=valid_auc")
        self.train("r", "--resume", "--train.metrics=auc", "--train.epochs=13")  # what is looked at may change
        self.assertIn("valid_auc", self.epochs("r")[-1])


if __name__ == "__main__":
    unittest.main()
