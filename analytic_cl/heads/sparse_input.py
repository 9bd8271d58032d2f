"""Sparse matrices of any format as one kind of CSR, checked: what users hold, or their files, is not trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_COMPRESSED = {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}


def as_csr(X: Any, name: str = "X") -> Any:
    """X as a CSR array of numbers, columns of each row in order and each at most once; X is left as it is.

    Entries that are stored more than once are added one after another, as ``X.toarray()`` adds them.

    Raises ValueError for a matrix that contradicts itself, such as by a column beyond its width, and for other values
    than real numbers.
    """
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D sparse array instead: one row is {name}.reshape(1, -1)")
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} is a sparse matrix of complex numbers")
    matrix = _as_numbers(_sum_duplicates(_checked(_converted(X, name), name)), name)
    if matrix.indices.dtype != np.int32 and max(matrix.nnz, *matrix.shape) <= np.iinfo(np.int32).max:
        parts = matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        matrix = sparse.csr_array(parts, shape=matrix.shape)
    return matrix


def _converted(X: Any, name: str) -> Any:
    """X as a CSR array that may share its memory."""
    if X.format == "coo":
        return _of_coordinates(X, name)
    if X.format in _COMPRESSED:
        return _checked(X, name).tocsr()
    return sparse.csr_array(X.tocsr())


def _checked(X: Any, name: str) -> Any:
    """The same matrix, without what it claims of itself; ValueError where its parts don't fit each other."""
    try:
        found = _COMPRESSED[X.format]((X.data, X.indices, X.indptr), shape=X.shape)
        found.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} is no valid sparse matrix of format {X.format!r}: {error}") from error
    return found


def _of_coordinates(X: Any, name: str) -> Any:
    row, column = np.asarray(X.row), np.asarray(X.col)
    if not row.shape == column.shape == X.data.shape:
        raise ValueError(
            f"{name} is no valid sparse matrix of format 'coo': it has other numbers of rows, columns and values"
        )
    for axis, places, size in (("row", row, X.shape[0]), ("column", column, X.shape[1])):
        if places.size and not (places.min() >= 0 and places.max() < size):
            raise ValueError(
                f"{name} is no valid sparse matrix of format 'coo': a {axis} index is not from 0 to {size - 1}"
            )
    order = np.argsort(row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=X.shape[0]))])
    return sparse.csr_array((X.data[order], column[order], indptr), shape=X.shape)


def _sum_duplicates(X: Any) -> Any:
    """Columns of each row in order. SciPy sorts what is equal in any order, and so rounds sums of it in any order."""
    if X.has_canonical_format:
        return X
    row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.lexsort((X.indices, row))
    row, column, data = row[order], X.indices[order], X.data[order]
    fresh = np.ones(len(row), dtype=bool)
    fresh[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    summed: NDArray[Any] = np.zeros(int(fresh.sum()), dtype=data.dtype)
    np.add.at(summed, np.cumsum(fresh) - 1, data)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[fresh], minlength=X.shape[0]))])
    return sparse.csr_array((summed, column[fresh], indptr), shape=X.shape)


def _as_numbers(X: Any, name: str) -> Any:
    if X.dtype.kind in "biuf":
        return X
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is a sparse matrix of {X.dtype}, not of numbers: {error}") from error
