"""The learned state that also says which classes came together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.arrival import ArrivalGroups
from analytic_cl.statistics.class_grams import ClassGrams
from analytic_cl.statistics.digest import EMPTY
from analytic_cl.statistics.labelled_state import LabelledState
from analytic_cl.statistics.labels import Label, encode_labels
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.state import CLASS_GRAMS, CLASS_GROUPS, CLASS_SUMS
from analytic_cl.statistics.wide import Int64s

MAGIC = b"analytic-cl class groups 1\0"


class ClassGroups(LabelledState):
    """What is known of each class, in integers, and the groups in which classes came, in order.

    A group is the classes of which one `add` brought the first rows. Rows that come later count to their class's group.
    It is what methods need that treat classes of the first session, or of the last, otherwise than the rest.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.
    order : {1, 2}, default=2
        1 holds counts and sums of classes, 2 a Gram matrix of each as well.

    Notes
    -----
    Merging learns the groups of the other state, one after another, after those that are here: the order of merges
    matters, their grouping does not.

    Exactness: bit for bit, but depends on order. The state is a function of the rows of each class and of the groups:
    whatever is learned, forgotten and merged, it equals one that learns, group by group, the rows that are left of the
    classes of each. Where classes come with all their rows, or keep one of the rows that they came with, that is the
    same sequence of `add` without the forgotten rows. Of a class whose first rows were all forgotten, and later ones
    not, this remains: when it came.

    Cost: that of `Moments` at order 1, or of `ClassGrams`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import ClassGroups, resolve_quantizer
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> state = ClassGroups(quantizer)
    >>> state.add(rows, ["ape", "bee", "bee"])
    >>> state.add(rows, ["cat", "ape", "dog"])
    >>> state.groups
    [['ape', 'bee'], ['cat', 'dog']]
    >>> state.drop_class("cat")
    >>> state.groups
    [['ape', 'bee'], ['dog']]
    """

    kind = "class groups"
    can_drop_classes = True

    def __init__(self, quantizer: Quantizer, order: Literal[1, 2] = 2) -> None:
        super().__init__(quantizer)
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order!r}")
        self.order = order
        self.provides = frozenset({CLASS_SUMS, CLASS_GROUPS, *([CLASS_GRAMS] if order == 2 else [])})
        self._held: Moments | ClassGrams = ClassGrams(quantizer) if order == 2 else Moments(quantizer, 1)
        self._arrived = ArrivalGroups()

    def __repr__(self) -> str:
        groups = f"{len(self.labels)} classes in {len(self._arrived)} groups"
        return f"ClassGroups({self.n_rows} rows of {groups}, order {self.order}, {self.quantizer.describe()})"

    # ---- what it holds, classes always in sorted order

    @property
    def labels(self) -> list[Label]:
        return self._held.labels

    @property
    def counts(self) -> Int64s:
        return self._held.counts

    @property
    def sums(self) -> Int64s:
        """Sum of the rows of each class, shape (n_classes, width)."""
        return self._held.sums

    @property
    def total(self) -> Int64s:
        """Sum of all rows, shape (width,)."""
        return self._held.total

    @property
    def n_rows(self) -> int:
        return self._held.n_rows

    def count(self, label: Label) -> int:
        return self._held.count(label)

    @property
    def groups(self) -> list[list[Label]]:
        """Labels of each group, sorted; groups in order of arrival."""
        return self._arrived.listed()

    def moments_of(self, labels: Iterable[Label]) -> Moments:
        """Those of the rows of some classes, at this order."""
        wanted = sorted(labels)
        if isinstance(self._held, ClassGrams):
            return self._held.moments_of(*wanted)
        places = [self.labels.index(label) for label in wanted]
        return Moments.of_classes(self.quantizer, wanted, self.counts[places], self.sums[places])

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers what is known of the classes, and their groups in order.
        """
        if not self.n_rows:
            return EMPTY
        held = bytes.fromhex(self._held.digest())
        return hashlib.sha256(MAGIC + held + self._arrived.canonical_bytes()).hexdigest()

    # ---- change, whole or not at all

    def check_learnable(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        self._held.check_learnable(rows, targets)

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        with deferred_interrupts():
            self._held.add(rows, targets, from_quantizer=from_quantizer)
            self._settle()

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        with deferred_interrupts():
            self._held.subtract(rows, targets)
            self._settle()

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        with deferred_interrupts():
            self._held.undo(rows, targets, sign)
            self._arrived.undo(encode_labels(targets).used().values, sign)
            self._settle()

    def drop_class(self, label: Label) -> None:
        with deferred_interrupts():
            self._held.drop_class(label)
            self._settle()

    def make_writable(self) -> None:
        self._held.make_writable()

    def _settle(self) -> None:
        self._arrived.settle(self._held.labels)
        self.revision += 1

    def _known_label(self) -> Label | None:
        return next(iter(self._held.labels), None)

    def _check_alike(self, other: ClassGroups) -> None:
        if self.order != other.order:
            raise ValueError(f"class groups of order {self.order} and {other.order} can't be merged")

    def _check_compatible(self, other: ClassGroups) -> None:
        self._held.check_mergeable(other._held)

    def _absorb(self, other: ClassGroups) -> None:
        theirs = other.groups
        self._held.merge(other._held)
        self._arrived.follow(theirs)

    # ---- on disk

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "order": self.order}

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer, description["order"])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the classes, and the number of each class's group, from 0."""
        return self._held.to_arrays() | {"groups": self._arrived.to_array(self.labels)}

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        state = cls(quantizer, description["order"])
        state._held = type(state._held).from_arrays(quantizer, state._held.describe(), arrays)
        state._arrived.read(state.labels, arrays.get("groups"))
        return state
