"""The learned state of rows with any number of labels that also says which labels came together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast

from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.arrival import ArrivalGroups
from analytic_cl.statistics.digest import EMPTY
from analytic_cl.statistics.label_set_moments import LabelSetMoments
from analytic_cl.statistics.label_sets import encode_label_sets, labels_in
from analytic_cl.statistics.labels import Label
from analytic_cl.statistics.state import CLASS_GROUPS

MAGIC = b"analytic-cl label set groups 1\0"


class LabelSetGroups(LabelSetMoments):
    """What `LabelSetMoments` hold, and the groups in which labels came, in order.

    A group is the labels of which one `add` brought the first rows: as `ClassGroups` have those of classes.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.

    Notes
    -----
    Exactness: bit for bit, but depends on order, as `ClassGroups` do.

    Cost: as `LabelSetMoments`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LabelSetGroups, resolve_quantizer
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> rows = np.array([[1, 2], [3, 4]], dtype=np.int8)
    >>> state = LabelSetGroups(quantizer)
    >>> state.add(rows, [{"red"}, {"red", "round"}])
    >>> state.add(rows, [{"ripe"}, {"round"}])
    >>> state.groups
    [['red', 'round'], ['ripe']]
    """

    kind = "label set groups"
    provides = LabelSetMoments.provides | {CLASS_GROUPS}
    can_unmerge = False  # as of a state that grew by several changes, it would not be known which group goes

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__(quantizer)
        self._arrived = ArrivalGroups()

    def __repr__(self) -> str:
        groups = f"{len(self.labels)} labels in {len(self._arrived)} groups"
        return f"LabelSetGroups({self.n_rows} rows, {groups}, {self.quantizer.describe()})"

    @property
    def groups(self) -> list[list[Label]]:
        """Labels of each group, sorted; groups in order of arrival."""
        return self._arrived.listed()

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states."""
        if not self.n_rows:
            return EMPTY
        return hashlib.sha256(MAGIC + bytes.fromhex(super().digest()) + self._arrived.canonical_bytes()).hexdigest()

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        with deferred_interrupts():
            super().add(rows, targets, from_quantizer=from_quantizer)
            self._settle()

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        with deferred_interrupts():
            super().subtract(rows, targets)
            self._settle()

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        encoded = encode_label_sets(targets).used()
        with deferred_interrupts():
            super().undo(rows, encoded, sign)
            self._arrived.undo(labels_in(encoded.values), sign)
            self._settle()

    def _settle(self) -> None:
        self._arrived.settle(self.labels)
        self.revision += 1

    def _absorb(self, other: LabelSetMoments) -> None:
        theirs = cast(LabelSetGroups, other).groups
        super()._absorb(other)
        self._arrived.follow(theirs)

    # ---- on disk

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of `LabelSetMoments`, and the number of each label's group, from 0."""
        return super().to_arrays() | {"groups": self._arrived.to_array(self.labels)}

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        state = super().from_arrays(quantizer, description, {k: v for k, v in arrays.items() if k != "groups"})
        state._arrived.read(state.labels, arrays.get("groups"))
        return state
