"""import from every format and every kind of source: what it writes is what NumPy or Python itself reads."""

import csv
import gzip
import io
import os
import pty
import random
import resource
import select
import signal
import subprocess
import threading
import time
import unittest

import h5py
import numpy as np
from support import PROGRAM, CliTest


class ImportTest(CliTest):
    def read(self, name="t.h5", path="x"):
        with h5py.File(self.folder / name, "r") as file:
            return file[path][()]

    def names(self, name="t.h5", path="x", attribute="names"):
        with h5py.File(self.folder / name, "r") as file:
            return [value.decode("utf-8") for value in file[path].attrs[attribute]]

    def import_from(self, data, *arguments, expect=0):
        """Imports bytes from standard input. Returns standard error."""
        process = subprocess.run([PROGRAM, "import", *map(str, arguments)], cwd=self.folder, input=data,
                                 capture_output=True, timeout=100, check=False)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process.stderr.decode()

    def hidden(self):
        return [path.name for path in self.folder.iterdir() if path.name.startswith(".")]


class Tables(ImportTest):
    def test_tables_as_python_reads_them(self):
        """Quotes, doubled quotes, line ends in quotes, CRLF, separators and UTF-8, as the csv module writes them."""
        generator = random.Random(7)
        for separator in ",;\t":
            for line_end in ("\n", "\r\n"):
                for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
                    with self.subTest(separator=separator, line_end=line_end, quoting=quoting):
                        kinds = ["grün", 'say "hi"', "a,b", "c;d", "e\tf", "two\nlines", "茶"]
                        rows = [[generator.choice([generator.uniform(-1e3, 1e3), generator.randrange(100)]),
                                 generator.choice(kinds), generator.gauss(0, 1e-9)] for _ in range(200)]
                        text = io.StringIO()
                        writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
                        writer.writerow(["größe", "kind", "y"])
                        writer.writerows(rows)
                        (self.folder / "t.csv").write_bytes(text.getvalue().encode("utf-8"))
                        self.run_program("import", "t.csv", "--target", "y", "--output", "t.h5")
                        found = sorted({row[1] for row in rows}, key=lambda kind: kind.encode())
                        self.assertEqual(self.names(), ["größe"] + [f"kind={kind}" for kind in found])
                        expected = [[row[0]] + [float(row[1] == kind) for kind in found] for row in rows]
                        self.assertTrue(np.array_equal(self.read(), expected))
                        self.assertTrue(np.array_equal(self.read(path="y").ravel(), [row[2] for row in rows]))

    def test_many_files_plain_and_gzipped(self):
        parts = []
        for part in range(40):
            rows = np.arange(part * 7, part * 7 + 7)
            text = "a,b\n" + "".join(f"{row},{row / 8}\n" for row in rows)
            name = f"part-{part:02}.csv" + (".gz" if part % 2 else "")
            (self.folder / name).write_bytes(gzip.compress(text.encode()) if part % 2 else text.encode())
            parts.append(name)
        self.run_program("import", *parts, "--target", "b", "--output", "t.h5")
        self.assertTrue(np.array_equal(self.read().ravel(), np.arange(280)))
        self.assertTrue(np.array_equal(self.read(path="y").ravel(), np.arange(280) / 8))

    def test_threads_change_nothing(self):
        """Several blocks of the real size, all roads through the program: the same bytes for any number of threads."""
        generator = random.Random(3)
        lines = ["a,kind,b,y\n"]
        for row in range(60_000):
            missing = row % 100 == 99
            lines.append(f"{generator.gauss(0, 1)!r},{generator.choice('xyz')},{'' if missing else row},{row % 5}\n")
        self.write("t.csv", "".join(lines))
        for options in (["--missing", "mean"], ["--missing", "drop", "--classify"],
                        ["--missing", "mean", "--split", "0.7,0.2,0.1"]):
            with self.subTest(options=options):
                contents = []
                for threads in (1, 2, 5):
                    self.run_program("import", "t.csv", "--target", "y", *options, "--threads", threads, "--output", "t.h5")
                    contents.append({path.name: path.read_bytes() for path in sorted(self.folder.glob("t*.h5"))})
                self.assertEqual([content == contents[0] for content in contents], [True] * 3)

    def test_errors_far_into_a_file(self):
        for bad, code, fragments in (("1,oops", 3, ["t.csv:70002:", "column b (index 1)", "'oops'"]),
                                     ("1,", 3, ["t.csv:70002:", "column b (index 1)", "missing cell"]),
                                     ("1", 3, ["t.csv:70002:", "has 1 cells where 2"]),
                                     ("1,inf", 3, ["t.csv:70002:", "'inf'"])):
            with self.subTest(bad=bad):
                self.write("t.csv", "a,b\n" + "12.5,13.25\n" * 70_000 + bad + "\n" + "1,2\n" * 70_000)
                self.assert_refused(code, fragments, "import", "t.csv", "--output", "t.h5")
                self.assertEqual([path.name for path in self.folder.iterdir()], ["t.csv"])


