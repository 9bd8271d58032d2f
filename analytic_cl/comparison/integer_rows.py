"""Both splits of features as integers, made once for each quantizer."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.quantizers import Losses, Quantizer

_WATCHED = 2000  # rows that are looked at for losses at the quantizer
_KEPT = 2  # quantizers whose rows stay in memory: that of plain heads, and one projection


class Split(NamedTuple):
    """Integer rows, and what one of them cost in seconds."""

    rows: NDArray[Any]
    seconds_a_row: float


class IntegerRows:
    """Integer rows of features by quantizer.

    Memory: a byte a number behind the embedding quantizer, n_rows n_components bytes behind a projection.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._made: dict[Quantizer, tuple[Split, Split]] = {}

    def of(self, quantizer: Quantizer) -> tuple[Split, Split]:
        """Training and test rows behind a quantizer."""
        found = self._made.pop(quantizer, None)
        if found is None:
            while len(self._made) >= _KEPT:
                del self._made[next(iter(self._made))]
            found = (
                self._split(quantizer, self._features.X_train, True),
                self._split(quantizer, self._features.X_test, False),
            )
        self._made[quantizer] = found  # the last one used is the last one dropped
        return found

    @staticmethod
    def _split(quantizer: Quantizer, X: NDArray[Any], warn: bool) -> Split:
        # Compiles, and draws the projection's signs; looks for losses apart, since that takes time of its own.
        quantizer.quantise(X[:_WATCHED])
        if warn and quantizer.projection is None:
            Losses(quantizer).saw(X)
        start = time.perf_counter()
        rows = quantizer.quantise(X)
        return Split(rows, (time.perf_counter() - start) / len(X))
