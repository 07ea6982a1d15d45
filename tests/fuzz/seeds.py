"""Writes what the fuzzers begin with: seeds.py FOLDER makes FOLDER/NAME/... and FOLDER/NAME.dict for each of them."""

import gzip
import io
import pathlib
import re
import struct
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def config():
    table = (ROOT / "engine/config/option_table.cpp").read_text(encoding="utf-8")
    names = (ROOT / "engine/core/names.cpp").read_text(encoding="utf-8")
    keys = re.findall(r'"([a-z-]+\.[a-z-]+)"', table)
    seeds = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.ini"))]
    sections = sorted({key.split(".")[0] for key in keys})
    values = {"batch-size": "7", "learning-rate": "1e-3", "memory": "512MiB", "max-minutes": "0.5", "nesterov": "true",
              "layer": "8 gelu", "standardize": "both", "valid-fraction": "0.25", "every-steps": "none"}
    minimal = b"[data]\ntrain=a.h5\n[model]\nlayer=1 linear\n[train]\nloss=mse\n"
    for key in keys:
        value = values.get(key.split(".")[1], "3")
        seeds.append(minimal + f"\0{key}={value}".encode())
    words = keys + [key.split(".")[1] + " = " for key in keys] + [f"[{section}]" for section in sections]
    words += re.findall(r'"([a-z0-9_-]+)"', names) + ["none", "auto", "true", "MiB", "KB", "1e308", "linear", "\0"]
    return seeds, words


def csv():
    texts = ["a,b,c\n1,2,3\n4,5,6\n", "a\tb\r\n1\t-2.5e3\r\n\r\n", 'x;y\n"1;2";"a ""quoted"" cell"\n"line\nend";?\n',
             "\ufeffname,value\nNA,1e999\ninf,-nan\n", '"open,1\n', "1,2\n3\n", "0x1p3,+5,+-5,  7 ,1e-400\n"]
    plain = [text.encode() for text in texts]
    return [bytes([block]) + text for text in plain + [gzip.compress(plain[0])] for block in (0, 6, 63)], [
        ",", "\t", ";", '"', '""', "\r\n", "\n", "\ufeff", "nan", "inf", "null", "n/a", "1e999", "-0", '",', ',"']


def idx():
    seeds = []
    for code, dtype in ((8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
        for shape in ((3,), (2, 2), (2, 1, 3)):
            values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
            seeds.append(struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + values.tobytes())
    return seeds + [gzip.compress(seed) for seed in seeds[:3]], [b"\0\0\x08\x03", b"\0\0\x0e\x01", b"\xff\xff\xff\xff"]


def npy():
    seeds = []
    for dtype in ("?", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", ">u8", "<f2", ">f4", "<f8", "<c8", "S3", "O"):
        for shape, order in (((3,), "C"), ((2, 3), "F"), ((2, 2, 2), "F")):
            array = np.asarray(np.arange(np.prod(shape)).reshape(shape), order=order).astype(dtype, order=order)
            for version in ((1, 0), (2, 0), (3, 0)):
                file = io.BytesIO()
                np.lib.format.write_array(file, array, version=version)
                seeds.append(file.getvalue())
    return seeds + [gzip.compress(seeds[9])], [
        b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b"\x93NUMPY\x03\x00", "'descr': ", "'fortran_order': ", "'shape': ",
        "True", "False", "'<f8'", "'>i4'", "'|b1'", "(3,)", "()", "18446744073709551615", "[('a', '<f8')]", "}"]


def import_():
    """Behind two bytes of options: where the second source begins (0: there is none)."""
    seeds, words = [], csv()[1]
    table = b"a,b,kind\n1,2,x\n3,,y\n5,6,x\n7,8,z\n"
    for flags in (0, 1, 2, 8, 16, 17, 64, 65, 72):
        for targets in (0, 1, 2, 4):
            seeds.append(bytes([flags, targets, 0, 0]) + table)
    seeds.append(bytes([16, 2, len(table), 0]) + table + table)
    for text in (b"1 1:2 3:4\n-1 2:1e3 # c\n", b"0 0:1\n1\n"):
        for flags in (0, 1, 64, 128):
            for targets in (0, 8, 16, 64):
                seeds.append(bytes([flags, targets, 0, 0]) + text)
    words += [" 1:", " 7:1e5", "# ", "qid:", "PK\x01\x02", "PK\x03\x04", "PK\x05\x06"]
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, x=np.arange(6.0).reshape(3, 2), y=np.arange(3))
        seeds += [bytes([flags, targets, 0, 0]) + file.getvalue() for flags in (0, 1) for targets in (0, 32)]
    for make in (idx, npy):
        sources, more = make()
        words += more
        for first in sources[::4]:
            for second in (b"", sources[0]):
                for flags in (0, 1, 32, 64):
                    cut = len(first) if second else 0
                    seeds.append(bytes([flags, 0, cut % 256, cut // 256]) + first + second)
    return seeds, words


def checkpoint():
    head = struct.pack("<8sIIQ", b"GRADLOOM", 1, 0, 8) + bytes(16)
    signature = b"\x89HDF\r\n\x1a\n"
    whole = head + bytes(512 - len(head)) + signature
    return [head, whole, whole[:512], signature, bytes(512) + signature], [
        "GRADLOOM", signature, struct.pack("<I", 1), bytes(16)]


def escaped(word):
    data = word if isinstance(word, bytes) else word.encode()
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in data) + '"\n'


def main(folder):
    for make in (config, csv, idx, npy, import_, checkpoint):
        seeds, words = make()
        name = make.__name__.rstrip("_")
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (target / f"{number:03}").write_bytes(seed)
        (folder / f"{name}.dict").write_text("".join(map(escaped, words)), encoding="ascii")


main(pathlib.Path(sys.argv[1]))
