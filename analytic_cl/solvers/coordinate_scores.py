"""Scores of classes from a few coordinates of rows, where classes differ in width along each."""

from __future__ import annotations

import numpy as np

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.solvers.spd import Floats

MOST_COEFFICIENTS = 2**17  # of each kind; beyond, BLAS is several times as fast

_CLASSES = 256  # whose scores of four rows stay in the first-level cache
_WORTH_A_THREAD = 2**22  # products


def coordinate_scores(y: Floats, linear: Floats, square: Floats, bias: Floats) -> Floats:
    """``y @ linear - y**2 @ square + bias`` for y of shape (n, r) and coefficients of (r, k), both in C order.

    Not by BLAS, whose threads wait for more work on the cores that integer products before and after need.

    Cost: 4 r k operations a row.

    Exactness: terms are added in the order of the coordinates, so a row alone and in a batch gets the same bits, with
    every backend and number of threads.
    """
    out = np.empty((len(y), len(bias)))
    add_terms = _add_terms_reference if get_backend() == "numpy" else _add_terms
    threads = get_threads() if y.size * len(bias) > _WORTH_A_THREAD else 1
    if threads < 2:
        add_terms(y, linear, square, bias, out)
        return out
    blocks = row_blocks(len(y), -(-len(y) // threads))
    map_blocks(lambda part: add_terms(y[part], linear, square, bias, out[part]), blocks)
    return out


@kernel
def _add_terms(y: Floats, linear: Floats, square: Floats, bias: Floats, out: Floats) -> None:
    """Four rows at a time, so that coefficients are read once for all of them."""
    n, k, fours = y.shape[0], bias.size, y.shape[0] - y.shape[0] % 4
    for start in range(0, k, _CLASSES):
        end = min(start + _CLASSES, k)
        for i in range(n):
            out[i, start:end] = bias[start:end]
        for i in range(0, fours, 4):
            s0, s1, s2, s3 = out[i, start:end], out[i + 1, start:end], out[i + 2, start:end], out[i + 3, start:end]
            for j in range(y.shape[1]):
                a, b = linear[j, start:end], square[j, start:end]
                t0, t1, t2, t3 = y[i, j], y[i + 1, j], y[i + 2, j], y[i + 3, j]
                for c in range(a.size):
                    s0[c] += t0 * (a[c] - t0 * b[c])
                    s1[c] += t1 * (a[c] - t1 * b[c])
                    s2[c] += t2 * (a[c] - t2 * b[c])
                    s3[c] += t3 * (a[c] - t3 * b[c])
        for i in range(fours, n):
            s = out[i, start:end]
            for j in range(y.shape[1]):
                a, b, t = linear[j, start:end], square[j, start:end], y[i, j]
                for c in range(a.size):
                    s[c] += t * (a[c] - t * b[c])


def _add_terms_reference(y: Floats, linear: Floats, square: Floats, bias: Floats, out: Floats) -> None:
    out[...] = bias
    for t, a, b in zip(y.T[:, :, None], linear, square, strict=True):
        out += t * (a - t * b)
