"""Rows to fixed point, in numba. The NumPy twin, operation for operation, is in `reference`.

Symbols: x a row, m = max|x|, v = x scaled by a power of two so that max|v| is in [0.5, 1), t = sum of v^2,
f = scale / sqrt(t), q the integers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._numba import kernel

LANES = 16


@kernel
def largest_magnitude(bits: NDArray[Any], mask: Any, top: NDArray[Any]) -> None:
    """top[i] = max_j |x[i, j]|, on the IEEE bits of x as unsigned integers; `mask` clears the sign.

    Without their sign, IEEE bits are ordered as |x|, with infinity and NaN above every finite value: one integer
    maximum, which vectorises where a maximum of floats does not, finds both the norm's scale and bad rows.
    """
    for i in range(bits.shape[0]):
        row = bits[i]
        m = row[0] & mask
        for j in range(1, bits.shape[1]):
            m = max(m, row[j] & mask)
        top[i] = m


@kernel
def sum_in_lanes(squares: NDArray[Any], lanes: NDArray[Any]) -> float:
    """Sum of numbers, a multiple of LANES, in the order of the quantizer's specification."""
    lanes[:] = 0.0
    for start in range(0, squares.size, LANES):
        for k in range(LANES):
            lanes[k] += squares[start + k]
    t = 0.0
    for k in range(LANES):
        t += lanes[k]
    return t


@kernel
def normalised_rows(x: NDArray[Any], m: NDArray[Any], scale: float, limit: float, q: NDArray[Any]) -> None:
    """Q = clip(round_half_even(v * scale / |v|)), m = max|x| by row."""
    n, d = x.shape
    v = np.empty(d)
    squares = np.zeros(d + LANES - d % LANES)
    lanes = np.empty(LANES)
    for i in range(n):
        row, out = x[i], q[i]
        if m[i] == 0.0:
            out[:] = 0
            continue
        # Two factors, because one power of two can't undo the exponent of a subnormal row.
        exponent = math.frexp(np.float64(m[i]))[1]
        half = exponent // 2
        a = math.ldexp(1.0, -half)
        b = math.ldexp(1.0, half - exponent)
        for j in range(d):
            v[j] = np.float64(row[j]) * a * b
            squares[j] = v[j] * v[j]
        t = sum_in_lanes(squares, lanes)
        f = scale / math.sqrt(t)
        for j in range(d):
            out[j] = min(max(np.rint(v[j] * f), -limit), limit)


@kernel
def normalised_singles(x: NDArray[np.float32], scale: float, limit: float, q: NDArray[Any]) -> bool:
    """`normalised_rows` for float32, without m; False where a row is not finite.

    Squares of float32 neither overflow nor underflow in float64, and scaling by a power of two commutes with every
    rounding on the way: the integers are the same.
    """
    n, d = x.shape
    squares = np.zeros(d + LANES - d % LANES)
    lanes = np.empty(LANES)
    for i in range(n):
        row, out = x[i], q[i]
        for j in range(d):
            squares[j] = np.float64(row[j]) * np.float64(row[j])
        t = sum_in_lanes(squares, lanes)
        if t == 0.0:
            out[:] = 0
            continue
        if not t < math.inf:
            return False
        f = scale / math.sqrt(t)
        for j in range(d):
            out[j] = min(max(np.rint(np.float64(row[j]) * f), -limit), limit)
    return True


@kernel
def affine_rows(
    x: NDArray[Any],
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
    limit: float,
    q: NDArray[Any],
) -> None:
    """Q = clip(round_half_even((x - offset) * scale)), column by column."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            q[i, j] = min(max(np.rint((np.float64(x[i, j]) - offset[j]) * scale[j]), -limit), limit)


@kernel
def table_of_turns(
    v: NDArray[Any], turns: int, phases: NDArray[np.int64], table: NDArray[np.int8], z: NDArray[np.int8]
) -> None:
    """Z = table at the angle v * turns + phase, in parts of a turn of 2^32, for integers v held in float32.

    The table has 4,096 entries for one turn.
    """
    for i in range(v.shape[0]):
        for j in range(v.shape[1]):
            angle = np.int64(v[i, j]) * turns + phases[j]
            z[i, j] = table[(angle & 0xFFFFFFFF) >> 20]


@kernel
def rectified_shift(v: NDArray[Any], shift: int, limit: int, z: NDArray[np.int8]) -> None:
    """Z = min(max(v, 0) / 2^shift, halves up, limit) for integers v held in float32."""
    half = (1 << shift) >> 1
    for i in range(v.shape[0]):
        for j in range(v.shape[1]):
            r = (int(max(v[i, j], 0)) + half) >> shift
            z[i, j] = min(r, limit)


@kernel
def sums_of_squares(q: NDArray[np.int8], squares: NDArray[np.int64]) -> None:
    """squares[i] = the sum of q[i, j]^2, added up in 32 bits for as many as fit."""
    for i in range(q.shape[0]):
        row = q[i]
        whole = np.int64(0)
        for start in range(0, row.size, 65536):
            t = np.int32(0)
            for j in range(start, min(start + 65536, row.size)):
                t += np.int32(row[j]) * np.int32(row[j])
            whole += np.int64(t)
        squares[i] = whole
