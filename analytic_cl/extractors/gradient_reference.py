"""NumPy twin of `gradient_kernels`: the oracle of its tests, and what runs under the "numpy" backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors.gradient_kernels import CONTRAST, MEAN_WEIGHT, TINY

Floats = NDArray[np.float64]


def oriented_gradients(
    x: Floats,
    first: Floats,
    second: Floats,
    rows_fine: Any,
    columns_fine: Any,
    rows_coarse: Any,
    columns_coarse: Any,
    out: NDArray[np.float32],
) -> None:
    def pool_fine(v: Floats) -> Floats:
        return _pool(v, rows_fine, columns_fine)

    def pool_coarse(v: Floats) -> Floats:
        return _pool(v, rows_coarse, columns_coarse)

    v = _to_unit_range(x)
    gx, gy = _scharr(v)
    m = gx * gx + gy * gy
    energy = np.zeros_like(m[:, 0])
    for c in range(m.shape[1]):
        energy += m[:, c]
    floor = CONTRAST * (_sum_in_order(energy, 2) / energy[0].size) + TINY
    energy = 1 / np.sqrt(_binomial(energy) + floor[:, None, None])

    means = pool_coarse(pool_fine(v))
    fine = np.stack([pool_fine(_respond(gx, gy, m, direction, False) * energy[:, None]) for direction in first], axis=2)
    fx, fy = _differences(fine)
    fm = fx * fx + fy * fy
    layers = [
        pool_coarse(fine),
        np.stack([pool_coarse(_respond(fx, fy, fm, direction, True)) for direction in second], axis=3),
    ]
    _finish(means, layers, out)


def _finish(means: Floats, layers: list[Floats], out: NDArray[np.float32]) -> None:
    parts = [MEAN_WEIGHT * (means - (_sum_in_order(means, 3) / means[0].size)[:, None, None, None])]
    for layer in layers:
        n, channels, *_, down, across = layer.shape
        root = np.sqrt(layer.reshape(n, channels, -1, down, across))
        total = np.cumsum(root, axis=2)[:, :, -1:]
        parts.append((root - total / root.shape[2]).reshape(n, -1, down, across))
    out[:] = np.concatenate(parts, axis=1)


def _sum_in_order(v: Floats, axes: int) -> Floats:
    """Sum over the last axes, one number after another: `np.sum` would pair them."""
    return np.asarray(np.cumsum(v.reshape(*v.shape[: v.ndim - axes], -1), axis=-1)[..., -1])


def _to_unit_range(x: Floats) -> Floats:
    low, high = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    span = high / 2 - low / 2
    v = np.where(span > 0, (x / 2 - low / 2) / np.where(span > 0, span, 1), 0.0)
    return np.ascontiguousarray(np.moveaxis(v, 3, 1))


def _moved(v: Floats, axis: int, by: int) -> Floats:
    """What lies `by` places further along an axis, edges repeated."""
    n = v.shape[axis]
    return np.take(v, np.clip(np.arange(n) + by, 0, n - 1), axis=axis)


def _scharr(v: Floats) -> tuple[Floats, Floats]:
    across, down = (_moved(v, axis, 1) - _moved(v, axis, -1) for axis in (-1, -2))
    gx = 3 * _moved(across, -2, -1) + 10 * across + 3 * _moved(across, -2, 1)
    gy = 3 * _moved(down, -1, -1) + 10 * down + 3 * _moved(down, -1, 1)
    return gx, gy


def _differences(v: Floats) -> tuple[Floats, Floats]:
    return _moved(v, -1, 1) - _moved(v, -1, -1), _moved(v, -2, 1) - _moved(v, -2, -1)


def _binomial(v: Floats) -> Floats:
    for axis in (-2, -1):
        outer, inner = (_moved(v, axis, -by) + _moved(v, axis, by) for by in (2, 1))
        v = (outer + 4 * inner + 6 * v) / 16
    return v


def _respond(gx: Floats, gy: Floats, m: Floats, direction: Floats, both_ways: bool) -> Floats:
    r = direction[0] * gx + direction[1] * gy
    r = np.abs(r) if both_ways else np.maximum(r, 0.0)
    return np.asarray(r * r * r / (m + TINY))


def _pool(v: Floats, rows: Any, columns: Any) -> Floats:
    for axis, (start, weights) in ((-2, rows), (-1, columns)):
        total = np.zeros(())
        for t in range(weights.shape[1]):
            weight = weights[:, t, None] if axis == -2 else weights[:, t]
            total = total + weight * np.take(v, start + t, axis=axis)
        v = total
    return v
