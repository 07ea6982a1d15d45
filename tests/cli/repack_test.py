"""repack: the sets that it writes against NumPy and h5py, bit for bit; its order, its refusals, and what it leaves."""

import glob
import itertools
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
from support import CliTest

KINDS = ["bool", "i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8",
         "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


def random_numbers(random, dtype, shape):
    """Any bits of a type: NaN with a payload, subnormal numbers and the ends of integers among them."""
    dtype = np.dtype(dtype)
    if dtype == bool:
        return random.integers(0, 2, shape).astype(bool)
    return np.frombuffer(random.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


def bits(array):
    """The numbers as whole ones, in this machine's byte order: NaN equals itself."""
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native).view(np.dtype(f"u{native.dtype.itemsize}"))


def random_layout(random, shape):
    """Arguments of create_dataset."""
    layout = {}
    if random.random() < 0.75:
        layout["chunks"] = tuple(int(random.integers(1, n + 1)) for n in shape)
        if random.random() < 0.7:
            layout["compression"] = int(random.integers(1, 10))
        layout["shuffle"] = bool(random.random() < 0.5)
        layout["fletcher32"] = bool(random.random() < 0.3)
    return layout


class RepackTest(CliTest):
    def repack(self, *arguments, **keywords):
        return self.run_program("repack", *arguments, **keywords)[0]

    def read(self, name, path):
        with h5py.File(self.folder / name, "r") as file:
            return file[path][()]

    def assert_same_bits_as(self, name, path, expected):
        found = self.read(name, path)
        self.assertEqual(found.dtype, expected.dtype.newbyteorder("="))
        self.assertEqual(found.shape, expected.shape)
        self.assertTrue(np.array_equal(bits(found), bits(expected)))

    def assert_left(self, names):
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), sorted(names))

    def write_numbered(self, name="a.h5", rows=300_000, first=0, **layout):
        """Each row holds its number: 16 features of it, and one target. 300,000 rows are more than the least memory."""
        numbers = np.arange(first, first + rows)
        with h5py.File(self.folder / name, "w") as file:
            file.create_dataset("x", data=(16 * numbers[:, None] + np.arange(16)).astype("i4"), **layout)
            file["y"] = numbers
        return name

    def order_of(self, *names):
        """The numbers of the rows that the files hold; every row must be whole."""
        parts = []
        for name in names:
            y = self.read(name, "y")
            x = self.read(name, "x")
            self.assertTrue(np.array_equal(x, 16 * y[:, None] + np.arange(16)))
            parts.append(y)
        return np.concatenate(parts)


