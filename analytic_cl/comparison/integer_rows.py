"""Both splits of features as integers, made once for each door."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.door import Door, Losses

_WATCHED = 2000  # rows that are looked at for losses at the door
_KEPT = 2  # doors whose rows stay in memory: that of plain heads, and one projection


class Split(NamedTuple):
    """Integer rows, and what one of them cost in seconds."""

    rows: NDArray[Any]
    seconds_a_row: float


class IntegerRows:
    """Integer rows of features by door.

    Memory: a byte a number behind the embedding door, n_rows n_components bytes behind a projection.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._made: dict[Door, tuple[Split, Split]] = {}

    def of(self, door: Door) -> tuple[Split, Split]:
        """Training and test rows behind a door."""
        found = self._made.pop(door, None)
        if found is None:
            while len(self._made) >= _KEPT:
                del self._made[next(iter(self._made))]
            found = self._split(door, self._features.X_train, True), self._split(door, self._features.X_test, False)
        self._made[door] = found  # the last one used is the last one dropped
        return found

    @staticmethod
    def _split(door: Door, X: NDArray[Any], warn: bool) -> Split:
        # Compiles, and draws the projection's signs; looks for losses apart, since that takes time of its own.
        door.quantise(X[:_WATCHED])
        if warn and door.projection is None:
            Losses(door).saw(X)
        start = time.perf_counter()
        rows = door.quantise(X)
        return Split(rows, (time.perf_counter() - start) / len(X))
