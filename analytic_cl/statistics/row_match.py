"""Which of many rows are equal to given ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl.statistics.wide import Int64s

Mask = NDArray[np.bool_]

_ONE, _HALF = np.uint64(1), np.uint64(32)
_ODD, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)


def match_rows(held: NDArray[Any], at: Int64s, places: Int64s, rows: NDArray[Any], wanted: Int64s) -> tuple[Mask, Mask]:
    """Find for each of the `rows` an equal one among those held `at` some positions, each of which counts once.

    `places` has the class of each position, and `wanted` that of each row: only rows of one class are equal. Returns
    which positions were taken, and which rows were found.
    """
    taken, found = np.zeros(len(at), dtype=bool), np.zeros(len(rows), dtype=bool)
    run = _match_reference if get_backend() == "numpy" else _match
    run(_words(held), at, places, _words(rows), wanted, taken, found)
    return taken, found


def _words(rows: NDArray[Any]) -> NDArray[Any]:
    """The bytes of rows as the largest words that divide a row."""
    whole = np.ascontiguousarray(rows)
    size = next(size for size in (8, 4, 2, 1) if whole.shape[1] * whole.itemsize % size == 0)
    words = whole.view(f"u{size}")
    return words if words.flags.aligned else words.copy()


@kernel
def _match(
    held: NDArray[Any],
    at: Int64s,
    places: Int64s,
    rows: NDArray[Any],
    wanted: Int64s,
    taken: Mask,
    found: Mask,
) -> None:
    m, d = rows.shape
    weights = np.empty(d, dtype=np.uint64)
    weight = _ODD
    for j in range(d):
        weight = weight * _STEP + _ODD
        weights[j] = weight | _ONE
    size = 1
    while size < 2 * m:
        size *= 2
    # chains of the wanted rows by hash; of equal rows the first comes first
    heads, following, hashes = np.full(size, -1), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.uint64)
    for i in range(m - 1, -1, -1):
        h = np.uint64(wanted[i]) * _ODD
        for j in range(d):
            word = np.uint64(rows[i, j])
            h += (word ^ (word >> _HALF)) * weights[j]
        hashes[i] = h
        slot = np.int64(h >> _HALF) & (size - 1)
        following[i], heads[slot] = heads[slot], i
    missing = m
    for p in range(at.shape[0]):
        if missing == 0:
            break
        row = held[at[p]]
        h = np.uint64(places[p]) * _ODD
        for j in range(d):
            word = np.uint64(row[j])
            h += (word ^ (word >> _HALF)) * weights[j]
        slot = np.int64(h >> _HALF) & (size - 1)
        before, i = -1, heads[slot]
        while i >= 0:
            equal = hashes[i] == h and wanted[i] == places[p]
            j = 0
            while equal and j < d:
                equal = rows[i, j] == row[j]
                j += 1
            if equal:
                taken[p] = found[i] = True
                missing -= 1
                if before < 0:
                    heads[slot] = following[i]
                else:
                    following[before] = following[i]
                break
            before, i = i, following[i]


def _match_reference(
    held: NDArray[Any],
    at: Int64s,
    places: Int64s,
    rows: NDArray[Any],
    wanted: Int64s,
    taken: Mask,
    found: Mask,
) -> None:
    keys = [(place, row.tobytes()) for place, row in zip(wanted.tolist(), rows, strict=True)]
    left, out = Counter(keys), Counter[tuple[int, bytes]]()
    for p, (position, place) in enumerate(zip(at.tolist(), places.tolist(), strict=True)):
        key = place, held[position].tobytes()
        if left.get(key):
            left[key] -= 1
            out[key] += 1
            taken[p] = True
    for i, key in enumerate(keys):
        if out[key]:
            out[key] -= 1
            found[i] = True
