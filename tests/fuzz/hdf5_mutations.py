"""Damages HDF5 data set files in a thousand ways and runs the program on them.

    hdf5_mutations.py [--count N] [--seed K] [--keep FOLDER] [--memory MIB] [--only INDEX]

The mutants depend on the seed alone. Each is given to one command. Allowed are exit 0, and exit 2, 3 or 4 (training: 5
too, for numbers that became huge) with exactly one `gradloom: error:` line, within 5 s and the bound on memory (the largest resident set of the program and of the
processes it starts). Anything else is a finding: the mutant is kept, and the exit status is 1 at the end. The program
is in GRADLOOM.
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

PROGRAM = os.environ.get("GRADLOOM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/gradloom"))
SECONDS = 5

CONFIG = """[data]
train = mutant.h5
[model]
layer = 4 tanh
layer = {outputs} linear
[train]
loss = mse
max-steps = 3
batch-size = 16
threads = 1
[run]
dir = run
"""


# ---- seed files -------------------------------------------------------------------------------------------------------

def plain(file, x="f4", y="f4", rows=40, flat=False, **layout):
    """x and y of a small regression task, stored as `layout` says."""
    numbers = np.random.default_rng(rows)
    file.create_dataset("x", data=(10 * numbers.random((rows, 3))).astype(x), **layout)
    flat_layout = {key: value for key, value in layout.items() if key != "chunks"}
    if flat or "chunks" not in layout:
        file.create_dataset("y", data=(2 * numbers.random(rows)).astype(y), **flat_layout)
    else:
        file.create_dataset("y", data=(2 * numbers.random((rows, 1))).astype(y), **{**layout, "chunks": (8, 1)})


def with_names(file, variable=False):
    plain(file)
    texts = ["height", "width", "depth"]
    file["x"].attrs["names"] = texts if variable else np.array(texts, dtype="S8")
    file["y"].attrs["classes"] = ["no", "yes"] if variable else np.array(["no", "yes"], dtype="S3")


def with_groups(file):
    plain(file)
    for depth in ("a", "a/b", "a/b/c"):
        group = file.create_group(depth)
        group.create_dataset("values", data=np.arange(12).reshape(4, 3))
        group.attrs["note"] = np.bytes_("text")
    for i in range(30):  # more links than one symbol table node holds
        file.create_dataset(f"a/set{i:02}", data=np.full(3, i))


def with_links(file):
    file.create_dataset("real/x", data=np.random.default_rng(1).random((40, 3)))
    file["x"] = file["real/x"]
    file.create_dataset("y", data=np.arange(40.0))
    file["soft"] = h5py.SoftLink("/real/x")
    file["outside"] = h5py.ExternalLink("other.h5", "/x")
    file["circle"] = file["real"]
    file["real/up"] = file["/"]


def grown(file):
    for name, shape in (("x", (40, 3)), ("y", (40, 1))):
        set_ = file.create_dataset(name, (0, shape[1]), maxshape=(None, shape[1]), chunks=(4, shape[1]), dtype="f4",
                                   compression="gzip")
        set_.resize(shape)
        set_[...] = np.random.default_rng(2).random(shape)


def parameters(file):
    numbers = np.random.default_rng(3)
    for layer, (units, inputs) in enumerate(((4, 3), (1, 4))):
        file.create_dataset(f"model/layer_{layer:03}/weight", data=numbers.random((units, inputs)).astype("f4"))
        file.create_dataset(f"model/layer_{layer:03}/bias", data=numbers.random(units).astype("f4"))


KINDS = {
    "contiguous": plain,
    "contiguous_f8": lambda f: plain(f, "f8", "f8", flat=True),
    "uint8": lambda f: plain(f, "u1", "u1"),
    "int16": lambda f: plain(f, "i2", "i4"),
    "float16": lambda f: plain(f, "f2", "f2"),
    "big_endian": lambda f: plain(f, ">f8", ">i4"),
    "bool": lambda f: plain(f, "?", "?"),
    "one_chunk": lambda f: plain(f, chunks=(40, 3)),
    "chunked": lambda f: plain(f, chunks=(8, 2)),
    "many_chunks": lambda f: plain(f, rows=300, chunks=(2, 1)),
    "deflate": lambda f: plain(f, chunks=(8, 3), compression="gzip"),
    "shuffle": lambda f: plain(f, "f8", "i2", chunks=(16, 2), compression="gzip", shuffle=True),
    "fletcher32": lambda f: plain(f, chunks=(16, 2), fletcher32=True),
    "all_filters": lambda f: plain(f, "i2", chunks=(8, 2), compression="gzip", shuffle=True, fletcher32=True),
    "large_deflate": lambda f: plain(f, "u1", "u1", rows=20000, chunks=(20000, 3), compression="gzip"),
    "grown": grown,
    "names": with_names,
    "names_variable": lambda f: with_names(f, variable=True),
    "groups": with_groups,
    "links": with_links,
    "parameters": parameters,
}


class Seed:
    """A whole file and where its parts lie."""

    def __init__(self, name, path, content, **options):
        self.name = name
        with h5py.File(path, "w", **options) as file:
            content(file)
        self.raw = []  # (begin, end) of elements
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: self.add_raw(item))
        self.bytes = path.read_bytes()
        is_raw = bytearray(len(self.bytes))
        for begin, end in self.raw:
            is_raw[begin:end] = b"\1" * (end - begin)
        # Where a byte is not zero it means something, mostly.
        self.metadata = [i for i, flag in enumerate(is_raw) if not flag]
        self.telling = [i for i in self.metadata if self.bytes[i] != 0]
        self.checked = checksummed_blocks(self.bytes)

    def add_raw(self, item):
        if not isinstance(item, h5py.Dataset):
            return
        if item.chunks is None:
            begin = item.id.get_offset()
            if begin is not None:
                self.raw.append((begin, begin + item.id.get_storage_size()))
            return
        for i in range(item.id.get_num_chunks()):
            chunk = item.id.get_chunk_info(i)
            self.raw.append((chunk.byte_offset, chunk.byte_offset + chunk.size))


def seeds(folder):
    made = []
    for name, content in KINDS.items():
        for version in ("earliest", "latest"):
            made.append(Seed(f"{name}/{version}", folder / "seed.h5", content, libver=version))
    made.append(Seed("userblock", folder / "seed.h5", plain, userblock_size=512))
    return made


# ---- checksums of the newer format ------------------------------------------------------------------------------------

def lookup3(data):
    """Jenkins' lookup3 (hashlittle, initial value 0), which the format keeps behind its newer blocks."""
    mask = 0xFFFFFFFF

    def rotate(value, bits):
        return ((value << bits) | (value >> (32 - bits))) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    at = 0
    while len(data) - at > 12:
        x, y, z = struct.unpack_from("<III", data, at)
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        a = ((a - c) & mask) ^ rotate(c, 4)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rotate(a, 6)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rotate(b, 8)
        b = (b + a) & mask
        a = ((a - c) & mask) ^ rotate(c, 16)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rotate(a, 19)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rotate(b, 4)
        b = (b + a) & mask
        at += 12
    if at == len(data):
        return c
    x, y, z = struct.unpack("<III", bytes(data[at:]).ljust(12, b"\0"))
    a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
    for target, source, bits in (("c", "b", 14), ("a", "c", 11), ("b", "a", 25), ("c", "b", 16), ("a", "c", 4),
                                 ("b", "a", 14), ("c", "b", 24)):
        value = {"a": a, "b": b, "c": c}
        result = ((value[target] ^ value[source]) - rotate(value[source], bits)) & mask
        a, b, c = (result if target == name else value[name] for name in "abc")
    return c


