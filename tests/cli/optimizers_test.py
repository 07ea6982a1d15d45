"""Every update rule with all of its options, weight decay, L1 and clipping.

Step by step beside PyTorch, with the networks and the replay of pytorch_differential_test.py; cut into killed pieces;
and as users meet them.
"""

import dataclasses
import itertools
import json
import math
import random
import shutil
import unittest

import h5py
import numpy as np

import pytorch_differential_test as sgd
import schedule_test as schedules
from support import CliTest

torch = sgd.torch

# The promise. Rules that divide by the root of a mean square make the same of a small gradient as of a large one, and
# so of its rounding; seen are up to 1e-11.
TOLERANCE = 1e-9

# Rule -> Gradloom's option -> values to draw from; the first is the default.
OPTIONS = {
    "sgd": {"momentum": [0, 0.9], "dampening": [0, 0.3], "nesterov": [False, True]},
    "adam": {"beta1": [0.9, 0, 0.5], "beta2": [0.999, 0.9], "epsilon": ["auto", 1e-3]},
    "adamw": {"beta1": [0.9, 0, 0.5], "beta2": [0.999, 0.9], "epsilon": ["auto", 1e-3]},
    "rmsprop": {"alpha": [0.99, 0.8], "centered": [False, True], "momentum": [0, 0.5], "epsilon": ["auto", 1e-3]},
    "adagrad": {"lr-decay": [0, 0.1], "initial-accumulator-value": [0, 0.5], "epsilon": ["auto", 1e-3]},
}
PENALTIES = {"weight-decay": [0, 0.02], "l1": [0, 1e-3], "decay-biases": [True, False],
             "clip-grad-norm": ["none", 0.1], "clip-grad-value": ["none", 0.02]}
SCHEDULES = ["step", "multistep", "exponential", "cosine", "polynomial", "one-cycle"]
STATES = {"momentum": "momentum_buffer"}  # Gradloom's name -> PyTorch's, where they differ


@dataclasses.dataclass
class Case(sgd.Case):
    """A training job by these keys of [optimizer], these products, and a schedule whose keys the seed draws."""

    keys: dict = dataclasses.field(default_factory=dict)
    products: str = "auto"
    schedule: str = "constant"

    def config(self):
        text = super().config()
        head, tail = text.split("[optimizer]\n")
        _, tail = tail.split("[schedule]\n")
        lines = "".join(f"{name} = {str(value).lower()}\n" for name, value in self.keys.items())
        schedule = {"type": self.schedule, **({} if self.schedule == "constant" else self.drawn_schedule()[0])}
        return (f"{head}products = {self.products}\n[optimizer]\nlearning-rate = {self.rate}\n{lines}[schedule]\n" +
                "".join(f"{name} = {value}\n" for name, value in schedule.items()) + tail)

    def drawn_schedule(self):
        return schedules.drawn_schedule(self.schedule, random.Random(self.seed), sgd.STEPS)


def drawn_case(rule, seed):
    """A case of pytorch_differential_test.py under that rule. Six seeds in a row meet every value of every option: the
    last one has them all at once, the first none."""
    random = np.random.default_rng([seed, 3])
    keys = {"type": rule}
    for index, (name, values) in enumerate({**OPTIONS[rule], **PENALTIES}.items()):
        turn = {0: 0, 5: len(values) - 1}.get(seed % 6, int(random.integers(0, len(values))))
        keys[name] = values[turn]
    if keys.get("nesterov"):
        keys["dampening"] = 0
        keys["momentum"] = 0.9
    if keys.get("momentum") == 0:
        keys.pop("dampening", None)
    fields = dataclasses.asdict(sgd.drawn_case(seed))
    fields["layers"] = sgd.drawn_case(seed).layers
    return Case(**fields, keys=keys, products=["auto", "panels", "blas"][seed % 3])


