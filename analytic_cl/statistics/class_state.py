"""States of rows with one label each, in arrays with a place for every class."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.labelled_state import LabelledState
from analytic_cl.statistics.labels import Label
from analytic_cl.statistics.wide import Int64s


class ClassState(LabelledState):
    """Counts of rows by class, kept in order of arrival and shown in sorted order, and what all such states share.

    A subclass names in ``_BY_CLASS`` its arrays with an axis of classes: they grow, and lose a class, together.
    """

    _BY_CLASS: ClassVar[dict[str, int]] = {}  # names of arrays, and which axis is that of the classes

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self._place: dict[Label, int] = {}
        self._counts = np.zeros(0, dtype=np.int64)

    @property
    def labels(self) -> list[Label]:
        return sorted(self._place)

    @property
    def counts(self) -> Int64s:
        return self._counts[self._sorted_places()]

    @property
    def n_rows(self) -> int:
        return int(self._counts[: len(self._place)].sum())

    def count(self, label: Label) -> int:
        place = self._place.get(label) if self._same_kind(label) else None
        return 0 if place is None else int(self._counts[place])

    def _known_label(self) -> Label | None:
        return next(iter(self._place), None)

    def _sorted_places(self) -> list[int]:
        return [self._place[label] for label in self.labels]

    def drop_class(self, label: Label) -> None:
        if not self.can_drop_classes:
            super().drop_class(label)
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        self.make_writable()
        with deferred_interrupts():
            self._remove_class(label)
            self.revision += 1

    # ---- bookkeeping

    def make_writable(self) -> None:
        for name in ("_counts", *self._BY_CLASS):
            setattr(self, name, writable(getattr(self, name)))

    def _reserve(self, labels: list[Label]) -> None:
        """Make room for new classes, in arrays that can be written to, ahead of the first write."""
        self.make_writable()
        need = len(self._place) + sum(label not in self._place for label in labels)
        size = self._counts.size
        if need <= size:
            return
        grown = {}
        for name, axis in (("_counts", 0), *self._BY_CLASS.items()):
            old: NDArray[Any] = getattr(self, name)
            shape = list(old.shape)
            shape[axis] = max(need, 2 * size)
            grown[name] = np.zeros(shape, dtype=old.dtype)
            np.moveaxis(grown[name], axis, 0)[:size] = np.moveaxis(old, axis, 0)
        self.__dict__.update(grown)

    def _shift_counts(self, labels: list[Label], counts: Int64s, sign: int) -> list[int]:
        """Count rows of classes, giving new ones a place; the places. Room for them is reserved."""
        places = [self._place.setdefault(label, len(self._place)) for label in labels]
        for place, count in zip(places, counts.tolist(), strict=True):
            self._counts[place] += sign * count
        return places

    def _drop_empty_classes(self, labels: list[Label]) -> None:
        """Of these labels remove the classes that have no rows left."""
        for label in labels:
            if self._counts[self._place[label]] == 0:
                self._remove_class(label)

    def _remove_class(self, label: Label) -> None:
        """Drop a class, moving the last one into its place: not even its name stays."""
        place, last = self._place.pop(label), len(self._place)
        moved = next((other for other, at in self._place.items() if at == last), None)
        if moved is not None:
            self._place[moved] = place
        for name, axis in (("_counts", 0), *self._BY_CLASS.items()):
            array = np.moveaxis(getattr(self, name), axis, 0)
            array[place] = array[last]
            array[last] = 0
