"""From a learned state to classes: weights solved when they are needed, scores linear in the row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from analytic_cl.door import Door, FixedPoint, RandomProjection
from analytic_cl.ledger import Track
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import Moments


class LinearPrediction(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The half of a head that only reads the state."""

    _order: ClassVar[int] = 2

    door: str | FixedPoint
    projection: RandomProjection | None
    track: Track
    moments_: Moments
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    _solved: dict[str, Any]

    def _solve(self, moments: Moments) -> LinearScores:
        raise NotImplementedError(f"{type(self).__name__} must define _solve")

    def _check_parameters(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _check_parameters")

    def __sklearn_is_fitted__(self) -> bool:
        return "moments_" in self.__dict__

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted labels that have rows."""
        check_is_fitted(self)
        return self.moments_.classes

    @property
    def door_(self) -> Door:
        """The door that the parameters meant for rows of this width."""
        check_is_fitted(self)
        return self.moments_.door

    def _scores(self) -> LinearScores:
        """Weights for the state as it is: solved once per change of state or parameters."""
        check_is_fitted(self)
        key = (self.moments_.revision, repr(self._solver_parameters()))
        if self._solved.get("key") != key:
            self._check_parameters()
            self._solved["scores"] = self._solve(self.moments_)
            self._solved["key"] = key
        scores: LinearScores = self._solved["scores"]
        return scores

    def _solver_parameters(self) -> dict[str, Any]:
        common = ("door", "projection", "track")
        return {name: value for name, value in self.get_params(deep=False).items() if name not in common}

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            The largest names the class; for two classes, a positive score names the second.

        Notes
        -----
        Exactness: algebraic. A row alone and the same row in a batch agree to about 1e-12 relative.
        """
        scores = self._scores()
        rows: NDArray[Any] = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite=False)
        blocks = max(1, -(-rows.size // 2**24))
        out = np.concatenate(
            [self._score_rows(self.door_.quantise(part), scores) for part in np.array_split(rows, blocks)]
        )
        return out.ravel() if len(self.moments_.labels) == 2 else out

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        door = self.door_
        return rows.astype(np.float64) @ (scores.coef * door.step).T + (scores.intercept + scores.coef @ door.offset)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        scores = self.decision_function(X)
        places = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[places])
