"""The nearest of some candidates by angle, exactly: cosines of integer rows are compared as integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

Positions = NDArray[np.int64]
Floats = NDArray[np.float64]

_QUERIES_A_BLOCK = 256
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_DECIDED = 16 * float(np.finfo(np.float64).eps)  # cosines in floats that differ by more, relatively, are in order


@dataclass(frozen=True)
class RankedByAngle:
    """Positions of rows, shape (n_queries, k), nearest first, -1 behind the last, and 2 - 2 cosine."""

    positions: Positions
    distances: Floats

    def squared(self) -> Floats:
        """Squared distances of the rows and the query at unit length; infinite where there is no row."""
        return self.distances


def rank_by_angle(
    queries: NDArray[Any],
    rows: NDArray[Any],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    k: int,
) -> RankedByAngle:
    """As `rank`, by the cosine instead of the distance; a row of zeros has cosine 0 to everything.

    Notes
    -----
    Exactness: x is nearer than y where sign(q.x) (q.x)^2 |y|^2 is larger than the same with x and y exchanged: integers
    of up to 300 bits, which are looked at where floats can't decide. Distances come from the exact products by four
    rounded operations in a fixed order: the same bits whatever searched.

    Cost: 4 d operations a candidate.
    """
    shape = (len(queries), min(k, candidates.shape[1]))
    positions, dots, squares = np.full(shape, -1, np.int64), np.zeros(shape), np.ones(shape)
    own = np.empty(len(queries))
    little = rows.dtype.newbyteorder("<")
    queries, rows = np.ascontiguousarray(queries, dtype=little), np.ascontiguousarray(rows, dtype=little)
    work = _rank_reference if get_backend() == "numpy" else _rank
    data, candidates = rows.view(np.uint8), np.ascontiguousarray(candidates)

    def block(part: slice) -> None:
        found = positions[part], dots[part], squares[part], own[part]
        work(queries[part], rows, data, numbers, places, candidates[part], *found)

    map_blocks(block, row_blocks(len(queries), _QUERIES_A_BLOCK))
    lengths = np.sqrt(squares * own[:, None])
    cosines = np.divide(dots, lengths, out=np.zeros(shape), where=lengths > 0)
    return RankedByAngle(positions, np.where(positions < 0, np.inf, np.maximum(2 - 2 * cosines, 0.0)))


@kernel
def _inner(x: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
    """x.y as high 2^32 + low, 0 <= low < 2^32."""
    high, low = np.int64(0), np.int64(0)
    for j in range(x.shape[0]):
        product = np.int64(x[j]) * np.int64(y[j])
        high += product >> 32
        low += product & 0xFFFFFFFF
    return high + (low >> 32), low & 0xFFFFFFFF


@kernel
def _limbs(high: int, low: int, out: NDArray[np.uint64]) -> None:
    """|high 2^32 + low| in three parts of 32 bits, the least first."""
    if high < 0:
        high, low = (-high - 1, 0x100000000 - low) if low else (-high, low)
    out[0] = np.uint64(low)
    out[1] = np.uint64(high) & _LOW
    out[2] = np.uint64(high) >> _HALF


@kernel
def _multiply(a: NDArray[np.uint64], b: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    out[:] = np.uint64(0)
    for i in range(a.size):
        carry = np.uint64(0)
        for j in range(b.size):
            t = a[i] * b[j] + out[i + j] + carry
            out[i + j] = t & _LOW
            carry = t >> _HALF
        out[i + b.size] = carry


@kernel
def _larger_cosine(a: NDArray[np.int64], b: NDArray[np.int64], room: NDArray[np.uint64]) -> int:
    """1 where the first of (high, low of q.x, high, low of |x|^2) has the larger cosine, -1 the second, 0 neither.

    Both products have the same sign, and neither is 0.
    """
    for side in range(2):
        mine, other = (a, b) if side == 0 else (b, a)
        _limbs(mine[0], mine[1], room[0, :3])
        _multiply(room[0, :3], room[0, :3], room[1, :6])
        _limbs(other[2], other[3], room[2, :3])
        _multiply(room[1, :6], room[2, :3], room[3 + side, :9])
    sign = 1 if a[0] >= 0 else -1
    for j in range(8, -1, -1):
        if room[3, j] != room[4, j]:
            return sign if room[3, j] > room[4, j] else -sign
    return 0


@kernel
def _rank(
    queries: NDArray[Any],
    rows: NDArray[Any],
    data: NDArray[np.uint8],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    positions: Positions,
    dots: Floats,
    squares: Floats,
    own: Floats,
) -> None:
    """Insertion of each candidate into the sorted nearest ones so far."""
    n, k = positions.shape
    kept = np.zeros((k + 1, 4), dtype=np.int64)  # products with the query and squared lengths; the last is the next
    cosines = np.zeros(k)
    room = np.zeros((5, 9), dtype=np.uint64)
    for i in range(n):
        high, low = _inner(queries[i], queries[i])
        own[i] = high * 4294967296.0 + low
        size = 0
        for c in range(candidates.shape[1]):
            at = candidates[i, c]
            if at < 0:
                continue
            new = kept[k]
            new[0], new[1] = _inner(queries[i], rows[at])
            new[2], new[3] = _inner(rows[at], rows[at])
            dot, square = new[0] * 4294967296.0 + new[1], new[2] * 4294967296.0 + new[3]
            cosine = dot / math.sqrt(square) if square > 0 else 0.0
            place = size
            while place > 0:
                before = cosines[place - 1]
                order: Any = 0
                if abs(cosine - before) > _DECIDED * max(abs(cosine), abs(before)) or (cosine > 0) != (before > 0):
                    order = 1 if cosine < before else -1
                elif cosine != 0:
                    order = -_larger_cosine(new, kept[place - 1], room)
                if order == 0:
                    other = positions[i, place - 1]
                    for j in range(data.shape[1]):
                        if data[at, j] != data[other, j]:
                            order = np.int64(data[at, j]) - np.int64(data[other, j])
                            break
                    if order == 0:
                        order = places[numbers[at]] - places[numbers[other]]
                if order >= 0:
                    break
                place -= 1
            if place == k:
                continue
            size = min(size + 1, k)
            for j in range(size - 1, place, -1):
                positions[i, j], cosines[j] = positions[i, j - 1], cosines[j - 1]
                dots[i, j], squares[i, j] = dots[i, j - 1], squares[i, j - 1]
                kept[j] = kept[j - 1]
            positions[i, place], cosines[place], dots[i, place], squares[i, place] = at, cosine, dot, square
            kept[place] = new


def _rank_reference(
    queries: NDArray[Any],
    rows: NDArray[Any],
    data: NDArray[np.uint8],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    positions: Positions,
    dots: Floats,
    squares: Floats,
    own: Floats,
) -> None:
    """The same in Python's integers: the kernel's oracle, and the NumPy backend."""
    for i, query in enumerate(queries.tolist()):
        own[i] = sum(a * a for a in query)
        ranked = []
        for at in candidates[i][candidates[i] >= 0].tolist():
            row = rows[at].tolist()
            dot, square = sum(a * b for a, b in zip(query, row, strict=True)), sum(b * b for b in row)
            cosine = Fraction(dot * abs(dot), square) if square else Fraction(0)
            ranked.append((-cosine, data[at].tobytes(), int(places[numbers[at]]), at, dot, square))
        for j, (*_, at, dot, square) in enumerate(sorted(ranked)[: positions.shape[1]]):
            positions[i, j], dots[i, j], squares[i, j] = at, dot, square
