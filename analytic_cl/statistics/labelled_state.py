"""What every state of rows with one label each answers and checks."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytic_cl._sparse import SparseRows
from analytic_cl.statistics.labels import Label, as_label, encode_labels, label_array, label_kind
from analytic_cl.statistics.state import State
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

# Rows that a state can hold before an int64 of it could overflow; centring stays exact up to there too.
MAX_ROWS = {8: 2**48, 16: 2**32, 32: 2**31}


def labels_to_array(labels: list[Label]) -> NDArray[np.uint8]:
    """Labels as an array of bytes, for files."""
    return np.frombuffer(json.dumps(labels).encode(), dtype=np.uint8)


def labels_from_array(array: NDArray[Any] | None) -> list[Label]:
    """The labels that `labels_to_array` wrote. Raises ValueError where they are not sorted labels of one kind."""
    if array is None or array.dtype != np.uint8:
        raise ValueError("array 'labels' is missing, or not bytes")
    labels = [as_label(label) for label in json.loads(array.tobytes())]
    if encode_labels(labels).values != labels:
        raise ValueError("class labels are repeated or out of order")
    return labels


class LabelledState(State):
    """A state of rows with one label each, all labels of one kind.

    A subclass, here or in another package, calls ``_checked`` or ``_encoded`` on what it is given, ``_check_room``
    before it adds and ``_check_forgettable`` before it subtracts.
    """

    labels_are_classes: ClassVar[bool] = True
    """Whether labels say something of rows; not so where what was learned of a row stands in the row itself."""

    @property
    @abstractmethod
    def labels(self) -> list[Label]:
        """Labels that have rows, sorted."""

    @property
    @abstractmethod
    def counts(self) -> Int64s:
        """Rows of each class, shape (n_classes,)."""

    @abstractmethod
    def count(self, label: Label) -> int:
        """Rows of one class; 0 for a label without rows."""

    @abstractmethod
    def _known_label(self) -> Label | None:
        """Any label that has rows."""

    @property
    def classes(self) -> NDArray[Any]:
        """`labels` as an array."""
        return label_array(self.labels)

    # ---- checks

    def check_learnable(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        self._encoded(rows, targets)
        self._check_room(rows.shape[0])

    def _checked(self, rows: Any, labels: Iterable[Any]) -> Targets:
        targets = self._encoded(rows, labels)
        values = rows.data[rows.stored] if isinstance(rows, SparseRows) else rows
        if values.size and (
            int(values.min()) < -self.quantizer.limit
            or (self.quantizer.bits > 8 and values.max() > self.quantizer.limit)
        ):
            raise ValueError(f"rows must lie within +-{self.quantizer.limit}")
        return targets

    def _check_rows(self, rows: NDArray[Any]) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.quantizer.width or rows.dtype != self.quantizer.dtype:
            expected = f"{self.quantizer.dtype} of shape (n, {self.quantizer.width})"
            raise ValueError(f"rows must be {expected}, got {rows.dtype} of shape {rows.shape}")

    def _encoded(self, rows: NDArray[Any], labels: Iterable[Any]) -> Targets:
        self._check_rows(rows)
        targets = encode_labels(labels)
        if targets.codes.size != rows.shape[0]:
            raise ValueError(f"{rows.shape[0]} rows but {targets.codes.size} labels")
        if any(isinstance(value, frozenset | tuple) for value in targets.values):
            raise ValueError(f"a state of kind {self.kind!r} learns one label a row")
        if targets.values:
            self._check_kind(targets.values[0])
        return targets

    def _same_kind(self, label: Label) -> bool:
        known = self._known_label()
        return known is None or label_kind(label) == label_kind(known)

    def _check_kind(self, label: Label) -> None:
        known = self._known_label()
        if known is not None and label_kind(label) != label_kind(known):
            kind = label_kind(label)
            article = "an" if kind == "integer" else "a"
            raise ValueError(
                f"labels of mixed types: {label!r} is {article} {kind}, the model's classes are "
                f"{label_kind(known)}s such as {known!r}"
            )

    def _check_room(self, n: int) -> None:
        limit = MAX_ROWS[self.quantizer.bits]
        if self.n_rows + n > limit:
            raise ValueError(f"a {self.quantizer.bits}-bit state holds at most {limit} rows, not {self.n_rows} + {n}")

    def _check_forgettable(self, labels: list[Label], counts: Int64s) -> Int64s:
        """Rows that would be left of these classes; ValueError where there are not as many."""
        missing = [label for label in labels if not self.count(label)]
        if missing:
            raise ValueError(f"no rows of class {', '.join(map(repr, missing))} were learned")
        left = np.array([self.count(label) for label in labels], dtype=np.int64) - counts
        for label, rest, asked in zip(labels, left, counts, strict=True):
            if rest < 0:
                raise ValueError(f"{asked} rows of class {label!r} to forget, but only {rest + asked} were learned")
        return np.asarray(left)

    def _check_compatible(self, other: Any) -> None:
        if other.labels:
            self._check_kind(other.labels[0])
        self._check_room(other.n_rows)
