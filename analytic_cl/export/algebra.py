"""What scores are made of: operations that are written down once, and carried out by a graph or with their rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Value = Any  # a name in a graph, or an array with its error


class Algebra(Protocol):
    """Arithmetic in float64 on values of one line a row; constants are arrays."""

    def constant(self, array: Any, error: Any = 0.0) -> Value:
        """An array that was rounded on the way here, by no more than `error`."""

    def add(self, x: Value, y: Value) -> Value: ...
    def sub(self, x: Value, y: Value) -> Value: ...
    def mul(self, x: Value, y: Value) -> Value: ...
    def div(self, x: Value, y: Value) -> Value: ...
    def sqrt(self, x: Value) -> Value: ...
    def matmul(self, x: Value, weights: Value) -> Value: ...

    def total(self, x: Value) -> Value:
        """Sums along the last axis, which goes."""

    def largest(self, x: Value) -> Value:
        """Shape (n, 1)."""

    def least(self, x: Value) -> Value:
        """Shape (n, 1)."""

    def at_least(self, x: Value, y: Value) -> Value: ...
    def above(self, x: Value, y: Value) -> Value: ...
    def both(self, x: Value, y: Value) -> Value: ...
    def where(self, condition: Value, x: Value, y: Value) -> Value: ...

    def columns(self, x: Value, start: int, stop: int) -> Value:
        """Some of the last axis."""

    def folded(self, x: Value, k: int, width: int) -> Value:
        """Columns in k groups: shape (n, k, width)."""

    def each(self, body: Callable[..., Value], *stacked: Any) -> Value:
        """`body` of every line of the stacked arrays, one number a row each: shape (n, len(stacked[0]))."""


def column(a: Algebra, x: Value) -> Value:
    """Shape (n, 1) from (n,)."""
    return a.folded(x, 1, 1)
