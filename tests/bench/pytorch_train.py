#!/usr/bin/python3
"""The same training job in PyTorch, as a careful user of it would write it: the whole set in memory, one shuffled index
per epoch, SGD. Prints a JSON object with the samples per second of the best epoch, under the best setting of threads.

    tests/bench/pytorch_train.py DATA.h5 --layers "30 sigmoid,10 sigmoid,3 relu,1 linear" --loss mse --batch 1024

Layers, losses and optimizers carry the names of Gradloom's config keys. Four settings are tried, each in a process of
its own: PyTorch's own threads and OpenBLAS's, at 1 and at --threads.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--layers", required=True, help="UNITS ACTIVATION, ...")
    parser.add_argument("--loss", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--optimizer", default="sgd", choices=["sgd", "adam", "adamw"])
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: the allowed cores")
    parser.add_argument("--max-steps", type=int, default=0, help="steps of an epoch to time at most; 0: all of them")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)  # train here, with so many torch threads
    return parser.parse_args()


def network_of(torch, layers, inputs):
    activations = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "linear": None}
    modules, width = [], inputs
    for layer in layers.split(","):
        units, name = layer.split()
        modules.append(torch.nn.Linear(width, int(units)))
        width = int(units)
        if activations[name]:
            modules.append(activations[name]())
    return torch.nn.Sequential(*modules)


def optimizer_of(torch, asked, parameters):
    rates = {"lr": asked.learning_rate, "weight_decay": asked.weight_decay}
    if asked.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=asked.momentum, **rates)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[asked.optimizer](parameters, **rates)


def read(torch, path, loss):
    import h5py
    with h5py.File(path) as file:
        x, y = torch.from_numpy(file["x"][...]).float(), torch.from_numpy(file["y"][...])
    if loss == "categorical-cross-entropy":
        return x, y.long().reshape(-1)
    return x, y.float().reshape(len(y), -1)


def train(asked):
    """Samples per second of the best epoch, under the threads that this process was started with."""
    import torch
    torch.set_num_threads(asked.one)
    torch.manual_seed(1)
    x, y = read(torch, asked.data, asked.loss)
    network = network_of(torch, asked.layers, x.shape[1])
    optimizer = optimizer_of(torch, asked, network.parameters())
    loss = {"mse": torch.nn.MSELoss, "mae": torch.nn.L1Loss, "binary-cross-entropy": torch.nn.BCEWithLogitsLoss,
            "categorical-cross-entropy": torch.nn.CrossEntropyLoss}[asked.loss]()
    best, total = 0.0, 0.0
    for _ in range(asked.epochs):
        begin, done = time.perf_counter(), 0
        order = torch.randperm(len(x))
        for step, at in enumerate(range(0, len(x), asked.batch)):
            if asked.max_steps and step == asked.max_steps:
                break
            rows = order[at:at + asked.batch]
            optimizer.zero_grad(set_to_none=True)
            value = loss(network(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            total += value.item() if step % 100 == 0 else 0.0  # as a user who looks at the loss now and then
            done += len(rows)
        best = max(best, done / (time.perf_counter() - begin))
    return best


def try_settings(threads):
    """Setting -> samples per second."""
    tried = {}
    for own, blas in itertools.product(sorted({1, threads}), repeat=2):
        environment = dict(os.environ, OMP_NUM_THREADS=str(own), OPENBLAS_NUM_THREADS=str(blas))
        done = subprocess.run([sys.executable, *sys.argv, "--one", str(own)], env=environment, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)
        tried[f"torch={own},openblas={blas}"] = float(done.stdout.split()[-1])
    return tried


def main():
    asked = arguments()
    if asked.one:
        print(train(asked))
        return
    tried = try_settings(asked.threads)
    best = max(tried, key=tried.get)
    print(json.dumps({"peer": "pytorch", "samples_per_second": tried[best], "setting": best, "tried": tried}))


if __name__ == "__main__":
    main()
