"""The learned state of nearest neighbours: the rows themselves, with their labels."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.ledger import Draft, Ledger, Positions, RowState, Table
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import (
    EMPTY,
    ROWS,
    Int64s,
    Label,
    LabelledState,
    Targets,
    as_label,
    encode_labels,
    label_bytes,
)
from analytic_cl.statistics.digest import sized
from analytic_cl.statistics.labelled_state import labels_from_array, labels_to_array

MAGIC = b"analytic-cl learned rows 1\0"


class LearnedRows(RowState, LabelledState):
    """A multiset of integer rows with labels, of which any can be taken out again.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.

    Attributes
    ----------
    ledger : Ledger
        Holds the rows, once, for the state and for whoever asks for them by id: what enters or leaves it is learned or
        forgotten. It overwrites rows that leave.

    Notes
    -----
    Exactness: bit for bit. Neither digest nor answers depend on the order in which rows came.

    Cost: ``add`` copies the rows; ``subtract`` looks them up by digests, which are made on the first search (3 to
    4 GB/s). ``digest`` sorts all rows. Memory: the rows, and 60 bytes each.
    """

    kind = "learned rows"
    provides = frozenset({ROWS})
    can_drop_classes = True
    can_unmerge = True

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self.ledger = Ledger(quantizer, keep_rows=True)
        # At a revision of the ledger: rows of each class, sorted, and the place of the class with each number.
        self._counted: tuple[int, dict[Label, int], Int64s] = -1, {}, np.zeros(0, dtype=np.int64)

    @classmethod
    def over(cls, ledger: Ledger, quantizer: Quantizer) -> Self:
        state = cls(quantizer)
        state.ledger = ledger
        if ledger.kept.n_alive != ledger.n_rows or not ledger.keep_rows:
            raise ValueError("the ledger does not keep all of its rows")
        encode_labels(list(ledger.counts()))  # of one kind
        return state

    def __repr__(self) -> str:
        return f"LearnedRows({self.n_rows} rows of {len(self._counts())} classes, {self.quantizer.describe()})"

    # ---- what lies where

    @property
    def revision(self) -> int:  # type: ignore[override]  # the ledger counts the changes
        return self.ledger.revision

    def _counts(self) -> dict[Label, int]:
        return self._counted_now()[0]

    def _counted_now(self) -> tuple[dict[Label, int], Int64s]:
        revision, counts, places = self._counted
        if revision != self.ledger.revision:
            revision = self.ledger.revision
            found = {as_label(value): n for value, n in self.ledger.counts().items() if n}
            counts = {label: found[label] for label in sorted(found)}
            numbers = self.ledger.number_of
            places = np.zeros(max(numbers.values(), default=-1) + 1, dtype=np.int64)
            for at, label in enumerate(counts):
                places[numbers[label]] = at
            self._counted = revision, counts, places
        return counts, places

    @property
    def labels(self) -> list[Label]:
        return list(self._counts())

    @property
    def counts(self) -> Int64s:
        return np.array(list(self._counts().values()), dtype=np.int64)

    @property
    def n_rows(self) -> int:
        return self.table.n_alive

    def count(self, target: Any) -> int:
        return self._counts().get(target, 0) if self._same_kind(target) else 0

    def _known_label(self) -> Label | None:
        return next(iter(self._counts()), None)

    @property
    def table(self) -> Table:
        """Rows by position, those that left among them; a position holds until ``table.generation`` changes."""
        return self.ledger.kept

    def class_places(self, positions: Any = slice(None)) -> NDArray[np.int64]:
        """Place among the sorted classes of the label at each position, or at some of them; of no meaning where a row
        has left.
        """
        numbers, places = self.numbered_classes()
        found: Int64s = places[np.minimum(numbers[positions], places.size - 1)]
        return found

    def numbered_classes(self) -> tuple[NDArray[Any], Int64s]:
        """A number for the label at each position, and the place among the sorted classes of the label of each number;
        numbers are of no meaning where a row has left.
        """
        return self.table.codes[: self.table.size], self._counted_now()[1]

    @property
    def by_angle(self) -> bool:
        """Whether neighbours are compared by angle: behind a quantizer that makes unit rows, which clipping may
        shorten.
        """
        return self.quantizer.rule.norm == "l2"

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)
        self._check_room(rows.shape[0])
        draft = self.ledger.draft(rows.copy(), encoded, None)
        with deferred_interrupts():
            self.ledger.record([draft])

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        encoded = self._checked(rows, targets).used()
        self._check_forgettable(encoded.values, np.bincount(encoded.codes, minlength=len(encoded.values)))
        found = self.ledger.find_rows(rows, encoded)
        self.ledger.make_writable()
        with deferred_interrupts():
            self.ledger.erase(found)

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        if sign < 0:
            self.add(rows, targets, from_quantizer=True)
            return
        with deferred_interrupts():
            self.ledger.unrecord([Draft(len(rows), self.table)])

    def drop_class(self, label: Label) -> None:
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        found = self.ledger.find_target(label)
        self.ledger.make_writable()
        with deferred_interrupts():
            self.ledger.erase(found)

    def _absorb(self, other: LearnedRows) -> None:
        self.ledger.record(self.ledger.drafts_of(other.ledger))

    def _separate(self, other: LearnedRows) -> None:
        found = self.ledger.find_merged(other.ledger)
        self.ledger.make_writable()
        self.ledger.erase(found)

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer)

    # ---- identity and disk

    def digest(self) -> str:
        """SHA-256 of quantizer, classes that have rows and their rows in order of their bytes, in hexadecimal."""
        if not self.n_rows:
            return EMPTY
        live = self.table.live()
        by_class = live[np.argsort(self.class_places(live), kind="stable")]
        labels = self.labels
        rows_of = dict(zip(labels, np.split(by_class, np.cumsum(self.counts)[:-1]), strict=True))
        names = sorted((label_bytes(label), label) for label in labels)
        h = hashlib.sha256(MAGIC)
        h.update(sized(self.quantizer.canonical_bytes()))
        h.update(struct.pack("<q", len(names)))
        for name, label in names:
            rows = self.table.payload[rows_of[label]]
            h.update(sized(name) + struct.pack("<q", len(rows)))
            h.update(in_byte_order(rows).data)
        return h.hexdigest()

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The rows, and for each the place of its label among the sorted classes."""
        live = self.table.live()
        places = self.class_places(live).astype(np.int32)
        return {"labels": labels_to_array(self.labels), "rows": self.table.payload[live], "row_classes": places}

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        labels = labels_from_array(arrays.get("labels"))
        rows, places = arrays.get("rows"), arrays.get("row_classes")
        if rows is None or rows.dtype != quantizer.dtype or rows.ndim != 2 or rows.shape[1] != quantizer.width:
            raise ValueError(f"array 'rows' is missing, or not {quantizer.dtype} of shape (n, {quantizer.width})")
        if places is None or places.dtype != np.int32 or places.shape != (len(rows),):
            raise ValueError("array 'row_classes' is missing, or not int32, one a row")
        if set(np.unique(places).tolist()) != set(range(len(labels))):
            raise ValueError("there are class labels without rows")
        state = cls(quantizer)
        state.add(rows, Targets(labels, places.astype(np.int64)))
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
