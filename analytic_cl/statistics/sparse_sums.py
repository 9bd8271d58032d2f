"""Sums over sparse integer rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._sparse import SparseRows


def class_sums_of_entries(rows: SparseRows, codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Row sums by class, shape (n_classes, width), int64. Cost: one addition an entry."""
    sums = np.zeros((n_classes, rows.shape[1]), dtype=np.int64)
    run = _add_entries_reference if get_backend() == "numpy" else _add_entries
    run(rows.data, rows.indices, rows.indptr, codes, sums)
    return sums


def column_products(a: NDArray[Any], b: NDArray[Any], indices: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Sum over the entries of each column of a times b, shape (width,)."""
    found = np.zeros(width, dtype=np.int64)
    np.add.at(found, indices, np.multiply(a, b, dtype=np.int64))
    return found


@kernel
def _add_entries(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]
) -> None:
    for i in range(indptr.size - 1):
        total = sums[codes[i]]
        for p in range(indptr[i], indptr[i + 1]):
            total[indices[p]] += data[p]


def _add_entries_reference(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]
) -> None:
    own = slice(int(indptr[0]), int(indptr[-1]))
    np.add.at(sums, (np.repeat(codes, np.diff(indptr)), indices[own]), data[own].astype(np.int64))
