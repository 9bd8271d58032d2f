"""The learned state: integer counts, class sums and Gram matrix of the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl.door import Door
from analytic_cl.statistics import gram
from analytic_cl.statistics.class_counts import MAX_ROWS, ClassCounts
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.deferred import DeferredGram
from analytic_cl.statistics.digest import moments_digest
from analytic_cl.statistics.interrupts import deferred_interrupts
from analytic_cl.statistics.invariants import contradiction, diagonal_contradiction, squares
from analytic_cl.statistics.labels import EncodedLabels, Label, encode_labels
from analytic_cl.statistics.wide import Int64s


class Change(NamedTuple):
    """Integer rows that came into a state (sign +1) or went out of it (-1)."""

    rows: NDArray[Any]
    encoded: EncodedLabels
    sign: int


ClassTotals = tuple[list[Label], Int64s, Int64s]  # labels, rows of each, sum of the rows of each


class Moments(ClassCounts):
    """Count and sum of the rows of each class and, at order 2, the Gram matrix of all rows, in integers.

    For integer rows x with labels c: n_c rows of class c, S_c their sum, G = sum of x x^T over all rows. Everything
    a closed-form head needs is a function of these.

    Parameters
    ----------
    door : Door
        What the integer rows mean; part of the digest.
    order : {1, 2}, default=2
        1 leaves G out: nearest mean needs no more.

    Notes
    -----
    Exactness: bit for bit. Integer addition is associative, commutative and invertible, so every sequence of `add`,
    `subtract` and `merge` that leaves the same rows leaves the same `digest`.

    Cost: ``add`` and ``subtract`` n d (order 1) or n d^2 operations (order 2, half of the matrix). Memory 8 d bytes a
    class and 4 d^2 for G (24 bytes an entry behind a 32-bit door).

    At most 2**48 rows of 8 bits, 2**32 of 16 bits, 2**31 of 32 bits: more are refused.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import Moments, resolve_door
    >>> door = resolve_door("as-is", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> all_rows, some_rows = Moments(door), Moments(door)
    >>> all_rows.add(rows, [0, 1, 1])
    >>> all_rows.subtract(rows[2:], [1])
    >>> some_rows.add(rows[:2], [0, 1])
    >>> all_rows.digest() == some_rows.digest()
    True
    """

    def __init__(self, door: Door, order: int = 2) -> None:
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order!r}")
        super().__init__(door)
        self.order = order
        self._sums = np.zeros((0, door.width), dtype=np.int64)
        self._gram = DeferredGram(door, gram.empty_planes(door.width, door.bits) if order == 2 else [])

    def __repr__(self) -> str:
        return f"Moments({self.n_rows} rows of {len(self._place)} classes, order {self.order}, {self.door.describe()})"

    # ---- what it holds, classes always in sorted order

    @property
    def sums(self) -> Int64s:
        """Sum of the rows of each class, shape (n_classes, width)."""
        return self._sums[self._sorted_places()]

    @property
    def planes(self) -> gram.Planes:
        """The Gram matrix as packed triangles (see `gram`), to read only; none at order 1."""
        views = [plane.view() for plane in self._gram.planes]
        for view in views:
            view.flags.writeable = False
        return views

    @property
    def total(self) -> Int64s:
        """Sum of all rows, shape (width,)."""
        return np.asarray(self._sums[: len(self._place)].sum(axis=0))

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], labels: Iterable[Any], *, from_door: bool = False) -> None:
        """Learn integer rows, shape (n, width) and the door's dtype, with their labels.

        What comes `from_door` is in range, and not looked through again.
        """
        encoded = self._encoded(rows, labels) if from_door else self._checked(rows, labels)
        self._check_room(rows.shape[0])
        self._change(rows, _totals(rows, encoded), +1)

    def subtract(self, rows: NDArray[Any], labels: Iterable[Any]) -> None:
        """Unlearn integer rows with their labels.

        Raises ValueError, with nothing changed, when the state proves that these rows were never all learned. The
        state can't prove it of every row: a ledger can.
        """
        encoded = self._checked(rows, labels)
        totals = _totals(rows, encoded)
        self._refuse_contradiction(rows, totals)
        self._change(rows, totals, -1)

    def take_back(self, rows: NDArray[Any], labels: Iterable[Any], sign: int) -> None:
        """Undo an `add` (sign +1) or a `subtract` (sign -1) that just happened: unchecked, and deaf to Ctrl-C."""
        self._change(rows, _totals(rows, encode_labels(labels)), -sign, interruptible=False)

    def drop_class(self, label: Label) -> None:
        """Unlearn all rows of a class without seeing them: possible at order 1 only."""
        if self.order == 2:
            raise ValueError("the Gram matrix mixes all classes: the rows themselves are needed")
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        place = self._place[label]
        self.make_writable()
        with deferred_interrupts():
            self._shift_classes([label], self._counts[[place]], self._sums[[place]], -1)

    def merge(self, other: Moments) -> Self:
        """Add the rows that another state learned. Returns self; `other` is unchanged."""
        self.check_mergeable(other)
        labels, counts, sums = other.labels, other.counts, other.sums
        self._reserve(labels)
        with deferred_interrupts():
            self._gram.merge(other._gram)
            self._shift_classes(labels, counts, sums, +1)
        return self

    def check_mergeable(self, other: Moments) -> None:
        """Raise ValueError, saying why, if `merge` would be refused."""
        if not isinstance(other, Moments):
            raise ValueError(f"moments can't be merged with {other!r}")
        self._check_same_door_and_room(other)
        if self.order != other.order:
            raise ValueError(f"states of order {self.order} and {other.order} can't be merged")

    def copy(self, order: int | None = None) -> Moments:
        """An independent state of the same rows, at the same or a lower order."""
        order = self.order if order is None else order
        if order > self.order:
            raise ValueError(f"a state of order {self.order} can't serve a head that needs order {order}")
        twin = Moments.__new__(Moments)
        twin.door, twin.order, twin.revision = self.door, order, 0
        twin._place, twin._counts, twin._sums = dict(self._place), self._counts.copy(), self._sums.copy()
        twin._gram = DeferredGram(self.door, [plane.copy() for plane in self.planes] if order == 2 else [])
        return twin

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers door, order, classes that have rows, counts, sums and Gram matrix, in one canonical order; never the
        order of arrival, a head or its parameters. A state without rows has one digest whatever its door.
        """
        return moments_digest(self.door, self.order, self.labels, self.counts, self.sums, self.planes)

    # ---- on disk

    def about(self) -> dict[str, Any]:
        """What kind of state it is, as JSON values; see `heads.states.empty_state`."""
        return {"order": self.order}

    def to_arrays(self) -> dict[str, Int64s]:
        """Counts, sums and Gram planes, classes sorted."""
        planes = {f"gram_{shift}": p for shift, p in zip(gram.PLANE_SHIFTS[self.door.bits], self.planes, strict=False)}
        return {"counts": self.counts, "sums": self.sums, **planes}

    @classmethod
    def from_arrays(cls, door: Door, order: int, labels: list[Label], arrays: dict[str, NDArray[Any]]) -> Moments:
        """The state that `to_arrays` described. Raises ValueError where shapes, dtypes or invariants are wrong."""
        packed = (door.width * (door.width + 1) // 2,)
        shapes = {"counts": (len(labels),), "sums": (len(labels), door.width)}
        if order == 2:
            shapes |= {f"gram_{shift}": packed for shift in gram.PLANE_SHIFTS[door.bits]}
        for name, shape in shapes.items():  # before any memory is taken for them
            got = arrays.get(name)
            if got is None or got.dtype != np.int64 or got.shape != shape:
                raise ValueError(f"array {name!r} is missing, or not int64 of shape {shape}")
        moments = cls(door, order)
        if encode_labels(labels)[0] != labels:
            raise ValueError("class labels are repeated or out of order")
        moments._place = {label: place for place, label in enumerate(labels)}
        moments._counts, moments._sums = arrays["counts"].copy(), arrays["sums"].copy()
        if order == 2:
            moments._gram = DeferredGram(
                door, [arrays[f"gram_{shift}"].copy() for shift in gram.PLANE_SHIFTS[door.bits]]
            )
        wrong = contradiction(door.limit, moments._counts, moments._sums)
        if not wrong and order == 2:
            wrong = diagonal_contradiction(door.limit, moments.n_rows, moments.total, moments._gram.diagonal())
        if (moments._counts <= 0).any() or wrong or moments.n_rows > MAX_ROWS[door.bits]:
            raise ValueError(f"not a possible state: {wrong or 'class counts out of range'}")
        return moments

    # ---- checks and bookkeeping

    def _refuse_contradiction(self, rows: NDArray[Any], totals: ClassTotals) -> None:
        found, counts, sums = totals
        left = self._check_forgettable(found, counts)
        places = [self._place[label] for label in found]
        wrong = contradiction(self.door.limit, left, self._sums[places] - sums)
        if not wrong and self.order == 2:
            total = self.total - sums.sum(axis=0)
            diagonal = self._gram.diagonal() - squares(rows)
            wrong = diagonal_contradiction(self.door.limit, self.n_rows - len(rows), total, diagonal)
        if wrong:
            raise ValueError(f"these rows were never all learned under these labels: {wrong}")

    def _change(self, rows: NDArray[Any], totals: ClassTotals, sign: int, interruptible: bool = True) -> None:
        self._reserve(totals[0])
        self.revision += 1  # weights that another thread solves from here on are not those of a whole state
        with deferred_interrupts():
            if self.order == 2:
                self._gram.change(rows, sign, interruptible)
                if sign < 0 and self.n_rows == rows.shape[0] and any(plane.any() for plane in self.planes):
                    self._gram.change(rows, -sign, interruptible=False)
                    raise ValueError("these are as many rows as were learned, but not the same rows")
            self._shift_classes(*totals, sign)

    def make_writable(self) -> None:
        """Copy arrays that can't be written to, such as maps of files: before anything is changed."""
        super().make_writable()
        self._sums = writable(self._sums)
        self._gram.make_writable()

    def _reserve(self, labels: list[Label]) -> None:
        """Make room for new classes, in arrays that can be written to, ahead of the first write."""
        self.make_writable()
        need = len(self._place) + sum(label not in self._place for label in labels)
        if need > self._counts.size:
            capacity = max(need, 2 * self._counts.size)
            counts, sums = np.zeros(capacity, dtype=np.int64), np.zeros((capacity, self.door.width), dtype=np.int64)
            counts[: self._counts.size], sums[: self._counts.size] = self._counts, self._sums
            self._counts, self._sums = counts, sums

    def _shift_classes(self, labels: list[Label], counts: Int64s, sums: Int64s, sign: int) -> None:
        emptied = []
        for label, count, total in zip(labels, counts.tolist(), sums, strict=True):
            place = self._place.setdefault(label, len(self._place))
            self._counts[place] += sign * count
            row = self._sums[place]
            if sign > 0:
                row += total
            else:
                row -= total
                if self._counts[place] == 0:
                    emptied.append(label)
        for label in emptied:
            self._remove_class(label)
        self.revision += 1

    def _remove_class(self, label: Label) -> None:
        """Drop an emptied class, moving the last one into its place: not even its name stays."""
        place, last = self._vacate(label)
        self._sums[place], self._sums[last] = self._sums[last], 0


def _totals(rows: NDArray[Any], encoded: EncodedLabels) -> ClassTotals:
    labels, codes = encoded
    return labels, np.bincount(codes, minlength=len(labels)), class_sums(rows, codes, len(labels))
