"""Entries of a ledger that a request names, and how many of the rows that each stands for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.row_index import Positions

Times = NDArray[np.int64]  # how often; None in its place says once each

NOWHERE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Selection:
    """Rows that a request names.

    `kept` and `hashed` are positions in the ledger's two tables, none twice; `kept_times` and `hashed_times` how many
    rows of each entry are meant, where some stand for several. `untracked` is how many rows there is no record of.
    """

    kept: Positions = field(default_factory=lambda: NOWHERE)
    hashed: Positions = field(default_factory=lambda: NOWHERE)
    untracked: int = 0
    kept_times: Times | None = None
    hashed_times: Times | None = None

    @property
    def n_kept(self) -> int:
        """Rows of which the ledger has the integers."""
        return int(self.kept.size if self.kept_times is None else self.kept_times.sum())

    @property
    def n_hashed(self) -> int:
        return int(self.hashed.size if self.hashed_times is None else self.hashed_times.sum())

    def __len__(self) -> int:
        return self.n_kept + self.n_hashed + self.untracked


def totals(places: NDArray[np.intp], n: int, times: Times | None) -> NDArray[np.int64]:
    """How many rows there are at each of n places."""
    if times is None:
        return np.bincount(places, minlength=n)
    found = np.zeros(n, dtype=np.int64)
    np.add.at(found, places, times)
    return found
