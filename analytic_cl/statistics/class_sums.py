"""Sums of the rows of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

_BLOCK_ROWS = 8192


def class_sums(rows: NDArray[Any], codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Row sums by class, shape (n_classes, width), int64: exact while n * max|row| < 2^63."""
    run = _add_rows_reference if get_backend() == "numpy" else _add_rows

    def sums_of(part: slice) -> NDArray[np.int64]:
        sums = np.zeros((n_classes, rows.shape[1]), dtype=np.int64)
        run(rows[part], codes[part], sums)
        return sums

    # Few blocks, and only of many rows a class: each costs a table of sums.
    blocks = row_blocks(rows.shape[0], max(_BLOCK_ROWS, -(-rows.shape[0] // get_threads()), 16 * n_classes))
    first, *others = map_blocks(sums_of, blocks) or [np.zeros((n_classes, rows.shape[1]), dtype=np.int64)]
    for more in others:
        first += more
    return first


@kernel
def _add_rows(rows: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    for i in range(rows.shape[0]):
        row, total = rows[i], sums[codes[i]]
        for j in range(rows.shape[1]):
            total[j] += row[j]


def _add_rows_reference(rows: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    for code in np.unique(codes):
        sums[code] += rows[codes == code].sum(axis=0, dtype=np.int64)
