"""The learned state of nearest neighbours: the rows themselves, with their labels."""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl.door import Door
from analytic_cl.ledger import Draft, Ledger
from analytic_cl.ledger.order import Positions
from analytic_cl.ledger.table import Table
from analytic_cl.statistics import EMPTY, EncodedLabels, Label, deferred_interrupts, encode_labels, label_bytes
from analytic_cl.statistics.class_counts import ClassCounts
from analytic_cl.statistics.digest import sized

MAGIC = b"analytic-cl learned rows 1\0"

# Of the digests by which rows are found again; they never leave the process.
_KEY = secrets.token_bytes(32)


class LearnedRows(ClassCounts):
    """A multiset of integer rows with labels, of which any can be taken out again.

    Parameters
    ----------
    door : Door
        What the integer rows mean; part of the digest.

    Notes
    -----
    The rows lie in a ledger of their own without ids, which finds them by their bytes and overwrites those that leave.

    Exactness: bit for bit. Neither digest nor answers depend on the order in which rows came.

    Cost: ``add`` copies the rows; ``subtract`` looks them up by digests, which are made on the first search (3 to
    4 GB/s). ``digest`` sorts all rows. Memory: the rows, and 60 bytes each.
    """

    order = 1  # a class can be dropped without its rows

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._entries = Ledger(door, "rows")
        self._entries.keys = [_KEY]

    def __repr__(self) -> str:
        return f"LearnedRows({self.n_rows} rows of {len(self._place)} classes, {self.door.describe()})"

    # ---- what lies where

    @property
    def table(self) -> Table:
        """Rows by position, those that left among them; a position holds until ``table.generation`` changes."""
        return self._entries.kept

    def class_places(self, positions: Any = slice(None)) -> NDArray[np.int64]:
        """Place among the sorted classes of the label at each position, or at some of them; of no meaning where a row
        has left.
        """
        place = {label: at for at, label in enumerate(self.labels)}
        numbers = self._entries.code_of
        table = np.zeros(max(numbers.values(), default=-1) + 1, dtype=np.int64)
        for label, at in place.items():
            table[numbers[label]] = at
        places: NDArray[np.int64] = table[np.minimum(self.table.codes[: self.table.size][positions], table.size - 1)]
        return places

    @property
    def by_angle(self) -> bool:
        """Whether neighbours are compared by angle: behind a door that makes unit rows, which clipping may shorten."""
        return self.door.rule.norm == "l2"

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], labels: Iterable[Any], *, from_door: bool = False) -> None:
        """Learn integer rows with their labels; `from_door` as in `Moments.add`."""
        encoded = self._encoded(rows, labels) if from_door else self._checked(rows, labels)
        self._check_room(rows.shape[0])
        draft = self._entries.draft(rows.copy(), encoded, None)
        with deferred_interrupts():
            self._entries.record([draft])
            self._recount()

    def subtract(self, rows: NDArray[Any], labels: Iterable[Any]) -> None:
        """Unlearn integer rows with their labels. Raises ValueError, with nothing changed, where one of them is not
        held under its label, or not so often.
        """
        encoded = self._checked(rows, labels)
        self._check_forgettable(encoded.labels, np.bincount(encoded.codes, minlength=len(encoded.labels)))
        found = self._entries.find_rows(rows, encoded)
        self.make_writable()
        with deferred_interrupts():
            self._entries.erase(found)
            self._recount()

    def take_back(self, rows: NDArray[Any], labels: Iterable[Any], sign: int) -> None:
        """Undo an `add` (sign +1) or a `subtract` (sign -1) that just happened: unchecked."""
        if sign < 0:
            self.add(rows, labels, from_door=True)
            return
        with deferred_interrupts():
            self._entries.unrecord([Draft(len(rows), self.table)])
            self._recount()

    def drop_class(self, label: Label) -> None:
        """Unlearn all rows of a class."""
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        found = self._entries.find_class(label)
        self.make_writable()
        with deferred_interrupts():
            self._entries.erase(found)
            self._recount()

    def merge(self, other: LearnedRows) -> Self:
        """Take in copies of the rows that another state learned. Returns self; `other` is unchanged."""
        self.check_mergeable(other)
        drafts = self._entries.drafts_of(other._entries)
        with deferred_interrupts():
            self._entries.record(drafts)
            self._recount()
        return self

    def check_mergeable(self, other: Any) -> None:
        """Raise ValueError, saying why, if `merge` would be refused."""
        if not isinstance(other, LearnedRows):
            raise ValueError(f"learned rows merge with learned rows only, not with {type(other).__name__}")
        self._check_same_door_and_room(other)

    def copy(self) -> LearnedRows:
        """An independent state of the same rows."""
        return LearnedRows(self.door).merge(self)

    def make_writable(self) -> None:
        """Copy arrays that can't be written to, such as maps of files: before anything is changed."""
        self._entries.make_writable()

    def _recount(self) -> None:
        counts = {label: n for label, n in self._entries.counts().items() if n}
        self._place = {label: place for place, label in enumerate(counts)}
        self._counts = np.fromiter(counts.values(), np.int64, len(counts))
        self.revision += 1

    # ---- identity and disk

    def digest(self) -> str:
        """SHA-256 of door, classes that have rows and their rows in order of their bytes, in hexadecimal."""
        if not self._place:
            return EMPTY
        live = self.table.live()
        by_class = live[np.argsort(self.class_places(live), kind="stable")]
        rows_of = dict(zip(self.labels, np.split(by_class, np.cumsum(self.counts)[:-1]), strict=True))
        names = sorted((label_bytes(label), label) for label in self._place)
        h = hashlib.sha256(MAGIC)
        h.update(sized(self.door.canonical_bytes()))
        h.update(struct.pack("<q", len(names)))
        for name, label in names:
            rows = self.table.payload[rows_of[label]]
            h.update(sized(name) + struct.pack("<q", len(rows)))
            h.update(in_byte_order(rows).data)
        return h.hexdigest()

    def about(self) -> dict[str, Any]:
        """What kind of state it is, as JSON values; see `heads.states.empty_state`."""
        return {"order": self.order, "rows": True}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The rows, and for each the place of its label among the sorted classes."""
        live = self.table.live()
        return {"rows": self.table.payload[live], "row_classes": self.class_places(live).astype(np.int32)}

    @classmethod
    def from_arrays(cls, door: Door, labels: list[Label], arrays: dict[str, NDArray[Any]]) -> LearnedRows:
        """The state that `to_arrays` described. Raises ValueError where shapes, dtypes or values are wrong."""
        rows, places = arrays.get("rows"), arrays.get("row_classes")
        if rows is None or rows.dtype != door.dtype or rows.ndim != 2 or rows.shape[1] != door.width:
            raise ValueError(f"array 'rows' is missing, or not {door.dtype} of shape (n, {door.width})")
        if places is None or places.dtype != np.int32 or places.shape != (len(rows),):
            raise ValueError("array 'row_classes' is missing, or not int32, one a row")
        if encode_labels(labels)[0] != labels or set(np.unique(places).tolist()) != set(range(len(labels))):
            raise ValueError("class labels are repeated, out of order or without rows")
        state = cls(door)
        state.add(rows, EncodedLabels(labels, places.astype(np.int64)))
        return state


def in_byte_order(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Rows as bytes, little-endian, sorted as byte strings."""
    little = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    data = little.view(np.uint8).reshape(len(rows), -1)
    return np.ascontiguousarray(data[_order(data)])


def _order(data: NDArray[np.uint8]) -> Positions:
    """Sorting order of byte strings: by their first eight bytes, and by all where those are equal."""
    head = np.zeros((len(data), 8), dtype=np.uint8)
    head[:, : data.shape[1]] = data[:, :8]
    key = head.view(">u8").ravel()
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(np.diff(key[order]) == 0)
    for run in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1) if same.size else ():
        members = order[run[0] : run[-1] + 2]
        order[run[0] : run[-1] + 2] = sorted(members.tolist(), key=lambda at: data[at].tobytes())
    return order
