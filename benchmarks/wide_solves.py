"""Claim: with few classes, wide systems are solved faster in float32, refined to float64's residual, than in float64.

Ridge behind random features (CIFAR-100 where ANALYTIC_CL_DATA has it, else generated), the first classes alone; the
regularised matrix is the same for all. Float64's factor is written over a copy whose making isn't counted. The note has
what no solve can go below: all operations at the rate at which this BLAS multiplies large matrices. FEATURES=4096. Run
with OPENBLAS_NUM_THREADS=1 too.
"""

import os
from pathlib import Path

import numpy as np
from _common import REPEATS, generated_rows, store, timed
from scipy.linalg import blas

from analytic_cl import Moments, RandomProjection
from analytic_cl._blas import solve_factored
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.solvers import cross_products, regularised
from analytic_cl.solvers.refined import pays, solve_refined
from analytic_cl.solvers.spd import factor_spd

M, D = int(os.environ.get("FEATURES", "4096")), 1280
pack = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data")) / "cifar100_mnv2.npz"


def rate(gemm, a):
    """Operations a second of a large product."""
    half = a[:, : M // 2]
    return M * half.size / min(timed(lambda: gemm(1.0, half, half, trans_a=1)) for _ in range(REPEATS))


if __name__ == "__main__":
    if pack.exists():
        with np.load(pack, allow_pickle=False) as stored:
            X, y = stored["X_train"][:20_000].astype(np.float32), stored["y_train"][:20_000]
    else:
        X, y = generated_rows(20_000, D)
    quantizer = resolve_quantizer("auto", RandomProjection(M), D)
    moments = Moments(quantizer)
    moments.add(quantizer.quantise(X), y)
    a, _ = regularised(moments, "oas", True)
    cross = cross_products(moments, True)
    room = np.empty_like(a)
    single, double = rate(blas.sgemm, a.T.astype(np.float32)), rate(blas.dgemm, a.T)
    rates = f"BLAS multiplies {single / 1e9:.0f} Gflop/s in float32, {double / 1e9:.0f} in float64"
    for k in (1, 10, 32, 64, 100):
        right = np.asfortranarray(cross[:k].T)
        seconds = {"float32, refined": [], "float64": []}
        for number in range(1 + REPEATS):  # the first is to warm up
            np.copyto(room, a)
            solves = {
                "float32, refined": lambda b=right: solve_refined(a, b),
                "float64": lambda b=right: solve_factored(factor_spd(room), b),
            }
            for name, solve in solves.items():
                took = timed(solve)
                if number:
                    seconds[name].append(took)
        np.copyto(room, a)
        exact = solve_factored(factor_spd(room), right)
        apart = np.abs(solve_refined(a, right) - exact).max() / np.abs(exact).max()
        factor, triangles = M**3 / 3, 2 * M**2 * k
        floors = (factor + 3 * triangles) / single + 2 * triangles / double, (factor + triangles) / double
        note = (
            f"Rows: {'CIFAR-100, MobileNetV2 features' if pack.exists() else 'generated'}. Apart by {apart:.1e}. "
            f"{rates}: at least {floors[0]:.3f} s for three solves and two residuals, {floors[1]:.3f} s in float64, "
            f"{floors[1] / floors[0]:.2f} times that. Heads choose {'float32' if pays(M, k) else 'float64'}."
        )
        store(f"solve {M:,} features for {k} classes", seconds, note)
        print(note)
