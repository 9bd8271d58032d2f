"""The learned state of rows with any number of labels each."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.class_state import ClassState
from analytic_cl.statistics.digest import EMPTY, sized
from analytic_cl.statistics.invariants import NEVER_LEARNED, contradiction
from analytic_cl.statistics.label_sets import encode_label_sets, label_totals, labels_in
from analytic_cl.statistics.labelled_state import labels_from_array, labels_to_array
from analytic_cl.statistics.labels import Label, label_bytes
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.state import GRAM, LABEL_SUMS
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

MAGIC = b"analytic-cl label set moments 1\0"

_OF_ALL = "all_"  # how arrays of all rows are called in files


class LabelSetMoments(ClassState):
    """Count and sum of the rows that have each label, and count, sum and Gram matrix of all rows, in integers.

    Rows have none, one or several labels: N rows x, their sum S and G = sum of x x^T, each row once; and for each label
    k, n_k rows that have it and their sum S_k. Labels may come at any time; one that no row has any more disappears.
    Which labels occur together is not kept.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.

    Notes
    -----
    Exactness: bit for bit. Integer addition is associative, commutative and invertible, so every sequence of `add`,
    `subtract` and `merge` that leaves the same rows with the same sets leaves the same `digest`.

    Cost: as `Moments` at order 2, whatever the number of labels a row; 8 d bytes a label.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LabelSetMoments, resolve_quantizer
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> state = LabelSetMoments(quantizer)
    >>> state.add(rows, [{"red"}, {"red", "round"}, set()])
    >>> state.n_rows, state.labels, state.counts.tolist(), state.sums.tolist()
    (3, ['red', 'round'], [2, 1], [[4, 6], [3, 4]])
    """

    kind = "label set moments"
    provides = frozenset({LABEL_SUMS, GRAM})
    can_unmerge = True
    _BY_CLASS: ClassVar[dict[str, int]] = {"_sums": 0}

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self._sums = np.zeros((0, quantizer.width), dtype=np.int64)
        self._all = Moments(quantizer)

    def __repr__(self) -> str:
        return f"LabelSetMoments({self.n_rows} rows, {len(self._place)} labels, {self.quantizer.describe()})"

    # ---- what it holds, labels always in sorted order

    @property
    def n_rows(self) -> int:
        return self._all.n_rows

    @property
    def all_rows(self) -> Moments:
        """Moments of all rows, as if they were of one class called 0: to be read."""
        return self._all

    @property
    def sums(self) -> Int64s:
        """Sum of the rows that have each label, shape (n_labels, width)."""
        return self._sums[self._sorted_places()]

    @property
    def total(self) -> Int64s:
        """Sum of all rows, shape (width,)."""
        return self._all.total

    def count(self, target: Any) -> int:
        """Rows that have a label; of a set of labels, the most that may have been learned with it."""
        if not isinstance(target, frozenset):
            return super().count(target)
        if target:
            return min(map(super().count, target))
        return self.n_rows - int(self.counts.max(initial=0))

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers the moments of all rows, and labels, counts and sums in the order of the labels' bytes.
        """
        if not self.n_rows:
            return EMPTY
        h = hashlib.sha256(MAGIC + bytes.fromhex(self._all.digest()) + struct.pack("<q", len(self._place)))
        for name, place in sorted((label_bytes(label), place) for label, place in self._place.items()):
            h.update(sized(name))
            h.update(struct.pack("<q", self._counts[place]))
            h.update(self._sums[place].astype("<i8").tobytes())
        return h.hexdigest()

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)
        self._check_room(rows.shape[0])
        totals = label_totals(rows, encoded)
        self._reserve(totals[0])
        with deferred_interrupts():
            self._all.add(rows, _one_class(rows), from_quantizer=True)
            self._shift(*totals, +1)

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        totals = label_totals(rows, self._checked(rows, targets))
        self._refuse_contradiction(len(rows), rows.sum(axis=0, dtype=np.int64), *totals)
        self._reserve([])
        with deferred_interrupts():
            self._all.subtract(rows, _one_class(rows))
            self._shift(*totals, -1)

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        totals = label_totals(rows, encode_label_sets(targets))
        self._reserve(totals[0])
        with deferred_interrupts():
            self._all.undo(rows, _one_class(rows), sign)
            self._shift(*totals, -sign)

    def make_writable(self) -> None:
        super().make_writable()
        self._all.make_writable()

    def _encoded(self, rows: NDArray[Any], targets: Iterable[Any]) -> Targets:
        self._check_rows(rows)
        encoded = encode_label_sets(targets)
        if encoded.codes.size != rows.shape[0]:
            raise ValueError(f"{rows.shape[0]} rows but {encoded.codes.size} sets of labels")
        for label in labels_in(encoded.values)[:1]:
            self._check_kind(label)
        return encoded

    def _refuse_contradiction(self, n: int, total: Int64s, labels: list[Label], counts: Int64s, sums: Int64s) -> None:
        """Raise ValueError where what would be left of any label, or without it, is of no rows."""
        self._check_forgettable(labels, counts)
        left_counts, left_sums = self._counts[: len(self._place)].copy(), self._sums[: len(self._place)].copy()
        places = [self._place[label] for label in labels]
        left_counts[places] -= counts
        left_sums[places] -= sums
        wrong = self._contradiction(self.n_rows - n, self.total - total, left_counts, left_sums)
        if wrong:
            raise ValueError(f"{NEVER_LEARNED}: {wrong}")

    def _contradiction(self, n: int, total: Int64s, counts: Int64s, sums: Int64s) -> str:
        with_it = contradiction(self.quantizer.limit, counts, sums)
        return with_it or contradiction(self.quantizer.limit, n - counts, total - sums)

    def _absorb(self, other: LabelSetMoments) -> None:
        totals = other.labels, other.counts, other.sums
        self._reserve(totals[0])
        self._all.merge(other._all)
        self._shift(*totals, +1)

    def _separate(self, other: LabelSetMoments) -> None:
        totals = other.labels, other.counts, other.sums
        self._refuse_contradiction(other.n_rows, other.total, *totals)
        self._reserve([])
        self._all.unmerge(other._all)
        self._shift(*totals, -1)

    def _shift(self, labels: list[Label], counts: Int64s, sums: Int64s, sign: int) -> None:
        """Count rows with these labels, or take them out. Room for them is reserved."""
        for place, total in zip(self._shift_counts(labels, counts, sign), sums, strict=True):
            self._sums[place] += sign * total
        self._drop_empty_classes(labels)
        self.revision += 1

    # ---- on disk

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Labels, counts and sums, sorted by label; and the arrays of all rows' moments."""
        of_all = {_OF_ALL + name: array for name, array in self._all.to_arrays().items()}
        return {"labels": labels_to_array(self.labels), "counts": self.counts, "sums": self.sums, **of_all}

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        state, labels = cls(quantizer), labels_from_array(arrays.get("labels"))
        for name, shape in (("counts", (len(labels),)), ("sums", (len(labels), quantizer.width))):
            got = arrays.get(name)
            if got is None or got.dtype != np.int64 or got.shape != shape:
                raise ValueError(f"array {name!r} is missing, or not int64 of shape {shape}")
        of_all = {name.removeprefix(_OF_ALL): array for name, array in arrays.items() if name.startswith(_OF_ALL)}
        state._all = Moments.from_arrays(quantizer, {"kind": Moments.kind, "order": 2}, of_all)
        state._place = {label: place for place, label in enumerate(labels)}
        state._counts, state._sums = arrays["counts"].copy(), arrays["sums"].copy()
        wrong = state._contradiction(state.n_rows, state.total, state._counts, state._sums)
        if wrong or (state._counts <= 0).any() or state._all.labels not in ([], [0]):
            raise ValueError(f"not a possible state: {wrong or 'counts of labels out of range'}")
        return state


def _one_class(rows: NDArray[Any]) -> Targets:
    return Targets([0], np.zeros(len(rows), dtype=np.int64))