SIGNATURES = (b"\x89HDF", b"OHDR", b"OCHK", b"BTHD", b"BTLF", b"BTIN", b"FRHP", b"FHDB", b"FHIB", b"EAHD", b"EAIB",
              b"EASB", b"EADB", b"FAHD", b"FADB", b"SMTB")
LONGEST_BLOCK = 700


def checksummed_blocks(data):
    """(begin, end) of the blocks whose checksum stands at `end`, found by trying."""
    found = []
    for signature in SIGNATURES:
        begin = data.find(signature)
        while begin >= 0:
            for end in range(begin + 8, min(begin + LONGEST_BLOCK, len(data) - 4)):
                stored = data[end:end + 4]
                if stored != b"\0\0\0\0" and stored == struct.pack("<I", lookup3(data[begin:end])):
                    found.append((begin, end))
                    break
            begin = data.find(signature, begin + 1)
    return found


def repair_checksums(data, blocks):
    for begin, end in blocks:
        if end + 4 <= len(data):
            data[end:end + 4] = struct.pack("<I", lookup3(data[begin:end]))


# ---- damage -----------------------------------------------------------------------------------------------------------

BYTES = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xFE, 0xFF)
WIDE = (0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 255, 256, 511, 512, 1023, 4096, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF,
        0x80000000, 0xFFFFFFFF, 0x100000000, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8)


