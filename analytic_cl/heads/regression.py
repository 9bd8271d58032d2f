"""Heads that learn numbers in place of classes."""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length

from analytic_cl._locks import changing
from analytic_cl._warnings import warn
from analytic_cl.heads.base import BaseHead
from analytic_cl.heads.numeric_targets import numeric_targets
from analytic_cl.heads.validation import plain_rows, validated_rows
from analytic_cl.learner import Receipt
from analytic_cl.ledger import as_ids
from analytic_cl.quantizers import (
    DEFAULT_TARGETS,
    FixedPoint,
    JointQuantizer,
    QuantizationWarning,
    Quantizer,
    with_targets,
)
from analytic_cl.statistics import RegressionMoments, State, Targets

_MANY = 100  # targets of a first batch, from which on what quantising loses of them is looked at
_LEVELS = 32  # integers within one standard deviation of a target, below which a warning says so


class Regression(RegressorMixin, BaseHead):  # type: ignore[misc]  # scikit-learn ships no types
    """The part of a regressor that deals with targets: numbers, behind a declared quantizer of their own.

    Integer rows hold their targets' integers (`JointQuantizer`), so that ledger, state and store, which handle integer
    rows, handle targets with them; the label of every row is 0.
    """

    task: ClassVar[str] = "regression"

    target_quantizer: str | FixedPoint

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def check_parameters(self) -> None:
        super().check_parameters()
        self._target_rule()

    def _target_rule(self) -> FixedPoint:
        rule = self.target_quantizer
        if isinstance(rule, str) and rule == "auto":
            return DEFAULT_TARGETS
        if not isinstance(rule, FixedPoint) or rule.norm is not None:
            raise ValueError(f'target_quantizer must be "auto" or a FixedPoint without a norm, got {rule!r}')
        return rule

    @property
    def moments_(self) -> RegressionMoments:
        """The learned state."""
        return cast(RegressionMoments, self.state_)

    @changing
    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows, forgetting everything learned before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers: an array, tensor, data frame or SciPy sparse matrix, whose integers are made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Finite numbers within the range of `target_quantizer`; what lies beyond is refused, and never clipped.
        sample_id : sequence of int or str, optional
            A name for each row, by which it can be forgotten or rectified later.
        sample_weight : array-like of shape (n_samples,), optional
            Whole numbers from 0 on: how often each row counts, as if it were there so often.

        Returns
        -------
        self

        Notes
        -----
        Exactness: bit for bit equal to any sequence of `partial_fit` over the rows.
        """
        return super().fit(X, y, sample_id=sample_id, sample_weight=sample_weight)

    @changing
    def partial_fit(  # type: ignore[override]  # there are no classes to declare
        self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn more rows. Parameters, result and exactness as in `fit`; an id that was learned already is refused."""
        return super().partial_fit(X, y, sample_id=sample_id, sample_weight=sample_weight)

    @changing
    def rectify(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None, *, sample_id: Any, digests: bool = False
    ) -> Receipt:
        """Replace the rows and targets of known ids, or their targets alone, in one step.

        Parameters
        ----------
        X : array-like, optional
            The corrected rows. Without them the rows stay as they were learned.
        y : array-like
            The corrected targets.
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
        if X is not None:
            return super().rectify(X, cast(ArrayLike, y), sample_id=sample_id, digests=digests)
        self.check_learned_something()
        learner, ids = self.learner_, as_ids(sample_id)
        rows = learner.ledger.weighted_rows_of(learner.ledger.find_ids(ids))[0]
        return learner.rectify(ids, *self.with_other_targets(rows, y), digests=digests)

    def with_other_targets(self, rows: NDArray[Any], y: Any) -> tuple[NDArray[Any], Targets]:
        """Joint rows, as they were learned, with these targets in place of theirs."""
        values = self._checked_outputs(numeric_targets(y))
        if len(values) != len(rows):
            raise ValueError(f"{len(values)} targets but {len(rows)} sample ids")
        return self._joined(rows[:, : self._joint.row_width], values, self._joint)

    @property
    def rows_quantizer_(self) -> Quantizer:
        """The quantizer of the rows alone."""
        return self._joint.rows

    @property
    def _joint(self) -> JointQuantizer:
        return cast(JointQuantizer, self.quantizer_)

    # ---- targets in place of labels

    def empty_state(self, quantizer: Quantizer) -> State:
        return RegressionMoments(quantizer)

    def quantizer_like(self, theirs: Quantizer) -> Quantizer:
        rows = super().quantizer_like(theirs)
        if not isinstance(theirs, JointQuantizer):
            raise ValueError(f"a regressor learns rows with numeric targets, not those behind {theirs.describe()}")
        return with_targets(rows, self._target_rule(), theirs.n_outputs)

    def _quantizer_for(self, X: Any, targets: Any, source: str | None) -> Quantizer:
        rows = self._quantizer_of(X.shape[1], source)
        return with_targets(rows, self._target_rule(), None if targets.ndim == 1 else targets.shape[1])

    def _validated_rows(self, X: Any, y: Any, reset: bool = False) -> tuple[Any, Any]:
        values = numeric_targets(y)
        if reset or not plain_rows(self, X):
            X = validated_rows(self, X, reset)
        check_consistent_length(X, values)
        return X, (values if reset else self._checked_outputs(values))

    def _checked_outputs(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Targets of as many outputs as were learned."""
        learned, given = self._joint.n_outputs, None if values.ndim == 1 else values.shape[1]
        if learned != given:
            shapes = ("(n_samples,)" if k is None else f"(n_samples, {k})" for k in (given, learned))
            raise ValueError("y has shape {}, the model learned targets of shape {}".format(*shapes))
        return values

    def _joined(self, rows: Any, targets: Any, quantizer: Quantizer) -> tuple[Any, Targets]:
        joint = cast(JointQuantizer, quantizer)
        integers = joint.target_integers(targets)
        if len(integers) >= _MANY and not self.__sklearn_is_fitted__():
            _say_what_is_lost(targets.reshape(integers.shape), integers)
        return joint.join(np.asarray(rows), integers), Targets([0], np.zeros(len(integers), dtype=np.int64))


def _say_what_is_lost(targets: NDArray[np.float64], integers: NDArray[np.int64]) -> None:
    spread = integers.std(axis=0)
    coarse = (spread < _LEVELS) & (np.ptp(targets, axis=0) > 0)
    if coarse.any():
        warn(
            f"targets vary by {spread[coarse].min():.2g} steps of their quantizer: much of them is rounded away. "
            "Declare finer steps by target_quantizer, as FixedPoint(32, scale=2**24)",
            QuantizationWarning,
        )
