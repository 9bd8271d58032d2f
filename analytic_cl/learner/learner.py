"""Learn, forget, rectify and merge integer rows, whole or not at all: what every client of a state goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import DeviceRows
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._sparse import SparseRows, array_or_sparse
from analytic_cl.learner.receipt import Receipt, ReceiptDraft
from analytic_cl.ledger import Draft, Ledger, NotLearnedError, RowState, SampleId, Selection, Track
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import (
    Change,
    Int64s,
    State,
    Target,
    Targets,
    WeightedRows,
    repeated,
    state_from_arrays,
    state_kind,
)

Listener = Callable[[int, int, list[Change] | None], None]


class Learner:
    """A state, and the ledger that says which rows are in it.

    Parameters
    ----------
    state : State
    ledger : Ledger, optional
        With as many rows as the state. By default an empty one for an empty state, that of a `RowState`,
        or one that knows nothing of the rows of another.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What a new ledger keeps of rows; see `Ledger`.

    Attributes
    ----------
    state, ledger
        As given: to be read. Changes go through the methods.
    listeners : list of callables
        Each is called with the state's revision before, its revision after, and a list of `Change`, once a change is
        made; with None where the rows are not known: after a merge, for a class that was dropped without its rows, and
        where weights stand for thousands of rows. A listener must not raise. For caches that follow the state; they are
        copied and pickled with the learner.

    Notes
    -----
    Rows that are handed to `learn` and `rectify` belong to the learner from then on: the ledger may adopt the array,
    and overwrites rows as they are erased. So the state and the listeners copy what they keep.

    Exactness: bit for bit. After any sequence of operations the state is that of learning once the rows that are left.

    Cost: that of the state, and of the ledger.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import Moments, resolve_quantizer
    >>> from analytic_cl.learner import Learner
    >>> from analytic_cl.statistics import encode_labels
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8)
    >>> quantizer = resolve_quantizer("integers", None, n_features=2)
    >>> learner, other = Learner(Moments(quantizer)), Learner(Moments(quantizer))
    >>> learner.learn(rows.copy(), encode_labels([0, 1, 1]), ["ann", "bob", "cy"])
    >>> learner.forget(learner.ledger.find_ids(["cy"])).removed
    1
    >>> other.learn(rows[:2].copy(), encode_labels([0, 1]))
    >>> learner.state.digest() == other.state.digest()
    True
    """

    def __init__(self, state: State, ledger: Ledger | None = None, *, track: Track = "auto") -> None:
        if ledger is None and isinstance(state, RowState):
            ledger = state.ledger
            ledger.track = track
        if ledger is None:
            ledger = Ledger(state.quantizer, track)
            ledger.untracked = state.n_rows
        self.state = state
        self.ledger = ledger
        self.listeners: list[Listener] = []

    @property
    def quantizer(self) -> Quantizer:
        return self.state.quantizer

    @property
    def _is_its_rows(self) -> bool:
        """Whether a change of the ledger is the change of the state."""
        return isinstance(self.state, RowState)

    # ---- learn

    def learn(
        self,
        rows: NDArray[Any] | DeviceRows | SparseRows,
        targets: Targets,
        ids: list[SampleId] | None = None,
        weights: Int64s | None = None,
    ) -> None:
        """Learn integer rows that came out of the quantizer, with a target and perhaps an id each.

        `weights`, from 1 on, say how often each row counts; the row of an id belongs to it with all its weight.

        Rows in a device's memory stay there where the state takes them so, and neither ledger nor listener needs them.
        Sparse rows stay so where the state takes them so.

        Raises ValueError, with nothing changed, for ids that the ledger has or can't keep, and for rows or targets that
        the state can't learn.
        """
        self.ledger.check_new(ids)
        with deferred_interrupts():
            own = self._as_taken(rows)
            if weights is not None:
                rows, targets, weights = self._weighable(array_or_sparse(own), targets, ids, weights)
                own = rows
            self.state.check_learnable(own, targets)
            new = WeightedRows(self.state, own, targets, weights)
            if weights is not None:
                new.check_learnable(self.state)
            draft = self.ledger.draft(rows, targets, ids, weights)
            before = self.state.revision
            self._record([draft], lambda: new.add(self.state), lambda: new.undo(self.state, +1))
            if self.listeners:
                self._tell(before, new.changes(+1))

    def _as_taken(self, rows: NDArray[Any] | DeviceRows | SparseRows) -> NDArray[Any]:
        """Rows as the state takes them: one that takes others than arrays asks of them what all kinds have."""
        of_sparse, of_device = isinstance(rows, SparseRows), isinstance(rows, DeviceRows)
        if (of_sparse and self.state.takes_sparse_rows) or (of_device and self.state.takes_device_rows):
            return cast("NDArray[Any]", rows)
        return np.asarray(rows)

    def _weighable(
        self, rows: NDArray[Any], targets: Targets, ids: list[SampleId] | None, weights: Int64s
    ) -> tuple[NDArray[Any], Targets, Int64s | None]:
        """Rows and weights as the state and the ledger take them."""
        if not self._is_its_rows:
            return rows, targets, weights
        if ids is not None:
            raise ValueError(
                f"a state of kind {self.state.kind!r} holds one row for each sample id: learn rows that have another "
                "sample_weight than 0 or 1 without sample_id"
            )
        return *repeated(rows, targets, weights), None

    def _record(self, drafts: list[Draft], change: Callable[[], Any], undo: Callable[[], Any]) -> None:
        """Change the state and the ledger, both or neither."""
        if self._is_its_rows:
            self.ledger.record(drafts)
            return
        change()
        try:
            self.ledger.record(drafts)
        except BaseException:
            undo()
            raise

    def _tell(self, before: int, changes: list[Change] | None) -> None:
        for listener in self.listeners:
            listener(before, self.state.revision, changes)

    def merge(self, other: Learner) -> Self:
        """Learn all that another learner has learned. Returns self; `other` is unchanged.

        Raises ValueError, with nothing changed, for ids that both have, and for another kind of state or quantizer.
        """
        self.state.check_mergeable(other.state)
        self.ledger.check_mergeable(other.ledger)
        with deferred_interrupts():
            drafts = self.ledger.drafts_of(other.ledger)
            before = self.state.revision
            self.ledger.record(drafts)
            if not self._is_its_rows:
                try:
                    self.state.merge(other.state)
                except BaseException:
                    self.ledger.unrecord(drafts)
                    raise
            self._tell(before, None)
        return self

    # ---- forget

    def find(
        self,
        rows: NDArray[Any],
        targets: Targets,
        ids: list[SampleId] | None = None,
        weights: Int64s | None = None,
    ) -> Selection:
        """These rows in the ledger, as often as their weights say, or, with ids, those of the ids, which must be these.

        Raises NotLearnedError.
        """
        with deferred_interrupts():  # NumPy's sorting turns a KeyboardInterrupt into errors of its own
            if ids is None:
                return self.ledger.find_rows(rows, targets, weights)
            return self.ledger.find_ids_with_rows(ids, rows, targets)

    def forget(
        self,
        found: Selection,
        rows: NDArray[Any] | None = None,
        targets: Targets | None = None,
        weights: Int64s | None = None,
        *,
        dry_run: bool = False,
        digests: bool = False,
    ) -> Receipt:
        """Unlearn what was found. Rows, targets and weights are those of the ledger, if it keeps them, or are given.

        Raises ValueError, with nothing changed, where the state proves that these rows were never all learned.
        """
        if rows is None or targets is None:
            rows, targets, weights = self.ledger.weighted_rows_of(found)
        gone = WeightedRows(self.state, self._as_taken(rows), targets, weights)
        changes = gone.changes(-1) if self.listeners else None
        return self._take_out(found, gone.subtract, changes, gone.n_rows, dry_run, digests)

    def forget_class(self, label: Target, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all rows of a class, or that have a label among others.

        By the ledger's rows, or without them where the state can drop a class.
        """
        count = self.state.count(label)
        if not count:
            raise ValueError(f"no rows of class {label!r} were learned")
        found = self.ledger.find_target(label)
        if self.state.can_drop_classes:
            everything = replace(found, untracked=count - len(found))
            return self._take_out(everything, lambda state: state.drop_class(label), None, count, dry_run, digests)
        if found.n_kept < count:
            raise ValueError(
                f"the ledger keeps {found.n_kept} of the {count} rows of class {label!r}: pass the rows to "
                "forget(X, y), or learn with sample_id or track='rows'"
            )
        return self.forget(found, dry_run=dry_run, digests=digests)

    def _take_out(
        self,
        found: Selection,
        change: Callable[[State], object],
        changes: list[Change] | None,
        requested: int,
        dry_run: bool,
        digests: bool,
    ) -> Receipt:
        """Change the state, or on a dry run a copy of it, and strike out what was found."""
        state = self.state.copy() if dry_run else self.state
        draft = ReceiptDraft(state, digests)
        if not dry_run:
            self.ledger.make_writable()
        with deferred_interrupts():
            before = state.revision
            if dry_run or not self._is_its_rows:  # else, to erase them is to unlearn them
                change(state)
            if not dry_run:
                self.ledger.erase(found)
                self._tell(before, changes)
        return draft.receipt(requested, len(found), dry_run)

    def unmerge(self, other: Learner, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all that another learner has learned, which was merged before; `other` is unchanged.

        Raises ValueError, with nothing changed, where the state proves that these rows were never all learned, and
        where the ledger does not hold what is on record there: see `Ledger.find_merged`.
        """
        self.state.check_unmergeable(other.state)
        with deferred_interrupts():
            found = self.ledger.find_merged(other.ledger)
        self._check_without_record(other)
        return self._take_out(
            found, lambda state: state.unmerge(other.state), None, other.state.n_rows, dry_run, digests
        )

    def _check_without_record(self, other: Learner) -> None:
        """Refuse rows without a record, where rows on record here could be these."""
        if not other.ledger.untracked:
            return
        here, there = self.ledger.counts(), other.ledger.counts()
        for value, n in here.items():
            if n > there[value] and other.state.count(value) > there[value]:
                raise NotLearnedError(
                    f"the other model has rows of {value!r} without a record, and {n - there[value]} rows of {value!r} "
                    "that are on record here may be these: unmerge the model whose records were merged, or forget by "
                    "rows or ids; nothing was forgotten"
                )

    def rectify(self, ids: list[SampleId], rows: NDArray[Any], targets: Targets, *, digests: bool = False) -> Receipt:
        """Put other rows and targets in the place of those of known ids, whose rows the ledger keeps."""
        return self.replace(self.ledger.find_ids(ids), rows, targets, digests=digests)

    def replace(self, found: Selection, rows: NDArray[Any], targets: Targets, *, digests: bool = False) -> Receipt:
        """As `rectify`, for rows that were found in the ledger, in their order; each keeps its weight."""
        old_rows, old_targets, weights = self.ledger.weighted_rows_of(found)
        rows = self._as_taken(rows)
        draft = ReceiptDraft(self.state, digests)
        self.ledger.make_writable()
        with deferred_interrupts():
            self.state.check_learnable(rows, targets)
            new = WeightedRows(self.state, rows, targets, weights)
            old = WeightedRows(self.state, old_rows, old_targets, weights)
            numbers = self.ledger.numbers(targets)
            before = self.state.revision
            if not self._is_its_rows:
                new.add(self.state)
                try:
                    old.subtract(self.state)
                except BaseException:
                    new.undo(self.state, +1)
                    raise
            came, went = (new.changes(+1), old.changes(-1)) if self.listeners else (None, None)
            self.ledger.replace(found, rows, numbers)
            self._tell(before, None if came is None or went is None else came + went)
        return draft.receipt(new.n_rows, len(found))

    # ---- on disk

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"listeners": []}  # caches can be made again

    def describe(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that was learned and is on record, as JSON values and arrays, with the state's digest."""
        ledger, arrays = self.ledger.to_arrays()
        if not self._is_its_rows:
            arrays |= self.state.to_arrays()
        return {"state": self.state.describe(), "ledger": ledger, "state_digest": self.state.digest()}, arrays

    @classmethod
    def from_description(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """The learner that `describe` described. Raises an error where it is not a possible one."""
        kind = state_kind(description["state"]["kind"])
        if issubclass(kind, RowState):
            ledger = Ledger.from_arrays(quantizer, description["ledger"], arrays)
            state: State = kind.over(ledger, quantizer)
        else:
            state = state_from_arrays(quantizer, description["state"], arrays)
            ledger = Ledger.from_arrays(quantizer, description["ledger"], arrays)
        if state.digest() != description["state_digest"]:
            raise ValueError("the state does not have the digest that it was saved with")
        recorded = ledger.counts()
        if ledger.n_rows != state.n_rows or any(n > state.count(value) for value, n in recorded.items()):
            raise ValueError("its ledger records other rows than its state holds")
        return cls(state, ledger)
