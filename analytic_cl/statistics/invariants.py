"""What must hold for counts, sums and Gram diagonal of any set of integer rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._sparse import SparseRows
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.sparse_sums import column_products

# Behind a 32-bit quantizer squares pass 2^63, so diagonals are Python integers in object arrays there.
Diagonal = NDArray[Any]

NEVER_LEARNED = "these rows were never all learned under these labels"
NOT_THE_SAME = "these are as many rows as were learned, but not the same rows"


def gram_diagonal(planes: gram.Planes, quantizer: Quantizer) -> Diagonal:
    """Diagonal of the Gram matrix, exactly; of several, where planes have a row for each."""
    starts = gram.row_starts(quantizer.width)
    return joined([plane[..., starts].astype(np.int64) for plane in planes], quantizer.bits)


def squares(rows: NDArray[Any] | SparseRows) -> Diagonal:
    """Sum of the squared entries of each column, exactly."""
    if isinstance(rows, SparseRows):
        columns, width = rows.indices[rows.stored], rows.shape[1]
        return _squares(rows.data[rows.stored], lambda a, b: column_products(a, b, columns, width))
    return _squares(rows, _column_products)


def _squares(values: NDArray[Any], sums: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.int64]]) -> Diagonal:
    bits = 8 * values.dtype.itemsize
    if bits < 32:
        return sums(values, values)
    h, l = np.empty(values.shape, dtype=np.int64), np.empty(values.shape, dtype=np.int64)  # noqa: E741
    gram.split(values, l, h)
    return joined([sums(h, h), 2 * sums(h, l), sums(l, l)], bits)


def _column_products(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(np.einsum("ij,ij->j", a, b, dtype=np.int64))


def joined(parts: list[NDArray[np.int64]], bits: int) -> Diagonal:
    """One diagonal from those of all planes."""
    if len(parts) == 1:
        return parts[0]
    shifts = gram.PLANE_SHIFTS[bits]
    total: Diagonal = np.zeros(parts[0].shape, dtype=object)
    for part, shift in zip(parts, shifts, strict=True):
        total += part.astype(object) << shift
    return total


def contradiction(limit: int, counts: NDArray[np.int64], sums: NDArray[np.int64]) -> str:
    """Why no rows with entries of at most `limit` have these counts and sums; empty if nothing shows it.

    With n rows of sum S in one column: |S| <= n limit.
    """
    if (counts < 0).any():
        return "a class count would be negative"
    if (np.abs(sums) > counts[:, None] * limit).any():
        return "a class sum is out of range for its number of rows"
    return ""


def diagonal_contradiction(limit: int, n: int | NDArray[np.int64], total: NDArray[np.int64], diagonal: Diagonal) -> str:
    """Why no n rows with entries of at most `limit` and this sum have this Gram diagonal; empty if nothing shows it.

    With sum S and sum of squares g in one column: S^2 <= n g (Cauchy-Schwarz), g <= n limit^2, and g = S modulo 2.
    Of several sets of rows at once, where `n` has their numbers, and `total` and `diagonal` a row for each.
    """
    rows = np.asarray(n, dtype=diagonal.dtype)[..., None]
    if (diagonal < 0).any() or (diagonal > rows * limit**2).any() or ((diagonal - total) & 1 != 0).any():
        return "the diagonal of the Gram matrix is out of range"
    # In floats first, generously, because the exact comparison needs integers of any size.
    rows = np.broadcast_to(rows, total.shape)
    close = total.astype(np.float64) ** 2 > 0.999 * rows.astype(np.float64) * diagonal.astype(np.float64)
    if close.any() and any(
        s**2 > k * g
        for s, k, g in zip(total[close].tolist(), rows[close].tolist(), diagonal[close].tolist(), strict=True)
    ):
        return "the diagonal of the Gram matrix is too small for the class sums"
    return ""
