"""NumPy twin of the kernel in `loss_kernels`: what runs under the "numpy" backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers.loss_kernels import FACTOR, HALF, HUGE, TERM


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
    first, shift, spread, rounding, clipped, filled, broken, largest = columns
    w, v = weights[:, None], x.astype(np.float64)
    rows[:] = 0
    factor = np.ones((len(x), 1))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if unit:
            t = (v * v).sum(axis=1)
            rows[:, 0] = np.sqrt(t)
            factor[:, 0] = np.where((t > 0) & (t < np.inf), 1 / rows[:, 0], 0)
        y = np.clip((v - offset) * scale * factor, -HUGE, HUGE)
    first[:] = np.where(np.isnan(first), y[0], first)
    shift += (w * (y - first)).sum(axis=0)
    spread += (w * (y - first) ** 2).sum(axis=0)
    q = np.rint(y)
    c = np.clip(q, -limit, limit)
    rounding += (w * np.where(q == c, y - q, 0.0) ** 2).sum(axis=0)
    clipped += (w * (q != c)).sum(axis=0)
    rows[:, 1] = np.where(q == c, 0.0, y * y - c * c).sum(axis=1)
    filled += (w * (v != 0)).sum(axis=0)
    np.maximum(largest, np.abs(v).max(axis=0), out=largest)
    if not unit:
        g = 1 + (np.arange(x.shape[1]) % 1021) / 1021
        broken += (w * (v != np.rint(v))).sum(axis=0)
        rows[:, 0] = (np.abs(y) * g).sum(axis=1)
        rows[:, 2] = (y * g).sum(axis=1)
    keys[:] = (c.astype(np.int64).astype(np.uint64) * _marks(x.shape[1])).sum(axis=1).astype(np.int64)


def _marks(d: int) -> NDArray[np.uint64]:
    """A number for each column, of which those of rows are made."""
    marks, mark = np.empty(d, np.uint64), np.zeros(1, np.uint64)
    for j in range(d):
        mark = mark * FACTOR + TERM
        marks[j] = (mark ^ (mark >> HALF))[0]
    return marks
