"""Claim: the exact Gram update of 8,192 x 4,096 integer rows is faster than BLAS in floating point.

Yardsticks: torch's full int8 product, where torch is installed (pip install --group torch), and `ssyrk` and `dsyrk`,
which give one triangle as ours does. Each of them leaves out what ours includes: packing, and adding to an int64 state.
Run again with OPENBLAS_CORETYPE=SKYLAKEX where OpenBLAS mistakes an AVX-512 machine for an AVX2 one.
"""

import numpy as np
from _common import race
from scipy.linalg import blas

from analytic_cl import show_config, use_backend
from analytic_cl.statistics import gram

N, D = 8192, 4096
random = np.random.default_rng(0)
int8 = random.integers(-127, 128, (N, D)).astype(np.int8)
int16 = random.integers(-0x7F7F, 0x7F80, (N, D)).astype(np.int16)
planes = {bits: gram.empty_planes(D, bits) for bits in (8, 16)}
single, double = int8.astype(np.float32), int8.astype(np.float64)
c32, c64 = (np.empty((D, D), dtype=dtype, order="F") for dtype in (np.float32, np.float64))


def accumulate(backend, rows, bits):
    def run():
        with use_backend(backend):
            gram.accumulate(planes[bits], rows, bits, 1)

    return run


contestants = {
    "int8, native": accumulate("native", int8, 8),
    "int8, BLAS backend": accumulate("blas", int8, 8),
    "int16, native": accumulate("native", int16, 16),
    "int16, BLAS backend": accumulate("blas", int16, 16),
    "ssyrk alone": lambda: blas.ssyrk(1.0, single.T, c=c32, overwrite_c=1, lower=1),
    "dsyrk alone": lambda: blas.dsyrk(1.0, double.T, c=c64, overwrite_c=1, lower=1),
}
try:
    import torch
except ImportError:
    print("torch is not installed: its int8 product is left out")
else:
    left, right = torch.from_numpy(int8.T.copy()), torch.from_numpy(int8)
    contestants["torch int8, full product"] = lambda: torch._int_mm(left, right)

cores = {pool["architecture"] for pool in show_config()["blas"] if pool["architecture"]}
medians = race(f"Gram update, 8,192 x 4,096, BLAS for {' and '.join(sorted(cores))}", contestants)
print("effective Gop/s, 2 n d^2 over time:")
for name, seconds in medians.items():
    print(f"  {name:45s} {2 * N * D * D / seconds / 1e9:7.0f}")
