"""The exact Gram matrix of sparse integer rows, entry by entry, into the packed triangles of `gram`.

A row with k entries adds k (k + 1) / 2 products. They are made column by column of the triangle: what one line of it
gets comes together, while it is in the cache, and threads share the lines.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from analytic_cl._config import get_backend, get_threads
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks
from analytic_cl._sparse import SparseRows
from analytic_cl.statistics import gram

# A product of two entries takes as long as so many of the dense kernels: so rows of 8 bits go dense above 4 to 5
# entries in 100, wider ones above 11. By measurement: benchmarks/sparse_against_scikit_learn.py.
_AS_LONG_AS = {8: 500, 16: 80, 32: 80}
_WORTH_A_PIECE = 2**24  # products, between which Ctrl-C is looked for, and which threads share
_WORTH_A_THREAD = 2**20


def is_worth_it(rows: SparseRows) -> bool:
    """Whether products entry by entry take less time than those of the dense rows."""
    lengths = rows.lengths.astype(np.float64)
    return _AS_LONG_AS[8 * rows.dtype.itemsize] * float(lengths @ (lengths + 1)) < len(rows) * float(rows.shape[1]) ** 2


def accumulate(planes: gram.Planes, rows: SparseRows, bits: int, sign: int, interruptible: bool = True) -> None:
    """Planes += sign * rows.T @ rows, whole or not at all; see `gram.accumulate`.

    Cost: k (k + 1) / 2 products for a row with k entries. Memory 20 to 40 bytes an entry, taken before the first write.
    """
    lines = _Lines(rows, bits)
    done: list[slice] = []

    def add(part: slice) -> None:
        lines.add_to(planes, part, sign)
        done.append(part)

    with deferred_interrupts() as guard:
        try:
            for piece in lines.pieces():
                if interruptible:
                    guard.check()
                map_blocks(add, lines.shared(piece))
            if interruptible:
                guard.check()
        except BaseException:
            for part in done:
                lines.add_to(planes, part, -sign)
            raise


class _Lines:
    """Entries in the order of their columns, each with where its row goes on and ends."""

    def __init__(self, rows: SparseRows, bits: int) -> None:
        matrix = rows.matrix
        self.width = rows.shape[1]
        self.indices, self.starts = matrix.indices, gram.row_starts(self.width)
        self.factors = [matrix.data]
        if bits == 32:
            high, low = (np.empty(matrix.nnz, dtype=np.int64) for _ in range(2))
            gram.split(matrix.data, low, high)
            self.factors = [high, low]
        places = np.arange(matrix.nnz, dtype=matrix.indices.dtype)
        by_column = csr_array((places, matrix.indices, matrix.indptr), shape=matrix.shape).tocsc()
        self.columns, self.entries = by_column.indptr, by_column.data
        self.ends = matrix.indptr[1:][by_column.indices]
        # products before each line
        self.products = np.concatenate([[0], np.cumsum(self.ends - self.entries, dtype=np.int64)])[self.columns]
        self.reference = get_backend() == "numpy"
        self.threads = get_threads()

    def pieces(self) -> list[slice]:
        """Neighbouring lines of the triangle, with about as many products each."""
        return self._cut(slice(0, self.width), int(self.products[-1] // _WORTH_A_PIECE) + 1)

    def shared(self, piece: slice) -> list[slice]:
        """The lines of a piece for each thread."""
        work = self.products[piece.stop] - self.products[piece.start]
        return self._cut(piece, self.threads if work > _WORTH_A_THREAD else 1)

    def _cut(self, lines: slice, n: int) -> list[slice]:
        first, last = self.products[lines.start], self.products[lines.stop]
        wanted = np.linspace(first, last, n + 1)[1:-1]
        cuts = np.clip(np.searchsorted(self.products, wanted), lines.start, lines.stop)
        edges = np.unique([lines.start, *cuts, lines.stop]).tolist()
        return [slice(a, b) for a, b in pairwise(edges)]

    def add_to(self, planes: gram.Planes, lines: slice, sign: int) -> None:
        """Add the products of some lines; it takes no memory, and can't stop half way."""
        where = lines.start, lines.stop, self.columns, self.entries, self.ends, self.indices, self.starts
        if len(planes) == 1:
            run = _add_products_reference if self.reference else _add_products
            run(planes[0], *where, self.factors[0], sign)
        else:
            run_split = _add_split_products_reference if self.reference else _add_split_products
            run_split(planes[0], planes[1], planes[2], *where, self.factors[0], self.factors[1], sign)


@kernel
def _add_products(
    plane: NDArray[np.int64],
    first: int,
    last: int,
    columns: NDArray[Any],
    entries: NDArray[Any],
    ends: NDArray[Any],
    indices: NDArray[Any],
    starts: NDArray[np.int64],
    x: NDArray[Any],
    sign: int,
) -> None:
    for i in range(first, last):
        start = starts[i] - i
        for e in range(columns[i], columns[i + 1]):
            v = sign * np.int64(x[entries[e]])
            for p in range(entries[e], ends[e]):
                plane[start + indices[p]] += v * np.int64(x[p])


@kernel
def _add_split_products(
    high: NDArray[np.int64],
    middle: NDArray[np.int64],
    low: NDArray[np.int64],
    first: int,
    last: int,
    columns: NDArray[Any],
    entries: NDArray[Any],
    ends: NDArray[Any],
    indices: NDArray[Any],
    starts: NDArray[np.int64],
    h: NDArray[np.int64],
    l: NDArray[np.int64],  # noqa: E741  (the symbols of `gram`)
    sign: int,
) -> None:
    for i in range(first, last):
        start = starts[i] - i
        for e in range(columns[i], columns[i + 1]):
            a, b = sign * h[entries[e]], sign * l[entries[e]]
            for p in range(entries[e], ends[e]):
                at = start + indices[p]
                high[at] += a * h[p]
                middle[at] += a * l[p] + b * h[p]
                low[at] += b * l[p]


def _add_products_reference(
    plane: NDArray[np.int64],
    first: int,
    last: int,
    columns: NDArray[Any],
    entries: NDArray[Any],
    ends: NDArray[Any],
    indices: NDArray[Any],
    starts: NDArray[np.int64],
    x: NDArray[Any],
    sign: int,
) -> None:
    for i in range(first, last):
        for e in range(columns[i], columns[i + 1]):
            own = slice(entries[e], ends[e])
            plane[starts[i] - i + indices[own]] += sign * np.int64(x[own.start]) * x[own]


def _add_split_products_reference(
    high: NDArray[np.int64],
    middle: NDArray[np.int64],
    low: NDArray[np.int64],
    first: int,
    last: int,
    columns: NDArray[Any],
    entries: NDArray[Any],
    ends: NDArray[Any],
    indices: NDArray[Any],
    starts: NDArray[np.int64],
    h: NDArray[np.int64],
    l: NDArray[np.int64],  # noqa: E741  (the symbols of `gram`)
    sign: int,
) -> None:
    where = first, last, columns, entries, ends, indices, starts
    _add_products_reference(high, *where, h, sign)
    _add_products_reference(low, *where, l, sign)
    for i in range(first, last):
        for e in range(columns[i], columns[i + 1]):
            own = slice(entries[e], ends[e])
            middle[starts[i] - i + indices[own]] += sign * (h[own.start] * l[own] + l[own.start] * h[own])
