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
_WORTH_A_THREAD = 2**22  # products


class Squares(NamedTuple):
    """Coefficients of squared coordinates, shape (r, groups) in C order, and the group of each class, shape (k,)."""

    of_groups: Floats
    group: NDArray[np.intp]


def coordinate_scores(y: Floats, linear: Floats, squares: Squares | None, bias: Floats) -> Floats:
    """``y @ linear - (y**2 @ squares.of_groups)[:, squares.group] + bias`` for y of shape (n, r) and coefficients of
    (r, k), both in C order.

    Not by BLAS, whose threads wait for more work on the cores that integer products before and after need.

    Cost: 2 r (k + groups) operations a row.

    Exactness: terms are added in the order of the coordinates, so a row alone and in a batch gets the same bits, with
    every backend and number of threads.
    """
    out = np.empty((len(y), len(bias)))
    add_products = _add_products_reference if get_backend() == "numpy" else _add_products

    def score(part: slice) -> None:
        out[part] = bias
        add_products(y[part], linear, out[part])
        if squares is not None:
            widths = np.zeros((len(y[part]), squares.of_groups.shape[1]))
            add_products(y[part] * y[part], squares.of_groups, widths)
            out[part] -= widths.take(squares.group, axis=1)

    threads = get_threads() if y.size * len(bias) > _WORTH_A_THREAD else 1
    map_blocks(score, row_blocks(len(y), max(1, -(-len(y) // threads))))
    return out


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