def place(seed, chance, size):
    """Where to damage: mostly the structure, and there mostly what is not zero."""
    kind = chance.random()
    if kind < 0.75 and seed.telling:
        at = chance.choice(seed.telling)
    elif kind < 0.92 and seed.metadata:
        at = chance.choice(seed.metadata)
    else:
        at = chance.randrange(size)
    return min(at, size - 1)


def damage_once(data, seed, chance):
    at = place(seed, chance, len(data))
    kind = chance.randrange(100)
    if kind < 25:
        data[at] ^= 1 << chance.randrange(8)
    elif kind < 45:
        data[at] = chance.choice(BYTES)
    elif kind < 52:
        data[at] = (data[at] + chance.choice((-1, 1))) % 256
    elif kind < 76:
        width = chance.choice((2, 4, 8))
        value = chance.choice(WIDE + (len(data), len(data) - 8, at, chance.getrandbits(64)))
        data[at:at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")[:len(data) - at]
    elif kind < 84:
        length = min(chance.choice((4, 8, 16, 24, 40, 64, 256)), len(data) - at)
        other = min(place(seed, chance, len(data)), len(data) - length)
        first, second = data[at:at + length], data[other:other + length]
        data[at:at + length] = second
        if chance.random() < 0.4 and abs(at - other) >= length:
            data[other:other + length] = first
    elif kind < 90:
        length = min(chance.choice((1, 2, 4, 8, 16, 64, 512)), len(data) - at)
        data[at:at + length] = bytes([chance.choice((0, 0, 0xFF))]) * length
    elif kind < 94:
        del data[max(at, 1):]
    elif kind < 96:
        length = chance.choice((1, 4, 8, 100))
        del data[at:at + length]
    elif kind < 98:
        data[at:at] = chance.randbytes(chance.choice((1, 4, 8, 100)))
    else:
        data.extend(chance.randbytes(chance.choice((1, 8, 512, 5000))))
    return data or bytearray(b"\0")


def mutant(seed, chance):
    data = bytearray(seed.bytes)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        data = damage_once(data, seed, chance)
    if seed.checked and chance.random() < 0.8:
        repair_checksums(data, seed.checked)
    return bytes(data)


# ---- runs -------------------------------------------------------------------------------------------------------------

COMMANDS = {
    "verify": ["verify", "mutant.h5"],
    "inspect": ["inspect", "mutant.h5"],
    "check": ["check", "c.ini"],
    "train": ["train", "c.ini"],
    "evaluate": ["evaluate", "model.h5", "mutant.h5"],
    "predict": ["predict", "model.h5", "mutant.h5", "--output", "out.csv"],
    "repack": ["repack", "mutant.h5", "--output", "repacked.h5", "--shuffle-rows"],
    "init-from": ["train", "c.ini", "--data.train=clean.h5", "--model.init-from=mutant.h5"],
}
TURNS = ("verify", "inspect", "check", "train", "verify", "inspect", "evaluate", "predict", "repack")

Outcome = collections.namedtuple("Outcome", "status seconds cpu kib text")


def run(folder, arguments, limit=SECONDS):
    """Runs the program in `folder`; a negative status is a signal, None a run that took over `limit` seconds."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    start = time.monotonic()
    with open(folder / "out.txt", "wb") as out, open(folder / "err.txt", "wb") as err:
        process = subprocess.Popen([PROGRAM, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, start_new_session=True)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        _, raw, usage = os.wait4(process.pid, 0)
        status = os.waitstatus_to_exitcode(raw)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        _, _, usage = os.wait4(process.pid, 0)
        status = None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    process.returncode = 0  # waited for above
    text = (folder / "err.txt").read_text(encoding="utf-8", errors="replace")
    return Outcome(status, time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, text)


def run_again(folder, arguments):
    """Runs once more, with much time, where it takes too long: a busy machine may stand still for seconds. Then what
    counts is the processor time."""
    outcome = run(folder, arguments)
    if outcome.status is None:
        outcome = run(folder, arguments, 20 * SECONDS)
        if outcome.cpu > SECONDS:
            outcome = outcome._replace(status=None)
    return outcome


def finding(command, outcome, memory_kib):
    """What is wrong with this outcome; empty where nothing is."""
    if outcome.status is None:
        return f"took over {SECONDS} s"
    if outcome.status not in (0, 2, 3, 4) and not (outcome.status == 5 and COMMANDS[command][0] == "train"):
        return f"ended with status {outcome.status}"
    errors = [line for line in outcome.text.splitlines() if line.startswith("gradloom: error: ")]
    if outcome.status != 0 and len(errors) != 1:
        return f"printed {len(errors)} error lines"
    if outcome.status == 0 and errors:
        return "printed an error and exited with 0"
    if outcome.kib > memory_kib:
        return f"took {outcome.kib // 1024} MiB"
    return ""


def prepare(folder):
    """What the commands need beside the mutant."""
    with h5py.File(folder / "mutant.h5", "w") as file:
        plain(file)
    shutil.copy(folder / "mutant.h5", folder / "clean.h5")
    (folder / "c.ini").write_text(CONFIG.format(outputs=1), encoding="utf-8")
    outcome = run(folder, COMMANDS["train"])
    if outcome.status != 0:
        sys.exit(f"the program fails on a whole file: {outcome.text}")
    shutil.copy(next((folder / "run/checkpoints").glob("step-*.h5")), folder / "model.h5")


def command_of(seed, index):
    if seed.name.startswith("parameters"):
        return "init-from" if index % 4 else "inspect"
    return TURNS[index % len(TURNS)]


def interrupt(*_):
    raise TimeoutError


def parsed_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this mutant alone")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for mutants that are findings")
    parser.add_argument("--memory", type=int, default=512, help="bound in MiB (default 512)")
    return parser.parse_args()


def main():
    options = parsed_arguments()
    signal.signal(signal.SIGALRM, interrupt)
    counts, slowest, busiest, largest, findings = collections.Counter(), 0.0, 0.0, 0, 0
    with tempfile.TemporaryDirectory(prefix="gradloom-mutations-") as name:
        folder = pathlib.Path(name)
        prepare(folder)
        originals = seeds(folder)
        for index in range(options.count) if options.only is None else [options.only]:
            chance = random.Random(f"{options.seed}/{index}")
            seed = chance.choice(originals)
            command = command_of(seed, chance.randrange(1 << 16))
            data = mutant(seed, chance)
            (folder / "mutant.h5").write_bytes(data)
            outcome = run_again(folder, COMMANDS[command])
            counts[command, outcome.status] += 1
            slowest, busiest = max(slowest, outcome.seconds), max(busiest, outcome.cpu)
            largest = max(largest, outcome.kib)
            if what := finding(command, outcome, 1024 * options.memory):
                findings += 1
                print(f"mutant {index} of {seed.name}, {command}: {what}", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{options.seed}-{index}-{command}.h5").write_bytes(data)
    for (command, status), count in sorted(counts.items(), key=str):
        print(f"{command}: exit {status}: {count}")
    print(f"{sum(counts.values())} mutants, {findings} findings; at most {slowest:.2f} s, "
          f"{busiest:.2f} s of processor time and {largest // 1024} MiB")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
