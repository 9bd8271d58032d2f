"""Scores of classes from a few coordinates of rows, where classes differ in width along each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.solvers.spd import Floats

MOST_COEFFICIENTS = 2**17  # of each kind; beyond, BLAS is several times as fast

_CLASSES = 256  # whose coefficients of four coordinates stay in the first-level cache
_ROWS = 256  # whose scores stay in the second-level cache
_LINE = 8  # float64 of a cache line
_WORTH_A_THREAD = 2**22  # products


class Squares(NamedTuple):
    """Coefficients of squared coordinates, `aligned`, shape (r, groups), and the group of each class, shape (k,)."""

    of_groups: Floats
    group: NDArray[np.intp]


def coordinate_scores(y: Floats, linear: Floats, squares: Squares | None, bias: Floats) -> Floats:
    """``y @ linear - (y**2 @ squares.of_groups)[:, squares.group] + bias`` for y of shape (n, r) in C order and
    `aligned` coefficients of shape (r, k).

    Not by BLAS, whose threads wait for more work on the cores that integer products before and after need.

    Cost: 2 r (k + groups) operations a row.

    Exactness: terms are added in the order of the coordinates, so a row alone and in a batch gets the same bits, with
    every backend and number of threads.
    """
    n, k = len(y), len(bias)
    out = np.empty((n, k))
    add_products = _add_products_reference if get_backend() == "numpy" else _add_products

    def score(part: slice) -> None:
        for rows in row_blocks(part.stop - part.start, _ROWS):
            own, found = y[part][rows], out[part][rows]
            scores = _zeros(len(own), linear.shape[1])
            scores[:, :k] = bias
            add_products(own, linear, scores)
            found[...] = scores[:, :k]
            if squares is not None:
                widths = _zeros(len(own), squares.of_groups.shape[1])
                add_products(own * own, squares.of_groups, widths)
                found -= widths.take(squares.group, axis=1)

    threads = get_threads() if y.size * k > _WORTH_A_THREAD else 1
    map_blocks(score, row_blocks(n, max(1, -(-n // threads))))
    return out


def aligned(coefficients: Floats) -> Floats:
    """The same, from a cache line on, with columns of zeros up to the end of one: what lies across two takes half as
    long again to read.
    """
    r, k = coefficients.shape
    out = _zeros(r, k + -k % _LINE)
    out[:, :k] = coefficients
    return out


def _zeros(n: int, k: int) -> Floats:
    """From a cache line on."""
    whole = np.zeros(n * k + _LINE)
    start = -(whole.ctypes.data // whole.itemsize) % _LINE
    return whole[start : start + n * k].reshape(n, k)


@kernel
def _add_products(y: Floats, coefficients: Floats, out: Floats) -> None:
    """Four coordinates of two rows at a time, so that what is read and written is used eight times, or four."""
    n, r, k = y.shape[0], y.shape[1], out.shape[1]
    pairs, fours = n - n % 2, r - r % 4
    for start in range(0, k, _CLASSES):
        end = min(start + _CLASSES, k)
        for i in range(0, pairs, 2):
            s, z = out[i, start:end], out[i + 1, start:end]
            for j in range(0, fours, 4):
                a, b = coefficients[j, start:end], coefficients[j + 1, start:end]
                c, d = coefficients[j + 2, start:end], coefficients[j + 3, start:end]
                s0, s1, s2, s3 = y[i, j], y[i, j + 1], y[i, j + 2], y[i, j + 3]
                z0, z1, z2, z3 = y[i + 1, j], y[i + 1, j + 1], y[i + 1, j + 2], y[i + 1, j + 3]
                for m in range(s.size):
                    s[m] = s[m] + s0 * a[m] + s1 * b[m] + s2 * c[m] + s3 * d[m]
                    z[m] = z[m] + z0 * a[m] + z1 * b[m] + z2 * c[m] + z3 * d[m]
            for j in range(fours, r):
                a, s0, z0 = coefficients[j, start:end], y[i, j], y[i + 1, j]
                for m in range(s.size):
                    s[m] += s0 * a[m]
                    z[m] += z0 * a[m]
        for i in range(pairs, n):
            s = out[i, start:end]
            for j in range(r):
                a, s0 = coefficients[j, start:end], y[i, j]
                for m in range(s.size):
                    s[m] += s0 * a[m]


def _add_products_reference(y: Floats, coefficients: Floats, out: Floats) -> None:
    for t, a in zip(y.T[:, :, None], coefficients, strict=True):
        out += t * a
