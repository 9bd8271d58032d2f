"""Rows to fixed point by PyTorch, on any of its devices: the operations of `kernels`, one at a time.

Operations that are called one by one are never contracted into fused ones, so every float64 is rounded as there.
Integers are float64 values until `as_integers`. Symbols are those of `kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import padded, product, pytorch, sent
from analytic_cl.quantizers.kernels import LANES

BLOCK = 2**25  # numbers that are worked on at a time, to bound the memory of steps between

_EXPONENT_BIAS, _FRACTION_BITS = 1023, 52  # of float64


def empty(shape: tuple[int, int], dtype: np.dtype[Any], device: Any) -> Any:
    """A tensor of NumPy's dtype, to be written."""
    torch = pytorch()

    return torch.empty(shape, dtype=getattr(torch, dtype.name), device=device)


def as_integers(q: Any, dtype: np.dtype[Any]) -> Any:
    """Float64 integers in NumPy's dtype."""
    torch = pytorch()

    return q.to(getattr(torch, dtype.name))


def floats(rows: Any, device: Any) -> Any:
    """Rows of a tensor of numbers as float64 on a device."""
    torch = pytorch()

    return rows.to(device).to(torch.float64)


def squares_are_safe(rows: Any) -> bool:
    """Whether squares of the numbers of this dtype neither overflow nor underflow in float64."""
    torch = pytorch()

    return bool(rows.dtype == torch.float32 or rows.dtype.itemsize <= 2)


def magnitude(x: Any) -> NDArray[np.float64]:
    """max|x| by row; NaN where a row holds one."""
    return np.asarray(x.abs().amax(dim=1).cpu().numpy())


def rows_beyond_integers(x: Any, limit: float) -> NDArray[np.bool_]:
    """Rows that hold something else than integers of at most this magnitude."""
    return np.asarray((~((x == x.round()) & (x.abs() <= limit))).any(dim=1).cpu().numpy())


def normalised_rows(x: Any, scale: float, limit: float, safe: bool) -> Any:
    """Q = clip(round_half_even(v * scale / |v|)). With `safe` squares v is x, which may not be finite: None then."""
    torch = pytorch()

    v = x if safe else _scaled(x)
    t = sum_in_lanes(v * v)[:, None]
    if safe and not bool(t.isfinite().all()):
        return None
    # Numerator and denominator as tensors: of a number PyTorch may take the rounded reciprocal first.
    f = torch.full_like(t, scale) / torch.where(t == 0, torch.ones_like(t), t).sqrt()
    return (v * f).round_().clamp_(-limit, limit)


def _scaled(x: Any) -> Any:
    """V, by two factors, because one power of two can't undo the exponent of a subnormal row."""
    torch = pytorch()

    exponent = x.abs().amax(dim=1, keepdim=True).frexp()[1].to(torch.int64)
    half = exponent >> 1
    return x * _power_of_two(-half) * _power_of_two(half - exponent)


def _power_of_two(k: Any) -> Any:
    """2^k as float64, made from its bits: exact on every device."""
    torch = pytorch()

    return ((k + _EXPONENT_BIAS) << _FRACTION_BITS).view(torch.float64)


def sum_in_lanes(squares: Any) -> Any:
    """Sums of rows in the order of the quantizer's specification."""
    torch = pytorch()

    n, d = squares.shape
    lanes = torch.zeros((n, LANES), dtype=torch.float64, device=squares.device)
    for start in range(0, d, LANES):
        part = squares[:, start : start + LANES]
        lanes[:, : part.shape[1]] += part
    t = torch.zeros(n, dtype=torch.float64, device=squares.device)
    for k in range(LANES):
        t += lanes[:, k]
    return t


def affine_rows(x: Any, offset: NDArray[np.float64], scale: NDArray[np.float64], limit: float) -> Any:
    """Q = clip(round_half_even((x - offset) * scale)), column by column."""
    return ((x - sent(offset, x.device)) * sent(scale, x.device)).round_().clamp_(-limit, limit)


def sums(q: Any, directions: Any) -> Any:
    """Products of int8 rows with directions of +-1, one a row and `padded`, and with their padding."""
    return product(padded(q), directions)[: len(q)]


def rectified_shift(v: Any, shift: int, limit: int) -> Any:
    """Z = min(max(v, 0) / 2^shift, halves up, limit)."""
    torch = pytorch()

    return ((v.clamp(min=0) + ((1 << shift) >> 1)) >> shift).clamp_(max=limit).to(torch.int8)


def table_of_turns(v: Any, turns: int, phases: Any, table: Any) -> Any:
    """Z = table at the angle v * turns + phase, in parts of a turn of 2^32."""
    torch = pytorch()

    angle = v.to(torch.int64) * turns + phases
    return table[(angle & 0xFFFFFFFF) >> 20]