class StandardInput(ImportTest):
    TABLE = "a,kind,y\n" + "".join(f"{i},{'pq'[i % 2]},{i * 2}\n" for i in range(5000))

    def expect_table(self):
        self.assertTrue(np.array_equal(self.read()[:, 0], np.arange(5000)))
        self.assertTrue(np.array_equal(self.read(path="y").ravel(), np.arange(5000) * 2))
        self.assertEqual(self.hidden(), [])

    def test_text_and_gzip(self):
        for data in (self.TABLE.encode(), gzip.compress(self.TABLE.encode())):
            self.import_from(data, "-", "--target", "y", "--output", "t.h5")
            self.expect_table()

    def test_arrays(self):
        x = np.random.default_rng(1).normal(size=(50, 3))
        for save in (np.save, lambda file, array: np.savez(file, x=array)):
            file = io.BytesIO()
            save(file, x)
            self.import_from(file.getvalue(), "-", "--output", "t.h5")
            self.assertTrue(np.array_equal(self.read(), x))

    def test_beside_files(self):
        self.write("t.csv", self.TABLE)
        self.import_from(self.TABLE.encode(), "t.csv", "-", "--target", "y", "--output", "t.h5")
        self.assertEqual(len(self.read()), 10_000)

    def test_named_pipe(self):
        os.mkfifo(self.folder / "pipe")
        feeder = threading.Thread(target=lambda: (self.folder / "pipe").write_text(self.TABLE, encoding="utf-8"))
        feeder.start()
        self.run_program("import", "pipe", "--target", "y", "--output", "t.h5")
        feeder.join()
        self.expect_table()

    def test_refusals(self):
        self.assertIn("standard input: is empty", self.import_from(b"", "-", "--output", "t.h5", expect=3))
        error = self.import_from(b"a,b\n1,2\n3,oops\n4,5\n", "-", "--output", "t.h5", expect=3)
        self.assertIn("standard input:3: column b (index 1): found 'oops'", error)
        self.assertIn("only once", self.import_from(b"", "-", "-", "--output", "t.h5", expect=2))
        self.assertIn("no folder", self.import_from(b"1,2\n", "-", "--output", "absent/t.h5", expect=4))
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assert_refused(2, ["/dev/zero", "is a device"], "import", "/dev/zero", "--output", "t.h5")

    def test_a_signal_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = subprocess.Popen([PROGRAM, "import", "-", "--output", "t.h5"], cwd=self.folder,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(40):
                process.stdin.write(b"1,2,3\n" * 50_000)
            process.stdin.flush()
            process.send_signal(number)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, -number)
            self.assertEqual(list(self.folder.iterdir()), [])

    def test_full_disk(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        process = subprocess.run([PROGRAM, "import", "-", "--output", "t.h5"], cwd=self.folder, input=b"1,2\n" * 10**6,
                                 capture_output=True, timeout=100, check=False, preexec_fn=limit)
        self.assertEqual(process.returncode, 4, process.stderr)
        self.assertIn(b"File too large", process.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


class Npz(ImportTest):
    def setUp(self):
        super().setUp()
        self.x = np.random.default_rng(2).normal(size=(40, 2, 3)).astype(np.float32)
        self.labels = np.arange(40) % 4

    def expect(self, scale=1.0):
        self.assertTrue(np.array_equal(self.read(), self.x.reshape(40, 6) * np.float32(scale)))
        self.assertTrue(np.array_equal(self.read(path="y").ravel(), self.labels))
        self.assertEqual(self.hidden(), [])

    def test_arrays_are_found(self):
        for save in (np.savez, np.savez_compressed):
            save(self.folder / "t.npz", y=self.labels, x=np.asfortranarray(self.x))
            self.run_program("import", "t.npz", "--classify", "--output", "t.h5")
            self.expect()
            save(self.folder / "t.npz", self.x, self.labels)
            self.run_program("import", "t.npz", "--scale", "0.5", "--output", "t.h5")
            self.expect(0.5)
            save(self.folder / "t.npz", only=self.x)
            self.run_program("import", "t.npz", "--output", "t.h5")
            self.assertEqual(self.read().shape, (40, 6))

    def test_arrays_are_named(self):
        np.savez(self.folder / "t.npz", x_train=self.x, y_train=self.labels, x_test=self.x[:5], y_test=self.labels[:5])
        self.run_program("import", "t.npz", "--array", "x_train", "--array", "y_train", "--output", "t.h5")
        self.expect()
        self.run_program("import", "t.npz", "--array", "x_test", "--output", "t.h5")
        self.assertEqual(self.read().shape, (5, 6))
        self.assert_refused(2, ["x_train, y_train, x_test, y_test", "--array"], "import", "t.npz", "--output", "t.h5")
        self.assert_refused(2, ["--array x_trian", "x_train"], "import", "t.npz", "--array", "x_trian", "--output", "t.h5")
        self.assert_refused(3, ["t.npz: y_test", "5 rows"], "import", "t.npz", "--array", "x_train", "--array", "y_test",
                            "--output", "t.h5")

    def test_damage(self):
        np.savez(self.folder / "t.npz", x=self.x)
        whole = (self.folder / "t.npz").read_bytes()
        for place in range(0, len(whole), 37):
            damaged = bytearray(whole)
            damaged[place] ^= 0x55
            (self.folder / "d.npz").write_bytes(damaged)
            process = self.start("import", "d.npz", "--output", "d.h5")
            _, err = process.communicate(timeout=100)
            self.assertIn(process.returncode, (0, 2, 3), err)
            self.assertEqual((self.folder / "d.h5").exists(), process.returncode == 0)
            if process.returncode == 0:  # a time, or another thing that says nothing of the array
                self.assertTrue(np.array_equal(self.read("d.h5"), self.x.reshape(40, 6)), place)
                (self.folder / "d.h5").unlink()
        for size in (0, 4, 100, len(whole) - 1):
            (self.folder / "d.npz").write_bytes(whole[:size])
            self.assert_refused(3, ["d.npz"], "import", "d.npz", "--output", "d.h5")


class Libsvm(ImportTest):
    def test_as_scikit_learn_writes_it(self):
        """Rows as sklearn.datasets.dump_svmlight_file writes them; indices from 1 and from 0."""
        generator = np.random.default_rng(5)
        x = generator.normal(size=(500, 30)) * (generator.random((500, 30)) < 0.1)
        x[0, 0] = x[1, -1] = 1
        y = generator.integers(0, 2, 500) * 2 - 1
        for base in (0, 1):
            lines = [f"{label:d} " + " ".join(f"{i + base}:{row[i]:.16g}" for i in np.flatnonzero(row)) + "\n"
                     for row, label in zip(x, y)]
            (self.folder / "t.svm").write_text("".join(lines))
            self.run_program("import", "t.svm", "--output", "t.h5")
            stored = np.array([[float(f"{value:.16g}") for value in row] for row in x])
            self.assertTrue(np.array_equal(self.read(), stored))
            self.assertTrue(np.array_equal(self.read(path="y").ravel(), y))
        self.run_program("import", "t.svm", "--classify", "--split", "0.8,0.2", "--output", "t.h5")
        self.assertEqual(self.names("t.train.h5", "y", "classes"), ["-1", "1"])
        self.write("c.ini", "[data]\ntrain=t.train.h5\ntest=t.test.h5\n[model]\nlayer=2 linear\n"
                   "[train]\nloss=categorical-cross-entropy\nepochs=1\n")
        self.run_program("train", "c.ini")

    def test_options(self):
        self.write("t.txt", "1 1:2\n")
        self.run_program("import", "t.txt", "--features", 3, "--zero-based", "--output", "t.h5")
        self.assertEqual(self.read().tolist(), [[0, 2, 0]])
        self.write("labels.txt", "1\n2\n")
        self.run_program("import", "labels.txt", "--format", "libsvm", "--features", 2, "--output", "t.h5")
        self.assertEqual(self.read().tolist(), [[0, 0], [0, 0]])
        self.assert_refused(3, ["t.txt:1", "index 1", "--features 1"], "import", "t.txt", "--features", 1, "--zero-based",
                            "--output", "t.h5")
        self.assert_refused(2, ["--target is for CSV"], "import", "t.txt", "--target", 0, "--output", "t.h5")
        self.assert_refused(2, ["--format svm", "libsvm"], "import", "t.txt", "--format", "svm", "--output", "t.h5")
        self.write("t.csv", "1,2\n")
        self.assert_refused(2, ["--features is for LIBSVM"], "import", "t.csv", "--features", 3, "--output", "t.h5")
        self.assert_refused(2, ["one format"], "import", "t.csv", "t.txt", "--output", "t.h5")


class ProgressBar(ImportTest):
    def test_a_terminal_shows_a_bar(self):
        """While a slow pipe brings the data, and nothing of it afterwards."""
        parent, child = pty.openpty()
        process = subprocess.Popen([PROGRAM, "import", "-", "--output", "t.h5"], cwd=self.folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=child)
        os.close(child)
        deadline = time.monotonic() + 60
        while not select.select([parent], [], [], 0.15)[0]:  # the bar is drawn every tenth of a second
            self.assertLess(time.monotonic(), deadline, "no bar was drawn")
            process.stdin.write(b"1,2\n" * 1000)
            process.stdin.flush()
        process.stdin.close()
        text = b""
        try:
            while piece := os.read(parent, 65536):
                text += piece
        except OSError:  # the terminal's last writer is gone
            pass
        os.close(parent)
        self.assertEqual(process.wait(timeout=100), 0)
        self.assertRegex(text, rb"^\rreceiving [\d.]+kB  [\d.]+kB/s\x1b\[K")
        self.assertTrue(text.endswith(b"\r\x1b[K"), text)

    def test_nobody_looks_on(self):
        self.write("t.csv", "1,2\n" * 1000)
        self.assertEqual(self.run_program("import", "t.csv", "--output", "t.h5")[1], "")


if __name__ == "__main__":
    unittest.main()
