"""What every state has: rows of each class, by label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl.door import Door
from analytic_cl.statistics.labels import EncodedLabels, Label, encode_labels, label_array, label_kind
from analytic_cl.statistics.wide import Int64s

# Rows that a state can hold before an int64 of it could overflow; centring stays exact up to there too.
MAX_ROWS = {8: 2**48, 16: 2**32, 32: 2**31}


class ClassCounts:
    """Counts of rows by class, kept in order of arrival and shown in sorted order, and the checks that need no more."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.revision = 0  # counts changes, for caches of what is derived from the state
        self._place: dict[Label, int] = {}
        self._counts = np.zeros(0, dtype=np.int64)

    @property
    def labels(self) -> list[Label]:
        """Labels that have rows, sorted."""
        return sorted(self._place)

    @property
    def classes(self) -> NDArray[Any]:
        """`labels` as an array."""
        return label_array(self.labels)

    @property
    def counts(self) -> Int64s:
        """Rows of each class, shape (n_classes,)."""
        return self._counts[self._sorted_places()]

    @property
    def n_rows(self) -> int:
        return int(self._counts[: len(self._place)].sum())

    def count(self, label: Label) -> int:
        """Rows of one class; 0 for a label without rows."""
        place = self._place.get(label) if self._same_kind(label) else None
        return 0 if place is None else int(self._counts[place])

    def make_writable(self) -> None:
        """Copy arrays that can't be written to, such as maps of files: before anything is changed."""
        self._counts = writable(self._counts)

    def _sorted_places(self) -> list[int]:
        return [self._place[label] for label in self.labels]

    def check_learnable(self, rows: NDArray[Any], labels: Iterable[Any]) -> None:
        """Raise ValueError, saying why, if `add` would refuse rows that come out of the door."""
        self._encoded(rows, labels)
        self._check_room(rows.shape[0])

    def _checked(self, rows: NDArray[Any], labels: Iterable[Any]) -> EncodedLabels:
        encoded = self._encoded(rows, labels)
        if rows.size and (int(rows.min()) < -self.door.limit or (self.door.bits > 8 and rows.max() > self.door.limit)):
            raise ValueError(f"rows must lie within +-{self.door.limit}")
        return encoded

    def _encoded(self, rows: NDArray[Any], labels: Iterable[Any]) -> EncodedLabels:
        if rows.ndim != 2 or rows.shape[1] != self.door.width or rows.dtype != self.door.dtype:
            expected = f"{self.door.dtype} of shape (n, {self.door.width})"
            raise ValueError(f"rows must be {expected}, got {rows.dtype} of shape {rows.shape}")
        encoded = encode_labels(labels)
        found, codes = encoded
        if codes.size != rows.shape[0]:
            raise ValueError(f"{rows.shape[0]} rows but {codes.size} labels")
        if found:
            self._check_kind(found[0])
        return encoded

    def _same_kind(self, label: Label) -> bool:
        return not self._place or label_kind(label) == label_kind(next(iter(self._place)))

    def _check_kind(self, label: Label) -> None:
        if not self._same_kind(label):
            known = next(iter(self._place))
            raise ValueError(
                f"labels of mixed types: {label!r} is a {label_kind(label)}, the model's classes are "
                f"{label_kind(known)}s such as {known!r}"
            )

    def _check_room(self, n: int) -> None:
        limit = MAX_ROWS[self.door.bits]
        if self.n_rows + n > limit:
            raise ValueError(f"a {self.door.bits}-bit state holds at most {limit} rows, not {self.n_rows} + {n}")

    def _check_forgettable(self, labels: list[Label], counts: Int64s) -> Int64s:
        """Rows that would be left of these classes; ValueError where there are not as many."""
        missing = [label for label in labels if not self.count(label)]
        if missing:
            raise ValueError(f"no rows of class {', '.join(map(repr, missing))} were learned")
        left = self._counts[[self._place[label] for label in labels]] - counts
        for label, rest, asked in zip(labels, left, counts, strict=True):
            if rest < 0:
                raise ValueError(f"{asked} rows of class {label!r} to forget, but only {rest + asked} were learned")
        return np.asarray(left)

    def _check_same_door_and_room(self, other: ClassCounts) -> None:
        """What every merge asks for: one door, one kind of labels, room for the rows."""
        if self.door != other.door:
            raise ValueError(
                f"states behind different doors can't be merged: {self.door.describe()}; {other.door.describe()}"
            )
        if other._place:
            self._check_kind(next(iter(other._place)))
        self._check_room(other.n_rows)

    def _vacate(self, label: Label) -> tuple[int, int]:
        """Drop a class, giving its place to the last one; both places, for what else is kept there."""
        place, last = self._place.pop(label), len(self._place)
        for moved, at in self._place.items():
            if at == last:
                self._place[moved] = place
                break
        self._counts[place] = self._counts[last]
        self._counts[last] = 0
        return place, last
