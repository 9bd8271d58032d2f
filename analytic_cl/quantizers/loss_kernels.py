"""What rows lose at a quantizer, in numba. The NumPy twin is in `loss_reference`.

Symbols: x a row, y what it is in integer steps before rounding, r = y - round(y), w how many rows it stands for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._numba import kernel

# Rows of the counts: first y; sums of w (y - first), w (y - first)^2, w r^2 within the range, w beyond the range, w
# where x is not 0, w where x is not whole; largest |x|.
COLUMNS = ("first", "shift", "spread", "rounding", "clipped", "filled", "broken", "largest")
HUGE = 1e100  # steps beyond it count as this many, so that squares stay finite
FACTOR, TERM = np.int64(0x5851F42D4C957F2D), np.int64(1442695040888963407)


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
    rows[:] = 0.0
    keys[:] = 0
    factor = np.ones(n)
    if unit:
        for i in range(n):
            t = 0.0
            for j in range(d):
                t += np.float64(x[i, j]) * np.float64(x[i, j])
            rows[i, 0] = math.sqrt(t)
            factor[i] = 1.0 / rows[i, 0] if 0.0 < t < math.inf else 0.0
    # Column by column, so that sums stay in registers.
    for j in range(d):
        first, shift, spread, rounding = columns[0, j], columns[1, j], columns[2, j], columns[3, j]
        clipped, filled, broken, largest = columns[4, j], columns[5, j], columns[6, j], columns[7, j]
        g = 1.0 + (j % 1021) / 1021.0
        if math.isnan(first):
            first = min(max((np.float64(x[0, j]) - offset[j]) * scale[j] * factor[0], -HUGE), HUGE)
        for i in range(n):
            w, v = weights[i], np.float64(x[i, j])
            y = min(max((v - offset[j]) * scale[j] * factor[i], -HUGE), HUGE)
            shift += w * (y - first)
            spread += w * (y - first) * (y - first)
            q = np.rint(y)
            c = min(max(q, -limit), limit)
            if q == c:
                rounding += w * (y - q) * (y - q)
            else:
                clipped += w
                rows[i, 1] += y * y - c * c
            filled += w if v != 0.0 else 0.0
            largest = max(largest, abs(v))
            keys[i] = (keys[i] ^ np.int64(c)) * FACTOR + TERM
            if not unit:
                broken += w if v != np.rint(v) else 0.0
                rows[i, 0] += abs(y) * g
                rows[i, 2] += y * g
        columns[0, j], columns[1, j], columns[2, j], columns[3, j] = first, shift, spread, rounding
        columns[4, j], columns[5, j], columns[6, j], columns[7, j] = clipped, filled, broken, largest