def drawn_case_of_all(seed):
    """Rule, penalties, clipping, normalization, schedule, loss and activations together, with a ragged last minibatch.
    30 seeds from a multiple of it on meet every rule with every schedule, and with every loss."""
    turn = seed // 6  # the options that a rule is drawn with take turns in six seeds
    case = drawn_case(list(OPTIONS)[turn % len(OPTIONS)], seed)
    rows = next(rows for rows in itertools.count(case.rows) if rows % case.batch > 1)
    layers = sgd.drawn_normalized_case(seed).layers
    if any("batch-norm" in functions for _, functions in layers):
        # The gradient of a bias before it can be rounding alone, of which a division by its size, and the sign that L1
        # takes, would make steps by chance.
        if "epsilon" in case.keys:
            case.keys["epsilon"] = 1e-3
        if case.keys["l1"]:
            case.keys["decay-biases"] = False
    return dataclasses.replace(case, layers=layers, rows=rows,
                               schedule=SCHEDULES[(seed + turn) % len(SCHEDULES)], dropout=(0, 0.3)[seed % 2])


class Optimizer:
    """PyTorch's optimizer for a case, with the clipping and the L1 penalty that it leaves to its user."""

    def __init__(self, case, network):
        self.keys = {**{name: values[0] for name, values in PENALTIES.items()}, **case.keys}
        self.parameters = list(network.parameters())
        self.penalized = [p for p in self.parameters if p.dim() > 1 or self.keys["decay-biases"]]
        spared = [p for p in self.parameters if all(p is not q for q in self.penalized)]
        groups = [{"params": self.penalized}] + ([{"params": spared, "weight_decay": 0}] if spared else [])
        self.rule = self.make(groups, {"lr": case.rate, "weight_decay": self.keys["weight-decay"]})
        self.param_groups = self.rule.param_groups
        self.state = self.rule.state

    def make(self, groups, common):
        keys = self.keys
        if keys.get("epsilon", "auto") != "auto":
            common["eps"] = keys["epsilon"]
        get = lambda *names: {name.replace("-", "_"): keys[name] for name in names if name in keys}
        if keys["type"] == "sgd":
            return torch.optim.SGD(groups, **common, **get("momentum", "dampening", "nesterov"))
        if keys["type"] == "rmsprop":
            return torch.optim.RMSprop(groups, **common, **get("alpha", "centered", "momentum"))
        if keys["type"] == "adagrad":
            return torch.optim.Adagrad(groups, **common, **get("lr-decay", "initial-accumulator-value"))
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[keys["type"]]
        return adam(groups, **common, betas=(keys.get("beta1", 0.9), keys.get("beta2", 0.999)))

    def zero_grad(self):
        self.rule.zero_grad()

    def step(self):
        for group in self.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        if self.keys["clip-grad-value"] != "none":
            torch.nn.utils.clip_grad_value_(self.parameters, self.keys["clip-grad-value"])
        if self.keys["clip-grad-norm"] != "none":
            torch.nn.utils.clip_grad_norm_(self.parameters, self.keys["clip-grad-norm"])
        for parameter in self.penalized:
            parameter.grad += self.keys["l1"] * torch.sign(parameter.detach())
        self.rule.step()


class Replay(sgd.Replay):
    def __init__(self, case, initial):
        super().__init__(case, initial)
        self.optimizer = Optimizer(case, self.network)

    def rates(self):
        if self.case.schedule == "constant":
            return super().rates()
        make = self.case.drawn_schedule()[1]
        return schedules.chained_rates(make, self.case.rate, self.case.warmup, False, sgd.STEPS)

    def states(self, name):
        name = STATES.get(name, name)
        return [self.optimizer.state[parameter][name].numpy() for parameter in self.network.parameters()]


def read_states(path):
    """State name -> arrays, in the order of PyTorch's parameters."""
    states = {}
    with h5py.File(path) as file:
        for layer, tensor in sgd.learned_tensors(file["model"]) if len(file["optimizer"]) else ():
            for name, values in file["optimizer"][layer][tensor].items():
                states.setdefault(name, []).append(values[()])
    return states


