"""An append-only table of learned rows, by kept row or by digest, from which rows are erased."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl._sparse import SparseRows
from analytic_cl.ledger.ids import SampleId
from analytic_cl.ledger.row_index import Positions, RowIndex
from analytic_cl.ledger.selection import NOWHERE, Times

_COLUMNS = ("payload", "codes", "keys", "alive", "is_named")
_WEIGHTED = (*_COLUMNS, "times")

DENSE_BYTES = 2**30  # of kept rows that come sparse and are kept dense


@dataclass(frozen=True)
class Entries:
    """Columns of entries: payload (rows, or digests), number of the target, number of the key, id or None, and how many
    equal rows each stands for.
    """

    payload: NDArray[Any]
    codes: NDArray[Any]
    keys: NDArray[np.int32] | int
    ids: list[SampleId | None]
    times: Times | None = None


class Table:
    """Entries, some of them erased, and an index that finds them by their digests.

    Erased entries are overwritten with zeros at once and squeezed out when they are the majority, so the position of
    an entry holds only until the next `erase`.

    Attributes
    ----------
    times : ndarray or None
        How many equal rows each entry stands for; None while all stand for one.
    n_alive, n_rows : int
        Entries that were not erased, and the rows that they stand for.
    """

    def __init__(self, width: int, dtype: Any, *, of_digests: bool = False) -> None:
        self.payload: NDArray[Any] = np.zeros((0, width), dtype=dtype)
        self.codes = np.zeros(0, dtype=np.int32)
        self.keys = np.zeros(0, dtype=np.int32)
        self.alive = np.zeros(0, dtype=np.bool_)
        self.is_named = np.zeros(0, dtype=np.bool_)
        self.ids: list[SampleId | None] = []
        self.by_id: dict[SampleId, int] = {}
        self.size = 0
        self.times: Times | None = None
        self.n_alive = 0
        self.n_rows = 0
        self.generation = 0  # counts what moved entries to other positions
        self.n_of_code: Counter[int] = Counter()  # rows of live entries by number of the target
        self.index = RowIndex(of_digests)

    @property
    def _columns(self) -> tuple[str, ...]:
        return _COLUMNS if self.times is None else _WEIGHTED

    def reserve(self, entries: Entries) -> None:
        """Take the memory that `append` of these entries needs; a first batch of rows is adopted, not copied."""
        if self.size == 0:
            self.payload = writable(entries.payload)
        if entries.times is not None and self.times is None:
            self.times = np.ones(self.size, dtype=np.int64)
        need = self.size + entries.payload.shape[0]
        for name in self._columns:
            old = getattr(self, name)
            if old.shape[0] < need:
                new = np.zeros((max(need, 2 * self.size), *old.shape[1:]), dtype=old.dtype)
                new[: self.size] = old[: self.size]
                setattr(self, name, new)
            else:
                setattr(self, name, writable(old))

    def make_writable(self) -> None:
        """Copy what can't be written to, such as maps of files: ahead of `erase` and `replace`."""
        for name in self._columns:
            setattr(self, name, writable(getattr(self, name)))
        self.index.make_writable()

    def append(self, entries: Entries) -> None:
        """Add entries, after `reserve`."""
        n = entries.payload.shape[0]
        new = slice(self.size, self.size + n)
        if self.size > 0:
            self.payload[new] = entries.payload
        self.codes[new], self.keys[new], self.alive[new] = entries.codes, entries.keys, True
        if self.times is not None:
            self.times[new] = 1 if entries.times is None else entries.times
        anonymous = None in entries.ids
        self.is_named[new] = [name is not None for name in entries.ids] if anonymous else True
        size = self.size
        try:
            self.ids.extend(entries.ids)
            if anonymous:
                self.by_id.update((name, at) for at, name in enumerate(entries.ids, size) if name is not None)
            else:
                self.by_id.update(zip(cast(list[SampleId], entries.ids), range(size, size + n), strict=True))
            self._count(new, +1)
            self.size += n
        except BaseException:
            self.truncate(size)
            raise
        self.index.rows_came()

    def truncate(self, size: int) -> None:
        """Drop the entries from position `size` on, which were just appended."""
        for name in self.ids[size:]:
            if name is not None and self.by_id.get(name, -1) >= size:
                del self.by_id[name]
        if self.size > size:
            self._count(slice(size, self.size), -1)
        del self.ids[size:]
        self.alive[size:] = False
        if size:
            self.payload[size:] = 0
        else:  # the rows of a first batch are the caller's, who may need them to take back more than this
            self.payload = np.zeros((0, self.payload.shape[1]), dtype=self.payload.dtype)
        self.size = size
        self.index.clear()

    def _count(self, positions: slice | Positions, sign: int) -> None:
        codes = self.codes[positions]
        numbers = np.bincount(codes, self.times_of(positions))  # in float64 where there are times: exact below 2^53
        for code in np.flatnonzero(numbers).tolist():
            number = sign * int(numbers[code])
            self.n_of_code[code] += number
            self.n_rows += number
        self.n_alive += sign * codes.size

    def replace(self, positions: Positions, payload: NDArray[Any], codes: NDArray[Any]) -> None:
        """Overwrite row and label of entries that keep their ids."""
        self.index.clear()
        self._count(positions, -1)
        self.payload[positions], self.codes[positions] = payload, codes
        self._count(positions, +1)

    def live(self) -> Positions:
        """Positions of the entries that were not erased."""
        return np.flatnonzero(self.alive[: self.size])

    def times_of(self, positions: slice | Positions) -> Times | None:
        """How many rows these entries stand for; None for one each."""
        return None if self.times is None else self.times[positions]

    def rows_at(self, positions: Positions) -> Times:
        """As `times_of`, with ones in place of None."""
        return np.ones(positions.size, dtype=np.int64) if self.times is None else self.times[positions]

    def first(
        self, hits: list[Positions], places: NDArray[np.intp], wanted: NDArray[np.int64]
    ) -> tuple[Positions, Times, NDArray[np.intp]]:
        """Of the entries at each place, sorted, those without an id that stand for as many rows as are wanted there, or
        all: positions, rows of each that are taken, and places.
        """
        if self.times is None and len(hits) == 1:  # one row at a time is to be quick
            (found,), (place,) = hits, places
            found = found[~self.is_named[found]][: wanted[place]]
            return found, np.ones_like(found), np.full_like(found, place)
        place = np.repeat(places, [found.size for found in hits])
        found = np.concatenate([NOWHERE, *hits])
        free = ~self.is_named[found]
        found, place = found[free], place[free]
        times = self.rows_at(found)
        so_far = np.cumsum(times) - times
        begins = np.diff(place, prepend=-1) > 0
        taken = np.clip(wanted[place] - (so_far - so_far[begins][np.cumsum(begins) - 1]), 0, times)
        some = taken > 0
        return found[some], taken[some], place[some]

    def erase(self, positions: Positions, times: Times | None = None) -> None:
        """Take rows from these entries, which must be alive, and overwrite those that have none left."""
        if not positions.size:
            return
        if self.times is not None:
            positions = self._lower(positions, times)
        for position in positions[self.is_named[positions]].tolist():
            name = self.ids[position]
            assert name is not None
            del self.by_id[name]
            self.ids[position] = None
        self._count(positions, -1)
        self.alive[positions] = self.is_named[positions] = False
        self.index.rows_go(positions, self.payload, self.alive)
        self.payload[positions] = 0
        if self.n_alive < self.size / 2:
            with suppress(MemoryError):  # it only saves time and memory
                self._squeeze()

    def _lower(self, positions: Positions, times: Times | None) -> Positions:
        """Take rows from entries; the positions of those that all of them go from."""
        assert self.times is not None
        left = self.times[positions] - (1 if times is None else times)
        some = left > 0
        self._count(positions[some], -1)
        self.times[positions[some]] = left[some]
        self._count(positions[some], +1)
        return positions[~some]

    def _squeeze(self) -> None:
        live = self.live()
        columns = {name: getattr(self, name)[live] for name in self._columns}
        ids = [self.ids[position] for position in live.tolist()]
        by_id = {name: position for position, name in enumerate(ids) if name is not None}
        self.generation += 1
        self.__dict__.update(columns, ids=ids, by_id=by_id, size=live.size)
        self.index.clear()


def check_room_for_dense(kept: Table, rows: SparseRows) -> None:
    """Refuse to keep sparse rows that would take far more memory than whoever brings them expects."""
    n, width = kept.n_alive + len(rows), rows.shape[1]
    if n * width * rows.dtype.itemsize > DENSE_BYTES:
        raise ValueError(
            f"the ledger keeps rows dense, and {n} rows of {width} integers take "
            f"{n * width * rows.dtype.itemsize / 1e9:.1f} GB, more than {DENSE_BYTES / 1e9:.1f} GB: learn with "
            "track='digest', and forget by X, y and sample_id; or with fewer features"
        )
