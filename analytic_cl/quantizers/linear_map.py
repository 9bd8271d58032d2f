"""Linear maps of integer rows, such as scores of classes: exact integer products where the machine is quick at them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product
from analytic_cl._config import get_backend, get_threads, native
from analytic_cl._numba import kernel
from analytic_cl._sparse import SparseRows
from analytic_cl.quantizers.projection import WORTH_A_THREAD
from analytic_cl.quantizers.quantizer import Quantizer

Floats = NDArray[np.float64]

_WEIGHT_BITS = 46  # of the largest weight: six balanced digits hold 2^46, and a bit more
_SUM_BITS = 62  # that 127 times as many of them as there are columns may have: no sum of products leaves int64
_DIGITS = 6
_REST = 0x808080  # what three balanced digits hold at most
_ROUNDING = 2.0**-49  # of products, in all: eight times what a float rounds
_WORTH_HALF = 2**26  # sums, below which choosing rows takes what they save
_LEAST_EXPONENT = -1000
_MAGNITUDE, _INFINITE = np.uint64(2**63 - 1), np.uint64(0x7FF << 52)  # of the bits of a float64


@dataclass(frozen=True)
class Leading:
    """Products that may be off: those of row i with weights k by ``sizes[i] * by_size[k] + always[k]`` at most."""

    products: Floats
    sizes: NDArray[np.int64]
    by_size: Floats
    always: Floats


class LinearMap:
    """``(step * (q - centre)) @ weights.T + bias`` of integer rows q, shape (n, k), for weights of shape (k, width).

    For int8 rows, where the native kernels have AVX512-VNNI, each row of weights becomes integers, the largest of 46
    bits up to 512 columns, of 42 at 5,000, and its product with ``q - centre`` is exact. So a row alone and in a batch
    gets the same bits, on any number of threads; what rounds is each weight, once. Elsewhere, and for sparse rows, it
    is a float64 product.

    Exactness: bit for bit the same for native and "numpy" on int8 rows; else algebraic.

    Cost: 6 k width int8 multiply-adds a row, half of that with the leading digits; memory 14 k width bytes.
    """

    def __init__(self, quantizer: Quantizer, centre: NDArray[np.int64], weights: Floats, bias: Floats) -> None:
        self._quantizer, self._centre, self._weights = quantizer, centre, weights
        self._used = False
        self._bias = np.ascontiguousarray(bias)

    def of(self, rows: NDArray[Any] | SparseRows) -> Floats:
        """The products, in full."""
        backend = get_backend()
        if self._exact and backend != "blas" and not isinstance(rows, SparseRows) and rows.size:
            if backend == "native" and len(rows) == 1 and not self._used:  # streams that learn between predictions
                self._used = True
                row, weights = np.ascontiguousarray(rows[0]), np.ascontiguousarray(self._weights)
                sums, unit = np.empty(len(weights), dtype=np.int64), np.empty(len(weights))
                bits = _weight_bits(row.size)
                if _first_products(row, weights, self._quantizer.step, self._centre, bits, sums, unit):
                    return np.asarray(sums.astype(np.float64) * unit + self._bias)[None]
            elif self._integers is not None:
                whole, origin, unit = self._integers
                if backend == "numpy":
                    sums = rows.astype(np.int64) @ whole.T
                    return np.asarray((sums - origin).astype(np.float64) * unit + self._bias)
                out = np.empty((len(rows), len(whole)))
                threads = get_threads() if _DIGITS * rows.size * len(whole) > WORTH_A_THREAD else 1
                native.score(np.ascontiguousarray(rows), self._native, origin, unit, self._bias, out, threads)
                return out
        return np.asarray(product(self._quantizer.deviations(rows, self._centre), self._weights.T) + self._bias)

    def leading(self, rows: NDArray[Any] | SparseRows) -> Leading | None:
        """The products with the leading half of the weights' digits, in half of the time, and how far `of` may be from
        them; None where that is not quicker.
        """
        if isinstance(rows, SparseRows) or _DIGITS * rows.size * len(self._weights) < _WORTH_HALF:
            return None
        backend = get_backend()
        if backend == "blas" or not self._exact or self._integers is None:
            return None
        self._used = True
        whole, origin, unit = self._integers
        out, sizes = np.empty((len(rows), len(whole))), np.empty(len(rows), dtype=np.int64)
        if backend == "numpy":
            wide = rows.astype(np.int64)
            sizes[:] = np.abs(wide).sum(axis=1)
            sums = wide @ _leading_half(whole, self._pad).T
            out[:] = (sums - origin).astype(np.float64) * unit + self._bias
        else:
            threads = get_threads() if _DIGITS // 2 * rows.size * len(whole) > WORTH_A_THREAD else 1
            rows = np.ascontiguousarray(rows)
            native.score_leading(rows, self._native, origin, unit, self._bias, out, sizes, threads)
        return Leading(out, sizes, *self._doubt)

    @cached_property
    def _doubt(self) -> tuple[Floats, Floats]:
        """By how much full products may differ: for each 1 of a row's size, and whatever the row.

        What is left out of weights, and what both kinds of products round: as a sum becomes a float, when the bias is
        added, and when a caller divides them by a length or compares them.
        """
        assert self._integers is not None
        whole, origin, unit = self._integers
        rest = math.ldexp(_REST, -self._pad)
        largest = np.maximum(whole.max(axis=1), -whole.min(axis=1)) + rest
        return (
            (rest + _ROUNDING * largest) * unit,
            _ROUNDING * (np.abs(origin).astype(np.float64) * unit + np.abs(self._bias)),
        )

    @cached_property
    def _pad(self) -> int:
        """Places by which weights are shifted to fill six digits."""
        return _WEIGHT_BITS - _weight_bits(self._quantizer.width)

    @cached_property
    def _exact(self) -> bool:
        """Whether rows of integers are multiplied as such, unless weights are infinite."""
        if self._quantizer.bits != 8 or native is None or native.isas()[0] != "avx512vnni":
            return False
        return self._weights.size > 0 and self._quantizer.width <= native.MAX_TERMS

    @cached_property
    def _integers(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats] | None:
        return as_integers(self._weights, self._quantizer.step, self._centre)

    @cached_property
    def _native(self) -> Any:
        assert self._integers is not None
        return native.Weights(self._integers[0], self._pad, "")


def _leading_half(whole: NDArray[np.int64], pad: int) -> NDArray[np.int64]:
    """Weights but for the lower three of their six balanced digits."""
    lower = (((whole << pad) + _REST) & 0xFFFFFF) - _REST
    return whole - (lower >> pad)


def as_integers(
    weights: Floats, step: Floats, centre: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats] | None:
    """Weights a step in units of a power of two, the same of the centre, and the units; None where one is infinite."""
    v: Floats = weights * step
    largest = np.maximum(v.max(axis=1), -v.min(axis=1))
    if not np.isfinite(largest).all():
        return None
    exponent = _exponents(largest, v.shape[1])
    v *= np.ldexp(1.0, -exponent)[:, None]
    whole = np.rint(v, out=v).astype(np.int64, order="C")
    origin = whole @ centre if centre.any() else np.zeros(len(whole), dtype=np.int64)
    return whole, origin, np.ldexp(1.0, exponent)


def _weight_bits(width: int) -> int:
    """Of the largest weight of a class."""
    return min(_WEIGHT_BITS, _SUM_BITS - 7 - (width - 1).bit_length())


def _exponents(largest: Floats, width: int) -> NDArray[np.intp]:
    """Of the units of weights whose largest times a step are these."""
    return np.asarray(np.maximum(np.frexp(largest)[1] - _weight_bits(width), _LEAST_EXPONENT))


def weight_errors(quantizer: Quantizer, weights: Floats) -> Floats:
    """By how much a `LinearMap` may round each weight, on any machine, shape (k, width)."""
    if quantizer.bits != 8 or not weights.size:
        return np.zeros_like(weights)
    largest = np.abs(weights * quantizer.step).max(axis=1)
    return np.asarray(np.ldexp(0.5, _exponents(largest, weights.shape[1]))[:, None] / quantizer.step)


@kernel
def _first_products(
    row: NDArray[np.int8],
    weights: Floats,
    step: Floats,
    centre: NDArray[np.int64],
    bits: int,
    sums: NDArray[np.int64],
    units: Floats,
) -> bool:
    """Products of one row less the centre with `as_integers`, which are not kept, and their units; False where these
    are None.
    """
    v = np.empty(row.size + 1)  # and the largest behind them
    words = v.view(np.uint64)
    away = np.empty(row.size, dtype=np.int64)
    for j in range(row.size):
        away[j] = np.int64(row[j]) - centre[j]
    for c in range(weights.shape[0]):
        w = weights[c]
        for j in range(row.size):
            v[j] = w[j] * step[j]
        top = np.uint64(0)
        for j in range(row.size):
            top = max(top, words[j] & _MAGNITUDE)
        if top >= _INFINITE:
            return False
        words[row.size] = top
        exponent = max(math.frexp(v[row.size])[1] - bits, _LEAST_EXPONENT)
        scale = math.ldexp(1.0, -exponent)
        t = np.int64(0)
        for j in range(row.size):
            t += np.int64(np.rint(v[j] * scale)) * away[j]
        sums[c], units[c] = t, math.ldexp(1.0, exponent)
    return True
