"""The learned state with a Gram matrix for every class."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.class_gram import impossible_planes, plane_type
from analytic_cl.statistics.class_state import ClassState
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.digest import EMPTY, plane_bytes, sized
from analytic_cl.statistics.gram_table import GramTable, Plan
from analytic_cl.statistics.invariants import NEVER_LEARNED, contradiction
from analytic_cl.statistics.labelled_state import MAX_ROWS, labels_from_array, labels_to_array
from analytic_cl.statistics.labels import Label, encode_labels, label_bytes
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.state import CLASS_GRAMS, CLASS_SUMS, GRAM
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

MAGIC = b"analytic-cl class grams 1\0"

MEMORY_LIMIT = 8 * 2**30  # bytes of a state; what would need more is refused


class ClassGrams(ClassState):
    """Count, sum and Gram matrix of the rows of each class, in integers.

    For integer rows x with labels c: n_c rows of class c, S_c their sum, G_c = sum of x x^T over them. Every class can
    have a covariance of its own, `moments` has what all classes have in common, and a class is forgotten without its
    rows.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.

    Notes
    -----
    Of a class with few rows the rows themselves are kept, which takes less memory; a matrix is made of them when there
    are more than about 2 d (3 d behind a 32-bit quantizer), and stays from then on. The digest and all that
    is derived are of G_c, and the same in either form; the bytes of a file can differ.

    Exactness: bit for bit. Integer addition is associative, commutative and invertible, so every sequence of `add`,
    `subtract` and `merge` that leaves the same rows leaves the same `digest`.

    Cost: ``add`` and ``subtract`` n d^2 operations, half of the matrix, and a copy of the matrices of the classes that
    they change; nothing while rows wait. Memory the smaller of n_c d and 2 d^2 bytes a class behind an 8-bit quantizer
    (4 d^2 above 133,144 rows), 4 d^2 behind 16 bits, 12 d^2 behind 32 bits, and 4 d^2 (12 d^2) for `moments`.

    A change that would make a state larger than ``MEMORY_LIMIT`` of this module, 8 GiB, is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import ClassGrams, Moments, resolve_quantizer
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> state, moments = ClassGrams(quantizer), Moments(quantizer)
    >>> state.add(rows, [0, 1, 1])
    >>> moments.add(rows[1:], [1, 1])
    >>> state.drop_class(0)
    >>> state.moments().digest() == moments.digest()
    True
    """

    kind = "class grams"
    provides = frozenset({CLASS_SUMS, GRAM, CLASS_GRAMS})
    can_drop_classes = True
    can_unmerge = True
    _BY_CLASS: ClassVar[dict[str, int]] = {"_sums": 0}

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self.order = 2
        self._sums = np.zeros((0, quantizer.width), dtype=np.int64)
        self._grams = GramTable(quantizer)
        self._derived: tuple[int, Moments] | None = None  # the moments of one revision

    def __repr__(self) -> str:
        return f"ClassGrams({self.n_rows} rows of {len(self._place)} classes, {self.quantizer.describe()})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_derived": None}  # can be made again

    # ---- what it holds, classes always in sorted order

    @property
    def sums(self) -> Int64s:
        """Sum of the rows of each class, shape (n_classes, width)."""
        return self._sums[self._sorted_places()]

    @property
    def total(self) -> Int64s:
        """Sum of all rows, shape (width,)."""
        return np.asarray(self._sums[: len(self._place)].sum(axis=0))

    @property
    def planes(self) -> gram.Planes:
        """The Gram matrix of all rows as packed triangles (see `gram`)."""
        return self.moments().planes

    @property
    def nbytes(self) -> int:
        """Bytes of the matrices, and of the rows that wait to enter them."""
        return self._grams.nbytes

    def moments(self) -> Moments:
        """What all classes have in common, at order 2: to be read, and made once a change."""
        derived = self._derived
        if derived is None or derived[0] != self.revision:
            derived = self._derived = self.revision, self.moments_of(*self.labels)
        return derived[1]

    def moments_of(self, *labels: Label) -> Moments:
        """Those of the rows of some classes, given sorted, at order 2."""
        places = [self._place[label] for label in labels]
        planes = self._grams.total(places)
        return Moments.of_classes(self.quantizer, list(labels), self._counts[places], self._sums[places], planes)

    @property
    def _shifts(self) -> tuple[int, ...]:
        return gram.PLANE_SHIFTS[self.quantizer.bits]

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers the digest of `moments`, and the Gram matrix of each class in order of label bytes.
        """
        if not self._place:
            return EMPTY
        h = hashlib.sha256(MAGIC + bytes.fromhex(self.moments().digest()))
        for label in sorted(self._place, key=label_bytes):
            h.update(sized(label_bytes(label)))
            for part in plane_bytes(self._grams[self._place[label]].planes(), self.quantizer.bits):
                h.update(part)
        return h.hexdigest()

    # ---- change, whole or not at all

    def check_learnable(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        super().check_learnable(rows, targets)
        labels, codes = encode_labels(targets).used()
        self._check_memory(labels, np.bincount(codes))

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = (self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)).used()
        self._check_room(rows.shape[0])
        self._check_memory(encoded.values, np.bincount(encoded.codes))
        self._change(rows, encoded, class_sums(rows, encoded.codes, len(encoded.values)), +1)

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        encoded = self._checked(rows, targets).used()
        sums = class_sums(rows, encoded.codes, len(encoded.values))
        self._sums_left(encoded.values, np.bincount(encoded.codes, minlength=len(encoded.values)), sums)
        self._change(rows, encoded, sums, -1)

    def _sums_left(self, labels: list[Label], counts: Int64s, sums: Int64s) -> Int64s:
        """Class sums that would be left; ValueError where they show that these rows were never all learned."""
        left = self._check_forgettable(labels, counts)
        sums = self._sums[self._places_of(labels)] - sums
        wrong = contradiction(self.quantizer.limit, left, sums)
        if wrong:
            raise ValueError(f"{NEVER_LEARNED}: {wrong}")
        return sums

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        encoded = encode_labels(targets).used()
        self._change(rows, encoded, class_sums(rows, encoded.codes, len(encoded.values)), -sign, interruptible=False)

    def _change(
        self, rows: NDArray[Any], encoded: Targets, sums: Int64s, sign: int, interruptible: bool = True
    ) -> None:
        labels, codes = encoded
        counts = np.bincount(codes, minlength=len(labels))
        self._reserve(labels)
        places = self._places_of(labels)
        after = self._sums[places] + sums if sign > 0 else self._sums[places] - sums
        with deferred_interrupts() as guard:
            try:
                if sign > 0:
                    plan = self._grams.plan_add(rows, codes, places, counts, interruptible=interruptible)
                else:
                    plan = self._grams.plan_subtract(rows, codes, places, counts, after, interruptible=interruptible)
                if interruptible:
                    guard.check()
            except BaseException:
                self._grams.discard()
                raise
            self._carry_out(plan, labels, counts, after, sign)

    def _carry_out(self, plan: Plan, labels: list[Label], counts: Int64s, sums: Int64s, sign: int) -> None:
        self.revision += 1  # what another thread derives from here on is not of a whole state
        self._grams.carry_out(plan)
        self._shift_counts(labels, counts, sign)
        self._sums[plan.places] = sums
        self._drop_empty_classes(labels)
        self.revision += 1

    def _places_of(self, labels: list[Label]) -> Int64s:
        """Places of classes, and those that new ones will have."""
        after = itertools.count(len(self._place))
        found = [self._place[label] if label in self._place else next(after) for label in labels]
        return np.array(found, dtype=np.int64)

    def _reserve(self, labels: list[Label]) -> None:
        super()._reserve(labels)
        self._grams.reserve(len(self._counts))

    def make_writable(self) -> None:
        super().make_writable()
        self._grams.make_writable()

    def _remove_class(self, label: Label) -> None:
        self._grams.remove(self._place[label], len(self._place) - 1)
        super()._remove_class(label)
        self._derived = None

    def _check_compatible(self, other: ClassGrams) -> None:
        super()._check_compatible(other)
        self._check_memory(other.labels, other.counts)

    def _absorb(self, other: ClassGrams) -> None:
        labels = other.labels
        self._reserve(labels)
        places = self._places_of(labels)
        rows, codes, waiting, matrices = other._by_code(labels)
        plan = self._grams.plan_add(rows, codes, places, waiting, interruptible=False, other=matrices)
        self._carry_out(plan, labels, other.counts, self._sums[places] + other.sums, +1)

    def _separate(self, other: ClassGrams) -> None:
        labels, counts = other.labels, other.counts
        left = self._sums_left(labels, counts, other.sums)
        self.make_writable()
        rows, codes, waiting, matrices = other._by_code(labels)
        plan = self._grams.plan_subtract(
            rows, codes, self._places_of(labels), waiting, left, interruptible=False, other=matrices
        )
        self._carry_out(plan, labels, counts, left, -1)

    def _by_code(
        self, labels: list[Label]
    ) -> tuple[NDArray[Any], Int64s, Int64s, dict[int, tuple[int, list[NDArray[Any]]]]]:
        """Of all classes, numbered as given: waiting rows, their codes and numbers, and matrices with theirs."""
        places, held = self._places_of(labels), self._grams
        code_of = np.zeros(len(self._counts), dtype=np.int64)
        code_of[places] = np.arange(len(labels))
        matrices = {code: held.matrix(place) for code, place in enumerate(places.tolist()) if held.entered[place]}
        return held.rows.rows, code_of[held.rows.places], held.waiting[places], matrices

    def _check_memory(self, labels: list[Label], more: Int64s) -> None:
        """Refuse what would need too much."""
        need = self._grams.bytes_with(self._places_of(labels), more)
        if need > MEMORY_LIMIT:
            raise ValueError(
                f"Gram matrices of {len(self._place.keys() | set(labels))} classes of {self.quantizer.width} columns "
                f"would take {need / 2**30:.1f} GiB, more than {MEMORY_LIMIT / 2**30:.1f}: use a head with one matrix "
                "for all classes, such as LDAClassifier, or rows of fewer columns"
            )

    # ---- on disk

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Labels, counts and sums; of each class its rows, in sorted order, where no matrix was made, or the matrix."""
        labels = self.labels
        arrays: dict[str, NDArray[Any]] = {
            "labels": labels_to_array(labels),
            "counts": self.counts,
            "sums": self.sums,
            "matrices": (self._grams.entered[self._sorted_places()] > 0).astype(np.uint8),
        }
        for place, label in enumerate(labels):
            held = self._grams[self._place[label]]
            if not held.entered:
                arrays[f"rows_{place}"] = held.sorted_rows()
                continue
            kind = plane_type(self.quantizer, held.n_rows)
            for shift, plane in zip(self._shifts, held.planes(), strict=True):
                arrays[f"gram_{place}_{shift}"] = plane.astype(kind, copy=False)
        return arrays

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        labels = labels_from_array(arrays.get("labels"))
        k = len(labels)
        counts = _array(arrays, "counts", np.int64, (k,))
        sums = _array(arrays, "sums", np.int64, (k, quantizer.width))
        matrices = _array(arrays, "matrices", np.uint8, (k,)).tolist()
        wrong = contradiction(quantizer.limit, counts, sums)
        if wrong or (counts <= 0).any() or sum(counts.tolist()) > MAX_ROWS[quantizer.bits]:
            raise ValueError(f"not a possible state: {wrong or 'class counts out of range'}")
        waiting, planes = [], {}
        for place, (label, n) in enumerate(zip(labels, counts.tolist(), strict=True)):
            if matrices[place]:
                planes[place] = n, _planes(quantizer, arrays, place, n, sums[place])
            waiting.append(_rows(quantizer, arrays, place, 0 if matrices[place] else n))
            if not matrices[place] and (waiting[place].sum(axis=0, dtype=np.int64) != sums[place]).any():
                raise ValueError(f"not a possible state: the rows of class {label!r} don't have the sum of the class")
        state = cls(quantizer)
        state._grams = GramTable.of(quantizer, waiting, planes)
        state._place = {label: place for place, label in enumerate(labels)}
        state._counts, state._sums = counts.copy(), sums.copy()
        return state


def _rows(quantizer: Quantizer, arrays: Mapping[str, NDArray[Any]], place: int, n: int) -> NDArray[Any]:
    if not n:
        return np.zeros((0, quantizer.width), dtype=quantizer.dtype)
    rows = _array(arrays, f"rows_{place}", quantizer.dtype, (n, quantizer.width))
    if (np.abs(rows.astype(np.int64)) > quantizer.limit).any():
        raise ValueError(f"not a possible state: rows must lie within +-{quantizer.limit}")
    return rows


def _planes(
    quantizer: Quantizer, arrays: Mapping[str, NDArray[Any]], place: int, n: int, total: Int64s
) -> list[NDArray[Any]]:
    packed = (quantizer.width * (quantizer.width + 1) // 2,)
    kind, shifts = plane_type(quantizer, n), gram.PLANE_SHIFTS[quantizer.bits]
    planes = [_array(arrays, f"gram_{place}_{shift}", kind, packed) for shift in shifts]
    wide = [plane.astype(np.int64)[None] for plane in planes]
    largest = np.array([max(max(int(plane.max()), -int(plane.min())) for plane in wide)])
    wrong = impossible_planes(quantizer, np.array([n]), total[None], wide, largest)
    if wrong:
        raise ValueError(f"not a possible state: {wrong}")
    return planes


def _array(arrays: Mapping[str, NDArray[Any]], name: str, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    found = arrays.get(name)
    if found is None or found.dtype != kind or found.shape != shape:
        raise ValueError(f"array {name!r} is missing, or not {np.dtype(kind)} of shape {shape}")
    return found
