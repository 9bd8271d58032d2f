"""The Gram matrix of one class: packed triangles, and rows that have not entered them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.invariants import contradiction, diagonal_contradiction, gram_diagonal
from analytic_cl.statistics.wide import Int64s

Planes = list[NDArray[Any]]  # as in `gram`, of int32 where that is enough


def plane_type(quantizer: Quantizer, n: int) -> type[np.signedinteger[Any]]:
    """Of the planes of n rows: int32 where no entry can overflow."""
    return np.int32 if quantizer.bits == 8 and n * quantizer.limit**2 < 2**31 else np.int64


def planes_bytes(quantizer: Quantizer, n: int) -> int:
    entries = quantizer.width * (quantizer.width + 1) // 2 * len(gram.PLANE_SHIFTS[quantizer.bits])
    return int(entries * np.dtype(plane_type(quantizer, n)).itemsize)


class ClassGram:
    """What is held of one class, to read.

    Attributes
    ----------
    entered : int
        Rows that are in the matrix, and can't be told apart any more.
    """

    def __init__(
        self, quantizer: Quantizer, planes: Planes | None, entered: int, buffer: NDArray[Any], at: Int64s
    ) -> None:
        self._quantizer = quantizer
        self._planes = planes
        self.entered = entered
        self._buffer, self._at = buffer, at  # where rows of all classes wait, and the positions of its own

    @property
    def n_rows(self) -> int:
        return self.entered + len(self._at)

    @property
    def waiting(self) -> NDArray[Any]:
        """Rows that have not entered the matrix."""
        return self._buffer[self._at]

    def planes(self) -> gram.Planes:
        """The matrix of all rows as packed triangles, a new array each.

        Cost: d^2 operations a waiting row.
        """
        out = gram.empty_planes(self._quantizer.width, self._quantizer.bits)
        gram.accumulate(out, self.waiting, self._quantizer.bits, +1)
        self.add_entered(out)
        return out

    def add_entered(self, planes: gram.Planes) -> None:
        """Add the matrix of the rows that entered to other planes."""
        for out, plane in zip(planes, self._planes or (), strict=False):
            np.add(out, plane, out=out)

    def sorted_rows(self) -> NDArray[Any]:
        """The waiting rows, in the order of their bytes."""
        whole = self.waiting
        as_bytes: NDArray[Any] = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize)))[:, 0]
        rows = sorted(cast("list[bytes]", as_bytes.tolist()))
        return np.frombuffer(b"".join(rows), dtype=self._quantizer.dtype).reshape(len(rows), self._quantizer.width)


def impossible_planes(quantizer: Quantizer, counts: Int64s, sums: Int64s, planes: gram.Planes, largest: Int64s) -> str:
    """Why no rows have these counts, sums and matrices, with `largest` entries; empty if nothing shows it.

    Of several classes: one row each in `sums` and in every plane.
    """
    wrong = contradiction(quantizer.limit, counts, sums) or diagonal_contradiction(
        quantizer.limit, counts, sums, gram_diagonal(planes, quantizer)
    )
    if not wrong and len(planes) == 1 and (largest > counts * quantizer.limit**2).any():
        wrong = "an entry of the Gram matrix is out of range for its number of rows"
    return wrong


def add_held(
    quantizer: Quantizer, products: gram.Planes, held: list[Planes | None], counts: list[int]
) -> tuple[list[Planes], Int64s]:
    """What classes held, added to products with a row for each class, which then are of so many rows.

    Returns the sums as planes to hold, and the largest magnitude of each class that held something.
    """
    run = _add_plane_reference if get_backend() == "numpy" else _add_plane
    made, largest = [], []
    kinds = {n: plane_type(quantizer, n) for n in set(counts)}
    for before, n, own in zip(held, counts, zip(*products, strict=True), strict=True):
        kind = kinds[n]
        if before is None:
            made.append([plane.astype(kind) for plane in own])
            largest.append(0)
            continue
        out: Planes = [np.empty(plane.size, dtype=kind) for plane in own]
        largest.append(max(map(run, own, before, out)))
        made.append(out)
    return made, np.array(largest, dtype=np.int64)


@kernel
def _add_plane(products: NDArray[np.int64], held: NDArray[Any], out: NDArray[Any]) -> int:
    """Products += held, and the same to `out`; the largest magnitude. One pass over what may be much memory."""
    most = least = 0
    for j in range(products.shape[0]):
        value = products[j] + held[j]
        products[j] = value
        out[j] = value
        most, least = max(most, value), min(least, value)
    return max(most, -least)


def _add_plane_reference(products: NDArray[np.int64], held: NDArray[Any], out: NDArray[Any]) -> int:
    np.add(products, held, out=products)
    out[:] = products
    return max(int(products.max()), -int(products.min()), 0)
