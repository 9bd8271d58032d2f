"""Scores with a bound on their rounding, whatever the order in which sums are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl.export.algebra import Floats

UNIT = 2.0**-53  # of a rounding, relatively
_TINY = 2.0**-1000  # what underflow may cost

Bits = NDArray[np.bool_]


class Traced(NamedTuple):
    """Values, and how far from exact arithmetic they may be."""

    value: Floats
    error: Floats


class Condition(NamedTuple):
    """A comparison, and where rounding could turn it."""

    holds: Bits
    unsure: Bits


def _gamma(n: int) -> float:
    """What n roundings may cost, relatively (Higham, Accuracy and stability of numerical algorithms, section 3.1)."""
    return n * UNIT / (1 - n * UNIT)


def _traced(x: Any) -> Traced:
    return x if isinstance(x, Traced) else Traced(np.asarray(x, dtype=np.float64), np.asarray(0.0))


class Rounding:
    """`Algebra` in NumPy, with a running error analysis beside it."""

    def constant(self, array: Any, error: Any = 0.0) -> Traced:
        return Traced(np.asarray(array, dtype=np.float64), np.asarray(error, dtype=np.float64))

    def _rounded(self, value: Floats, error: Floats, may_underflow: Any = False) -> Traced:
        return Traced(value, error + UNIT * (np.abs(value) + error) + _TINY * np.asarray(may_underflow))

    def add(self, x: Any, y: Any) -> Traced:
        x, y = _traced(x), _traced(y)
        return self._rounded(x.value + y.value, x.error + y.error)

    def sub(self, x: Any, y: Any) -> Traced:
        x, y = _traced(x), _traced(y)
        return self._rounded(x.value - y.value, x.error + y.error)

    def mul(self, x: Any, y: Any) -> Traced:
        x, y = _traced(x), _traced(y)
        error = x.error * (np.abs(y.value) + y.error) + np.abs(x.value) * y.error
        return self._rounded(x.value * y.value, error, (x.value != 0) & (y.value != 0))

    def div(self, x: Any, y: Any) -> Traced:
        x, y = _traced(x), _traced(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = x.value / y.value
            left = np.abs(y.value) - y.error
            error = np.where(left > 0, (x.error + np.abs(value) * y.error) / left, np.inf)
        return self._rounded(value, error, x.value != 0)

    def sqrt(self, x: Any) -> Traced:
        value = np.sqrt(np.maximum(x.value, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.fmin(np.sqrt(x.error), x.error / value)  # |sqrt(x + e) - sqrt(x)| is below either
        return self._rounded(value, error)

    def matmul(self, x: Any, weights: Any) -> Traced:
        x, w = _traced(x), _traced(weights)
        size, lost = np.abs(x.value), np.abs(w.value)
        error = x.error @ (lost + w.error) if np.any(x.error) else np.zeros((len(size), w.value.shape[-1]))
        if np.any(w.error):
            error = error + size @ np.broadcast_to(w.error, w.value.shape)
        rounded = _gamma(w.value.shape[0]) * ((size + x.error) @ (lost + w.error))
        return Traced(x.value @ w.value, error + rounded + _TINY * (rounded > 0))

    def total(self, x: Any) -> Traced:
        error = x.error + _gamma(x.value.shape[-1]) * (np.abs(x.value) + x.error)
        return Traced(x.value.sum(axis=-1), np.broadcast_to(error, x.value.shape).sum(axis=-1))

    def largest(self, x: Any) -> Traced:
        error = np.broadcast_to(x.error, x.value.shape)
        return Traced(x.value.max(axis=1, keepdims=True), error.max(axis=1, keepdims=True))

    def least(self, x: Any) -> Traced:
        error = np.broadcast_to(x.error, x.value.shape)
        return Traced(x.value.min(axis=1, keepdims=True), error.max(axis=1, keepdims=True))

    def at_least(self, x: Any, y: Any) -> Condition:
        return self._compared(x, y, np.greater_equal)

    def above(self, x: Any, y: Any) -> Condition:
        return self._compared(x, y, np.greater)

    def _compared(self, x: Any, y: Any, compare: Callable[[Floats, Floats], Bits]) -> Condition:
        x, y = _traced(x), _traced(y)
        either = x.error + y.error
        return Condition(compare(x.value, y.value), (np.abs(x.value - y.value) <= either) & (either > 0))

    def both(self, x: Condition, y: Condition) -> Condition:
        return Condition(x.holds & y.holds, x.unsure | y.unsure)

    def where(self, condition: Condition, x: Any, y: Any) -> Traced:
        x, y = _traced(x), _traced(y)
        error = np.where(condition.holds, x.error, y.error)
        with np.errstate(invalid="ignore"):
            either = np.maximum(x.error, y.error) + np.abs(x.value - y.value)
        return Traced(
            np.where(condition.holds, x.value, y.value), np.where(condition.unsure, np.nan_to_num(either), error)
        )

    def columns(self, x: Any, start: int, stop: int) -> Traced:
        return Traced(x.value[..., start:stop], np.broadcast_to(x.error, x.value.shape)[..., start:stop])

    def folded(self, x: Any, k: int, width: int) -> Traced:
        shape = (-1, k, width) if width > 1 else (-1, k)
        return Traced(x.value.reshape(shape), np.broadcast_to(x.error, x.value.shape).reshape(shape))

    def each(self, body: Callable[..., Any], *stacked: Any) -> Traced:
        parts = [body(*map(_traced, line)) for line in zip(*stacked, strict=True)]
        return Traced(np.stack([p.value for p in parts], axis=1), np.stack([p.error for p in parts], axis=1))
