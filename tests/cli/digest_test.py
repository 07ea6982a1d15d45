"""The fingerprint of training: fixed-seed runs, and a digest of every parameter that they end with.

A commit that changes a digest changes what training computes: it says why, and puts the new digest here. OpenBLAS is
held to its Haswell kernels, which every machine with AVX2 can run, and our own kernels give the same bits on AVX2 and
AVX3, so the digests are the same on all of them. Other versions of OpenBLAS and Highway may round otherwise: skipped.
"""

import hashlib
import os
import unittest

import h5py
from support import CliTest

CONFIG = """[data]
train = data.h5
valid-fraction = 0.2
standardize = both
[model]
precision = {precision}
layer = 48 {first}
layer = 24 {second}
layer = 1 linear
[train]
loss = mse
epochs = 3
batch-size = 96
shard-rows = 32
[optimizer]
learning-rate = 0.02
momentum = 0.9
nesterov = true
weight-decay = 0.001
[schedule]
warmup-steps = 10
"""

KERNELS = ("OpenBLAS 0.3.21, core type Haswell", "Highway 1.0.3", "instruction set: AVX")  # Debian 12's
DIGESTS = {
    "auto": {
        ("float32", "sigmoid", "relu"): "c78f3813c4a322c2",
        ("float32", "tanh", "gelu"): "1930c03b01033965",
        ("float32", "relu dropout=0.2", "tanh dropout=0.5"): "d864432d8b0fc7b9",
        ("float64", "elu", "silu"): "b536f6aa58a72cb3",
        ("float64", "softplus", "leaky-relu"): "cfb4d30c82d3ed58",
        ("float32", "batch-norm relu", "tanh layer-norm"): "df9f69f38d5db351",
        ("float64", "layer-norm gelu", "elu batch-norm"): "505803cf40a1c0d1",
        ("float32", "prelu", "batch-norm prelu slopes=units"): "e99addabcdd62dc1",
        ("float64", "prelu slopes=units", "prelu layer-norm"): "67dd68915f4cdb8d",
    },
    "blas": {
        ("float32", "sigmoid", "relu"): "6ffe432a60cebd72",
        ("float32", "tanh", "gelu"): "743ecbb1359e0337",
        ("float32", "relu dropout=0.2", "tanh dropout=0.5"): "0860898bc7c6c924",
        ("float64", "elu", "silu"): "e5ad655c63dddb08",
        ("float64", "softplus", "leaky-relu"): "2116c89dc2dbc9d8",
        ("float32", "batch-norm relu", "tanh layer-norm"): "dacf3e8661678e55",
        ("float64", "layer-norm gelu", "elu batch-norm"): "406161db2e8c47f2",
        ("float32", "prelu", "batch-norm prelu slopes=units"): "126575c55f3af371",
        ("float64", "prelu slopes=units", "prelu layer-norm"): "28283b2be4ac9680",
    },
}


class Fingerprint(CliTest):
    def setUp(self):
        super().setUp()
        self.environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
        versions = self.run_program("--version", env=self.environment)[0]
        if not all(kernels in versions for kernels in KERNELS):
            self.skipTest(f"the digests belong to {', '.join(KERNELS)}; here are\n{versions}")

    def digest(self, products, precision, first, second):
        self.write("c.ini", CONFIG.format(precision=precision, first=first, second=second))
        run = f"runs/{products}-{precision}-{first}"
        self.run_program("train", "c.ini", f"--run.dir={run}", f"--train.products={products}", env=self.environment)
        digest = hashlib.sha256()
        with h5py.File(self.checkpoints(run)[-1]) as file:
            for layer in sorted(file["model"]):
                tensors = ("weight", "bias", "norm_weight", "norm_bias", "running_mean", "running_var", "slope")
                for tensor in (name for name in tensors if name in file["model"][layer]):
                    digest.update(file["model"][layer][tensor][()].tobytes())
        return digest.hexdigest()[:16]

    def test_digests(self):
        self.run_program("generate", "friedman1", "--rows", "2000", "--noise", "1", "--output", "data.h5")
        found = {
            products: {network: self.digest(products, *network) for network in DIGESTS["auto"]} for products in DIGESTS
        }
        self.assertEqual(found, DIGESTS, "training computes something else than before")


if __name__ == "__main__":
    unittest.main()
