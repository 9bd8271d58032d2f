"""Test streams as text, "label-shift:0.1": in which batches a comparison asks its adapted heads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._names import TEST_STREAMS
from analytic_cl.scenarios import correlated, gradual_shift, label_shift

BATCH = 200  # rows, as in `scenarios.label_shift`
_CONCENTRATION = 0.1
_SHIFTED = {"label-shift": label_shift, "gradual-shift": gradual_shift}


Rows = NDArray[np.int64]


@dataclass(frozen=True)
class BatchStream:
    """A test stream before it meets data; `concentration` is None where the stream has none."""

    name: str
    concentration: float | None

    def __str__(self) -> str:
        return self.name if self.concentration is None else f"{self.name}:{self.concentration!r}"

    @property
    def folder(self) -> str:
        """As the name of a folder."""
        return str(self).replace(":", "-")

    def batches(self, y: NDArray[Any], seed: int) -> list[Rows]:
        """Places in `y` of each batch's rows, in order."""
        if self.concentration is None:
            order = np.random.default_rng([seed, 6]).permutation(len(y)).astype(np.int64)
            return np.split(order, range(BATCH, len(order), BATCH))
        spread = self.concentration
        if self.name == "correlated":
            return correlated(y, batch_size=BATCH, concentration=spread, seed=seed)
        return [batch.rows for batch in _SHIFTED[self.name](y, batch_size=BATCH, concentration=spread, seed=seed)]


def parse_batches(text: str) -> BatchStream:
    """A test stream from text: ``label-shift``, ``gradual-shift`` or ``correlated``, each with ``:CONCENTRATION`` or
    0.1, or ``unshifted``, the test rows in random order.

    Raises ValueError for other names, with those that are known, and for other numbers.
    """
    name, colon, number = text.strip().partition(":")
    if name not in TEST_STREAMS:
        raise ValueError(f"unknown test stream {name!r}: choose one of {', '.join(TEST_STREAMS)}")
    if name == "unshifted":
        if colon:
            raise ValueError(f"{text!r}: unshifted has no number")
        return BatchStream(name, None)
    try:
        concentration = float(number) if colon else _CONCENTRATION
    except ValueError:
        concentration = math.nan
    if not 0 < concentration < math.inf:
        raise ValueError(f"{text!r}: the concentration must be a positive number, such as {name}:{_CONCENTRATION}")
    return BatchStream(name, concentration)
