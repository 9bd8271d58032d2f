"""Sums of the rows of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._device import DeviceRows
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl._sparse import SparseRows
from analytic_cl.statistics.on_device import class_sums_on_device
from analytic_cl.statistics.sparse_sums import class_sums_of_entries

_WORTH_A_THREAD = 2**20  # numbers to add up


def class_sums(
    rows: NDArray[Any] | DeviceRows | SparseRows, codes: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Row sums by class, shape (n_classes, width), int64: exact while n * max|row| < 2^63."""
    if isinstance(rows, DeviceRows):
        return class_sums_on_device(rows, codes, n_classes)
    if isinstance(rows, SparseRows):
        return class_sums_of_entries(rows, codes, n_classes)
    n, d = rows.shape
    largest = n << (8 * rows.dtype.itemsize - 1)
    sums: NDArray[Any] = np.zeros((n_classes, d), dtype=np.int32 if largest < 2**31 else np.int64)
    run = _add_rows_reference if get_backend() == "numpy" else _add_rows
    # Threads share the columns, so that they need no tables of their own.
    parts = get_threads() if rows.size > _WORTH_A_THREAD else 1
    map_blocks(lambda part: run(rows, codes, part.start, part.stop, sums), row_blocks(d, -(-d // parts)))
    return sums.astype(np.int64, copy=False)


@kernel
def _add_rows(rows: NDArray[Any], codes: NDArray[np.int64], first: int, last: int, sums: NDArray[Any]) -> None:
    for i in range(rows.shape[0]):
        row, total = rows[i, first:last], sums[codes[i], first:last]
        for j in range(last - first):
            total[j] += row[j]


def _add_rows_reference(
    rows: NDArray[Any], codes: NDArray[np.int64], first: int, last: int, sums: NDArray[Any]
) -> None:
    for code in np.unique(codes):
        sums[code, first:last] += rows[codes == code, first:last].sum(axis=0, dtype=np.int64)
