"""Rows of a CSR matrix as integers: those of the dense rows, bit for bit, from the stored values alone.

An entry that is not stored is 0 and stays 0: it adds nothing to a norm, whose 16 lanes go by the number of the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl._sparse import SparseRows
from analytic_cl.quantizers import kernels, reference
from analytic_cl.quantizers.inputs import as_floats, refuse_not_finite, refuse_others
from analytic_cl.quantizers.kernels import LANES

Floats = NDArray[np.float64]

_BLOCK = 2**19  # entries that are made integers at a time, to bound the memory of conversions


def integers_as_they_are(X: Any, first_row: int) -> SparseRows:
    """Rows of integers from -127 to 127."""
    with np.errstate(invalid="ignore"):
        q = X.data.astype(np.int8)
    wrong = (q != X.data) | (q == -128)
    if wrong.any():
        refuse_others(np.unique(_rows_of(X, np.flatnonzero(wrong))), first_row)
    return _without_zeros(X, q)


def unit_rows(X: Any, scale: float, limit: int, dtype: np.dtype[Any], first_row: int) -> SparseRows:
    """Rows of a canonical CSR matrix, scaled to one length."""
    _check_finite(X, first_row)
    q: NDArray[Any] = np.empty(X.nnz, dtype=dtype)
    run = _normalised_entries_reference if get_backend() == "numpy" else _normalised_entries
    per_row = max(1, X.nnz // X.shape[0])

    def quantise_block(part: slice) -> None:
        indptr = X.indptr[part.start : part.stop + 1]
        own = slice(int(indptr[0]), int(indptr[-1]))
        run(as_floats(X.data[own]), X.indices[own], indptr - indptr[0], scale, float(limit), q[own])

    map_blocks(quantise_block, row_blocks(X.shape[0], max(1, _BLOCK // per_row)))
    return _without_zeros(X, q)


def affine_rows(X: Any, affine: tuple[Floats, Floats], limit: int, dtype: np.dtype[Any], first_row: int) -> SparseRows:
    """Rows of a canonical CSR matrix, each column by its offset and scale."""
    offset, scale = affine
    moved = np.flatnonzero(np.rint(-offset * scale))
    if moved.size:
        raise ValueError(
            f"bounds make 0 the integer {int(np.rint(-offset[moved[0]] * scale[moved[0]]))} in column {moved[0]}, "
            f"and another than 0 in {moved.size} columns in all: such rows can't stay sparse. Pass X.toarray(), or "
            "declare bounds with 0 in the middle"
        )
    _check_finite(X, first_row)
    q: NDArray[Any] = np.empty(X.nnz, dtype=dtype)
    run = _dense_kernels()

    def quantise_block(part: slice) -> None:  # as one row, with the offset and the scale that each entry has
        columns = X.indices[part]
        run.affine_rows(as_floats(X.data[part])[None], offset[columns], scale[columns], float(limit), q[None, part])

    map_blocks(quantise_block, row_blocks(X.nnz, _BLOCK))
    return _without_zeros(X, q)


def lifted(rows: SparseRows, lift: Callable[[NDArray[Any]], NDArray[Any]], width: int, at_once: int) -> NDArray[Any]:
    """What a projection makes of rows, some of them dense at a time."""
    found: NDArray[Any] = np.empty((len(rows), width), dtype=rows.dtype)
    for part in row_blocks(len(rows), at_once):
        found[part] = lift(np.asarray(rows[part]))
    return found


def _dense_kernels() -> ModuleType:
    return reference if get_backend() == "numpy" else kernels


def _rows_of(X: Any, entries: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.asarray(np.searchsorted(X.indptr, entries, side="right") - 1)


def _check_finite(X: Any, first_row: int) -> None:
    if X.data.dtype.kind != "f" or np.isfinite(X.data).all():
        return
    magnitude = np.zeros(X.shape[0])
    for value, found in ((np.inf, np.isinf(X.data)), (np.nan, np.isnan(X.data))):
        magnitude[_rows_of(X, np.flatnonzero(found))] = value
    refuse_not_finite(magnitude, first_row)


def _without_zeros(X: Any, q: NDArray[Any]) -> SparseRows:
    """In memory of its own: the caller may use his matrix again."""
    stays = q != 0
    left = np.concatenate([[0], np.cumsum(stays)])[X.indptr]
    return SparseRows(q[stays], X.indices[stays], left.astype(X.indptr.dtype), X.shape[1])


@kernel
def _normalised_entries(
    x: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], scale: float, limit: float, q: NDArray[Any]
) -> None:
    """`kernels.normalised_rows` of the stored entries, columns of each row in order."""
    lanes = np.empty(LANES)
    for i in range(indptr.size - 1):
        m = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            m = max(m, abs(np.float64(x[p])))
        if m == 0.0:
            q[indptr[i] : indptr[i + 1]] = 0
            continue
        exponent = math.frexp(m)[1]
        half = exponent // 2
        a = math.ldexp(1.0, -half)
        b = math.ldexp(1.0, half - exponent)
        lanes[:] = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            v = np.float64(x[p]) * a * b
            lanes[indices[p] % LANES] += v * v
        t = 0.0
        for k in range(LANES):
            t += lanes[k]
        f = scale / math.sqrt(t)
        for p in range(indptr[i], indptr[i + 1]):
            q[p] = min(max(np.rint(np.float64(x[p]) * a * b * f), -limit), limit)


def _normalised_entries_reference(
    x: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], scale: float, limit: float, q: NDArray[Any]
) -> None:
    n = len(indptr) - 1
    of_row = np.repeat(np.arange(n), np.diff(indptr))
    v = x.astype(np.float64)
    m = np.zeros(n)
    np.maximum.at(m, of_row, np.abs(v))
    exponent = np.frexp(m)[1]
    half = exponent // 2
    v *= np.ldexp(1.0, -half)[of_row]
    v *= np.ldexp(1.0, half - exponent)[of_row]
    lanes = np.zeros((n, LANES))
    np.add.at(lanes.reshape(-1), of_row * LANES + indices % LANES, v * v)  # one after another, in order
    t = np.zeros(n)
    for k in range(LANES):
        t += lanes[:, k]
    f = scale / np.sqrt(np.where(m == 0, 1.0, t))
    q[:] = np.clip(np.rint(v * f[of_row]), -limit, limit)
