"""An append-only table of learned rows, by kept row or by digest, from which rows are erased."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.ids import SampleId

Positions = NDArray[np.int64]


class Table:
    """Columns of equal length: the payload (rows or digests), label code, key number, alive, named, and the ids.

    Erased entries are overwritten with zeros at once and squeezed out when they are the majority, so the position of
    an entry holds only until the next `erase`.
    """

    _COLUMNS = ("payload", "codes", "keys", "alive", "is_named")

    def __init__(self, width: int, dtype: Any) -> None:
        self.payload: NDArray[Any] = np.zeros((0, width), dtype=dtype)
        self.codes = np.zeros(0, dtype=np.int32)
        self.keys = np.zeros(0, dtype=np.int32)
        self.alive = np.zeros(0, dtype=np.bool_)
        self.is_named = np.zeros(0, dtype=np.bool_)
        self.ids: list[SampleId | None] = []
        self.by_id: dict[SampleId, int] = {}
        self.size = 0
        self.n_alive = 0
        self.digests: NDArray[np.uint64] | None = None  # of kept rows: a cache, filled by whoever searches
        self.order: Positions | None = None  # positions sorted by digest: a cache

    def append(
        self, payload: NDArray[Any], codes: NDArray[Any], ids: list[SampleId | None], keys: NDArray[np.int32] | int
    ) -> None:
        """Add entries; a first batch of rows is adopted, not copied."""
        n = payload.shape[0]
        new = slice(self.size, self.size + n)
        if self.size == 0:
            self.payload = payload if payload.flags.writeable else payload.copy()
        self._reserve(new.stop)
        if self.size > 0:
            self.payload[new] = payload
        self.codes[new], self.keys[new], self.alive[new] = codes, keys, True
        self.is_named[new] = [name is not None for name in ids]
        self.by_id.update((name, position) for position, name in enumerate(ids, start=self.size) if name is not None)
        self.ids.extend(ids)
        self.size += n
        self.n_alive += n
        self.order = None

    def _reserve(self, need: int) -> None:
        for name in self._COLUMNS:
            old = getattr(self, name)
            if old.shape[0] < need:
                new = np.zeros((max(need, 2 * self.size), *old.shape[1:]), dtype=old.dtype)
                new[: self.size] = old[: self.size]
                setattr(self, name, new)

    def live(self) -> Positions:
        """Positions of the entries that were not erased."""
        return np.flatnonzero(self.alive[: self.size])

    def erase(self, positions: Positions) -> None:
        """Overwrite these entries; they must be alive."""
        for position in positions[self.is_named[positions]].tolist():
            name = self.ids[position]
            assert name is not None
            del self.by_id[name]
            self.ids[position] = None
        self.payload[positions] = 0
        if self.digests is not None:
            self.digests[positions[positions < len(self.digests)]] = 0
        self.order = None
        self.alive[positions] = self.is_named[positions] = False
        self.n_alive -= positions.size
        if self.n_alive < self.size / 2:
            self._squeeze()

    def _squeeze(self) -> None:
        live = self.live()
        for name in self._COLUMNS:
            setattr(self, name, getattr(self, name)[live])
        self.ids = [self.ids[position] for position in live.tolist()]
        self.by_id = {name: position for position, name in enumerate(self.ids) if name is not None}
        self.size, self.digests, self.order = live.size, None, None
