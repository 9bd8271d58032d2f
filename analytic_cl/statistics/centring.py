"""Scatter matrices from integer sums, without the cancellation that floating-point centring suffers.

The textbook G - sum_c S_c S_c^T / n_c subtracts two large floats. Write S_c = n_c q_c + r_c with q_c the class mean
rounded to integers, |r_c| <= n_c / 2. Then

    S_c S_c^T / n_c = [q_c S_c^T + r_c q_c^T] + r_c r_c^T / n_c

where the bracket is an integer, subtracted from G exactly, and the rest is at most n_c / 4 an entry: a quarter of a
squared quantisation step a row. The difference is rounded to float64 once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product
from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_panels, row_blocks
from analytic_cl.statistics import gram
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.wide import Int64s, Int128, exact_product

_PANEL = 128  # rows of the result made at a time: few bound the memory, and stay in the cache


def scatter(
    moments: Moments,
    about: Literal["origin", "mean", "class means"],
    left: NDArray[np.float64] | None = None,
    right: NDArray[np.float64] | None = None,
    *,
    mirrored: bool = True,
) -> NDArray[np.float64]:
    """Sum over all rows of (x - m)(x - m)^T in integer units, m = 0, the mean, or the mean of the row's class.

    With `left` and `right`, of shape (width,), entry (i, j), j >= i, is multiplied by left[i] right[j], while it is in
    the cache. Returns a (width, width) float64 array, symmetric to the bit; with ``mirrored=False`` entries j < i have
    no meaning.

    Exactness: each entry is the exact value within one and a half units in its last place, plus 1e-16 of a quarter
    of a squared step a row.

    Cost: 3 n_classes d^2 multiply-adds for "class means", 3 d^2 for "mean".
    """
    d = moments.quantizer.width
    out = np.zeros((d, d))
    centres = _Centres(moments, about)

    def write(rows: slice) -> None:
        panel = out[rows, rows.start :]
        centres.fill(rows, panel)
        if left is not None and right is not None:
            panel *= left[rows, None]
            panel *= right[rows.start :]

    if centres.are_many:  # their products are BLAS's, which has threads of its own
        for rows in row_blocks(d, _PANEL):
            write(rows)
    else:
        map_panels(write, d)
    if mirrored:
        (_mirror_reference if get_backend() == "numpy" else _mirror)(out)
    return out


def scatter_product(
    moments: Moments, about: Literal["origin", "mean", "class means"], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`scatter(moments, about) @ v` for v of shape (width, k), without the memory of a square.

    Exactness: entries of the scatter as in `scatter`; the product algebraic.

    Cost: as `scatter`, and 2 k d^2.
    """
    d = moments.quantizer.width
    out = np.zeros(v.shape)
    buffer = np.empty(min(_PANEL, d) * d)
    centres = _Centres(moments, about)
    for rows in row_blocks(d, _PANEL):
        n, width = rows.stop - rows.start, d - rows.start
        panel = buffer[: n * width].reshape(n, width)
        centres.fill(rows, panel)
        square, beside = np.triu(panel[:, :n]), panel[:, n:]
        square += np.triu(square, 1).T
        out[rows] += product(square, v[rows]) + product(beside, v[rows.stop :])
        out[rows.stop :] += product(beside.T, v[rows])
    return out


class _Centres:
    """What rows are measured from, and what becomes of the Gram matrix of a state then."""

    def __init__(self, moments: Moments, about: str) -> None:
        self.counts, self.sums = _centres(moments, about)
        self.means, self.rests = _rounded_means(self.counts, self.sums)
        self.planes = moments.planes
        self.bits = moments.quantizer.bits
        self.are_many = len(self.counts) > 1 or len(self.planes) > 1
        if self.are_many:
            self.left, self.right = np.concatenate([self.means, self.rests]), np.concatenate([self.sums, self.means])
        self.numpy = get_backend() == "numpy"  # other threads don't know

    def fill(self, rows: slice, panel: NDArray[np.float64]) -> None:
        """Write entries j >= i of these rows of the scatter to an array of shape (rows, width - first row); what else
        is in there has no meaning.
        """
        top = rows.start
        if not self.are_many:
            fill_one = _fill_panel_of_one_reference if self.numpy else _fill_panel_of_one
            fill_one(self.planes[0], self.sums[0], self.means[0], self.rests[0], self.counts[0], top, panel)
            return
        products = exact_product(self.left[:, rows], self.right[:, top:])
        rest = product((self.rests[:, rows] / self.counts[:, None]).T, self.rests[:, top:].astype(np.float64))
        if len(self.planes) > 1:
            np.subtract(_wide_panel(self.planes, self.bits, rows, products, panel.shape), rest, out=panel)
            return
        (whole, _), *higher = products  # the first has no shift
        for part, shift in higher:
            whole += part << shift
        (_fill_panel_reference if self.numpy else _fill_panel)(self.planes[0], whole, rest, top, panel)


