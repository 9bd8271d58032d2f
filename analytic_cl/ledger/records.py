"""The records of a ledger: two tables, a count, and the numbers of targets."""

from __future__ import annotations

import secrets
from collections import Counter
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.row_index import Digests, Positions
from analytic_cl.ledger.table import Table
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Target, Targets

KEY_BYTES = 32

Hits = tuple[Table, Positions]  # at least one


class Records:
    """Learned rows: kept ones, hashed ones, and how many there are beside them.

    Attributes
    ----------
    kept, hashed : Table
        Rows as they are, and digests of row and target under one of `keys`.
    untracked : int
        Rows without a record.
    keys : list of bytes
        First the own, then those of ledgers that were merged.
    """

    def __init__(self, quantizer: Quantizer) -> None:
        self.kept = Table(quantizer.width, quantizer.dtype)
        self.hashed = Table(2, np.uint64, of_digests=True)
        self.untracked = 0
        self.keys: list[bytes] = [secrets.token_bytes(KEY_BYTES)]
        self.number_of: dict[Target, int] = {}

    @property
    def n_rows(self) -> int:
        return self.kept.n_rows + self.hashed.n_rows + self.untracked

    def begin_under(self, key: bytes) -> None:
        """Make digests under this key, which other ledgers share that are to be merged. Only before the first row."""
        if self.n_rows or len(key) != KEY_BYTES:
            raise ValueError(f"only a ledger without rows takes another key, of {KEY_BYTES} bytes")
        self.keys = [key]

    def targets(self, numbers: NDArray[Any]) -> Targets:
        """What entries with these numbers were learned with, among all targets that have rows, in no order."""
        used = {value: number for value, number in self.number_of.items() if self._n_of(number)}
        place = np.zeros(max(used.values(), default=-1) + 1, dtype=np.int64)
        place[list(used.values())] = np.arange(len(used))
        return Targets(list(used), place[numbers])

    def _n_of(self, number: int) -> int:
        return self.kept.n_of_code[number] + self.hashed.n_of_code[number]

    def counts(self) -> Counter[Target]:
        """Recorded rows of each target."""
        return Counter({value: self._n_of(number) for value, number in self.number_of.items()})

    def numbers(self, targets: Targets) -> NDArray[np.int64]:
        """Numbers of targets, new ones given out as needed."""
        new = [value for value in targets.values if value not in self.number_of]
        if new:
            self.number_of.update(zip(new, count(max(self.number_of.values(), default=-1) + 1)))
        table = np.array([self.number_of[value] for value in targets.values], dtype=np.int64)
        return table[targets.codes]

    def drop_unused_targets(self) -> None:
        """Not even the name stays of what has no rows."""
        for value, number in list(self.number_of.items()):
            if not self._n_of(number):
                del self.number_of[value]

    def entries(self, rows: NDArray[Any], targets: Targets, wanted: Digests) -> list[list[Hits]]:
        """For each row, the live entries with its integers and target. `wanted` are its digests under the first key."""
        found: list[list[Hits]] = [[] for _ in wanted]
        if self.kept.n_alive:
            for each, hits in zip(found, self.hits(self.kept, wanted), strict=True):
                if hits.size:
                    each.append((self.kept, hits))
        if self.hashed.n_alive:
            for number, key in enumerate(self.keys):
                digests = wanted if number == 0 else row_digests(rows, targets, key)
                for each, hits in zip(found, self.hits(self.hashed, digests), strict=True):
                    mine = hits[self.hashed.keys[hits] == number]
                    if mine.size:
                        each.append((self.hashed, mine))
        return found

    def hits(self, table: Table, wanted: Digests) -> list[Positions]:
        """For each digest, under the first key where rows are kept, the positions of the live entries that have it."""
        size = table.size
        return table.index.find(wanted, table.payload[:size], table.alive[:size], self._kept_digests)

    def _kept_digests(self, positions: Positions) -> Digests:
        return row_digests(self.kept.payload[positions], self.targets(self.kept.codes[positions]), self.keys[0])
