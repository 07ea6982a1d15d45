"""Learning rates: `gradloom schedule` and `gradloom train` against torch.optim.lr_scheduler, and exact across a resume."""

import json
import math
import os
import random
import unittest

from support import REGRESSION, CliTest

try:
    import torch
    from torch.optim import lr_scheduler
except ImportError:
    torch = None

CONFIG = REGRESSION.replace("epochs = 3", "epochs = 9") + "log-every = 1\n"
ROWS = 100
STEPS_PER_EPOCH = 7
STEPS = 9 * STEPS_PER_EPOCH

# The chained forms of PyTorch multiply rounding errors, one or two a step; the cosine's cancel digits near its end.
TOLERANCE = 1e-12


def drawn_schedule(kind, draw, length):
    """Random keys of a schedule, and PyTorch's scheduler of the same over an optimizer with this learning rate."""
    uniform, integer = draw.uniform, draw.randint
    if kind == "step":
        size, gamma = integer(1, length), uniform(0.1, 0.9)
        return {"step-size": size, "gamma": gamma}, lambda o, _: lr_scheduler.StepLR(o, size, gamma)
    if kind == "multistep":
        stones, gamma = sorted(draw.sample(range(1, length + 1), min(3, length))), uniform(0.1, 0.9)
        return ({"milestones": ",".join(map(str, stones)), "gamma": gamma},
                lambda o, _: lr_scheduler.MultiStepLR(o, stones, gamma))
    if kind == "exponential":
        gamma = uniform(0.8, 1)
        return {"gamma": gamma}, lambda o, _: lr_scheduler.ExponentialLR(o, gamma)
    if kind == "cosine":
        least = uniform(0, 0.01)
        keys = {"min-learning-rate": least} if draw.random() < 0.5 else {}
        least = least if keys else 0
        if draw.random() < 0.5:
            period, factor = integer(1, length), integer(1, 3)
            return ({"period": period, "period-factor": factor, **keys},
                    lambda o, _: lr_scheduler.CosineAnnealingWarmRestarts(o, period, factor, least))
        if draw.random() < 0.5:
            return keys, lambda o, whole: lr_scheduler.CosineAnnealingLR(o, whole, least)
        end = integer(1, 2 * length)
        return {"length": end, **keys}, lambda o, _: lr_scheduler.CosineAnnealingLR(o, end, least)
    if kind == "polynomial":
        power = uniform(0.5, 3)
        return {"power": power}, lambda o, whole: lr_scheduler.PolynomialLR(o, whole, power)
    assert kind == "one-cycle"
    three, linear, rise = draw.random() < 0.5, draw.random() < 0.5, uniform(0.2, 0.5)
    first, last = uniform(1, 30), uniform(1, 1e5)
    keys = {"three-phase": str(three).lower(), "anneal": "linear" if linear else "cosine", "rise-fraction": rise,
            "initial-divisor": first, "final-divisor": last}
    return keys, lambda o, whole: lr_scheduler.OneCycleLR(
        o, o.defaults["lr"], whole, pct_start=rise, div_factor=first, final_div_factor=last, three_phase=three,
        anneal_strategy="linear" if linear else "cos", cycle_momentum=False)


