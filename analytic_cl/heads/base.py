"""The contract of every head: learn, forget, rectify, merge, predict, and whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from analytic_cl._containers import plain_scalar
from analytic_cl._locks import changing, holding, reading
from analytic_cl.door import Door, resolve_door
from analytic_cl.heads import persistence
from analytic_cl.heads.declared import Declared, declared_after
from analytic_cl.heads.prediction import Prediction
from analytic_cl.heads.validation import check_same_names, plain_labels, plain_rows, validated
from analytic_cl.heads.watching import Watched
from analytic_cl.ledger import Ledger, Receipt, ReceiptDraft, SampleId, Selection, as_ids
from analytic_cl.statistics import (
    EMPTY,
    Change,
    EncodedLabels,
    Moments,
    as_label,
    deferred_interrupts,
    encode_labels,
)

_FITTED = ("moments_", "n_features_in_", "feature_names_in_", "_ledger", "_solved", "_losses")
_Ids = list[SampleId] | None


class Head(Watched, Prediction):
    """Base of all heads. A subclass says how its scores come out of the state.

    It defines ``__init__`` with at least `door`, `projection` and `track`, and

    * ``_compare_rows(rows, prepared)`` and ``_prepared()``: how integer rows get scores; `LinearHead` has them for
      scores that are linear in the row;
    * ``_empty_state(door)``, if its state is not `Moments`;
    * ``_check_parameters()``: raise for parameters that can't be meant.
    """

    _ledger: Ledger
    _source: str | None = None  # of rows that come next: set by a ContinualPipeline while it learns

    # ---- learn

    @changing
    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None) -> Self:
        """Learn from rows, forgetting everything learned before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers: an array, tensor or data frame. Sparse matrices are refused; there is no ``sample_weight``:
            learn a row twice to count it twice.
        y : array-like of shape (n_samples,)
            Integers, strings or booleans, of one kind. Spaces around a string and its Unicode form make no difference:
            `classes_` and `predict` have it without spaces, in NFC. The same holds for ids.
        sample_id : sequence of int or str, optional
            A name for each row, by which it can be forgotten or rectified later.

        Returns
        -------
        self

        Notes
        -----
        Exactness: bit for bit equal to any sequence of `partial_fit` over the same rows.
        """
        return self._whole(lambda: self._learn_afresh(X, y, None, sample_id, ()), afresh=True)

    @changing
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, *, sample_id: Any = None
    ) -> Self:
        """Learn more rows. New classes may come at any time.

        Parameters
        ----------
        X, y, sample_id
            As in `fit`. An id that was learned already is refused.
        classes : array-like, optional
            Labels that are to be in `classes_`, with or without rows, until the next `fit`; never needed. Other labels
            are refused in this call. A class without rows has the lowest score and probability 0, and is no part of
            the state.

        Returns
        -------
        self
        """
        if not self.__sklearn_is_fitted__():
            return self._whole(lambda: self._learn_afresh(X, y, classes, sample_id, self._declared), afresh=True)
        return self._whole(lambda: self._learn_more(X, y, classes, sample_id))

    def _learn_afresh(self, X: Any, y: Any, classes: Any, sample_id: Any, before: Declared) -> None:
        X, encoded, ids = self._validated(X, y, sample_id, reset=True)
        declared = declared_after(before, classes, encoded.labels)
        moments, ledger = self._new_state(X.shape[1])
        self._watch_afresh(moments.door)
        self._learn(moments, ledger, X, encoded, ids, declared)
        self._adopt(moments, ledger)

    def _learn_more(self, X: Any, y: Any, classes: Any, sample_id: Any) -> None:
        X, encoded, ids = self._validated(X, y, sample_id, reset=False)
        if resolve_door(self.door, self.projection, X.shape[1], self.moments_.door.source) != self.moments_.door:
            raise ValueError(
                f"door or projection changed since the first rows were learned behind {self.moments_.door.describe()}: "
                "fit a new head"
            )
        declared = declared_after(self._declared, classes, encoded.labels)
        self._learn(self.moments_, self._ledger, X, encoded, ids, declared)

    def _learn(
        self, moments: Moments, ledger: Ledger, X: NDArray[Any], encoded: EncodedLabels, ids: _Ids, declared: Declared
    ) -> None:
        ledger.check_new(ids)
        rows = moments.door.quantise(X)
        with deferred_interrupts():
            moments.check_learnable(rows, encoded)
            self._watch(X, moments.door)
            draft = ledger.draft(rows, encoded, ids)
            before = moments.revision
            moments.add(rows, encoded, from_door=True)
            try:
                ledger.record([draft])
            except BaseException:
                moments.take_back(rows, encoded, +1)
                raise
            self._declare(declared)
            self._changed(before, [Change(rows, encoded, +1)])

    def _changed(self, before: int, changes: list[Change]) -> None:
        """Told of changes that took the state from revision `before` to its present one, for caches that follow it.

        Of a class that was dropped without its rows it is told no change.
        """

    def _new_state(self, n_features: int, source: str | None = None) -> tuple[Moments, Ledger]:
        door = resolve_door(self.door, self.projection, n_features, self._source or source)
        return self._empty_state(door), Ledger(door, self.track)

    def _empty_state(self, door: Door) -> Moments:
        """A state without rows."""
        return Moments(door, self._order)

    def _adopt(self, moments: Moments, ledger: Ledger) -> None:
        self.moments_, self._ledger, self._solved = moments, ledger, {}

    # ---- forget

    @changing
    def forget(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        dry_run: bool = False,
        digests: bool = False,
    ) -> Receipt:
        """Unlearn rows: afterwards the state is the one of a model that never saw them.

        Parameters
        ----------
        X, y : array-like, optional
            The rows as they were learned, with their labels. Rows that were learned without an id go first; where
            one of several ids would have to be chosen, the call is refused.
        sample_id : sequence of int or str, optional
            Names of rows. Where the ledger keeps only digests, X and y are needed as well.
        dry_run : bool, default=False
            Check everything and change nothing.
        digests : bool, default=False
            Put the state digests before and after into the receipt.

        Returns
        -------
        Receipt

        Raises
        ------
        NotLearnedError
            A ValueError that names rows or ids which are not in the state. Nothing is changed.

        Notes
        -----
        Exactness: bit for bit. A row learned twice is forgotten once. Forgetting everything leaves an unfitted head.
        """
        self._check_learned_something()
        if sample_id is None and (X is None or y is None):
            raise ValueError("forget needs X and y, or sample_id")
        if (X is None) != (y is None):
            raise ValueError("forget needs X and y together")
        if X is None:
            found = self._ledger.find_ids(as_ids(sample_id))
            rows, encoded = self._ledger.rows_of(found)
        else:
            X, encoded = self._validated_rows(X, y)
            rows = self.moments_.door.quantise(X)
            self._check_labels_known(encoded)
            ids = None if sample_id is None else as_ids(sample_id, len(rows))
            with deferred_interrupts():  # NumPy's sorting turns a KeyboardInterrupt into errors of its own
                if ids is None:
                    found = self._ledger.find_rows(rows, encoded)
                else:
                    found = self._ledger.find_ids_with_rows(ids, rows, encoded)
        return self._remove(found, rows, encoded, dry_run, digests)

    @changing
    def forget_class(self, label: Any, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all rows of a class.

        The rows must be in the ledger (learned with ids, or ``track="rows"``), except by heads that keep class sums
        only, such as `NearestMeanClassifier`. Parameters, result and exactness as in `forget`.
        """
        self._check_learned_something()
        label = as_label(plain_scalar(label))
        count = self.moments_.count(label)
        if not count:
            raise ValueError(f"no rows of class {label!r} were learned; classes are {self.moments_.labels}")
        found = self._ledger.find_class(label)
        if self._order == 1:
            untracked = Selection(found.kept, found.hashed, count - len(found))
            return self._remove(untracked, None, EncodedLabels([label], np.zeros(count, np.int64)), dry_run, digests)
        if found.kept.size < count:
            raise ValueError(
                f"the ledger keeps {found.kept.size} of the {count} rows of class {label!r}: pass the rows to "
                "forget(X, y), or learn with sample_id or track='rows'"
            )
        rows, encoded = self._ledger.rows_of(found)
        return self._remove(found, rows, encoded, dry_run, digests)

    def _remove(
        self, found: Selection, rows: NDArray[Any] | None, encoded: EncodedLabels, dry_run: bool, digests: bool
    ) -> Receipt:
        moments = self.moments_.copy() if dry_run else self.moments_
        draft = ReceiptDraft(moments, digests)
        if not dry_run:
            self._ledger.make_writable()
        with deferred_interrupts():
            before = moments.revision
            if rows is None:
                moments.drop_class(encoded.labels[0])
            else:
                moments.subtract(rows, encoded)
            if not dry_run:
                self._changed(before, [] if rows is None else [Change(rows, encoded, -1)])
                self._ledger.erase(found)
                self._stop_watching()
                if not moments.n_rows:
                    self._become_unfitted()
        return draft.receipt(encoded.codes.size, len(found), dry_run)

    def _become_unfitted(self) -> None:
        for name in _FITTED:
            self.__dict__.pop(name, None)

    # ---- replace, combine

    @changing
    def rectify(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any, digests: bool = False) -> Receipt:
        """Replace the rows and labels of known ids, in one step.

        Parameters
        ----------
        X, y : array-like
            The corrected rows and labels.
        sample_id : sequence of int or str
            Ids that were learned, one a row. The ledger must keep their rows.

        Returns
        -------
        Receipt
            Of the rows that were replaced.

        Notes
        -----
        Exactness: bit for bit equal to a model trained on the corrected rows.
        """
        self._check_learned_something()
        X, encoded = self._validated_rows(X, y)
        ids = as_ids(sample_id, len(X))
        found = self._ledger.find_ids(ids)
        old_rows, old = self._ledger.rows_of(found)
        moments = self.moments_
        draft = ReceiptDraft(moments, digests)
        rows = moments.door.quantise(X)
        self._ledger.make_writable()
        with deferred_interrupts():
            moments.check_learnable(rows, encoded)
            self._watch(X, moments.door)
            codes = self._ledger.numbers(encoded)
            before = moments.revision
            moments.add(rows, encoded, from_door=True)
            try:
                moments.subtract(old_rows, old)
            except BaseException:
                moments.take_back(rows, encoded, +1)
                raise
            self._ledger.replace(found, rows, codes)
            self._stop_watching()
            self._changed(before, [Change(rows, encoded, +1), Change(old_rows, old, -1)])
        return draft.receipt(len(ids), len(found))

    def merge(self, other: Head) -> Self:
        """Learn all that another head has learned, in place.

        Parameters
        ----------
        other : Head
            Behind the same door and with moments of the same order; unchanged. The two must not share a sample id.
            Classes that it has declared are declared here afterwards.

        Returns
        -------
        self

        Notes
        -----
        Exactness: bit for bit equal to one head that saw the rows of both, in any order or grouping of merges.
        """
        if not isinstance(other, Head):
            raise TypeError(f"merge needs another head, got {type(other).__name__}")
        with holding(changed=(self,), read=(other,)):
            if not other.__sklearn_is_fitted__():
                self._declare(self._declared_with(other))
                return self
            if self.__sklearn_is_fitted__():
                check_same_names(self, other)
                return self._whole(lambda: self._absorb(self.moments_, self._ledger, other))
            return self._whole(lambda: self._begin_as(other), afresh=True)

    def _begin_as(self, other: Head) -> None:
        moments, ledger = self._new_state(other.n_features_in_, other.door_.source)
        self._absorb(moments, ledger, other)
        self.n_features_in_ = other.n_features_in_
        if hasattr(other, "feature_names_in_"):
            self.feature_names_in_ = other.feature_names_in_
        self._adopt(moments, ledger)

    def _absorb(self, moments: Moments, ledger: Ledger, other: Head) -> None:
        declared = self._declared_with(other)
        moments.check_mergeable(other.moments_)
        ledger.check_mergeable(other._ledger)
        with deferred_interrupts():
            drafts = ledger.drafts_of(other._ledger)
            ledger.record(drafts)
            try:
                moments.merge(other.moments_)
            except BaseException:
                ledger.unrecord(drafts)
                raise
            self._declare(declared)

    @classmethod
    def from_moments(cls, moments: Moments, **parameters: Any) -> Self:
        """A fitted head over a copy of a state, without touching any row again.

        Parameters
        ----------
        moments : Moments
            Of the order that this head needs, or higher.
        **parameters
            Of the constructor. The door is the state's.

        Notes
        -----
        The head has no record of the rows: `forget` takes X and y and refuses only what the state can disprove.
        """
        if {"door", "projection"} & parameters.keys():
            raise TypeError("the door comes with the moments: give neither door nor projection")
        if not isinstance(moments, Moments):
            raise TypeError(f"from_moments needs Moments, such as head.moments_; got {type(moments).__name__}")
        door = moments.door
        head = cls(**parameters)
        head._check_parameters()
        head.projection = door.projection
        names = ("auto", "embedding", "wide", "as-is") if door.projection is None else ("auto",)
        same = (n for n in names if resolve_door(n, door.projection, door.n_features, door.source) == door)
        head.door = next(same, door.rule)
        if moments.n_rows:
            ledger = Ledger(door, head.track)
            ledger.untracked = moments.n_rows
            head.n_features_in_ = door.n_features
            head._adopt(moments.copy(cls._order), ledger)
        return head

    # ---- identity and disk

    @reading
    def state_digest(self) -> str:
        """SHA-256 of the learned state, in hexadecimal; see `Moments.digest`.

        Examples
        --------
        >>> from analytic_cl import LDAClassifier, RLSClassifier
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]], ["a", "b", "b"]
        >>> LDAClassifier().fit(X, y).state_digest() == RLSClassifier().fit(X, y).state_digest()
        True
        """
        return self.moments_.digest() if self.__sklearn_is_fitted__() else EMPTY

    @reading
    def save(self, path: Any) -> None:
        """Write the head, its ledger and the ledger's key to one safetensors file, readable by the owner only.

        The file appears under its name only when it is complete. It holds personal data: see the README.
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read a head of this class that `save` wrote. Raises ValueError saying what is wrong with a file."""
        head = persistence.load(path, {cls.__name__: cls})
        assert isinstance(head, cls)
        return head

    # ---- checks

    def _whole(self, work: Callable[[], None], *, afresh: bool = False) -> Self:
        """Run `work`; where it fails, put back the attributes that validation sets before it finds an error.

        `afresh` says that `work` makes a new state, so that what was declared is to be put back as well.
        """
        self._check_parameters()
        names = (*_FITTED, "_declared") if afresh else _FITTED
        before = {name: self.__dict__[name] for name in names if name in self.__dict__}
        try:
            work()
        except BaseException:
            for name in names:
                self.__dict__.pop(name, None)
            self.__dict__.update(before)
            raise
        return self

    def _validated(self, X: Any, y: Any, sample_id: Any, reset: bool) -> tuple[NDArray[Any], EncodedLabels, _Ids]:
        X, encoded = self._validated_rows(X, y, reset)
        return X, encoded, None if sample_id is None else as_ids(sample_id, len(X))

    def _validated_rows(self, X: Any, y: Any, reset: bool = False) -> tuple[NDArray[Any], EncodedLabels]:
        if not reset and plain_rows(self, X) and plain_labels(y, len(X)):
            return X, encode_labels(y)
        X, y = validated(self, X, y, reset)
        return X, encode_labels(y)

    def _check_learned_something(self) -> None:
        check_is_fitted(self, msg="This %(name)s has learned nothing yet: there is nothing to forget or replace.")

    def _check_labels_known(self, encoded: EncodedLabels) -> None:
        unknown = [label for label in encoded.labels if not self.moments_.count(label)]
        if unknown:
            raise ValueError(
                f"no rows of class {', '.join(map(repr, unknown))} were learned; classes are {self.moments_.labels}"
            )
