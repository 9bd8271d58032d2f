"""Integer rows of which only entries that are not 0 are stored, and what they are less a centre."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]


class SparseRows:
    """Integer rows in compressed form: entry k of row i is ``data[p]`` in column ``indices[p]``, p = indptr[i] + k.

    Columns of a row are in order, each at most once. A slice shares the memory of the whole, so that `indptr` need not
    begin at 0. NumPy reads rows as an array: then they are made dense.
    """

    ndim = 2

    def __init__(self, data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], width: int) -> None:
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape = (len(indptr) - 1, width)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def stored(self) -> slice:
        """Where the entries of these rows are in `data` and `indices`."""
        return slice(int(self.indptr[0]), int(self.indptr[-1]))

    @property
    def lengths(self) -> NDArray[Any]:
        """Entries of each row, shape (n,)."""
        return np.diff(self.indptr)

    @property
    def matrix(self) -> Any:
        """The rows as SciPy's CSR array, without a copy of data and indices."""
        stored = self.stored
        parts = self.data[stored], self.indices[stored], self.indptr - self.indptr[0]
        return csr_array(parts, shape=self.shape)

    @classmethod
    def of(cls, matrix: Any) -> SparseRows:
        """Of a CSR array in canonical form."""
        return cls(matrix.data, matrix.indices, matrix.indptr, matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Rows of a slice or an array of places; for one place, that row as an array."""
        if isinstance(key, slice):
            first, last, step = key.indices(len(self))
            if step == 1:
                return SparseRows(self.data, self.indices, self.indptr[first : max(first, last) + 1], self.shape[1])
            key = np.arange(first, last, step)
        if np.ndim(key) == 0:
            return self.matrix[[int(key)]].toarray()[0]
        return SparseRows.of(self.matrix[np.asarray(key)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("sparse rows become an array by a copy only")
        return np.asarray(self.matrix.toarray(), dtype=dtype)


def array_or_sparse(rows: Any) -> Any:
    """Rows in the memory of this process: sparse rows as they are, others, such as a device's, as an array."""
    return rows if isinstance(rows, SparseRows) else np.asarray(rows)


class SparseDeviations:
    """Sparse rows less a centre, in units: ``(q - centre) * step - shift``, which has few entries that are 0.

    It is never made as a whole. Where a column is stored in most rows, deviations of it are, with the centre taken off
    as integers, so that a large mean costs no digits. Everywhere else rows deviate by the same number but for what they
    store, and that number is multiplied once.

    Exactness: algebraic; products within 1e-12 of the largest, as those of an array.
    """

    ndim = 2

    def __init__(self, rows: SparseRows, centre: NDArray[np.int64], step: Floats, shift: Floats | None = None) -> None:
        self.rows, self.centre, self.step = rows, centre, step
        self.shift = np.zeros(rows.shape[1]) if shift is None else shift

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __sub__(self, shift: Floats) -> SparseDeviations:
        return SparseDeviations(self.rows, self.centre, self.step, self.shift + shift)

    def __add__(self, shift: Floats) -> SparseDeviations:
        return self - -shift

    @cached_property
    def _parts(self) -> tuple[NDArray[np.intp], Any, Floats, NDArray[np.intp], Floats]:
        """Columns with entries, and of these what is stored, as CSR; the number that all rows share, 0 where columns
        are made dense; those columns, and their deviations.
        """
        rows, stored = self.rows, self.rows.stored
        indices = rows.indices[stored]
        counts = np.bincount(indices, minlength=rows.shape[1])
        shared = -self.centre * self.step - self.shift
        dense = np.flatnonzero((2 * counts > len(rows)) & (shared != 0))
        values = rows.data[stored] * self.step[indices]
        apart: Floats = np.zeros((len(rows), len(dense)))
        if len(dense):
            place = np.full(rows.shape[1], -1)
            place[dense] = np.arange(len(dense))
            at = place[indices]
            of_row = np.repeat(np.arange(len(rows)), rows.lengths)
            chosen = at >= 0
            apart -= self.centre[dense]
            apart[of_row[chosen], at[chosen]] += rows.data[stored][chosen]  # integers: exact
            apart *= self.step[dense]
            apart -= self.shift[dense]
            values[chosen] = 0.0
            shared[dense] = 0.0
        used = np.flatnonzero(counts)
        place = np.zeros(rows.shape[1], dtype=rows.indices.dtype)
        place[used] = np.arange(len(used))
        entries = csr_array((values, place[indices], rows.indptr - rows.indptr[0]), shape=(len(rows), len(used)))
        return used, entries, shared, dense, apart

    def __matmul__(self, other: Floats) -> Floats:
        """Products with the columns of a matrix, or with a vector. Cost: 2 k operations an entry, and 2 d k once."""
        if other.ndim == 1:
            return np.asarray((self @ other[:, None])[:, 0])
        used, entries, shared, dense, apart = self._parts
        found: Floats = np.asarray(entries @ other[used])
        if len(dense):
            found += apart @ other[dense]
        if shared.any():
            found += shared @ other
        return found

    def squares(self) -> Floats:
        """Squared lengths of the rows, shape (n,)."""
        used, entries, shared, _, apart = self._parts
        stored = entries.data * (entries.data + 2 * shared[used][entries.indices])
        of_row = np.repeat(np.arange(len(self)), np.diff(entries.indptr))
        found = np.bincount(of_row, weights=stored, minlength=len(self))
        return np.asarray(found + shared @ shared + np.einsum("ij,ij->i", apart, apart))
