"""The exact numbers of tests/oracle through the program: networks come in by model.init-from, in float64."""

import json
import pathlib
import unittest

import h5py
import numpy as np
from support import CliTest

ORACLES = sorted((pathlib.Path(__file__).resolve().parents[1] / "oracle").glob("*.json"))
LOSSES = {"mse": "mse", "mae": "mae", "bce": "binary-cross-entropy", "cce": "categorical-cross-entropy"}


def prediction(loss, output):
    """What `predict` writes of these outputs."""
    if loss == "bce":
        return 1 / (1 + np.exp(-output))
    if loss == "cce":
        exponentials = np.exp(output - output.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)
    return output


class Oracle(CliTest):
    def prepare(self, oracle):
        with h5py.File(self.folder / "start.h5", "w") as file:
            for l, (weight, bias) in enumerate(zip(oracle["weights"], oracle["biases"])):
                file[f"model/layer_{l:03}/weight"], file[f"model/layer_{l:03}/bias"] = weight, bias
        self.write_data(x=np.array(oracle["x"]), y=np.array(oracle["y"]))
        layers = "".join(f"layer = {units} {activation}\n"
                         for units, activation in zip(oracle["sizes"][1:], oracle["activations"]))
        self.write("c.ini", f"[data]\ntrain = data.h5\nshuffle = none\n"
                            f"[model]\nprecision = float64\ninit-from = start.h5\n{layers}"
                            f"[train]\nloss = {LOSSES[oracle['loss']]}\nbatch-size = {len(oracle['x'])}\nepochs = 1000\n"
                            f"[optimizer]\nlearning-rate = {oracle['learning_rate']!r}\n"
                            f"[checkpoint]\nevery-epochs = none\n")

    def parameters_after(self, steps):
        run = f"runs/{steps}"
        self.run_program("train", "c.ini", f"--run.dir={run}", f"--train.max-steps={steps}")
        with h5py.File(self.checkpoints(run)[-1]) as file:
            layers = [file["model"][name] for name in sorted(file["model"])]
            return [layer["weight"][()] for layer in layers], [layer["bias"][()] for layer in layers]

    def check_parameters(self, steps, weights, biases):
        found = self.parameters_after(steps)
        for ours, theirs in zip(found[0] + found[1], weights + biases):
            np.testing.assert_allclose(ours, np.array(theirs), rtol=0, atol=1e-11)

    def test_all(self):
        self.assertGreaterEqual(len(ORACLES), 5)
        for path in ORACLES:
            with self.subTest(path.stem):
                self.setUp()
                oracle = json.loads(path.read_text(encoding="utf-8"))
                self.prepare(oracle)
                self.check_parameters(0, oracle["weights"], oracle["biases"])
                metrics = json.loads(self.run_program("evaluate", "runs/0", "data.h5", "--json")[0])
                self.assertAlmostEqual(metrics["loss"], oracle["loss_value"], delta=1e-12)
                self.run_program("predict", "runs/0", "data.h5", "--output", "p.h5")
                with h5py.File(self.folder / "p.h5") as file:
                    expected = prediction(oracle["loss"], np.array(oracle["output"]))
                    np.testing.assert_allclose(file["prediction"][()], expected, rtol=0, atol=1e-12)
                for steps in (1, 10, 100):
                    after = oracle[f"after_{steps}"]
                    self.check_parameters(steps, after["weights"], after["biases"])


class InitialParameters(CliTest):
    """What model.init-from takes and refuses."""

    def setUp(self):
        super().setUp()
        self.regression("[checkpoint]\nevery-epochs = none\n")  # 3 features, 8 tanh, 1 linear

    def write_start(self, **changes):
        tensors = {"layer_000/weight": np.full((8, 3), 0.5, np.float32), "layer_000/bias": np.zeros(8),
                   "layer_001/weight": np.ones((1, 8), np.float16), "layer_001/bias": np.array([2], np.int32), **changes}
        with h5py.File(self.folder / "start.h5", "w") as file:
            for name, values in tensors.items():
                if values is not None:
                    file[f"model/{name}"] = values

    def test_any_numeric_type_is_rounded_to_the_precision(self):
        self.write_start()
        self.run_program("train", "c.ini", "--model.init-from=start.h5", "--train.max-steps=0")
        with h5py.File(self.checkpoints()[-1]) as file:
            self.assertEqual(file["model/layer_000/weight"].dtype, np.float32)
            self.assertTrue((file["model/layer_000/weight"][()] == 0.5).all())
            self.assertEqual(file["model/layer_001/bias"][()].tolist(), [2])

    def test_a_checkpoint_starts_a_run_in_another_precision(self):
        self.run_program("train", "c.ini", "--run.dir=first")
        first = self.checkpoints("first")[-1]
        self.run_program("train", "c.ini", f"--model.init-from={first}", "--model.precision=float64",
                         "--train.max-steps=0")
        with h5py.File(first) as a, h5py.File(self.checkpoints()[-1]) as b:
            self.assertEqual(b["model/layer_000/weight"].dtype, np.float64)
            self.assertTrue((a["model/layer_000/weight"][()] == b["model/layer_000/weight"][()]).all())

    def test_a_resume_needs_it_no_more(self):
        self.write_start()
        self.run_program("train", "c.ini", "--model.init-from=start.h5", "--train.max-steps=2")
        (self.folder / "start.h5").unlink()
        self.run_program("train", "c.ini", "--model.init-from=start.h5", "--train.max-steps=4", "--resume")

    def assert_start_refused(self, code, fragments):
        for command in ("train", "check"):
            self.assert_refused(code, fragments, command, "c.ini", "--model.init-from=start.h5")
        self.assertFalse((self.folder / "runs/c").exists())

    def test_refusals(self):
        self.assert_start_refused(2, ["model.init-from", "start.h5", "no such file"])
        self.write_start(**{"layer_000/weight": np.zeros((3, 8))})
        self.assert_start_refused(4, ["start.h5", "/model/layer_000/weight", "(3, 8)", "(8, 3)"])
        self.write_start(**{"layer_001/bias": None})
        self.assert_start_refused(4, ["/model/layer_001/bias", "missing"])
        self.write_start(**{"layer_000/bias": np.full(8, np.nan)})
        self.assert_start_refused(4, ["/model/layer_000/bias", "nan"])
        self.write_start(**{"layer_002/bias": np.zeros(1)})
        self.assert_start_refused(4, ["layer_002", "2 layers"])
        self.write("start.h5", "no HDF5 at all\n")
        self.assert_start_refused(4, ["start.h5"])
        self.run_program("train", "c.ini", "--run.dir=first")
        damaged = bytearray(self.checkpoints("first")[-1].read_bytes())
        damaged[700] ^= 1
        (self.folder / "start.h5").write_bytes(damaged)
        self.assert_start_refused(4, ["start.h5", "checksum"])


if __name__ == "__main__":
    unittest.main()
