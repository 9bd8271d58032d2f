"""The nearest of some candidates, by exact integer distances and an order that arrival has no part in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

Positions = NDArray[np.int64]

_QUERIES_A_BLOCK = 256


@dataclass(frozen=True)
class Ranked:
    """Positions of rows, shape (n_queries, k), nearest first, -1 behind the last; squared distances high 2^32 + low."""

    positions: Positions
    high: NDArray[np.int64]
    low: NDArray[np.int64]

    def squared(self) -> NDArray[np.float64]:
        """Squared distances in units of the integer rows, each rounded once; infinite where there is no row."""
        return np.where(self.positions < 0, np.inf, self.high * 2.0**32 + self.low)


def rank(
    queries: NDArray[Any],
    rows: NDArray[Any],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    k: int,
) -> Ranked:
    """The k nearest candidates of each query.

    Ordered by squared Euclidean distance, then by the bytes of the row (little-endian), then by the place of its class.

    Parameters
    ----------
    queries : ndarray of shape (n, d)
        Integer rows.
    rows : ndarray of shape (n_rows, d)
        Of the same dtype.
    numbers : ndarray of integers, shape (n_rows,)
        Of the classes of rows.
    places : ndarray of shape (n_numbers,)
        What decides between rows of the same bytes: the place of the class with each number.
    candidates : ndarray of shape (n, m)
        Positions in `rows`, all different within a line; -1 for none.
    k : int

    Notes
    -----
    Exactness: bit for bit: 128-bit sums for 32-bit rows, 64-bit ones otherwise.

    Cost: m d operations a query, and sorting, which is quick where candidates are nearly in order.
    """
    shape = (len(queries), min(k, candidates.shape[1]))
    out = Ranked(np.full(shape, -1, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    little = rows.dtype.newbyteorder("<")
    queries, rows = np.ascontiguousarray(queries, dtype=little), np.ascontiguousarray(rows, dtype=little)
    work = _rank_reference if get_backend() == "numpy" else _rank
    wide, data = rows.dtype.itemsize == 4, rows.view(np.uint8)
    candidates = np.ascontiguousarray(candidates)

    def block(part: slice) -> None:
        work(
            queries[part],
            rows,
            data,
            numbers,
            places,
            candidates[part],
            wide,
            out.positions[part],
            out.high[part],
            out.low[part],
        )

    map_blocks(block, row_blocks(len(queries), _QUERIES_A_BLOCK))
    return out


@kernel
def _rank(
    queries: NDArray[Any],
    rows: NDArray[Any],
    data: NDArray[np.uint8],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    wide: bool,
    positions: Positions,
    highs: NDArray[np.int64],
    lows: NDArray[np.int64],
) -> None:
    """Insertion of each candidate into the sorted nearest ones so far."""
    n, k = positions.shape
    mask = np.uint64(0xFFFFFFFF)
    for i in range(n):
        size = 0
        for c in range(candidates.shape[1]):
            at = candidates[i, c]
            if at < 0:
                continue
            if wide:
                top, bottom = np.uint64(0), np.uint64(0)
                for j in range(queries.shape[1]):
                    difference = np.uint64(abs(np.int64(queries[i, j]) - np.int64(rows[at, j])))
                    square = difference * difference
                    top += square >> np.uint64(32)
                    bottom += square & mask
                high = np.int64(top + (bottom >> np.uint64(32)))
                low = np.int64(bottom & mask)
            else:
                total = np.int64(0)
                for j in range(queries.shape[1]):
                    step = np.int64(queries[i, j]) - np.int64(rows[at, j])
                    total += step * step
                high, low = total >> 32, total & 0xFFFFFFFF
            place = size
            while place > 0:
                other = positions[i, place - 1]
                order = high - highs[i, place - 1]
                if order == 0:
                    order = low - lows[i, place - 1]
                if order == 0:
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
                positions[i, j], highs[i, j], lows[i, j] = positions[i, j - 1], highs[i, j - 1], lows[i, j - 1]
            positions[i, place], highs[i, place], lows[i, place] = at, high, low


def _rank_reference(
    queries: NDArray[Any],
    rows: NDArray[Any],
    data: NDArray[np.uint8],
    numbers: NDArray[Any],
    places: NDArray[np.int64],
    candidates: Positions,
    wide: bool,
    positions: Positions,
    highs: NDArray[np.int64],
    lows: NDArray[np.int64],
) -> None:
    """The same in Python's integers: the kernel's oracle, and the NumPy backend."""
    for i, query in enumerate(queries.tolist()):
        ranked = []
        for at in candidates[i][candidates[i] >= 0].tolist():
            distance = sum((a - b) ** 2 for a, b in zip(query, rows[at].tolist(), strict=True))
            ranked.append((distance, data[at].tobytes(), int(places[numbers[at]]), at))
        for j, (distance, _, _, at) in enumerate(sorted(ranked)[: positions.shape[1]]):
            positions[i, j], highs[i, j], lows[i, j] = at, distance >> 32, distance & 0xFFFFFFFF
