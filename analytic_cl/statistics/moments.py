"""The learned state: integer counts, class sums and Gram matrix of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.class_state import ClassState
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.deferred import DeferredGram, narrowed
from analytic_cl.statistics.digest import moments_digest
from analytic_cl.statistics.invariants import (
    NEVER_LEARNED,
    NOT_THE_SAME,
    Diagonal,
    contradiction,
    diagonal_contradiction,
    squares,
)
from analytic_cl.statistics.labelled_state import MAX_ROWS, labels_from_array, labels_to_array
from analytic_cl.statistics.labels import Label, encode_labels
from analytic_cl.statistics.state import CLASS_SUMS, GRAM
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

ClassTotals = tuple[list[Label], Int64s, Int64s]  # labels, rows of each, sum of the rows of each


class Moments(ClassState):
    """Count and sum of the rows of each class and, at order 2, the Gram matrix of all rows, in integers.

    For integer rows x with labels c: n_c rows of class c, S_c their sum, G = sum of x x^T over all rows. Everything
    a closed-form head needs is a function of these.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.
    order : {1, 2}, default=2
        1 leaves G out: nearest mean needs no more.

    Notes
    -----
    Exactness: bit for bit. Integer addition is associative, commutative and invertible, so every sequence of `add`,
    `subtract` and `merge` that leaves the same rows leaves the same `digest`.

    Cost: ``add`` and ``subtract`` n d (order 1) or n d^2 operations (order 2, half of the matrix). Memory 8 d bytes a
    class, and for G 2 d^2 behind 8 bits until an entry might pass 2^31 (not before 128,000 rows, with small values much
    later), 4 d^2 from then on and behind 16 bits, 12 d^2 behind 32.

    At most 2**48 rows of 8 bits, 2**32 of 16 bits, 2**31 of 32 bits: more are refused.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import Moments, resolve_quantizer
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> all_rows, some_rows = Moments(quantizer), Moments(quantizer)
    >>> all_rows.add(rows, [0, 1, 1])
    >>> all_rows.subtract(rows[2:], [1])
    >>> some_rows.add(rows[:2], [0, 1])
    >>> all_rows.digest() == some_rows.digest()
    True
    """

    kind = "moments"
    takes_device_rows = True
    takes_sparse_rows = True
    can_unmerge = True
    _BY_CLASS: ClassVar[dict[str, int]] = {"_sums": 0}

    def __init__(self, quantizer: Quantizer, order: int = 2) -> None:
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order!r}")
        super().__init__(quantizer)
        self.order = order
        self.provides = frozenset({CLASS_SUMS, GRAM} if order == 2 else {CLASS_SUMS})
        self.can_drop_classes = order == 1
        self._sums = np.zeros((0, quantizer.width), dtype=np.int64)
        self._gram = DeferredGram(quantizer, None if order == 2 else [])

    def __repr__(self) -> str:
        rows = f"{self.n_rows} rows of {len(self._place)} classes"
        return f"Moments({rows}, order {self.order}, {self.quantizer.describe()})"

    # ---- what it holds, classes always in sorted order

    @property
    def sums(self) -> Int64s:
        """Sum of the rows of each class, shape (n_classes, width)."""
        return self._sums[self._sorted_places()]

    @property
    def planes(self) -> gram.Planes:
        """The Gram matrix as packed triangles (see `gram`), of int32 or int64, to read only; none at order 1."""
        views = [plane.view() for plane in self._gram.planes]
        for view in views:
            view.flags.writeable = False
        return views

    @property
    def total(self) -> Int64s:
        """Sum of all rows, shape (width,)."""
        return np.asarray(self._sums[: len(self._place)].sum(axis=0))

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)
        self._check_room(rows.shape[0])
        self._change(rows, _totals(rows, encoded), +1)

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        totals = _totals(rows, self._checked(rows, targets))
        self._refuse_contradiction(totals, lambda: squares(rows))
        self._change(rows, totals, -1)

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        self._change(rows, _totals(rows, encode_labels(targets)), -sign, interruptible=False)

    def _check_alike(self, other: Moments) -> None:
        if self.order != other.order:
            raise ValueError(f"states of order {self.order} and {other.order} can't be merged")

    def _absorb(self, other: Moments) -> None:
        labels, counts, sums = other.labels, other.counts, other.sums
        self._reserve(labels)
        self._gram.merge(other._gram)
        self._shift_classes(labels, counts, sums, +1)

    def _separate(self, other: Moments) -> None:
        totals = other.labels, other.counts, other.sums
        self._refuse_contradiction(totals, other._gram.diagonal)
        if self.n_rows == other.n_rows and not all(map(np.array_equal, self.planes, other.planes)):
            raise ValueError(NOT_THE_SAME)
        self.make_writable()
        self._gram.merge(other._gram, -1)
        self._shift_classes(*totals, -1)

    def double(self) -> None:
        self._check_room(self.n_rows)
        self.make_writable()
        self._touch()
        with deferred_interrupts():
            self._gram.double()
            self._counts *= 2
            self._sums *= 2
            self._touch()

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer, description["order"])

    def of_order(self, order: int) -> Moments:
        """A copy at the same or a lower order."""
        if order == self.order:
            return self.copy()
        if order > self.order:
            raise ValueError(f"a state of order {self.order} can't serve a head that needs order {order}")
        lower = Moments(self.quantizer, order)
        lower._shift_classes(self.labels, self.counts, self.sums, +1)
        return lower

    def part(self, which: Literal["input", "projection"]) -> Moments:
        """What was learned of the rows alone, or of their random features alone, where a projection keeps its input.

        A copy: the state of a head behind that part's quantizer, with its digest, as ``LDAClassifier.from_moments``
        takes it. Raises ValueError for other quantizers.
        """
        quantizer, columns = self.quantizer.part(which)
        planes = gram.square_part(self.planes, self.quantizer.width, columns)
        return Moments.of_classes(quantizer, self.labels, self.counts, self.sums[:, columns], planes)

    @classmethod
    def of_classes(
        cls, quantizer: Quantizer, labels: list[Label], counts: Int64s, sums: Int64s, planes: gram.Planes | None = None
    ) -> Moments:
        """Of what other states know: sorted labels, counts and sums, and at order 2 the Gram matrix of their rows."""
        arrays: dict[str, NDArray[Any]] = {
            f"gram_{s}": p for s, p in zip(gram.PLANE_SHIFTS[quantizer.bits], planes or (), strict=False)
        }
        arrays |= {"labels": labels_to_array(labels), "counts": counts, "sums": sums}
        return Moments.from_arrays(quantizer, {"kind": Moments.kind, "order": 2 if planes else 1}, arrays)

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers quantizer, order, classes that have rows, counts, sums and Gram matrix, in one canonical order; never
        the order of arrival, a head or its parameters. A state without rows has one digest whatever its quantizer.
        """
        return moments_digest(self.quantizer, self.order, self.labels, self.counts, self.sums, self.planes)

    # ---- on disk

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "order": self.order}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Labels, counts, sums and Gram planes, classes sorted."""
        planes = {
            f"gram_{shift}": p.astype(np.int64, copy=False)
            for shift, p in zip(gram.PLANE_SHIFTS[self.quantizer.bits], self.planes, strict=False)
        }
        return {"labels": labels_to_array(self.labels), "counts": self.counts, "sums": self.sums, **planes}

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        order, labels = description["order"], labels_from_array(arrays.get("labels"))
        packed = (quantizer.width * (quantizer.width + 1) // 2,)
        shapes = {"counts": (len(labels),), "sums": (len(labels), quantizer.width)}
        if order == 2:
            shapes |= {f"gram_{shift}": packed for shift in gram.PLANE_SHIFTS[quantizer.bits]}
        for name, shape in shapes.items():  # before any memory is taken for them
            got = arrays.get(name)
            narrow = got is not None and got.dtype == np.int32 and quantizer.bits == 8 and name == "gram_0"
            if got is None or not (narrow or got.dtype == np.int64) or got.shape != shape:
                raise ValueError(f"array {name!r} is missing, or not int64 of shape {shape}")
        moments = cls(quantizer, order)
        moments._place = {label: place for place, label in enumerate(labels)}
        moments._counts, moments._sums = arrays["counts"].copy(), arrays["sums"].copy()
        if order == 2:
            planes = [arrays[f"gram_{shift}"] for shift in gram.PLANE_SHIFTS[quantizer.bits]]
            moments._gram = DeferredGram(quantizer, narrowed(planes, quantizer))
        wrong = contradiction(quantizer.limit, moments._counts, moments._sums)
        if not wrong and order == 2:
            wrong = diagonal_contradiction(quantizer.limit, moments.n_rows, moments.total, moments._gram.diagonal())
        if (moments._counts <= 0).any() or wrong or moments.n_rows > MAX_ROWS[quantizer.bits]:
            raise ValueError(f"not a possible state: {wrong or 'class counts out of range'}")
        return moments

    # ---- checks and bookkeeping

    def _refuse_contradiction(self, totals: ClassTotals, diagonal_of: Callable[[], Diagonal]) -> None:
        found, counts, sums = totals
        left = self._check_forgettable(found, counts)
        places = [self._place[label] for label in found]
        wrong = contradiction(self.quantizer.limit, left, self._sums[places] - sums)
        if not wrong and self.order == 2:
            total = self.total - sums.sum(axis=0)
            diagonal = self._gram.diagonal() - diagonal_of()
            n_left = self.n_rows - int(counts.sum())
            wrong = diagonal_contradiction(self.quantizer.limit, n_left, total, diagonal)
        if wrong:
            raise ValueError(f"{NEVER_LEARNED}: {wrong}")

    def _change(self, rows: NDArray[Any], totals: ClassTotals, sign: int, interruptible: bool = True) -> None:
        self._reserve(totals[0])
        self.revision += 1  # weights that another thread solves from here on are not those of a whole state
        with deferred_interrupts():
            if self.order == 2:
                self._gram.change(rows, sign, interruptible)
                if sign < 0 and self.n_rows == rows.shape[0] and any(plane.any() for plane in self.planes):
                    self._gram.change(rows, -sign, interruptible=False)
                    raise ValueError(NOT_THE_SAME)
            self._shift_classes(*totals, sign)

    def make_writable(self) -> None:
        super().make_writable()
        self._gram.make_writable()

    def _shift_classes(self, labels: list[Label], counts: Int64s, sums: Int64s, sign: int) -> None:
        self._reserve(labels)
        for place, total in zip(self._shift_counts(labels, counts, sign), sums, strict=True):
            row = self._sums[place]
            if sign > 0:
                row += total
            else:
                row -= total
        self._drop_empty_classes(labels)
        self.revision += 1


def _totals(rows: NDArray[Any], encoded: Targets) -> ClassTotals:
    labels, codes = encoded.used()
    return labels, np.bincount(codes, minlength=len(labels)), class_sums(rows, codes, len(labels))
