"""Sums of the rows of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel


def class_sums(rows: NDArray[Any], codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Row sums by class, shape (n_classes, width), int64: exact while n * max|row| < 2^63."""
    sums = np.zeros((n_classes, rows.shape[1]), dtype=np.int64)
    if get_backend() == "numpy":
        _add_rows_reference(rows, codes, sums)
    else:
        _add_rows(rows, codes, sums)
    return sums


@kernel
def _add_rows(rows: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    for i in range(rows.shape[0]):
        row, total = rows[i], sums[codes[i]]
        for j in range(rows.shape[1]):
            total[j] += row[j]


def _add_rows_reference(rows: NDArray[Any], codes: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    for code in np.unique(codes):
        sums[code] += rows[codes == code].sum(axis=0, dtype=np.int64)
