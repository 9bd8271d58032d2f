"""The exact Gram matrix of integer rows, accumulated into packed int64 triangles.

A state keeps the upper triangle, row-major in one array: entry (i, j), j >= i. Rows of 8 and 16 bits need one
plane. Rows of 32 bits are cut as x = 2^16 h + l into three planes, because one product of two such values fills an
int64: sum h h', sum (h l' + l h') and sum l l', of weights 2^32, 2^16 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl.statistics.interrupts import deferred_interrupts

Planes = list[NDArray[np.int64]]

PLANE_SHIFTS = {8: (0,), 16: (0,), 32: (32, 16, 0)}

# Rows a product may hold and stay exact: 127^2 * 1,024 < 2^24 in float32; float64 has room for millions of 16-bit
# rows, so there the number only bounds memory.
_BLOCK_ROWS = {8: 1024, 16: 4096, 32: 4096}


def empty_planes(width: int, bits: int) -> Planes:
    return [np.zeros(width * (width + 1) // 2, dtype=np.int64) for _ in PLANE_SHIFTS[bits]]


def row_starts(width: int) -> NDArray[np.int64]:
    """Where row i of the packed triangle begins, which is also where its diagonal entry lies."""
    i = np.arange(width, dtype=np.int64)
    return i * width - i * (i - 1) // 2


def accumulate(planes: Planes, rows: NDArray[Any], bits: int, sign: int) -> None:
    """Planes += sign * rows.T @ rows, whole or not at all.

    When anything interrupts it, Ctrl-C included, the finished blocks are taken back before the exception goes on.
    """
    step = _BLOCK_ROWS[bits]
    done = 0
    with deferred_interrupts() as guard:
        try:
            for start in range(0, rows.shape[0], step):
                guard.check()
                _commit(planes, _products(rows[start : start + step], bits), sign)
                done = start + step
            guard.check()
        except BaseException:
            for start in range(0, done, step):
                _commit(planes, _products(rows[start : start + step], bits), -sign)
            raise


def slices(rows: NDArray[Any], dtype: type[np.generic]) -> tuple[NDArray[Any], NDArray[Any]]:
    """High and low 16 bits, both signed, of 32-bit rows: x = 2^16 h + l with -2^15 <= l < 2^15."""
    high = (rows.astype(np.int64) + 2**15) >> 16
    return high.astype(dtype), (rows - (high << 16)).astype(dtype)


def _products(rows: NDArray[Any], bits: int) -> Sequence[NDArray[Any]]:
    """The product of one block for each plane, its upper triangle valid in C order."""
    if get_backend() == "numpy":
        if bits < 32:
            x = rows.astype(np.int64)
            return [x.T @ x]
        h, l = slices(rows, np.int64)  # noqa: E741  (the symbols of the docstring)
        cross = h.T @ l
        return [h.T @ h, cross + cross.T, l.T @ l]
    # BLAS works in Fortran order: its lower triangle, transposed, is the upper one in C order.
    if bits == 8:
        return [blas.ssyrk(1.0, rows.astype(np.float32).T, lower=1).T]
    if bits == 16:
        return [blas.dsyrk(1.0, rows.astype(np.float64).T, lower=1).T]
    h, l = slices(rows, np.float64)  # noqa: E741
    return [
        blas.dsyrk(1.0, h.T, lower=1).T,
        blas.dsyr2k(1.0, h.T, l.T, lower=1).T,
        blas.dsyrk(1.0, l.T, lower=1).T,
    ]


def _commit(planes: Planes, products: Sequence[NDArray[Any]], sign: int) -> None:
    add = _add_triangle_reference if get_backend() == "numpy" else _add_triangle
    for plane, product in zip(planes, products, strict=True):
        add(plane, product, sign)


@kernel
def _add_triangle(plane: NDArray[np.int64], product: NDArray[Any], sign: int) -> None:
    d = product.shape[0]
    start = 0
    for i in range(d):
        row, target = product[i, i:], plane[start : start + d - i]
        for j in range(d - i):
            target[j] += sign * np.int64(row[j])
        start += d - i


def _add_triangle_reference(plane: NDArray[np.int64], product: NDArray[Any], sign: int) -> None:
    for i, start in enumerate(row_starts(product.shape[0])):
        row = product[i, i:].astype(np.int64)
        plane[start : start + row.size] += sign * row