@unittest.skipIf(torch is None, "this Python has no torch; python3-torch brings it")
class Differential(CliTest):
    def assert_close(self, ours, theirs, what):
        self.assertEqual(len(ours), len(theirs), what)
        for index, (a, b) in enumerate(zip(ours, theirs)):
            self.assertEqual(a.dtype, np.float64)
            self.assertLessEqual(np.max(np.abs(a - b)), TOLERANCE * max(1, np.max(np.abs(b))), f"{what} {index}")

    def check(self, case):
        x, y = case.data()
        self.write_data(x=x, y=y)
        self.write("c.ini", case.config())
        self.run_program("train", "c.ini", "--train.max-steps=0")
        self.run_program("train", "c.ini", "--resume")
        paths = {step: self.folder / f"runs/c/checkpoints/step-{step:012d}.h5" for step in (0, sgd.STEPS)}
        replay = Replay(case, sgd.read_checkpoint(paths[0]))
        history = replay.train(x, y)
        for line, (loss, rate) in zip([line for line in self.metrics() if line["kind"] == "step"], history):
            self.assertAlmostEqual(line["learning_rate"], rate, delta=schedules.TOLERANCE * case.rate)
            self.assertLessEqual(abs(line["train_loss"] - loss), TOLERANCE * max(1, abs(loss)), line)
        self.assert_close(sgd.read_checkpoint(paths[sgd.STEPS]).parameters, replay.parameters(), "parameters")
        for name, ours in read_states(paths[sgd.STEPS]).items():
            self.assert_close(ours, replay.states(name), name)
        return set(read_states(paths[sgd.STEPS]))

    def check_all(self, cases):
        for case in cases:
            with self.subTest(case=case):
                shutil.rmtree(self.folder / "runs", ignore_errors=True)
                self.check(case)

    def test_sgd(self):
        self.check_all(drawn_case("sgd", seed) for seed in range(6))

    def test_adam(self):
        self.check_all(drawn_case("adam", seed) for seed in range(6, 12))

    def test_adamw(self):
        self.check_all(drawn_case("adamw", seed) for seed in range(12, 18))

    def test_rmsprop(self):
        self.check_all(drawn_case("rmsprop", seed) for seed in range(18, 24))

    def test_adagrad(self):
        self.check_all(drawn_case("adagrad", seed) for seed in range(24, 30))

    def test_all_together(self):
        self.check_all(drawn_case_of_all(seed) for seed in range(810, 840))

    def test_wide_layers(self):
        """Layers that are reduced in tiles by several threads, and wait for the norm of all."""
        keys = {"type": "adam", "clip-grad-norm": 0.05, "weight-decay": 0.01, "decay-biases": False}
        for products in ("panels", "blas"):
            with self.subTest(products):
                shutil.rmtree(self.folder / "runs", ignore_errors=True)
                states = self.check(Case(loss="mse", layers=[(256, "tanh"), (130, "gelu"), (3, "linear")], rows=200,
                                         features=70, batch=96, shard=48, threads=3, rate=1e-3, keys=keys,
                                         products=products))
                self.assertEqual(states, {"exp_avg", "exp_avg_sq"})


ALL_AT_ONCE = """log-every = 1
[optimizer]
type = {}
learning-rate = 0.01
weight-decay = 0.01
l1 = 0.001
decay-biases = false
clip-grad-norm = 0.1
clip-grad-value = 0.05
[checkpoint]
every-steps = 5
"""


