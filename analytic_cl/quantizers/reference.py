"""NumPy twins of the kernels in `kernels`: the oracle of their tests, and what runs under the "numpy" backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers.kernels import LANES


def largest_magnitude(bits: NDArray[Any], mask: Any, top: NDArray[Any]) -> None:
    np.max(bits & mask, axis=1, out=top)


def _round_and_clip(y: NDArray[np.float64], limit: float, q: NDArray[Any]) -> None:
    q[:] = np.clip(np.rint(y), -limit, limit)


def sum_in_lanes(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of rows in the order of the quantizer's specification."""
    n, d = squares.shape
    lanes = np.zeros((n, LANES))
    for start in range(0, d, LANES):
        part = squares[:, start : start + LANES]
        lanes[:, : part.shape[1]] += part
    t = np.zeros(n)
    for k in range(LANES):
        t += lanes[:, k]
    return t


def normalised_rows(x: NDArray[Any], m: NDArray[Any], scale: float, limit: float, q: NDArray[Any]) -> None:
    v = x.astype(np.float64)
    exponent = np.frexp(m.astype(np.float64))[1]
    half = exponent // 2
    v *= np.ldexp(1.0, -half)[:, None]
    v *= np.ldexp(1.0, half - exponent)[:, None]
    t = sum_in_lanes(v * v)
    zero = m == 0
    f = scale / np.sqrt(np.where(zero, 1.0, t))
    _round_and_clip(v * f[:, None], limit, q)


def normalised_singles(x: NDArray[np.float32], scale: float, limit: float, q: NDArray[Any]) -> bool:
    m = np.abs(x).max(axis=1)
    if not np.isfinite(m).all():
        return False
    normalised_rows(x, m, scale, limit, q)
    return True


def affine_rows(
    x: NDArray[Any],
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
    limit: float,
    q: NDArray[Any],
) -> None:
    with np.errstate(over="ignore"):  # a product past the largest float is clipped like any other
        _round_and_clip((x.astype(np.float64) - offset) * scale, limit, q)


def rectified_shift(v: NDArray[Any], shift: int, limit: int, z: NDArray[np.int8]) -> None:
    half = (1 << shift) >> 1
    z[:] = np.minimum((np.maximum(v.astype(np.int32), 0) + half) >> shift, limit)


def table_of_turns(
    v: NDArray[Any], turns: int, phases: NDArray[np.int64], table: NDArray[np.int8], z: NDArray[np.int8]
) -> None:
    angle = v.astype(np.int64) * turns + phases
    z[:] = table[(angle & 0xFFFFFFFF) >> 20]


def sums_of_squares(q: NDArray[np.int8], squares: NDArray[np.int64]) -> None:
    np.einsum("ij,ij->i", q, q, dtype=np.int64, casting="unsafe", out=squares)