def _wide_panel(
    planes: gram.Planes, bits: int, rows: slice, products: Iterable[tuple[Int64s, int]], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Rows of G - products, from the first of them on, in 128 bits; only entries j >= i are valid."""
    d = rows.start + shape[1]
    starts = gram.row_starts(d)
    whole = Int128(shape)
    for plane, shift in zip(planes, gram.PLANE_SHIFTS[bits], strict=True):
        panel = np.zeros_like(whole.high)
        for i in range(rows.start, rows.stop):
            panel[i - rows.start, i - rows.start :] = plane[starts[i] : starts[i] + d - i]
        whole.add(panel, shift)
    for part, shift in products:
        whole.add(-part, shift)
    return whole.to_float64()


@kernel
def _fill_panel(plane: Int64s, whole: Int64s, rest: NDArray[np.float64], top: int, panel: NDArray[np.float64]) -> None:
    """Entries j >= i of G - whole - rest, rows from `top` on, the integers subtracted first."""
    d = top + panel.shape[1]
    for row in range(panel.shape[0]):
        i = top + row
        packed = plane[i * d - i * (i - 1) // 2 :]
        target, integers, small = panel[row, row:], whole[row, row:], rest[row, row:]
        for j in range(d - i):
            target[j] = np.float64(packed[j] - integers[j]) - small[j]


def _fill_panel_reference(
    plane: Int64s, whole: Int64s, rest: NDArray[np.float64], top: int, panel: NDArray[np.float64]
) -> None:
    d = top + panel.shape[1]
    starts = gram.row_starts(d)
    for row in range(panel.shape[0]):
        i = top + row
        integers = plane[starts[i] : starts[i] + d - i] - whole[row, row:]
        panel[row, row:] = integers.astype(np.float64) - rest[row, row:]


@kernel
def _fill_panel_of_one(
    plane: Int64s, sums: Int64s, means: Int64s, rests: Int64s, n: int, top: int, panel: NDArray[np.float64]
) -> None:
    """As `_fill_panel`, about one centre, whose products are made here: they fit into int64 as entries of G do."""
    d = top + panel.shape[1]
    for row in range(panel.shape[0]):
        i = top + row
        packed, target = plane[i * d - i * (i - 1) // 2 :], panel[row, row:]
        s, q, r = sums[i:], means[i:], rests[i:]
        mean, rest, part = q[0], r[0], r[0] / n
        for j in range(d - i):
            target[j] = np.float64(packed[j] - (mean * s[j] + rest * q[j])) - part * np.float64(r[j])


def _fill_panel_of_one_reference(
    plane: Int64s, sums: Int64s, means: Int64s, rests: Int64s, n: int, top: int, panel: NDArray[np.float64]
) -> None:
    rows = slice(top, top + panel.shape[0])
    whole = np.multiply.outer(means[rows], sums[top:]) + np.multiply.outer(rests[rows], means[top:])
    _fill_panel_reference(plane, whole, np.multiply.outer(rests[rows] / n, rests[top:].astype(np.float64)), top, panel)


@kernel
def _mirror(a: NDArray[np.float64]) -> None:
    """Copy the upper triangle onto the lower one, in tiles that fit the cache."""
    d = a.shape[0]
    for top in range(0, d, 32):
        for left in range(0, top + 1, 32):
            for i in range(top, min(top + 32, d)):
                for j in range(left, min(left + 32, i)):
                    a[i, j] = a[j, i]


def _mirror_reference(a: NDArray[np.float64]) -> None:
    lower = np.tril_indices_from(a, -1)
    a[lower] = a.T[lower]


def _centres(moments: Moments, about: str) -> tuple[Int64s, Int64s]:
    if about == "class means":
        return moments.counts, moments.sums
    if about == "mean":
        return np.array([moments.n_rows]), moments.total[None, :]
    return np.ones(1, dtype=np.int64), np.zeros((1, moments.quantizer.width), dtype=np.int64)


def _rounded_means(counts: Int64s, sums: Int64s) -> tuple[Int64s, Int64s]:
    """Integers q and r with sums = counts * q + r and |r| <= counts / 2."""
    n = counts[:, None]
    q, r = np.divmod(sums, n)
    up = r > n - r
    return q + up, r - n * up