class Promises(CliTest):
    def test_kills_and_threads_leave_no_trace(self):
        for rule, extra in (("adam", ()), ("rmsprop", ("--optimizer.centered=true", "--optimizer.momentum=0.5"))):
            with self.subTest(rule):
                self.regression(ALL_AT_ONCE.format(rule))
                out, err = self.run_program("verify-resume", "c.ini", "--kills=3", "--seed=1", "--train.epochs=40",
                                            *extra)
                self.assertEqual(err, "")
                self.assertIn("same bits: ", out)

    def test_threads_of_a_step_that_is_spread(self):
        self.write_data(rows=500)
        self.write("c.ini", """[data]
train = data.h5
[model]
layer = 256 relu
layer = 512 tanh
layer = 1 linear
[train]
loss = mse
epochs = 2
batch-size = 96
""" + ALL_AT_ONCE.format("adamw"))
        for threads in (1, 3):
            self.run_program("train", "c.ini", f"--run.dir=t{threads}", f"--train.threads={threads}")
        self.assert_same_bits(self.checkpoints("t1")[-1], self.checkpoints("t3")[-1])

    def test_a_resume_keeps_the_rule(self):
        self.regression("[optimizer]\ntype = adam\n")
        self.run_program("train", "c.ini", "--train.epochs=1")
        for change in ("type=adamw", "type=sgd", "beta1=0.5", "beta2=0.5", "epsilon=1e-4"):
            key = "optimizer." + change.split("=")[0]
            self.assert_refused(2, [key, "the checkpoint was trained with"], "train", "c.ini", "--resume",
                                f"--optimizer.{change}")
        self.run_program("train", "c.ini", "--resume", "--optimizer.l1=0.01", "--optimizer.clip-grad-norm=1",
                         "--optimizer.weight-decay=0.01", "--optimizer.decay-biases=false")

    def test_inspect_and_the_sum_that_adagrad_starts_with(self):
        self.regression("[optimizer]\ntype = adagrad\ninitial-accumulator-value = 0.5\n")
        self.run_program("train", "c.ini", "--train.epochs=0")
        path = self.checkpoints()[-1]
        for tensor in read_states(path)["sum"]:
            self.assertTrue((tensor == 0.5).all())
        self.assertEqual(json.loads(self.run_program("inspect", path, "--json")[0])["optimizer_states"], ["sum"])

    def test_minibatches_that_weigh_nothing_still_update(self):
        """Their gradient is 0: momentum goes on, and Adam counts the step."""
        weight = np.r_[np.ones(16), np.zeros(84)]
        self.write_data(weight=weight)
        self.write("c.ini", """[data]
train = data.h5
weights = weight
shuffle = none
[model]
layer = 1 linear
precision = float64
[train]
loss = mse
batch-size = 16
[optimizer]
type = adam
[checkpoint]
every-steps = 1
keep-last = 9
""")
        self.run_program("train", "c.ini", "--train.max-steps=2")
        first, second = self.checkpoints()[-2:]
        m1, m2 = read_states(first)["exp_avg"][0], read_states(second)["exp_avg"][0]
        v2 = read_states(second)["exp_avg_sq"][0]
        np.testing.assert_allclose(m2, 0.9 * m1, rtol=1e-15)
        moved = 0.01 / (1 - 0.9**2) * m2 / (np.sqrt(v2) / math.sqrt(1 - 0.999**2) + 1e-8)
        with h5py.File(first) as a, h5py.File(second) as b:
            w1, w2 = (file["model/layer_000/weight"][()] for file in (a, b))
        np.testing.assert_allclose(w1 - w2, moved, rtol=1e-9)

    def test_divergence_is_seen_in_the_squares(self):
        """Gradients that float32 holds and whose squares it does not: the parameters themselves stay finite."""
        self.write_data(x=np.full((50, 1), 1e25, dtype=np.float32), y=np.full((50, 1), 1e30))
        self.write("c.ini", "[data]\ntrain = data.h5\n[model]\nlayer = 1 linear\n[train]\nloss = mae\n"
                            "[optimizer]\ntype = adam\n")
        for products in ("auto", "blas"):
            self.assert_refused(5, ["training diverged in step 1", "layer_000"], "train", "c.ini",
                                f"--run.dir={products}", f"--train.products={products}")

    def test_bench(self):
        self.write_data(rows=500)
        for layers, kept in (("256 relu", 4 * 256 + 257), ("8 relu", 0)):  # narrow networks have one anyway
            self.write("c.ini", f"[data]\ntrain = data.h5\n[model]\nlayer = {layers}\nlayer = 1 linear\n"
                                "[train]\nloss = mse\nbatch-size = 96\n")
            for rule in ("sgd", "adam"):
                report = json.loads(self.run_program("bench", "c.ini", "--steps=5", "--json",
                                                     f"--optimizer.type={rule}", "--optimizer.clip-grad-norm=0.1")[0])
                memory = report["memory_bytes"]
                self.assertTrue(4 * kept <= memory["gradient"] <= 4 * (kept + 4 * 16 if kept else 0), memory)
                self.assertEqual(memory["promised"], memory["data"] + 3 * memory["state"] + memory["gradient"] +
                                 memory["activations"] + 2**26)
                self.assertGreater(report["split"]["update"], 0)


if __name__ == "__main__":
    unittest.main()