class Copies(RepackTest):
    def test_random_types_shapes_and_layouts(self):
        random = np.random.default_rng(7)
        for number, kind in enumerate(KINDS * 2):
            rows, cols, outputs = (int(n) for n in random.integers(1, (400, 30, 4)))
            y_shape = (rows,) if number % 3 == 0 else (rows, outputs)
            x = random_numbers(random, kind, (rows, cols))
            y = random_numbers(random, KINDS[(5 * number + 3) % len(KINDS)], y_shape)
            with self.subTest(x=x.dtype.str, y=y.dtype.str, rows=rows, cols=cols):
                with h5py.File(self.folder / "a.h5", "w") as file:
                    file.create_dataset("x", data=x, **random_layout(random, x.shape))
                    file.create_dataset("y", data=y, **random_layout(random, y.shape))
                    file["x"].attrs["names"] = np.array([f"c{i}" for i in range(cols)], "S5")
                    file["y"].attrs["classes"] = np.array(["no", "yes"], "S3")
                deflate = int(random.integers(0, 3))
                chunk_rows = int(random.integers(1, 500))
                self.repack("a.h5", "--output", "b.h5", "--deflate", deflate, "--chunk-rows", chunk_rows)
                self.assert_same_bits_as("b.h5", "x", x)
                self.assert_same_bits_as("b.h5", "y", y)
                with h5py.File(self.folder / "b.h5", "r") as file:
                    self.assertEqual(file["x"].chunks, (min(chunk_rows, rows), cols))
                    self.assertEqual(file["x"].compression, "gzip" if deflate else None)
                    self.assertEqual([name.decode() for name in file["x"].attrs["names"]],
                                     [f"c{i}" for i in range(cols)])
                    self.assertEqual(file["y"].attrs["classes"].tolist(), [b"no", b"yes"])

    def test_hopeless_layouts_come_out_the_same(self):
        """Chunks of all rows and one column, of one row, of all; each in memory that holds a part of the set."""
        self.write_numbered("whole.h5")
        self.repack("whole.h5", "--output", "first.h5")
        first = (self.folder / "first.h5").read_bytes()
        rows = 300_000
        for layout in ({"chunks": (rows, 1)}, {"chunks": (rows, 1), "compression": 1}, {"chunks": (rows, 16)},
                       {"chunks": (70_000, 3), "compression": 1, "shuffle": True}, {"chunks": (3000, 1)}):
            with self.subTest(layout):
                self.write_numbered(**layout)
                for memory in ("16MiB", "100MB"):
                    self.repack("a.h5", "--output", "b.h5", "--memory", memory)
                    self.assertEqual((self.folder / "b.h5").read_bytes(), first)
        self.write_numbered(rows=3000, chunks=(1, 16))
        self.repack("a.h5", "--output", "b.h5")
        self.assertTrue(np.array_equal(self.order_of("b.h5"), np.arange(3000)))

    def test_default_chunks(self):
        self.write_numbered()
        self.repack("a.h5", "--output", "b.h5")
        self.run_program("verify", "b.h5")
        with h5py.File(self.folder / "b.h5", "r") as file:
            self.assertEqual(file["x"].chunks, (2**20 // 64, 16))
            self.assertEqual(file["y"].chunks, (2**20 // 8,))

    def test_many_column_names(self):
        names = np.array([f"column number {i}" for i in range(20_000)], "S24")
        with h5py.File(self.folder / "a.h5", "w", libver="latest") as file:
            file["x"] = np.zeros((3, len(names)), "u1")
            file["y"] = np.zeros(3)
            file["x"].attrs["names"] = names
        self.repack("a.h5", "--output", "b.h5")
        with h5py.File(self.folder / "b.h5", "r") as file:
            self.assertTrue(np.array_equal(file["x"].attrs["names"], names))

    def test_names_weights_and_what_is_left_out(self):
        x, label, weight = np.random.default_rng(1).random((50, 3)), np.arange(50) % 4, np.arange(50.0)
        with h5py.File(self.folder / "a.h5", "w") as file:
            file["in/x"], file["label"], file["weight"], file["note"] = x, label, weight, "text"
        out = self.repack("a.h5", "--output", "b.h5", "--features", "in/x", "--targets", "label", "--weights",
                          "/weight")
        self.assertIn("b.h5: 50 rows, /in/x 3 x float64, /label 1 x int64, /weight 1 x float64\n", out)
        self.assertIn("left out: /note\n", out)
        for path, expected in (("in/x", x), ("label", label), ("weight", weight)):
            self.assert_same_bits_as("b.h5", path, expected)
        out = self.repack("a.h5", "--output", "b.h5", "--features", "in/x", "--targets", "none")
        self.assertIn("left out: /label, /note, /weight\n", out)
        self.repack("a.h5", "--output", "b.h5", "--features", "in/x", "--targets", "in/x")  # an autoencoder
        self.assert_same_bits_as("b.h5", "in/x", x)

    def test_types_that_numpy_does_not_have(self):
        space = h5py.h5s.create_simple((4, 2))
        three = h5py.h5t.STD_I32BE.copy()
        three.set_precision(24)
        three.set_size(3)
        values = np.array([[1, -2], [3, -8388608], [5, 8388607], [7, 0]], "i4")
        with h5py.File(self.folder / "a.h5", "w") as file:
            h5py.h5d.create(file.id, b"x", three, space).write(h5py.h5s.ALL, h5py.h5s.ALL, values)
            file["y"] = np.array([1, 2, 3, 4], np.longdouble) / 8
        out = self.repack("a.h5", "--output", "b.h5")
        self.assertIn("/x 2 x int32 of int24 big-endian, /y 1 x float64 of float", out)
        self.assert_same_bits_as("b.h5", "x", values)
        self.assert_same_bits_as("b.h5", "y", np.array([1, 2, 3, 4]) / 8)

    def test_several_files(self):
        for part in range(3):
            self.write_numbered(f"part {part}.h5", rows=1000 + part, first=2000 * part)
        self.write_numbered("last.h5", rows=5, first=9000, chunks=(2, 3), compression=1)
        self.repack("part?0.h5", "part?1.h5 part?2.h5", "last.h5", "--output", "b.h5")
        expected = [np.arange(2000 * p, 2000 * p + 1000 + p) for p in range(3)] + [np.arange(9000, 9005)]
        self.assertTrue(np.array_equal(self.order_of("b.h5"), np.concatenate(expected)))

    def test_shards(self):
        self.write_numbered(rows=1001)
        for shards, digits in ((2, 3), (3, 3), (1000, 4)):
            with self.subTest(shards):
                out = self.repack("a.h5", "--output", "t.h5", "--shards", shards)
                names = [f"t.{i:0{digits}}-of-{shards:0{digits}}.h5" for i in range(shards)]
                pattern = f"t.*-of-{shards:0{digits}}.h5"
                self.assertIn(f"train them with data.train = {pattern}\n", out)
                self.assertEqual(sorted(glob.glob(pattern, root_dir=self.folder)), names)
                self.assertTrue(np.array_equal(self.order_of(*names), np.arange(1001)))
                rows = [len(self.read(name, "y")) for name in names]
                self.assertLessEqual(max(rows) - min(rows), 1)
        self.repack("a.h5", "--output", "one.h5", "--shards", 1)
        self.assertTrue(np.array_equal(self.order_of("one.h5"), np.arange(1001)))


class Shuffles(RepackTest):
    def test_the_order_depends_on_seed_and_rows_alone(self):
        self.write_numbered()
        self.repack("a.h5", "--output", "b.h5", "--shuffle-rows")
        first = (self.folder / "b.h5").read_bytes()
        order = self.order_of("b.h5")
        self.assertTrue(np.array_equal(np.sort(order), np.arange(300_000)))
        # From everywhere: a tenth of the rows in each tenth, and no neighbours.
        counts, _, _ = np.histogram2d(order, np.arange(300_000), bins=10)
        self.assertLess(np.sum((counts - 3000) ** 2) / 3000, 81 + 5 * np.sqrt(2 * 81))
        self.assertLess(np.sum(np.abs(np.diff(order)) <= 10), 20 + 5 * np.sqrt(20))
        for arguments in (("--memory", "16MiB"), ("--memory", "1GiB"), ("--seed", 1)):
            self.repack("a.h5", "--output", "b.h5", "--shuffle-rows", *arguments)
            self.assertEqual((self.folder / "b.h5").read_bytes(), first)
        self.repack("a.h5", "--output", "b.h5", "--shuffle-rows", "--seed", 2)
        self.assertLess(np.sum(self.order_of("b.h5") == order), 10)

    def test_files_and_shards_make_no_difference(self):
        self.write_numbered(rows=5000)
        self.repack("a.h5", "--output", "b.h5", "--shuffle-rows", "--seed", 9, "--deflate", 1)
        order = self.order_of("b.h5")
        self.write_numbered("p1.h5", rows=1700, chunks=(1700, 1), compression=2)
        self.write_numbered("p2.h5", rows=3300, first=1700)
        self.repack("p?.h5", "--output", "c.h5", "--shuffle-rows", "--seed", 9, "--deflate", 1)
        self.assertEqual((self.folder / "c.h5").read_bytes(), (self.folder / "b.h5").read_bytes())
        self.repack("a.h5", "--output", "s.h5", "--shuffle-rows", "--seed", 9, "--shards", 7)
        names = [f"s.{i:03}-of-007.h5" for i in range(7)]
        self.assertTrue(np.array_equal(self.order_of(*names), order))

    def test_shuffled_shards_train(self):
        x = np.random.default_rng(2).normal(size=(300, 3))
        with h5py.File(self.folder / "a.h5", "w") as file:
            file["x"], file["y"] = x, np.sort(x[:, 0])
        out = self.repack("a.h5", "--output", "t.h5", "--shuffle-rows", "--shards", 4)
        train = out.split("data.train = ")[1].split("\n")[0]
        self.write("c.ini", f"[data]\ntrain = {train}\nvalid = a.h5\n[model]\nlayer = 1 linear\n"
                   "[train]\nloss = mse\nepochs = 2\n")
        self.run_program("train", "c.ini")
        self.assertEqual(sum(record["kind"] == "epoch" for record in self.metrics()), 2)

    def test_a_few_rows(self):
        for rows in (1, 2, 3):
            self.write_numbered(rows=rows)
            self.repack("a.h5", "--output", "b.h5", "--shuffle-rows", "--shards", rows)
            names = ["b.h5"] if rows == 1 else [f"b.{i:03}-of-{rows:03}.h5" for i in range(rows)]
            self.assertEqual(sorted(self.order_of(*names)), list(range(rows)))


class Refusals(RepackTest):
    def refuse(self, code, fragments, *arguments):
        before = sorted(self.folder.iterdir())
        self.assert_refused(code, fragments, "repack", *arguments)
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_command_line(self):
        self.write_numbered(rows=20)
        os.link(self.folder / "a.h5", self.folder / "hard.h5")
        os.symlink("a.h5", self.folder / "soft.h5")
        for name in ("a.h5", "./a.h5", "hard.h5", "soft.h5"):
            self.refuse(2, [name, "is a source"], "a.h5", "--output", name)
        os.link(self.folder / "a.h5", self.folder / "t.001-of-002.h5")
        self.refuse(2, ["t.001-of-002.h5", "is a source"], "a.h5", "--output", "t.h5", "--shards", 2)
        for arguments, text in ((("--seed", 2), "--seed is for --shuffle-rows"), (("--deflate", 10), "--deflate 10"),
                                (("--chunk-rows", 0), "--chunk-rows 0"), (("--shards", 0), "--shards 0"),
                                (("--shards", 21), "only 20 rows"), (("--memory", "1MiB"), "at least 16MiB"),
                                (("--memory", "much"), "--memory much"), (("--features", "none"), "--features"),
                                (("--shufle-rows",), "did you mean --shuffle-rows?")):
            self.refuse(2, [text], "a.h5", "--output", "b.h5", *arguments)
        self.refuse(2, ["--output"], "a.h5")
        self.refuse(2, ["SOURCE"], "--output", "b.h5")
        self.refuse(2, ["no such file", "b.h5"], "b.h5", "--output", "c.h5")
        self.refuse(2, ["no file matches", "b*.h5"], "b*.h5", "--output", "c.h5")
        self.refuse(4, ["no folder absent"], "a.h5", "--output", "absent/b.h5")

    def test_sources_that_do_not_fit(self):
        good = {"x": np.zeros((9, 2)), "y": np.zeros(9)}
        for sets, texts in (({"x": np.zeros((9, 3)), "y": np.zeros(9)}, ["b.h5: /x has 3 columns and a.h5 has 2"]),
                            ({"x": np.zeros((9, 2), "f4"), "y": np.zeros(9)}, ["b.h5: /x holds float32", "float64"]),
                            ({"x": np.zeros((9, 2))}, ["b.h5: there is no data set /y", "--targets", "holds /x"]),
                            ({"x": np.zeros((9, 2)), "y": np.zeros(8)}, ["b.h5: /y has 8 rows and /x has 9"]),
                            ({"x": np.zeros(9), "y": np.zeros(9)}, ["b.h5: /x has shape (9)"]),
                            ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, ["b.h5: /x has no rows"]),
                            ({"x": np.zeros((9, 2)), "y": np.array([b"a"] * 9)}, ["b.h5: /y holds string"])):
            with self.subTest(texts):
                self.write_data("a.h5", **good)
                self.write_data("b.h5", **{"y": None, **sets})
                self.refuse(3, texts, "a.h5", "b.h5", "--output", "c.h5")
        for name, labels in (("a.h5", ["no", "yes"]), ("b.h5", ["yes", "no"])):
            self.write_data(name, **good)
            with h5py.File(self.folder / name, "a") as file:
                file["y"].attrs["classes"] = np.array(labels, "S3")
        self.refuse(3, ["b.h5: /y has other classes"], "a.h5", "b.h5", "--output", "c.h5")

    def test_a_damaged_chunk(self):
        self.write_numbered(rows=3000, chunks=(500, 16), compression=4)
        with h5py.File(self.folder / "a.h5", "r") as file:
            place = file["x"].id.get_chunk_info(4).byte_offset
        data = bytearray((self.folder / "a.h5").read_bytes())
        data[place + 20:place + 60] = bytes(40)
        (self.folder / "a.h5").write_bytes(data)
        for order in ((), ("--shuffle-rows",)):
            self.refuse(3, ["a.h5: /x rows", "cannot be read"], "a.h5", "--output", "b.h5", "--chunk-rows", 10, *order)

    def test_compressed_chunks_larger_than_memory(self):
        self.write_numbered(chunks=(300_000, 16), compression=1)
        self.refuse(2, ["a.h5: /x is stored in chunks of 19200000 bytes behind filters", "--memory 74MiB"], "a.h5",
                    "--output", "b.h5", "--memory", "16MiB")
        self.repack("a.h5", "--output", "b.h5", "--memory", "74MiB")


class Endings(RepackTest):
    def write_large(self, rows=50_000_000):
        """A set of gigabytes that takes no room: its elements are a hole in the file."""
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        with h5py.File(self.folder / "a.h5", "w") as file:
            for name, shape in ((b"x", (rows, 20)), (b"y", (rows,))):
                h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple(shape), creation)

    def scratch_is_open(self, process):
        try:
            links = [os.readlink(path) for path in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()]
        except OSError:  # one was closed in between
            return False
        return any(link.startswith(str(self.folder)) and link.endswith("(deleted)") for link in links)

    def test_a_signal_leaves_nothing(self):
        self.write_large()
        begun = {(): lambda process: len(list(self.folder.iterdir())) > 1, ("--shuffle-rows",): self.scratch_is_open}
        for number, order in itertools.product((signal.SIGINT, signal.SIGTERM), begun):
            with self.subTest(number=number, order=order):
                process = self.start("repack", "a.h5", "--output", "b.h5", "--shards", 3, *order)
                while not begun[order](process):
                    self.assertIsNone(process.poll())
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertEqual(process.returncode, -number)
                self.assert_left(["a.h5"])

    def test_kill_while_shuffling_leaves_nothing(self):
        """The temporary file has no name."""
        self.write_large()
        process = self.start("repack", "a.h5", "--output", "b.h5", "--shuffle-rows")
        while not self.scratch_is_open(process):
            self.assertIsNone(process.poll())
        process.kill()
        process.communicate(timeout=60)
        self.assert_left(["a.h5"])

    def test_full_disks(self):
        disk = pathlib.Path(tempfile.mkdtemp(prefix="gradloom-disk-"))
        self.addCleanup(disk.rmdir)
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk],
                                                       capture_output=True, check=False).returncode == 0
        if not mounted:
            self.skipTest("small file systems can be mounted by root alone")
        self.addCleanup(subprocess.run, ["umount", disk], check=False)
        for layout in ({}, {"chunks": (300_000, 1)}):
            self.write_numbered(**layout)
            for arguments in ((), ("--shuffle-rows",), ("--shards", 5), ("--shuffle-rows", "--deflate", 1)):
                with self.subTest(layout=layout, arguments=arguments):
                    self.assert_refused(4, [str(disk), "No space left on device"], "repack", "a.h5", "--output",
                                        disk / "b.h5", "--memory", "16MiB", *arguments)
                    self.assertEqual(list(disk.iterdir()), [])

    def test_an_output_that_stands_is_replaced_at_the_end_alone(self):
        self.write_numbered(rows=3000, chunks=(500, 16), compression=4)
        self.write("b.h5", "precious")
        with open(self.folder / "a.h5", "r+b") as file:
            file.truncate(20_000)
        self.assert_refused(3, ["a.h5"], "repack", "a.h5", "--output", "b.h5")
        self.assertEqual((self.folder / "b.h5").read_text(), "precious")
        self.write_numbered(rows=30)
        self.repack("a.h5", "--output", "b.h5")
        self.assertEqual(len(self.order_of("b.h5")), 30)

    def test_progress_on_a_terminal(self):
        """A bar is drawn where a phase lasts, and taken away."""
        self.write_large(rows=1_000_000)
        text, out = self.run_on_terminal("repack", "a.h5", "--output", "b.h5", "--shuffle-rows")
        self.assertIn("b.h5: 1000000 rows", out)
        drawn = rb"\r(distributing|ordering) \[[=> ]+\] +\d+% +\S+B/s +\S+.* left\x1b\[K"
        self.assertRegex(text, rb"^((%s)+\r\x1b\[K)?$" % drawn)


if __name__ == "__main__":
    unittest.main()
