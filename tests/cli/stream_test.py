"""Sets that data.memory has no room for: streamed, they train, evaluate and predict as sets in memory do."""

import json
import os
import pathlib
import resource
import signal
import time
import unittest

import h5py
import numpy as np
from support import SANITIZED, CliTest

SOURCE = pathlib.Path(os.environ.get("GRADLOOM_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
IMAGES, LABELS = (SOURCE.parent / "shared/data" / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))

CONFIG = """[data]
train = data.h5
{data}
[model]
layer = 12 tanh
layer = 1 linear
[train]
loss = mse
epochs = 2
batch-size = 100
threads = 2
[optimizer]
momentum = 0.9
"""
ROWS, FEATURES = 20_000, 6
IN_MEMORY = "--data.memory=64MiB"


def samples(rows=ROWS, seed=1):
    random = np.random.default_rng(seed)
    x = random.integers(-100, 100, size=(rows, FEATURES))
    return x, (x[:, 0] - x[:, 1] // 3 + random.integers(0, 9, size=rows)) % 50


class StreamTest(CliTest):
    def data(self, name="data.h5", rows=ROWS, seed=1, x_type="<f4", y_type="<f4", y_rank=2, y_chunks=500, **layout):
        """Rows of small whole numbers, which every type holds."""
        x, y = samples(rows, seed)
        x = (np.abs(x) if "u" in x_type else x).astype(x_type)
        y = y.astype(y_type) if y_rank == 1 else y.astype(y_type)[:, None]
        with h5py.File(self.folder / name, "w") as file:
            file.create_dataset("x", data=x, **layout)
            file.create_dataset("y", data=y, **{**layout, "chunks": (y_chunks, *y.shape[1:]) if layout else None})
        return self.folder / name

    def config(self, data="", extra=""):
        self.write("c.ini", CONFIG.format(data=data) + extra)

    def train(self, run, *arguments, expect=0):
        """Returns the last checkpoint, and what was said on standard error."""
        if not any(argument.startswith("--data.memory") for argument in arguments):
            arguments = ("--data.memory=256KiB", *arguments)
        _, err = self.run_program("train", "c.ini", "--quiet", f"--run.dir={run}", *arguments, expect=expect)
        return self.checkpoints(run)[-1], err

    def model(self, checkpoint):
        return {name: value for name, value in self.contents(checkpoint).items() if not name.startswith("progress")}

    def assert_streamed(self, checkpoint, streamed=True):
        with h5py.File(checkpoint, "r") as file:
            self.assertEqual("window_blocks" in file["progress"].attrs, streamed)

    def assert_as_in_memory(self, *arguments, memory="256KiB"):
        """In the order of the file a streamed run is the one in memory, bit by bit."""
        streamed, _ = self.train(f"streamed-{time.monotonic_ns()}", "--data.shuffle=none", f"--data.memory={memory}",
                                 *arguments)
        self.assert_streamed(streamed)
        memory, _ = self.train(f"memory-{time.monotonic_ns()}", "--data.shuffle=none", *arguments, IN_MEMORY)
        self.assert_streamed(memory, False)
        self.assertEqual(self.model(streamed), self.model(memory))
        return streamed, memory


class SameBits(StreamTest):
    def test_every_type_and_layout(self):
        self.config()
        layouts = (
            {},
            {"x_type": ">f4", "y_type": ">i2", "y_rank": 1},
            {"x_type": "<f2", "chunks": (700, FEATURES), "y_chunks": 300},
            {"x_type": "u1", "chunks": (1, FEATURES), "rows": 3000},
            {"x_type": "<i2", "y_type": "u1", "chunks": (1000, 1), "y_chunks": 4000, "compression": 4},
            {"x_type": ">f8", "chunks": (128, 4), "compression": 4, "shuffle": True, "fletcher32": True},
            {"x_type": "<i8", "y_type": "<f8", "y_rank": 1, "chunks": (2048, FEATURES), "y_chunks": 100},
        )
        for layout in layouts:
            with self.subTest(layout):
                self.data(**layout)
                memory = "64KiB" if layout.get("rows") else "256KiB"
                self.assert_as_in_memory("--train.epochs=1", memory=memory)
                self.train(f"window-{time.monotonic_ns()}", f"--data.memory={memory}", "--train.epochs=1")

    def test_float64(self):
        self.data(x_type=">f8", y_type="<f8")
        self.config()
        self.assert_as_in_memory("--model.precision=float64")

    def test_threads(self):
        self.data(chunks=(500, FEATURES), compression=1)
        self.config("valid-fraction = 0.1\nstandardize = both")
        first, _ = self.train("one", "--train.threads=1")
        self.assert_streamed(first)
        for threads, ahead in ((2, 0), (2, 2), (8, 1), (64, 0)):
            again, _ = self.train(f"run-{threads}-{ahead}", f"--train.threads={threads}", f"--data.prefetch={ahead}")
            self.assert_same_bits(first, again)

    def test_stops_in_the_middle_of_an_epoch(self):
        self.data()
        self.config("valid-fraction = 0.1\nstandardize = both")
        whole, _ = self.train("whole")
        for stop in (1, 50, 179, 180, 181, 333):
            self.train("parts", "--resume", f"--train.max-steps={stop}", f"--train.threads={1 + stop % 3}")
        parts, _ = self.train("parts", "--resume", "--data.memory=400KiB")  # the windows stay those it began with
        self.assert_same_bits(whole, parts)

    def test_kills(self):
        self.data(chunks=(300, FEATURES), compression=1)
        self.config("standardize = features", "[checkpoint]\nevery-steps = 20\n")
        out, _ = self.run_program("verify-resume", "c.ini", "--kills=4", "--data.memory=256KiB")
        self.assertIn("same bits", out)

    def test_held_out_rows_are_the_same_ones(self):
        self.data()
        self.config("valid-fraction = 0.05\nstandardize = both")
        streamed, memory = self.assert_as_in_memory()
        self.assertEqual(self.valid_losses(streamed), self.valid_losses(memory))
        with h5py.File(streamed, "r") as a, h5py.File(memory, "r") as b:
            self.assertEqual(len(a["preprocessing"].attrs) + len(a["preprocessing"]), 4)
            for name in a["preprocessing"]:
                self.assertEqual(a["preprocessing"][name][()].tobytes(), b["preprocessing"][name][()].tobytes())

    def valid_losses(self, checkpoint):
        lines = self.metrics(checkpoint.parents[1])
        losses = [line["valid_loss"] for line in lines if line["kind"] == "epoch"]
        self.assertEqual(len(losses), 2)
        return losses

    def test_validation_and_test_sets_are_streamed_too(self):
        self.data()
        self.data("v.h5", rows=5000, seed=2)
        self.data("t.h5", rows=7000, seed=3, chunks=(640, FEATURES))
        self.config("valid = v.h5\ntest = t.h5")
        streamed, memory = self.assert_as_in_memory()
        self.assertEqual(self.valid_losses(streamed), self.valid_losses(memory))
        ends = [self.metrics(run.parents[1])[-1] for run in (streamed, memory)]
        self.assertEqual(*[[end[key] for key in end if key.startswith("test_")] for end in ends])

    def test_a_large_validation_set_leaves_the_training_set_in_memory(self):
        self.data(rows=5000)
        self.data("v.h5", seed=2)
        self.config("valid = v.h5\nstandardize = both")
        beside, err = self.train("beside", "--data.shuffle=full")
        self.assertEqual(err, "")
        self.assert_streamed(beside, False)
        memory, _ = self.train("memory", "--data.shuffle=full", IN_MEMORY)
        self.assert_same_bits(beside, memory)
        self.assertEqual(self.valid_losses(beside), self.valid_losses(memory))

    def test_several_files_are_one(self):
        self.data()
        with h5py.File(self.folder / "data.h5") as file:
            x, y = file["x"][()], file["y"][()]
        for part, (first, last) in enumerate(((0, 1), (1, 7000), (7000, 7001), (7001, ROWS))):
            self.write_data(f"part-{part}.h5", x=x[first:last], y=y[first:last])
        self.config()
        whole, _ = self.train("whole", "--data.shuffle=none")
        parts, _ = self.train("parts", "--data.shuffle=none", "--data.train=part-*.h5")
        self.assertEqual(self.model(whole), self.model(parts))
        mixed, _ = self.train("mixed", "--data.train=part-*.h5")
        self.assertNotEqual(self.model(whole), self.model(mixed))

    def test_evaluate_and_predict(self):
        self.data(rows=3000)
        self.config("standardize = both")
        run = self.train("run", IN_MEMORY)[0].parents[1]
        self.data("other.h5", seed=5, chunks=(900, FEATURES), compression=1)
        kinds = ((), ("--memory", "100KiB"), ("--memory", "100KiB", "--threads", 7))
        metrics = [self.run_program("evaluate", run, "other.h5", "--json", *kind)[0] for kind in kinds]
        self.assertEqual(json.loads(metrics[0])["rows"], ROWS)
        self.assertEqual(metrics, metrics[:1] * 3)
        for name in ("p.h5", "p.csv"):
            found = []
            for kind in kinds:
                self.run_program("predict", run, "other.h5", "--output", name, *kind)
                if name == "p.csv":
                    found.append((self.folder / name).read_text())
                else:
                    with h5py.File(self.folder / name) as file:
                        found.append(file["prediction"][()].tobytes())
            self.assertEqual(found, found[:1] * 3)
            self.assertEqual(len(found[0].splitlines()) if name == "p.csv" else len(found[0]) // 4 + 1, ROWS + 1)
        self.assert_refused(2, ["--memory lots", "512MiB"], "evaluate", run, "other.h5", "--memory", "lots")


class External(StreamTest):
    """Elements in other files are read where data.allow-external says so, and then all of them."""

    def setUp(self):
        super().setUp()
        self.data()
        for part in range(3):
            self.data(f"part-{part}.h5", rows=5000, seed=part, **({"chunks": (300, FEATURES)} if part == 1 else {}))
        self.config("allow-external = true\nshuffle = none")

    def virtual(self, last="part-2.h5", taken=5000):
        """v.h5, whose x and y are those of the three parts."""
        with h5py.File(self.folder / "v.h5", "w") as file:
            for name, width in (("x", FEATURES), ("y", 1)):
                layout = h5py.VirtualLayout(shape=(15000, width), dtype="<f4")
                for part, path in enumerate(("part-0.h5", "part-1.h5", last)):
                    rows = taken if part == 2 else 5000
                    layout[part * 5000:part * 5000 + rows] = h5py.VirtualSource(path, name, shape=(5000, width))[:rows]
                file.create_virtual_dataset(name, layout)

    def links(self):
        with h5py.File(self.folder / "l.h5", "w") as file:
            file["x"] = h5py.ExternalLink("data.h5", "/x")
            file["y"] = h5py.ExternalLink("data.h5", "/y")

    def test_links_to_other_files(self):
        self.links()
        for memory in ("256KiB", "64MiB"):
            expected, _ = self.train(f"direct-{memory}", f"--data.memory={memory}")
            found, _ = self.train(f"links-{memory}", f"--data.memory={memory}", "--data.train=l.h5")
            self.assertEqual(self.model(found), self.model(expected))
        metrics, _ = self.run_program("evaluate", "links-64MiB", "l.h5", "--json")
        self.assertEqual(metrics, self.run_program("evaluate", "links-64MiB", "data.h5", "--json")[0])

    def test_virtual_data_sets(self):
        self.virtual()
        for memory in ("256KiB", "64MiB"):
            expected, _ = self.train(f"parts-{memory}", f"--data.memory={memory}", "--data.train=part-?.h5")
            found, _ = self.train(f"virtual-{memory}", f"--data.memory={memory}", "--data.train=v.h5")
            self.assertEqual(self.model(found), self.model(expected))

    def test_refused_without_leave(self):
        self.virtual()
        self.links()
        for name, fragment in (("v.h5", "virtual data set over other files"), ("l.h5", "is a link to another file")):
            for memory in ("256KiB", "64MiB"):
                self.assert_refused(3, [name, fragment, "data.allow-external = true"], "train", "c.ini", "--quiet",
                                    f"--data.train={name}", "--data.allow-external=false", f"--data.memory={memory}")

    def test_sources_that_are_not_there(self):
        """The HDF5 library gives zeros for them."""
        def refuse(*fragments):
            self.assert_refused(3, ["v.h5: /x is a virtual data set", *fragments], "train", "c.ini", "--quiet",
                                "--data.train=v.h5")

        self.virtual(last="part-7.h5")
        refuse("over part-7.h5, which cannot be opened")
        self.virtual(taken=4999)
        refuse("with sources for 89994 of its 90000 elements")
        self.virtual()
        self.data("part-2.h5", rows=4000)
        refuse("over part-2.h5, whose x has another shape than what is taken of it")
        self.write_data("part-2.h5", x=None, y=None)
        refuse("over part-2.h5, which has no x")
        with h5py.File(self.folder / "l.h5", "w") as file:
            file["x"] = h5py.ExternalLink("gone.h5", "/x")
        self.assert_refused(3, ["l.h5: /x"], "train", "c.ini", "--quiet", "--data.train=l.h5")


class Order(StreamTest):
    def test_full_says_that_it_is_window(self):
        self.data()
        self.config()
        _, err = self.train("full")
        self.assertIn("data.h5: takes 560000 bytes and data.memory is 262144: it is streamed", err)
        self.assertIn("data.shuffle = window", err)
        self.assertEqual(len(err.splitlines()), 1)
        _, err = self.train("window", "--data.shuffle=window")
        self.assertEqual(err, "")
        self.assert_same_bits(self.checkpoints("full")[-1], self.checkpoints("window")[-1])
        _, err = self.train("memory", IN_MEMORY)
        self.assertEqual(err, "")

    @unittest.skipIf(SANITIZED, "scores are the release's")
    def test_a_sorted_file_is_learnt_as_well(self):
        """Digits sorted by class, windows of a seventh of the set, against a full shuffle in memory."""
        if not IMAGES.exists():
            self.skipTest(f"there is no {IMAGES}")
        self.run_program("import", IMAGES, LABELS, "--scale", 1 / 255, "--output", "all.h5")
        with h5py.File(self.folder / "all.h5") as file:
            x, y = file["x"][()], file["y"][()].ravel()
        mixed = np.random.default_rng(3).permutation(len(x))
        judged, trained = mixed[:2500], mixed[2500:]
        trained = trained[np.argsort(y[trained], kind="stable")]
        self.write_data("train.h5", x=x[trained], y=y[trained])
        self.write_data("test.h5", x=x[judged], y=y[judged])
        self.write("c.ini", "[data]\ntrain = train.h5\ntest = test.h5\n[model]\nlayer = 100 relu\nlayer = 10 linear\n"
                   "[train]\nloss = categorical-cross-entropy\nepochs = 12\nbatch-size = 50\n"
                   "[optimizer]\nlearning-rate = 0.1\n")
        accuracy = {}
        for memory in ("8MiB", "1GiB"):
            scores = []
            for seed in (1, 2, 3):
                run = f"{memory}-{seed}"
                checkpoint, _ = self.train(run, f"--data.memory={memory}", f"--train.seed={seed}")
                self.assert_streamed(checkpoint, memory == "8MiB")
                scores.append(self.metrics(run)[-1]["test_accuracy"])
            accuracy[memory] = np.mean(scores)
        self.assertGreater(accuracy["1GiB"], 0.93)
        self.assertGreaterEqual(accuracy["8MiB"], accuracy["1GiB"] - 0.005)

    def test_statistics_are_kept_in_the_run_folder(self):
        self.data()
        self.config("standardize = both")
        self.train("run", "--train.max-steps=10")
        kept = self.folder / "run/statistics.json"
        first = (kept.read_text(), kept.stat().st_mtime_ns)
        self.train("run", "--resume", "--train.max-steps=20")
        self.assertEqual((kept.read_text(), kept.stat().st_mtime_ns), first)
        os.utime(self.folder / "data.h5", (1, 1))  # perhaps other data: looked at once more
        self.train("run", "--resume", "--train.max-steps=30")
        self.assertNotEqual(kept.stat().st_mtime_ns, first[1])
        kept.write_text("{}")
        self.train("run", "--resume", "--train.max-steps=40")
        self.assertEqual(json.loads(kept.read_text())["x_mean"], json.loads(first[0])["x_mean"])


class Refusals(StreamTest):
    def config(self):
        super().config("shuffle = window")

    def refused(self, fragments, *arguments, command="train"):
        if not any(argument.startswith("--data.memory") for argument in arguments):
            arguments = ("--data.memory=256KiB", *arguments)
        quiet = ("--quiet",) if command == "train" else ()
        return self.assert_refused(3, fragments, command, "c.ini", *quiet, *arguments)

    def test_hopeless_layouts(self):
        self.config()
        self.data(chunks=(ROWS, 1), compression=1)
        line = self.refused(["data.h5: cannot be streamed", "the chunks of /x are (20000, 1)", "gradloom repack", "data.memory"])
        self.assertIn("20000 rows are read at once", line)
        self.train("enough", IN_MEMORY)
        self.data(chunks=(100, FEATURES), y_chunks=ROWS)
        self.refused(["data.h5: cannot be streamed", "the chunks of /y are (20000, 1)", "gradloom repack"])
        self.data()
        self.refused(["cannot be streamed within the 100 bytes"], "--data.memory=100")
        self.assertFalse((self.folder / "runs").exists())

    def test_files_that_do_not_fit_together(self):
        self.config()
        self.data("a.h5")
        for fragment, other in (("float64", {"x_type": "<f8"}), ("big-endian", {"x_type": ">f4"}), ("int16", {"y_type": "<i2"})):
            self.data("b.h5", **other)
            self.refused(["b.h5: /", fragment, "a.h5"], "--data.train=a.h5 b.h5")
        self.write_data("b.h5", x=np.ones((9, 5), np.float32), y=np.ones((9, 1), np.float32))
        self.refused(["b.h5: /x has 5 columns and a.h5 has 6"], "--data.train=a.h5 b.h5")
        self.write_data("b.h5", x=np.ones((9, FEATURES), np.float32), y=np.ones((9, 1), np.float32))
        for name, classes in (("a.h5", [b"no", b"yes"]), ("b.h5", [b"yes", b"no"])):
            with h5py.File(self.folder / name, "a") as file:
                file["y"].attrs["classes"] = np.array(classes)
        self.refused(["b.h5", "classes"], "--data.train=a.h5 b.h5")

    def test_bad_values_are_found_where_they_stand(self):
        self.config()
        with h5py.File(self.data(), "a") as file:
            file["x"][12345, 2] = np.nan
        message = ["data.h5: /x row 12345, column 2 is NaN"]
        self.refused([*message, "the checkpoint of step", "stands"])
        self.assertEqual(self.metrics()[-1]["reason"], "data-error")
        self.assertEqual(len(self.checkpoints()), 1)
        self.refused(message, command="check")
        self.refused(message, "--data.standardize=features", "--run.dir=other")
        self.assertFalse((self.folder / "other").exists())

    def test_bad_validation_rows(self):
        """An epoch that cannot be judged is not lost: it is once the rows are mended."""
        self.config()
        self.data(rows=3000)
        self.data("v.h5", seed=2)
        valid = ("--data.valid=v.h5", "--early-stopping.patience=5")
        whole, _ = self.train("whole", *valid)
        with h5py.File(self.folder / "v.h5", "a") as file:
            kept = file["x"][7, 0]
            file["x"][7, 0] = np.inf
        self.refused(["v.h5: /x row 7, column 0 is Inf", "the checkpoint of step 30 stands"], *valid, "--run.dir=parts")
        self.assertEqual(self.metrics("parts")[-1]["reason"], "data-error")
        self.assertFalse([line for line in self.metrics("parts") if line["kind"] == "epoch"])
        with h5py.File(self.folder / "v.h5", "a") as file:
            file["x"][7, 0] = kept
        parts, _ = self.train("parts", *valid, "--resume")
        self.assert_same_bits(whole, parts)
        self.assertEqual(*[[line["valid_loss"] for line in self.metrics(run) if line["kind"] == "epoch"]
                           for run in ("whole", "parts")])

    def test_a_signal_does_not_wait_for_the_validation(self):
        """A stop in the middle of it: the epoch is judged at the resume."""
        self.config()
        self.data(rows=1000)
        self.data("v.h5", rows=40_000 if SANITIZED else 400_000, seed=2, y_chunks=20, chunks=(20, FEATURES), compression=9)
        valid = ("--data.valid=v.h5", "--train.epochs=1", "--data.memory=64KiB")
        process = self.start("train", "c.ini", "--run.dir=parts", *valid)
        while not process.stdout.readline().startswith("steps: "):
            self.assertIsNone(process.poll())
        time.sleep(0.1)  # ten steps take less, the validation more; whenever it comes, no bit may differ
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=100)
        self.assertIn(process.returncode, (143, 0))  # 0: it was faster
        parts, _ = self.train("parts", *valid, "--resume")
        whole, _ = self.train("whole", *valid)
        self.assert_same_bits(whole, parts)
        self.assertEqual(*[[line["valid_loss"] for line in self.metrics(run) if line["kind"] == "epoch"]
                           for run in ("whole", "parts")])

    def test_bad_test_rows(self):
        self.config()
        self.data(rows=3000)
        with h5py.File(self.data("t.h5"), "a") as file:
            file["y"][9, 0] = np.nan
        self.refused(["t.h5: /y row 9"], "--data.test=t.h5")
        self.assertEqual(self.metrics()[-1]["reason"], "data-error")
        self.assertEqual(len(self.checkpoints()), 2)

    @unittest.skipIf(SANITIZED, "a sanitizer's process is slow to start the many that read")
    def test_more_files_than_descriptors(self):
        self.config()
        for part in range(70):
            self.data(f"part-{part:02}.h5", rows=100, seed=part)
        files = "--data.train=part-*.h5"
        for limit in (80, 200, 1024):
            def lower(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            process = self.start("train", "c.ini", "--quiet", files, "--data.memory=64KiB", f"--run.dir=run-{limit}",
                                 preexec_fn=lower)
            _, err = process.communicate(timeout=100)
            if limit == 80:
                self.assertEqual(process.returncode, 4, err)
                self.assertIn("no process can be started to read it: Too many open files", err)
            else:
                self.assertEqual(process.returncode, 0, err)
        self.assert_same_bits(self.checkpoints("run-200")[-1], self.checkpoints("run-1024")[-1])

    def test_labels(self):
        self.write_data(x=np.ones((5000, 20), np.float32), y=np.arange(5000) % 3)
        with h5py.File(self.folder / "data.h5", "a") as file:
            file["y"][3210] = 3
        self.config()
        options = ("--model.layer=3 linear", "--train.loss=categorical-cross-entropy")
        self.refused(["row 3210", "is 3", "class index from 0 to 2"], *options)
        self.refused(["row 3210"], *options, command="check")

    def test_less_memory_at_resume(self):
        self.data()
        self.config()
        self.train("run", "--train.max-steps=10")
        self.refused(["the run began with windows of", "data.memory now leaves 131072"], "--run.dir=run", "--resume",
                     "--data.memory=128KiB")
        self.train("memory", "--train.max-steps=10", IN_MEMORY)
        self.refused(["the run began with its rows in memory", "560000", "leaves 262144"], "--run.dir=memory", "--resume")
        self.train("run", "--resume", "--train.max-steps=20", IN_MEMORY)  # goes on in the order it began with
        self.assert_streamed(self.checkpoints("run")[-1])

    def while_it_trains(self, change, fragments):
        """Starts a run that would last, changes the data under it; the run ends in its time with a checkpoint."""
        data = self.data()
        kept = data.read_bytes()
        process = self.start("train", "c.ini", "--quiet", "--train.epochs=100000",
                             "--checkpoint.every-epochs=100000", "--data.memory=256KiB")
        deadline = time.monotonic() + 60
        while not (self.folder / "runs/c/metrics.jsonl").exists() or '"step"' not in (
                self.folder / "runs/c/metrics.jsonl").read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        change(data)
        _, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 3, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        for fragment in (*fragments, "the checkpoint of step", "stands"):
            self.assertIn(fragment, err)
        self.assertEqual(self.metrics()[-1]["reason"], "data-error")
        step = self.metrics()[-1]["step"]
        self.run_program("verify", self.checkpoints()[-1])
        data.unlink(missing_ok=True)
        data.write_bytes(kept)
        self.train("runs/c", "--resume", f"--train.max-steps={step + 5}", "--train.epochs=100000")

    def test_a_file_that_is_cut_while_it_is_read(self):
        self.config()
        self.while_it_trains(lambda data: os.truncate(data, 100_000), ["data.h5"])

    def test_a_file_that_is_written_while_it_is_read(self):
        self.config()

        def write(data):
            with open(data, "r+b") as file:
                file.seek(-50_000, os.SEEK_END)
                file.write(bytes(20))

        self.while_it_trains(write, ["data.h5: was changed while it was read"])

    def test_a_file_that_is_removed_while_it_is_read(self):
        self.config()
        self.while_it_trains(os.unlink, ["data.h5: was removed while it was read"])


if __name__ == "__main__":
    unittest.main()
