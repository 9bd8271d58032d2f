"""Wide systems with few right-hand sides: factored in float32, refined in float64."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, blas, lapack

from analytic_cl._blas import solve_factored
from analytic_cl._parallel import map_panels
from analytic_cl._warnings import warn

Floats = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_WIDE = 2048  # columns from which on, with at most so many entries and columns for each right-hand side, it pays: see
_ENTRIES, _COLUMNS = 2**18, 48  # benchmarks/wide_solves.py
_STEPS = 8
_MARGIN = 100.0  # below the level, by which a residual that nobody has found must be expected


def pays(width: int, n_right: int) -> bool:
    """Whether a factor in float32 and what refining takes are less than a factor in float64."""
    return width >= _WIDE and n_right * max(_COLUMNS * width, _ENTRIES) <= width**2


def solve_refined(a: Floats, right: Floats) -> Floats | None:
    """Solve A W = right for a symmetric A, its upper triangle in C order; None, with a LinAlgWarning, where refining
    does not converge.

    Rows and columns are first scaled by powers of two, to a diagonal of about 1. Each step adds what the float32 factor
    makes of the residual right - A W, which is found in float64. It ends where the residual is at float64's level, as
    LAPACK's dsposv has it: at most sqrt(d) eps |A| |W| in each column, in largest entries and row sums. A last residual
    isn't found where it would be at most a hundredth of that if each column shrank as the slowest one did before. A is
    left as it was.

    Cost: d^3 / 3 operations in float32, and 4 d^2 a column and step, of which there are three or four; half of A's
    memory.

    References
    ----------
    Langou et al., Exploiting the performance of 32 bit floating point arithmetic in obtaining 64 bit accuracy, SC 2006.
    There: without scaling, so that units decide whether it converges, and with a residual after every step.
    """
    diagonal = a.diagonal()
    found = None
    if (diagonal > 0).all() and np.isfinite(diagonal).all():
        scale = np.exp2(-np.rint(np.log2(diagonal) / 2))
        single, norm = _scaled_single(a, scale)
        factor, info = lapack.spotrf(single.T, lower=1, overwrite_a=1, clean=0)
        if info == 0:
            found = _refined(a, right, scale[:, None], factor, math.sqrt(len(a)) * _EPS * norm)
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

    def convert(rows: slice) -> Floats:
        """Sums of magnitudes of these rows, and of those of their columns that belong to rows further down."""
        panel = a[rows, rows.start :] * scale[rows, None]
        panel *= scale[rows.start :]
        n = len(panel)
        panel[:, :n] = np.triu(panel[:, :n])
        single[rows, rows.start :] = panel
        np.abs(panel, out=panel)
        sums: Floats = panel.sum(axis=0)
        sums[:n] += panel.sum(axis=1)
        return sums

    total = np.zeros(d)
    for sums in map_panels(convert, d):
        total[d - len(sums) :] += sums
    return single, float((total - 1).max())  # a diagonal of about 1 was counted twice


def _refined(a: Floats, right: Floats, scale: Floats, factor: NDArray[np.float32], level: float) -> Floats | None:
    """W of the system itself; residuals and their bounds are those of the scaled one."""
    w = np.zeros(right.shape, order="F")
    residual = np.multiply(right, scale, order="F")
    step = np.empty(right.shape, dtype=np.float32, order="F")
    size, expected = _largest(residual), np.inf
    for number in range(_STEPS):
        size = np.where(size > 0, size, 1.0)  # so that float32 holds what is small
        np.divide(residual, size, out=step, casting="same_kind")
        step = solve_factored(factor, step)
        np.multiply(step, size, out=residual)
        residual *= scale
        w += residual
        if expected * _MARGIN <= 1:
            return w
        residual = _residual(a, w, right)
        residual *= scale
        before, size, most = size, _largest(residual), level * _largest(w / scale)
        if not np.isfinite(size).all():
            return None
        left = size > most
        if not left.any():
            return w
        if number:  # right-hand sides are smooth, residuals are not: the first step says nothing of the next
            rate = float((size / before)[left].max())
            if rate > 0.5:
                return None
            expected = rate * float((size / np.where(most > 0, most, 1.0))[left].max())
    return None


def _largest(x: Floats) -> Floats:
    """Largest magnitude in each column."""
    return np.asarray(np.maximum(x.max(axis=0), -x.min(axis=0)))


def _residual(a: Floats, w: Floats, right: Floats) -> Floats:
    """Right - A W, in Fortran order."""
    left = np.array(right, order="F")
    if w.shape[1] > 1:
        return np.asarray(blas.dsymm(-1.0, a.T, w, 1.0, left, lower=1, overwrite_c=1))
    return np.asarray(blas.dsymv(-1.0, a.T, w[:, 0], 1.0, left[:, 0], lower=1, overwrite_y=1))[:, None]
