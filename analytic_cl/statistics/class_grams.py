"""The learned state with a Gram matrix for every class."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.class_gram import NEVER_LEARNED, ClassGram, Plan, plane_type
from analytic_cl.statistics.class_state import ClassState
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.digest import EMPTY, plane_bytes, sized
from analytic_cl.statistics.interrupts import deferred_interrupts
from analytic_cl.statistics.invariants import contradiction
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
    _BY_CLASS: ClassVar[dict[str, int]] = {"_sums": 0}

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self.order = 2
        self._sums = np.zeros((0, quantizer.width), dtype=np.int64)
        self._grams: dict[Label, ClassGram] = {}
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
        return sum(held.bytes_with(0) for held in self._grams.values())

    def moments(self) -> Moments:
        """What all classes have in common, at order 2: to be read, and made once a change."""
        derived = self._derived
        if derived is None or derived[0] != self.revision:
            derived = self._derived = self.revision, self.moments_of(*self.labels)
        return derived[1]

    def moments_of(self, *labels: Label) -> Moments:
        """Those of the rows of some classes, given sorted, at order 2."""
        planes = gram.empty_planes(self.quantizer.width, self.quantizer.bits)
        held = [self._grams[label] for label in labels]
        for one in held:
            one.add_entered(planes)
        for rows in _in_batches([one.waiting for one in held]):
            gram.accumulate(planes, rows, self.quantizer.bits, +1)
        places = [self._place[label] for label in labels]
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
            for part in plane_bytes(self._grams[label].planes(), self.quantizer.bits):
                h.update(part)
        return h.hexdigest()

    # ---- change, whole or not at all

    def check_learnable(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        super().check_learnable(rows, targets)
        encoded = encode_labels(targets).used()
        self._check_memory(dict(zip(encoded.values, np.bincount(encoded.codes).tolist(), strict=True)))

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = (self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)).used()
        self._check_room(rows.shape[0])
        self._check_memory(dict(zip(encoded.values, np.bincount(encoded.codes).tolist(), strict=True)))
        self._change(rows, encoded, +1)

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        encoded = self._checked(rows, targets).used()
        counts = np.bincount(encoded.codes, minlength=len(encoded.values))
        left = self._check_forgettable(encoded.values, counts)
        places = [self._place[label] for label in encoded.values]
        sums = self._sums[places] - class_sums(rows, encoded.codes, len(places))
        wrong = contradiction(self.quantizer.limit, left, sums)
        if wrong:
            raise ValueError(f"{NEVER_LEARNED}: {wrong}")
        self._change(rows, encoded, -1)

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        self._change(rows, encode_labels(targets).used(), -sign, interruptible=False)

    def _change(self, rows: NDArray[Any], encoded: Targets, sign: int, interruptible: bool = True) -> None:
        labels, codes = encoded
        counts = np.bincount(codes, minlength=len(labels))
        sums = class_sums(rows, codes, len(labels))
        self._reserve(labels)
        with deferred_interrupts() as guard:
            check: Callable[[], None] = guard.check if interruptible else lambda: None
            plans = {}
            try:
                for label, own in zip(labels, _by_class(rows, codes, counts), strict=True):
                    check()
                    if sign > 0:
                        plans[label] = self._grams.get(label, ClassGram(self.quantizer)).plan_add(own, check)
                    else:
                        plans[label] = self._grams[label].plan_subtract(own, self._sums[self._place[label]])
                check()
            except BaseException:
                for label in labels:
                    if label in self._grams:
                        self._grams[label].discard()
                raise
            self._carry_out(plans, counts, sums, sign)

    def _carry_out(self, plans: dict[Label, Plan], counts: Int64s, sums: Int64s, sign: int) -> None:
        self.revision += 1  # what another thread derives from here on is not of a whole state
        for label, plan in plans.items():
            self._grams.setdefault(label, ClassGram(self.quantizer)).carry_out(plan)
        labels = list(plans)
        for place, total in zip(self._shift_counts(labels, counts, sign), sums, strict=True):
            self._sums[place] += sign * total
        self._drop_empty_classes(labels)
        self.revision += 1

    def make_writable(self) -> None:
        super().make_writable()
        for held in self._grams.values():
            held.make_writable()

    def _remove_class(self, label: Label) -> None:
        super()._remove_class(label)
        del self._grams[label]
        self._derived = None

    def _check_compatible(self, other: ClassGrams) -> None:
        super()._check_compatible(other)
        self._check_memory(dict(zip(other.labels, other.counts.tolist(), strict=True)))

    def _absorb(self, other: ClassGrams) -> None:
        labels, counts, sums = other.labels, other.counts, other.sums
        self._reserve(labels)
        plans = {c: self._grams.get(c, ClassGram(self.quantizer)).plan_merge(other._grams[c]) for c in labels}
        self._carry_out(plans, counts, sums, +1)

    def _check_memory(self, more: Mapping[Label, int]) -> None:
        """Refuse what would need too much."""
        new = ClassGram(self.quantizer)
        need = sum(held.bytes_with(0) for label, held in self._grams.items() if label not in more)
        need += sum(self._grams.get(label, new).bytes_with(count) for label, count in more.items())
        if need > MEMORY_LIMIT:
            raise ValueError(
                f"Gram matrices of {len(self._grams.keys() | more.keys())} classes of {self.quantizer.width} columns "
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
            "matrices": np.array([bool(self._grams[label].entered) for label in labels], dtype=np.uint8),
        }
        for place, label in enumerate(labels):
            held = self._grams[label]
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
        k, packed = len(labels), (quantizer.width * (quantizer.width + 1) // 2,)
        counts = _array(arrays, "counts", np.int64, (k,))
        sums = _array(arrays, "sums", np.int64, (k, quantizer.width))
        matrices = _array(arrays, "matrices", np.uint8, (k,)).tolist()
        wrong = contradiction(quantizer.limit, counts, sums)
        if wrong or (counts <= 0).any() or sum(counts.tolist()) > MAX_ROWS[quantizer.bits]:
            raise ValueError(f"not a possible state: {wrong or 'class counts out of range'}")
        state = cls(quantizer)
        for place, (label, n) in enumerate(zip(labels, counts.tolist(), strict=True)):
            if matrices[place]:
                kind, names = (
                    plane_type(quantizer, n),
                    [f"gram_{place}_{shift}" for shift in gram.PLANE_SHIFTS[quantizer.bits]],
                )
                planes = [_array(arrays, name, kind, packed) for name in names]
                state._grams[label] = ClassGram.of_planes(quantizer, n, sums[place], planes)
                continue
            rows = _array(arrays, f"rows_{place}", quantizer.dtype, (n, quantizer.width))
            if (np.abs(rows.astype(np.int64)) > quantizer.limit).any():
                raise ValueError(f"not a possible state: rows must lie within +-{quantizer.limit}")
            if (rows.sum(axis=0, dtype=np.int64) != sums[place]).any():
                raise ValueError(f"not a possible state: the rows of class {label!r} don't have the sum of the class")
            state._grams[label] = ClassGram.of_rows(quantizer, rows)
        state._place = {label: place for place, label in enumerate(labels)}
        state._counts, state._sums = counts.copy(), sums.copy()
        return state


def _array(arrays: Mapping[str, NDArray[Any]], name: str, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    found = arrays.get(name)
    if found is None or found.dtype != kind or found.shape != shape:
        raise ValueError(f"array {name!r} is missing, or not {np.dtype(kind)} of shape {shape}")
    return found


def _by_class(rows: NDArray[Any], codes: Int64s, counts: Int64s) -> Iterator[NDArray[Any]]:
    """The rows of each class: views where they are sorted by class already."""
    if (codes[1:] < codes[:-1]).any():
        rows = rows[np.argsort(codes, kind="stable")]
    stop = 0
    for count in counts.tolist():
        start, stop = stop, stop + count
        yield rows[start:stop]


def _in_batches(parts: list[NDArray[Any]], size: int = 2**13) -> Iterator[NDArray[Any]]:
    """Arrays of rows joined, some at a time: many small products cost more than few large ones."""
    batch: list[NDArray[Any]] = []
    for part in parts:
        batch.append(part)
        if sum(map(len, batch)) >= size:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)
