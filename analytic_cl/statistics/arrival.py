"""Which labels came together, and in what order: what states add that know sessions."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from analytic_cl.statistics.digest import sized
from analytic_cl.statistics.labels import Label, label_bytes
from analytic_cl.statistics.wide import Int64s


class ArrivalGroups:
    """Groups of labels, in order: those of which one change of a state brought the first rows.

    A label without rows is in none; a group without labels was never there.
    """

    def __init__(self) -> None:
        self._number: dict[Label, int] = {}  # grows with arrival; `listed` counts anew
        self._left: list[int] = []  # numbers of the labels that the last change emptied, sorted by label: for `undo`

    def __len__(self) -> int:
        return len(set(self._number.values()))

    def listed(self) -> list[list[Label]]:
        """Labels of each group, sorted; groups in order of arrival."""
        found: dict[int, list[Label]] = {number: [] for number in sorted(self._number.values())}
        for label in sorted(self._number):
            found[self._number[label]].append(label)
        return list(found.values())

    def canonical_bytes(self) -> bytes:
        """For digests."""
        parts = []
        for group in self.listed():
            parts.append(struct.pack("<q", len(group)))
            parts += [sized(name) for name in sorted(map(label_bytes, group))]
        return b"".join(parts)

    # ---- change

    def settle(self, labels: Iterable[Label]) -> None:
        """After a change that left these labels: number those that came with it, and forget those that went."""
        labels = list(labels)
        self._left = [self._number.pop(label) for label in sorted(self._number.keys() - set(labels))]
        self.follow([labels])

    def undo(self, labels: Iterable[Label], sign: int) -> None:
        """Before `settle`, where a change with rows of these labels is undone: give back the numbers it took."""
        back = sorted(set(labels) - self._number.keys())
        if sign < 0:
            self._number.update(zip(back, self._left, strict=True))

    def follow(self, groups: Iterable[Iterable[Label]]) -> None:
        """Put groups, without what is known already, behind those that are here."""
        for group in groups:
            number = max(self._number.values(), default=-1) + 1
            for label in group:
                self._number.setdefault(label, number)

    # ---- on disk

    def to_array(self, labels: list[Label]) -> Int64s:
        """The number of each label's group, from 0."""
        number = {label: at for at, group in enumerate(self.listed()) for label in group}
        return np.array([number[label] for label in labels], dtype=np.int64)

    def read(self, labels: list[Label], numbers: NDArray[np.int64] | None) -> None:
        """What `to_array` wrote. Raises ValueError where it is not that."""
        if numbers is None or numbers.dtype != np.int64 or numbers.shape != (len(labels),):
            raise ValueError(f"array 'groups' is missing, or not int64 of shape {(len(labels),)}")
        if sorted(set(numbers.tolist())) != list(range(len(set(numbers.tolist())))):
            raise ValueError("groups of classes must be numbered from 0, without gaps")
        self._number = dict(zip(labels, numbers.tolist(), strict=True))
