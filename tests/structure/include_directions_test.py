"""Holds the tree to the include directions of its design: who may include whom, and where each library is at home.

Reads the `#include` lines of every source; needs nothing but Python. Run by ctest; the root of the tree is in
GRADLOOM_SOURCE.
"""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ.get("GRADLOOM_SOURCE", pathlib.Path(__file__).resolve().parents[2]))

# Folder of engine/ -> the folders of engine/ that it may include beside itself.
DIRECTIONS = {
    "core": [],
    "linalg": ["core"],
    "nn": ["linalg", "core"],
    "optim": ["linalg", "core"],
    "io": ["core"],
    "data": ["io", "linalg", "core"],  # linalg: vectorised permutation and checks
    "checkpoint": ["io", "nn", "optim", "data", "linalg", "core"],  # linalg: /environment names BLAS and instruction set
    "config": ["core"],
    "report": ["core", "linalg", "io", "config"],  # the version report asks each library's home
    "train": ["core", "linalg", "nn", "optim", "io", "data", "checkpoint", "config", "report"],
}

# A library's headers -> the only files of engine/ that may include them.
HOMES = {
    r"cblas\.h|openblas_config\.h|lapacke?\.h": r"engine/linalg/",
    r"hdf5(_hl)?\.h|H5\w*\.h": r"engine/io/hdf5\w*\.(cpp|hpp)$",
    r"boost/.*": r"engine/config/",
    r"(oneapi/)?tbb/.*": r"engine/(core/parallel\.cpp$|train/)",
    r"Random123/.*": r"engine/core/",
    r"sanitizer/.*": r"engine/core/thread_sanitizer\.hpp$",
    # The version report takes these three versions from the headers' macros.
    r"hwy/.*": r"engine/(linalg/|report/version\.cpp$)",
    r"xxh(3|ash)\.h": r"engine/(checkpoint/|report/version\.cpp$)",
    r"zip(conf)?\.h": r"engine/io/npz\.cpp$",
    r"libdeflate\.h": r"engine/(io/hdf5_filters\.cpp|report/version\.cpp)$",
    r"zlib\.h": r"engine/((io|data)/|report/version\.cpp$)",
    r"nlohmann/.*": r"engine/",
    r"fmt/.*": r"(engine|apps)/",
}

STANDARD = re.compile(r"[a-z0-9_]+$")  # <vector>, <cstdint>: no slash, no extension
SYSTEM = re.compile(r"(sys|netinet|linux)/\w+\.h$|(unistd|fcntl|sched|signal|glob|dirent|poll|termios|time|errno|malloc)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', re.MULTILINE)


def sources():
    """Path from the root -> text, of everything that is compiled into the library and the programs."""
    found = {}
    for folder in ("include", "engine", "apps"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h"):
                found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    return found


def own_include_is_allowed(path, header):
    """Whether `path` may include the header `header` of this project ("gradloom/..." or from the root)."""
    top, *rest = path.split("/")
    if header.startswith("gradloom/"):
        return True
    if top == "engine" and header.startswith("engine/"):
        folder, target = rest[0], header.split("/")[1]
        return target == folder or target in DIRECTIONS.get(folder, [])
    return top == "apps" and header.startswith(f"apps/{rest[0]}/")


def foreign_include_is_allowed(path, header):
    """Whether `path` may include the header `header` of a library or the system."""
    if STANDARD.match(header) or (header.startswith("gradloom/") and path.startswith("apps/examples/")):
        return True
    if path.startswith("include/"):
        return False
    if SYSTEM.match(header):
        return True
    return any(re.fullmatch(library, header) and re.match(home, path) for library, home in HOMES.items())


def violations(files):
    """A line for each include that the directions forbid. `files`: path -> text."""
    lines = []
    for path, text in files.items():
        if path.startswith("engine/") and path.split("/")[1] not in DIRECTIONS:
            lines.append(f"{path}: this folder has no row in DIRECTIONS")
        for angled, quoted in INCLUDE.findall(text):
            allowed = own_include_is_allowed(path, quoted) if quoted else foreign_include_is_allowed(path, angled)
            if not allowed:
                lines.append(f"{path} may not include {angled or quoted}")
    return lines


class IncludeDirections(unittest.TestCase):
    def test_the_tree_keeps_them(self):
        files = sources()
        self.assertGreater(len(files), 30, f"no sources found under {ROOT}")
        found = violations(files)
        self.assertEqual(len(found), 0, "\n" + "\n".join(found))

    def test_a_planted_violation_is_found(self):
        planted = {
            "engine/core/random.cpp": '#include "engine/linalg/gemm.hpp"',
            "engine/nn/network.cpp": "#include <cblas.h>",
            "engine/data/source.cpp": "#  include <hdf5.h>",
            "engine/io/csv.cpp": "#include <hdf5.h>",
            "engine/core/names.cpp": "#include <tbb/parallel_for.h>",
            "engine/train/trainer.cpp": "#include <boost/program_options.hpp>",
            "engine/checkpoint/store.cpp": '#include "engine/train/run_folder.hpp"',
            "engine/surprise/new.cpp": "#include <vector>",
            "include/gradloom/model.hpp": "#include <fmt/format.h>",
            "include/gradloom/matrix.hpp": '#include "engine/core/random.hpp"',
            "apps/gradloom/main.cpp": '#include "engine/config/ini.hpp"',
            "apps/examples/train_in_memory.cpp": "#include <tbb/flow_graph.h>",
        }
        for path, line in planted.items():
            with self.subTest(path=path):
                self.assertEqual(len(violations({path: "#pragma once\n\n" + line + "\n"})), 1)

    def test_what_is_allowed_passes(self):
        allowed = {
            "engine/train/step_graph.cpp": '#include <tbb/flow_graph.h>\n#include "engine/nn/network.hpp"\n',
            "engine/io/hdf5_read.cpp": '#include <hdf5.h>\n#include <sys/stat.h>\n#include "engine/io/hdf5.hpp"\n',
            "include/gradloom/config.hpp": '#include <vector>\n#include "gradloom/options.hpp"\n',
            "apps/gradloom/main.cpp": '#include <fmt/format.h>\n#include "apps/gradloom/commands.hpp"\n#include "gradloom/model.hpp"\n',
        }
        self.assertEqual(violations(allowed), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
