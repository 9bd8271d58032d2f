"""The learner that a head serves: made, adopted, merged with another head's and unmerged, and let go of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._locks import holding
from analytic_cl.heads.prediction import Prediction
from analytic_cl.heads.validation import check_same_names
from analytic_cl.heads.watching import Watched
from analytic_cl.learner import Learner, Receipt
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.solvers import check_provides
from analytic_cl.statistics import GRAM, LabelSetMoments, Moments, State

_FITTED = ("learner_", "n_features_in_", "feature_names_in_", "_solved", "_losses")


class Merging(Watched, Prediction):
    """The part of `Head` that deals with what was learned as a whole."""

    _source: str | None = None  # of rows that come next, within `rows_from`

    @contextmanager
    def rows_from(self, source: str) -> Iterator[None]:
        """While the body runs, a new state says that its rows come from this extractor."""
        with holding(changed=(self,)):  # no other thread uses the head meanwhile
            self._source = source
            try:
                yield
            finally:
                del self._source

    def _quantizer_of(self, n_features: int, source: str | None = None) -> Quantizer:
        """The quantizer that the parameters mean for rows of this width."""
        return resolve_quantizer(self.quantizer, self.projection, n_features, self._source or source)

    def quantizer_like(self, theirs: Quantizer) -> Quantizer:
        """The quantizer that the parameters mean for rows as those behind another one."""
        return self._quantizer_of(theirs.n_features, theirs.source)

    def empty_state(self, quantizer: Quantizer) -> State:
        """A state without rows, of the kind that this head learns."""
        return Moments(quantizer, 2 if GRAM in self.needs else 1)

    def empty_state_for(self, quantizer: Quantizer, label_sets: bool) -> State:
        """As `empty_state`, for rows with any number of labels each where `label_sets`."""
        if label_sets:
            raise ValueError(f"{type(self).__name__} learns one label a row, not sets of labels")
        return self.empty_state(quantizer)

    def needs_of(self, state: State) -> frozenset[str]:
        """What this head needs of a state of this kind."""
        return self.needs

    def adopt(self, learner: Learner, feature_names: NDArray[Any] | None = None) -> None:
        """Serve what a learner has learned and will learn; several heads may share one.

        Raises ValueError where its state does not provide what this head needs.
        """
        check_provides(learner.state, self.needs_of(learner.state), type(self).__name__)
        self.learner_, self._solved = learner, {}
        self.n_features_in_ = learner.quantizer.n_features
        if feature_names is not None:
            self.feature_names_in_ = feature_names

    def _has_forgotten(self, dry_run: bool) -> None:
        if not dry_run:
            self._stop_watching()
        if not self.learner_.state.n_rows:
            self.become_unfitted()

    def become_unfitted(self) -> None:
        """Let go of what was learned; the parameters stay."""
        for name in _FITTED:
            self.__dict__.pop(name, None)

    # ---- combine

    def merge(self, other: Merging) -> Self:
        """Learn all that another head has learned, in place.

        Parameters
        ----------
        other : Head
            Behind the same quantizer and with moments of the same order; unchanged. The two must not share a sample id.
            Classes that it has declared are declared here afterwards.

        Returns
        -------
        self

        Notes
        -----
        Exactness: bit for bit equal to one head that saw the rows of both; merges in any order, but `depends_on_order`.
        """
        if not isinstance(other, Merging):
            raise TypeError(f"merge needs another head, got {type(other).__name__}")
        with holding(changed=(self,), read=(other,)):
            if not other.__sklearn_is_fitted__():
                self.declare(self._declared_with(other))
                return self
            if self.__sklearn_is_fitted__():
                check_same_names(self, other)
                return self._whole(lambda: self._absorb(other))
            return self._whole(lambda: self._begin_as(other), afresh=True)

    def unmerge(self, other: Merging, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all that another head has learned, which was merged before: the inverse of `merge`.

        Parameters
        ----------
        other : Head
            The head that was merged, a copy of it, or one loaded from its file; unchanged.
        dry_run, digests : bool, default=False
            As in `forget`.

        Returns
        -------
        Receipt

        Raises
        ------
        NotLearnedError
            A ValueError: something that is on record there is not on record here. An id must be here with the same row
            and label; a row without an id, as often as there; a digest, under the same key, which merging brought
            along; rows without a record, as rows without a record. Nothing is changed.
        ValueError
            Another kind of state or quantizer, a head that `depends_on_order`, or a state that proves that these rows
            were never all learned. Nothing is changed.

        Notes
        -----
        Of rows without a record (``track="none"``, `from_moments`) only what the integers disprove is refused, as in
        `forget`; and they are refused where rows of their classes are on record here beside them, which could be the
        same ones. Declared classes stay declared.

        Exactness: bit for bit equal to a head that never merged the other.

        Cost: as `merge`, and the search for the other's entries in the ledger.

        Examples
        --------
        >>> import numpy as np
        >>> from analytic_cl import LDAClassifier
        >>> X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
        >>> here, there = LDAClassifier().fit(X[:40], y[:40]), LDAClassifier().fit(X[40:], y[40:])
        >>> before = here.state_digest()
        >>> here.merge(there).unmerge(there).removed
        20
        >>> here.state_digest() == before
        True
        """
        if not isinstance(other, Merging):
            raise TypeError(f"unmerge needs another head, got {type(other).__name__}")
        with holding(changed=(self,), read=(other,)):
            self.check_learned_something()
            check_same_names(self, other)
            mine = self.learner_
            theirs = other.learner_ if other.__sklearn_is_fitted__() else Learner(mine.state.empty())
            receipt = mine.unmerge(theirs, dry_run=dry_run, digests=digests)
            self._has_forgotten(dry_run)
            return receipt

    def _absorb(self, other: Merging) -> None:
        declared = self._declared_with(other)
        with deferred_interrupts():
            self.learner_.merge(other.learner_)
            self.declare(declared)

    def _begin_as(self, other: Merging) -> None:
        label_sets = isinstance(other.state_, LabelSetMoments)
        state = self.empty_state_for(self.quantizer_like(other.quantizer_), label_sets)
        learner = Learner(state, track=self.track)
        learner.merge(other.learner_)
        self.declare(self._declared_with(other))
        self.adopt(learner, getattr(other, "feature_names_in_", None))

    def _whole(self, work: Callable[[], object], *, afresh: bool = False) -> Self:
        """Run `work`; where it fails, put back the attributes that validation sets before it finds an error.

        `afresh` says that `work` makes a new state, so that what was declared is to be put back as well.
        """
        self.check_parameters()
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
