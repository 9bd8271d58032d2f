"""The learned state of a key-value bottleneck: how often each key was hit by rows of each class."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl._config import get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.door import Door, NearestKeys, SignKeys
from analytic_cl.statistics.class_counts import ClassCounts
from analytic_cl.statistics.digest import EMPTY, sized
from analytic_cl.statistics.interrupts import deferred_interrupts
from analytic_cl.statistics.labels import EncodedLabels, Label, encode_labels, label_bytes
from analytic_cl.statistics.wide import Int64s

MAGIC = b"analytic-cl key counts 1\0"

_MOST_ROWS = 2**31 - 1  # of a state: counts are int32


class KeyCounts(ClassCounts):
    """T[c, k, y] = rows of class y that have key k in codebook c.

    Parameters
    ----------
    door : Door
        What the integer rows mean; part of the digest.
    keys : SignKeys or NearestKeys
        What turns integer rows into keys; part of the digest.

    Notes
    -----
    Exactness: bit for bit. Learning adds one to n_codebooks counts a row, forgetting subtracts one.

    Cost: ``add`` and ``subtract`` the keys of the rows and n_codebooks additions a row. Memory
    4 n_codebooks 2^bits bytes a class (twice that while classes grow).
    """

    order = 1  # a class can be dropped without its rows

    def __init__(self, door: Door, keys: SignKeys | NearestKeys) -> None:
        super().__init__(door)
        self.keys = keys
        self._tables = np.zeros((keys.n_codebooks, 2**keys.bits, 0), dtype=np.int32)

    def __repr__(self) -> str:
        return f"KeyCounts({self.n_rows} rows of {len(self._place)} classes, {self.keys}, {self.door.describe()})"

    @property
    def tables(self) -> NDArray[np.int32]:
        """Counts, shape (n_codebooks, 2^bits, n_classes), classes sorted."""
        return self._tables[:, :, self._sorted_places()]

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], labels: Iterable[Any], *, from_door: bool = False) -> None:
        """Learn integer rows with their labels; `from_door` as in `Moments.add`."""
        encoded = self._encoded(rows, labels) if from_door else self._checked(rows, labels)
        self._check_room(rows.shape[0])
        keys = self.keys.keys(rows)
        self._reserve(encoded.labels)
        self._change(keys, encoded, +1)

    def subtract(self, rows: NDArray[Any], labels: Iterable[Any]) -> None:
        """Unlearn integer rows with their labels. Raises ValueError, with nothing changed, when the counts prove that
        these rows were never all learned.
        """
        encoded = self._checked(rows, labels)
        self._check_forgettable(encoded.labels, np.bincount(encoded.codes, minlength=len(encoded.labels)))
        keys = self.keys.keys(rows)
        self.make_writable()
        with deferred_interrupts():
            if self._count(keys, encoded, -1) < 0:
                self._count(keys, encoded, +1)
                raise ValueError("these rows were never all learned under these labels: a count would be negative")
            self._shift_classes(encoded, -1)

    def take_back(self, rows: NDArray[Any], labels: Iterable[Any], sign: int) -> None:
        """Undo an `add` (sign +1) or a `subtract` (sign -1) that just happened: unchecked."""
        self._change(self.keys.keys(rows), encode_labels(labels), -sign)

    def drop_class(self, label: Label) -> None:
        """Unlearn all rows of a class without seeing them."""
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        self.make_writable()
        with deferred_interrupts():
            self._remove_class(label)
            self.revision += 1

    def merge(self, other: KeyCounts) -> Self:
        """Add the rows that another state learned. Returns self; `other` is unchanged."""
        self.check_mergeable(other)
        labels, counts = other.labels, other.counts
        self._reserve(labels)
        with deferred_interrupts():
            for label, count in zip(labels, counts.tolist(), strict=True):
                place = self._place.setdefault(label, len(self._place))
                self._counts[place] += count
                self._tables[:, :, place] += other._tables[:, :, other._place[label]]
            self.revision += 1
        return self

    def check_mergeable(self, other: Any) -> None:
        """Raise ValueError, saying why, if `merge` would be refused."""
        if not isinstance(other, KeyCounts) or self.keys != other.keys:
            raise ValueError(
                f"only counts of the same keys can be merged: {self.keys}; {getattr(other, 'keys', other)}"
            )
        self._check_same_door_and_room(other)

    def copy(self) -> KeyCounts:
        """An independent state of the same rows."""
        twin = KeyCounts(self.door, self.keys)
        twin._place, twin._counts, twin._tables = dict(self._place), self._counts.copy(), self._tables.copy()
        return twin

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: door, keys, classes that have rows, counts; see `Moments`."""
        if not self._place:
            return EMPTY
        names = sorted((label_bytes(label), label) for label in self._place)
        places = [self._place[label] for _, label in names]
        h = hashlib.sha256(MAGIC)
        h.update(sized(self.door.canonical_bytes()))
        h.update(sized(repr(sorted(self.keys.spec().items())).encode()))
        h.update(struct.pack("<q", len(names)))
        for name, label in names:
            h.update(sized(name) + struct.pack("<q", self.count(label)))
        for table in self._tables:
            h.update(np.ascontiguousarray(table[:, places], dtype="<i4").data)
        return h.hexdigest()

    # ---- on disk

    def about(self) -> dict[str, Any]:
        """What kind of state it is, as JSON values; see `heads.states.empty_state`."""
        return {"order": self.order, "keys": self.keys.spec()}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Counts of classes and of keys, classes sorted, and what the keys need."""
        return {"counts": self.counts, "tables": np.ascontiguousarray(self.tables), **self.keys.to_arrays()}

    @classmethod
    def from_arrays(
        cls, door: Door, keys: SignKeys | NearestKeys, labels: list[Label], arrays: dict[str, NDArray[Any]]
    ) -> KeyCounts:
        """The state that `to_arrays` described. Raises ValueError where shapes, dtypes or sums are wrong."""
        shape = (keys.n_codebooks, 2**keys.bits, len(labels))
        counts, tables = arrays.get("counts"), arrays.get("tables")
        if counts is None or counts.dtype != np.int64 or counts.shape != (len(labels),) or (counts <= 0).any():
            raise ValueError("array 'counts' is missing, or not positive int64, one a class")
        if tables is None or tables.dtype != np.int32 or tables.shape != shape or (tables < 0).any():
            raise ValueError(f"array 'tables' is missing, or not int32 of shape {shape} from 0 on")
        if (tables.sum(axis=1, dtype=np.int64) != counts).any() or counts.sum() > _MOST_ROWS:
            raise ValueError("not a possible state: a codebook does not hold as many keys as there are rows")
        if encode_labels(labels)[0] != labels:
            raise ValueError("class labels are repeated or out of order")
        state = cls(door, keys)
        state._place = {label: place for place, label in enumerate(labels)}
        state._counts, state._tables = counts.copy(), tables.copy()
        return state

    # ---- bookkeeping

    def _check_room(self, n: int) -> None:
        if self.n_rows + n > _MOST_ROWS:
            raise ValueError(f"a state of key counts holds at most {_MOST_ROWS} rows, not {self.n_rows} + {n}")

    def make_writable(self) -> None:
        """Copy arrays that can't be written to, such as maps of files: before anything is changed."""
        super().make_writable()
        self._tables = writable(self._tables)

    def _reserve(self, labels: list[Label]) -> None:
        """Make room for new classes, in arrays that can be written to, ahead of the first write."""
        self.make_writable()
        need = len(self._place) + sum(label not in self._place for label in labels)
        if need > self._counts.size:
            capacity = max(need, 2 * self._counts.size)
            counts, tables = np.zeros(capacity, np.int64), np.zeros((*self._tables.shape[:2], capacity), np.int32)
            counts[: self._counts.size], tables[:, :, : self._counts.size] = self._counts, self._tables
            self._counts, self._tables = counts, tables

    def _change(self, keys: NDArray[np.uint16], encoded: EncodedLabels, sign: int) -> None:
        self._reserve(encoded.labels)
        self.revision += 1
        with deferred_interrupts():
            self._count(keys, encoded, sign)
            self._shift_classes(encoded, sign)

    def _count(self, keys: NDArray[np.uint16], encoded: EncodedLabels, sign: int) -> int:
        """Count keys; the lowest count that came out."""
        fresh = iter(range(len(self._place), self._counts.size))
        places = [self._place[label] if label in self._place else next(fresh) for label in encoded.labels]
        place_of_row = np.array(places, dtype=np.int64)[encoded.codes]
        by_codebook = np.ascontiguousarray(keys.T)
        tables = self._tables
        threads = get_threads() if keys.size > _WORTH_A_THREAD else 1
        blocks = row_blocks(keys.shape[1], -(-keys.shape[1] // threads))
        return min(map_blocks(lambda part: _add_up(by_codebook[part], place_of_row, sign, tables[part]), blocks))

    def _shift_classes(self, encoded: EncodedLabels, sign: int) -> None:
        counts: Int64s = np.bincount(encoded.codes, minlength=len(encoded.labels))
        for label, count in zip(encoded.labels, counts.tolist(), strict=True):
            place = self._place.setdefault(label, len(self._place))
            self._counts[place] += sign * count
        for label in encoded.labels:
            if self._counts[self._place[label]] == 0:
                self._remove_class(label)
        self.revision += 1

    def _remove_class(self, label: Label) -> None:
        """Drop a class, moving the last one into its place: not even its name stays."""
        place, last = self._vacate(label)
        self._tables[:, :, place], self._tables[:, :, last] = self._tables[:, :, last], 0


_WORTH_A_THREAD = 2**20  # keys to count


@kernel
def _add_up(keys: NDArray[np.uint16], places: NDArray[np.int64], sign: int, tables: NDArray[np.int32]) -> int:
    """Tables[c, keys[c, i], places[i]] += sign, a codebook at a time because one table stays in the cache."""
    lowest = 0
    for c in range(keys.shape[0]):
        table = tables[c]
        for i in range(keys.shape[1]):
            count = table[keys[c, i], places[i]] + sign
            table[keys[c, i], places[i]] = count
            lowest = min(lowest, count)
    return lowest