def optimizer(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def chained_rates(make, rate, warmup, by_epoch, steps):
    """What PyTorch gives to every step: a line up to the scheduler's first value, then its step() after each unit."""
    units = math.ceil(steps / STEPS_PER_EPOCH) - warmup // STEPS_PER_EPOCH if by_epoch else steps - warmup
    optim = optimizer(rate)
    scheduler = make(optim, units)
    first = optim.param_groups[0]["lr"]
    rates = [first * (step + 1) / warmup for step in range(warmup)]
    for step in range(warmup, steps):
        rates.append(optim.param_groups[0]["lr"])
        if step + 1 < steps and (not by_epoch or (step + 1) % STEPS_PER_EPOCH == 0):
            optim.step()
            scheduler.step()
    return rates


class Schedule(CliTest):
    def curve(self, *arguments):
        """Learning rates of all steps."""
        out, err = self.run_program("schedule", "c.ini", "--json", "--every=1", *arguments)
        self.assertEqual(err, "")
        points = json.loads(out)["points"]
        self.assertEqual([point["step"] for point in points], list(range(1, len(points) + 1)))
        return [point["learning_rate"] for point in points]

    def trained(self, run="runs/c"):
        return [line["learning_rate"] for line in self.metrics(run) if line["kind"] == "step"]

    def assert_close(self, ours, theirs):
        self.assertEqual(len(ours), len(theirs))
        for step, (a, b) in enumerate(zip(ours, theirs), 1):
            self.assertLessEqual(abs(a - b), TOLERANCE * abs(b), f"step {step}: {a} and {b}")


@unittest.skipIf(torch is None, "this Python has no torch; python3-torch brings it")
class AgainstPyTorch(Schedule):
    def check(self, kind, seed):
        draw = random.Random(f"{kind} {seed}")
        by_epoch, warmup = seed % 3 == 2, draw.choice([0, 0, 1, 5, 7, 10])
        steps, rate = draw.choice([STEPS, STEPS, 55]), draw.uniform(0.01, 1)
        keys, make = drawn_schedule(kind, draw, 7 if by_epoch else 40)
        options = [f"--schedule.{key}={value}" for key, value in keys.items()]
        options += [f"--schedule.type={kind}", f"--schedule.warmup-steps={warmup}", f"--optimizer.learning-rate={rate}",
                    f"--schedule.unit={'epoch' if by_epoch else 'step'}", f"--train.max-steps={steps}"]
        with self.subTest(options=options):
            self.assert_close(self.curve(f"--rows={ROWS}", *options), chained_rates(make, rate, warmup, by_epoch, steps))
        return options

    def test_every_schedule_with_random_options(self):
        self.write_data(rows=ROWS)
        self.write("c.ini", CONFIG)
        for kind in ("step", "multistep", "exponential", "cosine", "polynomial", "one-cycle"):
            for seed in range(12):
                options = self.check(kind, seed)
            self.run_program("train", "c.ini", f"--run.dir={kind}", "--quiet", *options)
            self.assertEqual(self.trained(kind), self.curve(*options))

    def test_warm_up_as_sequential_lr(self):
        self.write("c.ini", CONFIG)
        optim = optimizer(0.3)
        warm = lr_scheduler.LinearLR(optim, 1 / 6, total_iters=5)
        scheduler = lr_scheduler.SequentialLR(optim, [warm, lr_scheduler.StepLR(optim, 9, 0.5)], [6])
        rates = []
        for _ in range(STEPS):
            rates.append(optim.param_groups[0]["lr"])
            optim.step()
            scheduler.step()
        self.assert_close(self.curve(f"--rows={ROWS}", "--schedule.warmup-steps=6", "--schedule.type=step",
                                     "--schedule.step-size=9", "--schedule.gamma=0.5", "--optimizer.learning-rate=0.3"),
                          rates)

    def test_plateau(self):
        self.write_data(rows=ROWS)
        self.write("c.ini", CONFIG)
        for seed in range(8):
            draw = random.Random(seed)
            monitor = draw.choice(["valid_loss", "valid_mae", "valid_r2", "train_loss"])
            keys = {"factor": draw.uniform(0.2, 0.8), "patience": draw.randint(0, 2), "cooldown": draw.randint(0, 2),
                    "threshold": draw.choice([0.02, 0.2]), "threshold-mode": draw.choice(["relative", "absolute"]),
                    "min-learning-rate": draw.choice([0, 0.05])}
            warmup = draw.choice([0, 5, 7, 8])
            options = [f"--schedule.{key}={value}" for key, value in keys.items()]
            with self.subTest(options=options, monitor=monitor, warmup=warmup):
                self.run_program("train", "c.ini", f"--run.dir=run-{seed}", "--schedule.type=plateau", "--train.epochs=25",
                                 "--data.valid=data.h5", f"--early-stopping.monitor={monitor}", "--quiet", *options,
                                 "--optimizer.learning-rate=0.4", f"--schedule.warmup-steps={warmup}")
                scheduler = lr_scheduler.ReduceLROnPlateau(
                    optimizer(0.4), "max" if monitor == "valid_r2" else "min", keys["factor"], keys["patience"],
                    keys["threshold"], keys["threshold-mode"][:3], keys["cooldown"], keys["min-learning-rate"])
                self.assert_plateau(f"run-{seed}", monitor, warmup, scheduler)

    def assert_plateau(self, run, monitor, warmup, scheduler):
        rates = []
        for epoch in (line for line in self.metrics(run) if line["kind"] == "epoch"):
            rate = scheduler.optimizer.param_groups[0]["lr"]
            first = len(rates) + 1
            rates += [rate * min(1, step / max(warmup, 1)) for step in range(first, first + STEPS_PER_EPOCH)]
            if epoch["step"] > warmup:
                scheduler.step(epoch[monitor])
        self.assert_close(self.trained(run), rates)
        self.assertLess(rates[-1], rates[warmup], "the learning rate never fell: this tests nothing")


class Resumed(Schedule):
    PLATEAU = ("--schedule.type=plateau", "--schedule.patience=0", "--schedule.threshold=0.1", "--schedule.cooldown=1",
               "--optimizer.learning-rate=0.4", "--data.valid-fraction=0.2", "--train.epochs=14", "--quiet")

    def setUp(self):
        super().setUp()
        self.write_data(rows=ROWS)
        self.write("c.ini", CONFIG)

    def train(self, run, *arguments):
        return self.run_program("train", "c.ini", f"--run.dir={run}", *arguments)[1]

    def test_plateau_in_pieces(self):
        self.train("whole", *self.PLATEAU)
        for step in (1, 4, 5, 9, 10, 14, 26, 40):
            self.train("parts", *self.PLATEAU, "--resume", f"--train.max-steps={step}", f"--train.threads={1 + step % 3}")
        self.train("parts", *self.PLATEAU, "--resume")
        whole, parts = self.checkpoints("whole")[-1], self.checkpoints("parts")[-1]
        self.assert_same_bits(whole, parts)
        self.assertIn("progress@plateau_scale", self.contents(whole))
        self.assertEqual(self.trained("whole"), self.trained("parts"))
        self.assertGreater(len(set(self.trained("whole"))), 2)
        self.assertIn("plateau: best ", self.run_program("inspect", "whole")[0])
        self.run_program("verify", whole)

    def test_killed_at_random(self):
        for options in (self.PLATEAU, ("--schedule.type=one-cycle", "--schedule.unit=epoch")):
            out, err = self.run_program("verify-resume", "c.ini", "--kills=3", "--seed=1", "--minutes=1", *options[:-1])
            self.assertEqual(err, "")
            self.assertIn("same bits: ", out)

    def test_a_longer_run_follows_the_longer_curve(self):
        cosine = ("--schedule.type=cosine", "--quiet")
        self.assertEqual(self.train("run", *cosine, "--train.epochs=3"), "")
        self.assertEqual(self.train("run", *cosine, "--train.epochs=3", "--resume"), "")
        told = self.train("run", *cosine, "--train.epochs=5", "--resume")
        self.assertIn("warning: schedule.type = cosine: the run was 21 steps long at the checkpoint and is 35 now", told)
        self.assertIn("from step 22 on", told)
        self.assertIn("unless schedule.length is set", told)
        three, five = (self.curve(*cosine[:1], f"--train.epochs={epochs}") for epochs in (3, 5))
        self.assertEqual(self.trained("run"), three + five[21:])

    def test_a_length_of_its_own_stays(self):
        cosine = ("--schedule.type=cosine", "--schedule.length=35", "--quiet")
        self.train("whole", *cosine, "--train.epochs=5")
        self.train("run", *cosine, "--train.epochs=3")
        self.assertEqual(self.train("run", *cosine, "--train.epochs=5", "--resume"), "")
        self.assert_same_bits(self.checkpoints("whole")[-1], self.checkpoints("run")[-1])


class Command(Schedule):
    def setUp(self):
        super().setUp()
        self.write("c.ini", CONFIG)

    def test_table(self):
        out, err = self.run_program("schedule", "c.ini", "--rows=100", "--schedule.type=polynomial", "--every=20",
                                    "--schedule.warmup-steps=3")
        self.assertEqual(err, "")
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual(lines[0], ["step", "epoch", "learning_rate"])
        self.assertEqual([line[:2] for line in lines[1:]],
                         [["1", "1"], ["3", "1"], ["20", "3"], ["40", "6"], ["60", "9"], ["63", "9"]])
        self.assertAlmostEqual(float(lines[3][2]), 0.01 * (1 - 16 / 60), delta=1e-9)
        self.assertFalse((self.folder / "runs").exists())

    def test_points_are_about_twenty(self):
        for rows in (1, 16, 100, 5000, 10 ** 15):
            for unit in ("step", "epoch"):
                out, _ = self.run_program("schedule", "c.ini", f"--rows={rows}", "--schedule.type=step",
                                          f"--schedule.unit={unit}", "--train.epochs=30")
                lines = out.splitlines()
                self.assertTrue(10 < len(lines) <= 23, (rows, unit, len(lines)))
                self.assertEqual(int(lines[-1].split()[0]), 30 * -(-rows // 16))

    def test_rows_come_from_the_data_or_the_command_line(self):
        self.write_data(rows=ROWS)
        by_data = self.run_program("schedule", "c.ini", "--json")[0]
        self.assertEqual(by_data, self.run_program("schedule", "c.ini", "--json", f"--rows={ROWS}")[0])
        facts = json.loads(by_data)
        self.assertEqual((facts["type"], facts["unit"], facts["training_rows"], facts["steps_per_epoch"], facts["steps"]),
                         ("constant", "step", ROWS, STEPS_PER_EPOCH, STEPS))
        held_out = "--data.valid-fraction=0.3"
        facts = json.loads(self.run_program("schedule", "c.ini", "--json", held_out, "--schedule.type=plateau")[0])
        self.run_program("train", "c.ini", held_out)
        start = self.metrics()[0]
        self.assertEqual(facts["unit"], "epoch")
        self.assertEqual(facts["training_rows"], start["training_rows"])
        self.assertEqual(facts["steps"], self.metrics()[-1]["step"])

    def test_a_plateau_is_told(self):
        out, err = self.run_program("schedule", "c.ini", "--rows=100", "--schedule.type=plateau", "--data.valid=v.h5")
        self.assertEqual(len(err.splitlines()), 1)
        self.assertIn("warning: schedule.type = plateau goes by valid_loss", err)
        self.assertEqual({line.split()[2] for line in out.splitlines()[1:]}, {"0.01"})

    def test_no_steps(self):
        for option in ("--train.epochs=0", "--train.max-steps=0"):
            out, _ = self.run_program("schedule", "c.ini", "--rows=100", option)
            self.assertEqual(out.split(), ["step", "epoch", "learning_rate"])
            self.assertEqual(json.loads(self.run_program("schedule", "c.ini", "--rows=100", "--json", option)[0])["points"],
                             [])
            shown, _ = self.run_on_terminal("schedule", "c.ini", "--rows=100", option, terminal="stdout")
            self.assertEqual(len(shown.splitlines()), 1)

    def test_plot(self):
        os.environ["COLUMNS"] = "60"  # the terminal below says nothing of its width
        self.addCleanup(os.environ.pop, "COLUMNS")
        for kind, corners in (("polynomial", ("*" * 3, "*" * 2)), ("constant", ("*" * 47, ""))):
            shown, told = self.run_on_terminal("schedule", "c.ini", "--rows=100", f"--schedule.type={kind}",
                                               terminal="stdout")
            self.assertEqual(told, "")
            lines = shown.decode().replace("\r", "").split("\n\n")[1].splitlines()
            self.assertEqual(len(lines), 14)
            self.assertLessEqual(max(map(len, lines)), 60)
            self.assertTrue(lines[0].startswith("      0.01 |" + corners[0]), lines)
            self.assertTrue(lines[11].startswith("         0 |") and lines[11].endswith("|" if not corners[1] else "*"))
            self.assertTrue(lines[12].startswith("           +----"))
            self.assertRegex(lines[13], r"^ {12}1 +step 63$")
            columns = [max((row for row in range(12) if len(line := lines[row]) > 12 + at and line[12 + at] == "*"),
                           default=None) for at in range(47)]
            self.assertNotIn(None, columns, "a column without a mark")
            self.assertEqual(columns, sorted(columns))
        shown, _ = self.run_on_terminal("schedule", "c.ini", "--rows=100", "--json", terminal="stdout")
        json.loads(shown)
        shown, _ = self.run_on_terminal("schedule", "c.ini", "--rows=100", "--optimizer.learning-rate=0",
                                        terminal="stdout")
        self.assertIn(b"0 |***", shown)

    def test_refusals(self):
        self.assert_refused(2, ["c.ini:2: data.train", "data.h5", "--rows N"], "schedule", "c.ini")
        self.assert_refused(2, ["none.ini", "no such file"], "schedule", "none.ini")
        self.assert_refused(2, ["CONFIG is missing"], "schedule")
        for option in ("--rows=0", "--rows=x", "--every=0"):
            self.assert_refused(2, [option.replace("=", " "), "must be an integer >= 1"], "schedule", "c.ini", option)
        self.assert_refused(2, ["did you mean --rows?"], "schedule", "c.ini", "--row=3")
        self.assert_refused(2, ["command line: schedule.power = 2: schedule.type = constant does not use it, polynomial"],
                            "schedule", "c.ini", "--rows=3", "--schedule.power=2")
        self.assert_refused(3, ["leaves none to train on"], "schedule", "c.ini", "--rows=1", "--train.seed=3",
                            "--data.valid-fraction=0.999")
        self.write("data.h5", "no data set")
        self.assert_refused(3, ["data.h5", "--rows N"], "schedule", "c.ini")
        self.write_data(rows=ROWS)
        self.assert_refused(2, ["command line: schedule.type = plateau: follows valid_loss", "data.valid-fraction"],
                            "train", "c.ini", "--schedule.type=plateau")
        self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    unittest.main()
