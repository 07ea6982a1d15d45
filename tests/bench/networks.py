"""The networks whose speed Gradloom has goals for, with data and configs: what throughput.py and scaling.py share.

The program is build/release/gradloom, or the one in GRADLOOM.
"""

import dataclasses
import json
import os
import pathlib
import subprocess

import h5py
import numpy as np

PROGRAM = os.environ.get("GRADLOOM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/gradloom"))

CONFIG = """[data]
train = {data}
[model]
{layers}
precision = float32
[train]
loss = {loss}
batch-size = {batch}
epochs = {epochs}
[checkpoint]
every-epochs = none
"""


@dataclasses.dataclass(frozen=True)
class Network:
    """A network, its data's shape and its goals."""

    name: str
    features: int
    layers: str  # as pytorch_train.py takes them
    loss: str
    batch: int
    rows: int
    goal: float  # samples per second over PyTorch's
    gemm_goal: float = 0.0  # the step's products alone over the step; 0: none
    epochs: int = 5  # of Gradloom
    peer_epochs: int = 3
    peer_steps: int = 0  # of an epoch that PyTorch is timed over; 0: all

    def data_name(self):
        return f"{self.loss}-{self.rows}x{self.features}.h5"

    def classes(self):
        return int(self.layers.split(",")[-1].split()[0])


NARROW = Network("3-30-10-3-1", 3, "30 sigmoid,10 sigmoid,3 relu,1 linear", "mse", 32, 1_000_000, 80.0,
                 peer_steps=6000)
HIGGS = Network("28-300x5-1", 28, ",".join(["300 tanh"] * 5 + ["1 linear"]), "binary-cross-entropy", 100, 200_000, 2.0,
                gemm_goal=0.90, epochs=3, peer_steps=500)
DIGITS = Network("784-512-256-10", 784, "512 relu,256 relu,10 linear", "categorical-cross-entropy", 128, 60_000, 1.3,
                 gemm_goal=0.90)
# A tenth of a set of digits: ten steps take seconds.
WIDE = Network("784-2048-2048-10", 784, "2048 relu,2048 relu,10 linear", "categorical-cross-entropy", 1024, 10_240,
               1.05, gemm_goal=0.90, epochs=3)

GOALS = [NARROW, dataclasses.replace(NARROW, batch=1024, goal=12.0, peer_steps=0), HIGGS, DIGITS, WIDE]


def targets(network, x, random):
    """Something that a network can learn from x (rows, features): (rows, 1), or classes (rows)."""
    if network.loss == "categorical-cross-entropy":
        return (x @ random.normal(size=(network.features, network.classes()))).argmax(axis=1)
    smooth = np.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]
    return (smooth > 0).astype(np.float32) if network.loss == "binary-cross-entropy" else smooth


def write_data(network, folder):
    """The network's data set in `folder`; written where it is not there yet."""
    path = folder / network.data_name()
    if path.exists():
        return path
    random = np.random.default_rng(1)
    x = random.normal(size=(network.rows, network.features)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x)
        file.create_dataset("y", data=targets(network, x, random))
    return path


def write_config(network, folder):
    """Data set and config of a network, both in `folder`. Returns the config's name."""
    layers = "\n".join("layer = " + layer for layer in network.layers.split(","))
    path = folder / f"{network.name}-{network.batch}.ini"
    path.write_text(CONFIG.format(data=write_data(network, folder).name, layers=layers, loss=network.loss,
                                  batch=network.batch, epochs=network.epochs), encoding="utf-8")
    return path.name


def gradloom(folder, *words):
    """What the program prints."""
    done = subprocess.run([PROGRAM, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"gradloom {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def bench(folder, config, *words):
    """The report of gradloom bench."""
    return json.loads(gradloom(folder, "bench", config, "--json", *words))


def table_line(cells, widths):
    """A line of a Markdown table: the first cell to the left, the others to the right."""
    return "| " + " | ".join(f"{cell:{'<' if i == 0 else '>'}{width}}"
                             for i, (cell, width) in enumerate(zip(cells, widths))) + " |"


def table_head(names, widths):
    return table_line(names, widths) + "\n|" + "|".join(("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":")
                                                         for i, w in enumerate(widths)) + "|"
