"""Kernels of the oriented-gradient features: images to features, each by itself, in a fixed order of operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._numba import kernel

TINY = 1e-300  # keeps 0 / 0 at 0 and is lost in any other sum
CONTRAST = 0.25  # share of the image's mean energy in the local energy that contrast is divided by
MEAN_WEIGHT = 0.5  # of cell means beside the square roots of responses


@kernel
def oriented_gradients(
    x: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rows_fine: Any,
    columns_fine: Any,
    rows_coarse: Any,
    columns_coarse: Any,
    out: NDArray[np.float32],
) -> None:
    """Features of images x, shape (n, height, width, channels).

    `first` and `second` hold cosine and sine of each layer's directions; windows are pairs of first index and weights.
    `out` has shape (n, channels * (1 + L + L * M), cells down, cells across): means, first layer, second layer.
    """
    n, height, width, channels = x.shape
    n_first, n_second = len(first), len(second)
    fine_height, fine_width = len(rows_fine[0]), len(columns_fine[0])
    v = np.empty((channels, height, width))
    gx, gy, m = np.empty_like(v), np.empty_like(v), np.empty_like(v)
    energy, scratch = np.empty((height, width)), np.empty((height, width))
    line = np.empty(max(width, fine_width))
    fine = np.empty((n_first, fine_height, fine_width))
    fx, fy, fm = np.empty_like(fine[0]), np.empty_like(fine[0]), np.empty_like(fine[0])
    features = np.empty(out.shape[1:])
    for i in range(n):
        _to_unit_range(x[i], v)
        energy[:] = 0
        for c in range(channels):
            _scharr(v[c], gx[c], gy[c], m[c])
            energy += m[c]
        total = 0.0
        for y in range(height):
            for k in range(width):
                total += energy[y, k]
        _binomial(energy, scratch)
        floor = CONTRAST * (total / (height * width)) + TINY
        for y in range(height):
            for k in range(width):
                energy[y, k] = 1 / np.sqrt(energy[y, k] + floor)
        for c in range(channels):
            _pool(v[c], rows_fine, columns_fine, line, fine[0])
            _pool(fine[0], rows_coarse, columns_coarse, line, features[c])
            to = channels + c * n_first
            for a in range(n_first):
                _respond(gx[c], gy[c], m[c], first[a], False, scratch)
                scratch *= energy
                _pool(scratch, rows_fine, columns_fine, line, fine[a])
                _pool(fine[a], rows_coarse, columns_coarse, line, features[to + a])
            for a in range(n_first):
                _differences(fine[a], fx, fy, fm)
                at = channels * (1 + n_first) + (c * n_first + a) * n_second
                for b in range(n_second):
                    _respond(fx, fy, fm, second[b], True, fine[a])
                    _pool(fine[a], rows_coarse, columns_coarse, line, features[at + b])
        _finish(features, channels, n_first, n_second, out[i])


@kernel
def _to_unit_range(x: NDArray[np.float64], v: NDArray[np.float64]) -> None:
    """Channels first, smallest value 0, largest 1; halves, so that no difference leaves the range of floats."""
    low = x[0, 0, 0]
    high = low
    for y in range(x.shape[0]):
        for k in range(x.shape[1]):
            for c in range(x.shape[2]):
                low = min(low, x[y, k, c])
                high = max(high, x[y, k, c])
    span = high / 2 - low / 2
    for c in range(x.shape[2]):
        for y in range(x.shape[0]):
            for k in range(x.shape[1]):
                v[c, y, k] = (x[y, k, c] / 2 - low / 2) / span if span > 0 else 0.0


@kernel
def _scharr(v: NDArray[np.float64], gx: NDArray[np.float64], gy: NDArray[np.float64], m: NDArray[np.float64]) -> None:
    """Gradients by the 3 x 3 Scharr operator, edges repeated, and their squared length."""
    height, width = v.shape
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for k in range(width):
            left, right = max(k - 1, 0), min(k + 1, width - 1)
            dx = 3 * (v[up, right] - v[up, left]) + 10 * (v[y, right] - v[y, left])
            gx[y, k] = dx + 3 * (v[down, right] - v[down, left])
            dy = 3 * (v[down, left] - v[up, left]) + 10 * (v[down, k] - v[up, k])
            gy[y, k] = dy + 3 * (v[down, right] - v[up, right])
            m[y, k] = gx[y, k] * gx[y, k] + gy[y, k] * gy[y, k]


@kernel
def _differences(
    v: NDArray[np.float64], gx: NDArray[np.float64], gy: NDArray[np.float64], m: NDArray[np.float64]
) -> None:
    """Central differences, edges repeated, and the squared length of the gradient."""
    height, width = v.shape
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for k in range(width):
            gx[y, k] = v[y, min(k + 1, width - 1)] - v[y, max(k - 1, 0)]
            gy[y, k] = v[down, k] - v[up, k]
            m[y, k] = gx[y, k] * gx[y, k] + gy[y, k] * gy[y, k]


@kernel
def _binomial(v: NDArray[np.float64], scratch: NDArray[np.float64]) -> None:
    """Blur in place by [1 4 6 4 1] / 16 along both axes, edges repeated."""
    height, width = v.shape
    for y in range(height):
        a, b, d, e = max(y - 2, 0), max(y - 1, 0), min(y + 1, height - 1), min(y + 2, height - 1)
        for k in range(width):
            scratch[y, k] = ((v[a, k] + v[e, k]) + 4 * (v[b, k] + v[d, k]) + 6 * v[y, k]) / 16
    for y in range(height):
        for k in range(width):
            outer = scratch[y, max(k - 2, 0)] + scratch[y, min(k + 2, width - 1)]
            inner = scratch[y, max(k - 1, 0)] + scratch[y, min(k + 1, width - 1)]
            v[y, k] = (outer + 4 * inner + 6 * scratch[y, k]) / 16


@kernel
def _respond(
    gx: NDArray[np.float64],
    gy: NDArray[np.float64],
    m: NDArray[np.float64],
    direction: NDArray[np.float64],
    both_ways: bool,
    out: NDArray[np.float64],
) -> None:
    """Length of the gradient times the cube of the cosine of its angle to a direction, 0 where that is negative."""
    cosine, sine = direction[0], direction[1]
    for y in range(gx.shape[0]):
        for k in range(gx.shape[1]):
            r = cosine * gx[y, k] + sine * gy[y, k]
            r = abs(r) if both_ways else max(r, 0.0)
            out[y, k] = r * r * r / (m[y, k] + TINY)


@kernel
def _pool(v: NDArray[np.float64], rows: Any, columns: Any, line: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Weighted means over overlapping windows, first down, then across."""
    top, down = rows
    left, across = columns
    for i in range(len(top)):
        line[: v.shape[1]] = 0
        for t in range(down.shape[1]):
            weight = down[i, t]
            for k in range(v.shape[1]):
                line[k] += weight * v[top[i] + t, k]
        for j in range(len(left)):
            total = 0.0
            for t in range(across.shape[1]):
                total += across[j, t] * line[left[j] + t]
            out[i, j] = total


@kernel
def _finish(
    features: NDArray[np.float64], channels: int, n_first: int, n_second: int, out: NDArray[np.float32]
) -> None:
    """Means less their mean over the image; square roots of responses less their mean in the cell, layer by layer."""
    total = 0.0
    for c in range(channels):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total += features[c, i, j]
    mean = total / (channels * out.shape[1] * out.shape[2])
    for c in range(channels):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[c, i, j] = MEAN_WEIGHT * (features[c, i, j] - mean)
    for group in range(2 * channels):
        size = n_first if group < channels else n_first * n_second
        start = channels + group * n_first
        if group >= channels:
            start = channels * (1 + n_first) + (group - channels) * size
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = 0.0
                for f in range(start, start + size):
                    features[f, i, j] = np.sqrt(features[f, i, j])
                    total += features[f, i, j]
                for f in range(start, start + size):
                    out[f, i, j] = features[f, i, j] - total / size
