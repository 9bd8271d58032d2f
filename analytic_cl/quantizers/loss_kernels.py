"""What rows lose at a quantizer, in numba. The NumPy twin is in `loss_reference`.

Symbols: x a row, y what it is in integer steps before rounding, r = y - round(y), w how many rows it stands for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._numba import kernel
from analytic_cl.quantizers.kernels import LANES, sum_in_lanes

# Rows of the counts: first y; sums of w (y - first), w (y - first)^2, w r^2 within the range, w beyond the range, w
# where x is not 0, w where x is not whole; largest |x|.
COLUMNS = ("first", "shift", "spread", "rounding", "clipped", "filled", "broken", "largest")
HUGE = 1e100  # steps beyond it count as this many, so that squares stay finite
# Unsigned, because compilers take it that signed integers never overflow.
FACTOR, TERM, HALF = np.uint64(0x5851F42D4C957F2D), np.uint64(1442695040888963407), np.uint64(29)


@kernel
def count_losses(
    x: NDArray[Any],
    weights: NDArray[np.float64],
    unit: bool,
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
    limit: float,
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    keys: NDArray[np.int64],
) -> None:
    """Add rows to the counts of columns.

    Of each row, `rows` gets its size, what of its squared length (in steps) is clipped, and a sketch that tells rows
    apart; `keys` a number that equal integer rows share.
    """
    n, d = x.shape
    first, shift, spread, rounding = columns[0], columns[1], columns[2], columns[3]
    clipped, filled, broken, largest = columns[4], columns[5], columns[6], columns[7]
    y, c = np.empty(d), np.empty(d)
    squares, lanes = np.zeros(d + LANES - d % LANES), np.empty(LANES)
    marks = np.empty(d, np.uint64)
    mark = np.uint64(0)
    for j in range(d):
        mark = mark * FACTOR + TERM
        marks[j] = mark ^ (mark >> HALF)
    for i in range(n):
        row, w, factor, size, sketch = x[i], weights[i], 1.0, 0.0, 0.0
        if unit:
            for j in range(d):
                squares[j] = np.float64(row[j]) * np.float64(row[j])
            t = sum_in_lanes(squares, lanes)
            size = math.sqrt(t)
            factor = 1.0 / size if 0.0 < t < math.inf else 0.0
        # Loops over few arrays each, which compilers make vectors of.
        for j in range(d):
            y[j] = min(max((np.float64(row[j]) - offset[j]) * scale[j] * factor, -HUGE), HUGE)
        if math.isnan(first[0]):
            first[:] = y
        for j in range(d):
            away = w * (y[j] - first[j])
            shift[j] += away
            spread[j] += away * (y[j] - first[j])
        beyond = 0
        for j in range(d):
            q = np.rint(y[j])
            c[j] = min(max(q, -limit), limit)
            r = y[j] - q if q == c[j] else 0.0
            rounding[j] += w * r * r
            beyond += q != c[j]
        lost = 0.0
        if beyond:
            for j in range(d):
                if np.rint(y[j]) != c[j]:
                    clipped[j] += w
                    lost += y[j] * y[j] - c[j] * c[j]
        for j in range(d):
            v = np.float64(row[j])
            filled[j] += w if v != 0.0 else 0.0
            largest[j] = max(largest[j], abs(v))
        key = np.uint64(0)
        for j in range(d):
            key += np.uint64(np.int64(c[j])) * marks[j]
        if not unit:
            for j in range(d):
                v = np.float64(row[j])
                broken[j] += w if v != np.rint(v) else 0.0
            for j in range(d):
                g = 1.0 + (j % 1021) / 1021.0
                size += abs(y[j]) * g
                sketch += y[j] * g
        rows[i, 0], rows[i, 1], rows[i, 2], keys[i] = size, lost, sketch, np.int64(key)
