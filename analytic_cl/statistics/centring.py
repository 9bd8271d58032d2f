"""Scatter matrices from integer sums, without the cancellation that floating-point centring suffers.

The textbook G - sum_c S_c S_c^T / n_c subtracts two large floats. Write S_c = n_c q_c + r_c with q_c the class mean
rounded to integers, |r_c| <= n_c / 2. Then

    S_c S_c^T / n_c = [q_c S_c^T + r_c q_c^T] + r_c r_c^T / n_c

where the bracket is an integer, subtracted from G exactly, and the rest is at most n_c / 4 an entry: a quarter of a
squared quantisation step a row. The difference is rounded to float64 once.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl.statistics import gram
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.wide import Int64s, Int128, exact_product

_PANEL = 512  # rows of the result made at a time, to bound memory


def scatter(moments: Moments, about: Literal["origin", "mean", "class means"]) -> NDArray[np.float64]:
    """Sum over all rows of (x - m)(x - m)^T in integer units, m = 0, the mean, or the mean of the row's class.

    Returns a (width, width) float64 array, symmetric to the bit.

    Exactness: each entry is the exact value within one and a half units in its last place, plus 1e-16 of a quarter
    of a squared step a row.

    Cost: (n_classes + 1) d^2 operations for "class means", d^2 otherwise.
    """
    counts, sums = _centres(moments, about)
    means, rests = _rounded_means(counts, sums)
    left, right = np.concatenate([means, rests]), np.concatenate([sums, means])
    d = moments.door.width
    out = np.empty((d, d))
    starts = gram.row_starts(d)
    for top in range(0, d, _PANEL):
        rows = slice(top, min(top + _PANEL, d))
        whole = Int128((rows.stop - top, d - top)) if len(moments.planes) > 1 else None
        narrow = np.zeros((rows.stop - top, d - top), dtype=np.int64)
        for plane, shift in zip(moments.planes, gram.PLANE_SHIFTS[moments.door.bits], strict=True):
            panel = np.zeros_like(narrow) if whole else narrow
            for i in range(top, rows.stop):
                panel[i - top, i - top :] = plane[starts[i] : starts[i] + d - i]
            if whole:
                whole.add(panel, shift)
        for part, shift in exact_product(left[:, rows], right[:, top:]):
            if whole:
                whole.add(-part, shift)
            else:
                narrow -= part << shift
        exact = whole.to_float64() if whole else narrow.astype(np.float64)
        exact -= (rests[:, rows] / counts[:, None]).T @ rests[:, top:].astype(np.float64)
        block = np.triu(exact[:, : len(exact)])
        exact[:, : len(exact)] = block + np.triu(block, 1).T
        out[rows, top:] = exact
        out[top:, rows] = exact.T
    return out


def _centres(moments: Moments, about: str) -> tuple[Int64s, Int64s]:
    if about == "class means":
        return moments.counts, moments.sums
    if about == "mean":
        return np.array([moments.n_rows]), moments.sums.sum(axis=0, keepdims=True)
    return np.zeros(0, dtype=np.int64), np.zeros((0, moments.door.width), dtype=np.int64)


def _rounded_means(counts: Int64s, sums: Int64s) -> tuple[Int64s, Int64s]:
    """Integers q and r with sums = counts * q + r and |r| <= counts / 2."""
    n = counts[:, None]
    q, r = np.divmod(sums, n)
    up = r > n - r
    return q + up, r - n * up
