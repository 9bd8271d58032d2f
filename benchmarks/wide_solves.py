"""Claim: with few classes, wide systems are solved faster in float32, refined to float64's residual, than in float64.

Ridge behind random features (CIFAR-100 where ANALYTIC_CL_DATA has it, else generated), the first classes alone; the
regularised matrix is the same for all. FEATURES=4096. Run with OPENBLAS_NUM_THREADS=1 too.
"""

import os
from pathlib import Path

import numpy as np
from _common import generated_rows, race
from scipy.linalg import lapack

from analytic_cl import Moments, RandomProjection
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.solvers import cross_products, regularised
from analytic_cl.solvers.refined import solve_refined
from analytic_cl.solvers.spd import factor_spd

M, D = int(os.environ.get("FEATURES", "4096")), 1280
pack = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data")) / "cifar100_mnv2.npz"


def in_float64(a, right):
    return lapack.dpotrs(factor_spd(a.copy()), right, lower=1)[0]


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
    for k in (1, 10, 32, 64, 100):
        right = np.asfortranarray(cross[:k].T)
        exact = in_float64(a, right)
        apart = np.abs(solve_refined(a, right) - exact).max() / np.abs(exact).max()
        race(
            f"solve {M:,} features for {k} classes",
            {"float32, refined": lambda b=right: solve_refined(a, b), "float64": lambda b=right: in_float64(a, b)},
            f"Rows: {'CIFAR-100, MobileNetV2 features' if pack.exists() else 'generated'}. Apart by {apart:.1e}.",
        )
        print(f"apart by {apart:.1e}")
