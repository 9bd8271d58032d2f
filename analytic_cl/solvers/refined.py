"""Wide systems with few right-hand sides: factored in float32, refined in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, blas, lapack

from analytic_cl._warnings import warn

Floats = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_WIDE = 2048  # columns from which on, and
_FEW = 64  # as many of them for each right-hand side, it pays: see benchmarks/wide_solves.py
_STEPS = 8
_PANEL = 64


def pays(width: int, n_right: int) -> bool:
    """Whether a factor in float32 and what refining takes are less than a factor in float64."""
    return width >= _WIDE and n_right * _FEW <= width


def solve_refined(a: Floats, right: Floats) -> Floats | None:
    """Solve A W = right for a symmetric A, its upper triangle in C order; None, with a LinAlgWarning, where refining
    does not converge.

    Rows and columns are first scaled by powers of two, to a diagonal of about 1. Each step adds what the float32 factor
    makes of the residual right - A W, which is found in float64. It ends where the residual is at float64's level, as
    LAPACK's dsposv has it: at most sqrt(d) eps |A| |W| in each column, in largest entries and row sums. A is left as
    it was.

    Cost: d^3 / 3 operations in float32, and 4 d^2 a column and step; half of A's memory.

    References
    ----------
    Langou et al., Exploiting the performance of 32 bit floating point arithmetic in obtaining 64 bit accuracy, SC 2006.
    There: without scaling, so that units decide whether it converges.
    """
    d = len(a)
    diagonal = a.diagonal()
    found = None
    if (diagonal > 0).all() and np.isfinite(diagonal).all():
        scale = np.exp2(-np.rint(np.log2(diagonal) / 2))[:, None]
        single, norm = _scaled_single(a, scale)
        factor, info = lapack.spotrf(single.T, lower=1, overwrite_a=1, clean=0)
        if info == 0:
            found = _refined(a, right, scale, factor, np.sqrt(d) * _EPS * norm)
    if found is None:
        warn(
            "refining a float32 factor of the regularised matrix does not converge, because the matrix is too near "
            "singular: factored in float64. The answer is as good; a larger alpha or shrinkage saves the time",
            LinAlgWarning,
        )
    return found


def _scaled_single(a: Floats, scale: Floats) -> tuple[NDArray[np.float32], float]:
    """The upper triangle of the scaled matrix in float32, and the largest sum of magnitudes of its rows."""
    d = len(a)
    single = np.zeros((d, d), dtype=np.float32)
    sums = np.zeros(d)
    for top in range(0, d, _PANEL):
        rows = slice(top, min(top + _PANEL, d))
        panel = a[rows, top:] * scale[rows] * scale[top:, 0]
        panel[:, : rows.stop - top] = np.triu(panel[:, : rows.stop - top])
        single[rows, top:] = panel
        np.abs(panel, out=panel)
        sums[rows] += panel.sum(axis=1)
        sums[top:] += panel.sum(axis=0)
    return single, float((sums - 1).max())  # a diagonal of about 1 was counted twice


def _refined(a: Floats, right: Floats, scale: Floats, factor: NDArray[np.float32], level: float) -> Floats | None:
    """W of the system itself; residuals and their bounds are those of the scaled one."""
    w = np.zeros(right.shape, order="F")
    residual, before = right * scale, np.inf
    for _ in range(_STEPS):
        size = np.abs(residual).max(axis=0)
        size = np.where(size > 0, size, 1.0)  # so that float32 holds what is small
        step = lapack.spotrs(factor, np.asfortranarray(residual / size, dtype=np.float32), lower=1)[0]
        w += scale * (step * size)
        residual = scale * (right - blas.dsymm(1.0, a.T, w, lower=1))
        error, most = np.abs(residual).max(axis=0), level * np.abs(w / scale).max(axis=0)
        if not np.isfinite(error).all():
            return None
        if (error <= most).all():
            return w
        worst = float((error / np.where(most > 0, most, 1.0)).max())
        if worst > before / 2:
            return None
        before = worst
    return None
