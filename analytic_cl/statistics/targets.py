"""What rows are learned with: a label each, or a set of labels; a vector of fixed-point integers likewise.

States and ledgers treat targets alike, as values with canonical bytes (see `target_values`). What a value means is the
business of the state that learns it: most need one label a row, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Targets(NamedTuple):
    """Distinct values, and for every row the place of its own among them."""

    values: list[Any]
    codes: NDArray[np.int64]

    def used(self) -> Targets:
        """The same targets without values that no row has."""
        counts = np.bincount(self.codes, minlength=len(self.values))
        if counts.all():
            return self
        kept = np.flatnonzero(counts)
        place = np.zeros(len(self.values), dtype=np.int64)
        place[kept] = np.arange(kept.size)
        return Targets([self.values[at] for at in kept.tolist()], place[self.codes])

    def of_rows(self) -> list[Any]:
        """The value of each row."""
        return [self.values[code] for code in self.codes.tolist()]


def join(parts: Iterable[Targets]) -> Targets:
    """Targets of several batches of rows, one after another."""
    values: dict[Any, int] = {}
    codes = [np.zeros(0, dtype=np.int64)]
    for part in parts:
        place = [values.setdefault(value, len(values)) for value in part.values]
        codes.append(np.array(place, dtype=np.int64)[part.codes])
    return Targets(list(values), np.concatenate(codes))
