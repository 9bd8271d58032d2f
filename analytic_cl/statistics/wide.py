"""Exact integer matrix products in float64 BLAS, and 128-bit sums of their parts.

A product of integer matrices is exact in float64 while every partial sum stays below 2^53. Larger factors are cut
into slices of few bits; the product is then a sum of exact int64 planes, each times a power of two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product

Int64s = NDArray[np.int64]


def exact_product(left: Int64s, right: Int64s) -> Iterator[tuple[Int64s, int]]:
    """Planes and shifts with left.T @ right = sum of plane * 2^shift, exactly.

    left is (k, p), right (k, q), entries above -2^63. Every plane holds magnitudes below 2^53.
    """
    terms = max(1, left.shape[0])
    a, b = _bit_length(left), _bit_length(right)
    if a + b + terms.bit_length() <= 53:
        yield _float_product(left, right), 0
        return
    width = (53 - terms.bit_length()) // 2
    for i, left_slice in enumerate(_slices(left, a, width)):
        for j, right_slice in enumerate(_slices(right, b, width)):
            yield _float_product(left_slice, right_slice), width * (i + j)


def _float_product(left: Int64s, right: Int64s) -> Int64s:
    return product(left.astype(np.float64).T, right.astype(np.float64)).astype(np.int64)


def _bit_length(a: Int64s) -> int:
    return max(int(a.max()), -int(a.min())).bit_length() if a.size else 0


def _slices(a: Int64s, bits: int, width: int) -> Iterator[Int64s]:
    """Signed digits of a in base 2^width, low to high: all but the last in [0, 2^width)."""
    for shift in range(0, max(bits, 1), width):
        last = shift + width >= bits
        yield a >> shift if last else (a >> shift) & ((1 << width) - 1)


class Int128:
    """Arrays of 128-bit two's complement integers as a signed high and an unsigned low word."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.high = np.zeros(shape, dtype=np.int64)
        self.low = np.zeros(shape, dtype=np.uint64)

    def add(self, plane: Int64s, shift: int) -> None:
        """Add plane * 2^shift, 0 <= shift < 128."""
        if shift >= 64:
            self.high += plane << (shift - 64)
            return
        low = plane.astype(np.uint64) << np.uint64(shift)
        self.low += low
        self.high += (plane >> (63 if shift == 0 else 64 - shift)) + (self.low < low)

    def to_float64(self) -> NDArray[np.float64]:
        """Nearest float64, to within one and a half units in the last place."""
        negative = self.high < 0
        low = np.where(negative, ~self.low + np.uint64(1), self.low)
        high = np.where(negative, ~self.high + (low == 0), self.high)
        magnitude = high.astype(np.float64) * 2.0**64 + low.astype(np.float64)
        return np.where(negative, -magnitude, magnitude)

    def to_bytes(self) -> bytes:
        """Little-endian, 16 bytes an entry."""
        words = np.stack([self.low, self.high.astype(np.uint64)], axis=-1)
        return words.astype("<u8", copy=False).tobytes()
