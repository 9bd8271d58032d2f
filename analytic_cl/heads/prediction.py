"""From a learned state to classes: weights solved when they are needed, scores linear in the row."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from analytic_cl._blas import product
from analytic_cl.door import Door, FixedPoint, RandomProjection
from analytic_cl.heads.validation import plain_rows, refuse_times
from analytic_cl.ledger import Track, check_track
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import Moments

_BLOCK = 2**23  # numbers that are scored at a time, to bound memory


@cache
def _solver_parameters(kind: type) -> tuple[str, ...]:
    """Names of the parameters of a class of heads that have a part in its weights."""
    return tuple(name for name in kind._get_param_names() if name not in ("door", "projection", "track"))  # type: ignore[attr-defined]


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
        """Raise for parameters that can't be meant; subclasses add their own."""
        check_track(self.track)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_solved": {}} if "_solved" in state else state  # caches can be made again

    def __sklearn_is_fitted__(self) -> bool:
        return "moments_" in self.__dict__

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():  # which is quick, while scikit-learn looks up tags first
            check_is_fitted(self)

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted labels that have rows."""
        self._check_fitted()
        return self.moments_.classes

    @property
    def door_(self) -> Door:
        """The door that the parameters meant for rows of this width."""
        self._check_fitted()
        return self.moments_.door

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Weights for dequantised rows, shape (n_classes, width); one row for two classes."""
        return self._scores().coef

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Offsets that go with `coef_`, shape (n_classes,); one for two classes."""
        return self._scores().intercept

    def _scores(self) -> LinearScores:
        """Weights for the state as it is: solved once per change of state or parameters."""
        self._check_fitted()
        key = (self.moments_.revision, self._solver_key())
        solved = self._solved.get("current")
        if solved is None or solved[0] != key:
            self._check_parameters()
            solved = key, self._solve(self.moments_)
            self._solved["current"] = solved
        return cast(LinearScores, solved[1])

    def _solver_key(self) -> tuple[Any, ...]:
        """The parameters that weights depend on, by value."""
        values = [getattr(self, name) for name in _solver_parameters(cast(Any, type(self)))]
        return tuple(v if isinstance(v, str | None) else np.asarray(v, dtype=np.float64).tobytes() for v in values)

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
        Exactness: algebraic. A row alone and the same row in a batch agree to 1e-12 of the largest score.
        """
        return self._scored(X, self._score_rows)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        scores = self._scored(X, self._compare_rows)
        places = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[places])

    def _scored(self, X: ArrayLike, score: Any) -> NDArray[np.float64]:
        scores = self._scores()
        if plain_rows(self, X):
            rows: NDArray[Any] = np.asarray(X)
        else:
            refuse_times("X", X)
            rows = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite=False)
        door, n = self.door_, max(1, _BLOCK // max(self.door_.width, self.door_.n_features))
        out = np.concatenate(
            [score(door.quantise(rows[start : start + n], first_row=start), scores) for start in range(0, len(rows), n)]
        )
        return out.ravel() if len(self.moments_.labels) == 2 else out

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows as `decision_function` shows them: those of `coef_` and `intercept_`."""
        compared, door = self._compare_rows(rows, scores), self.door_
        shared = scores.coef[0] - scores.weights[0]
        if len(self.moments_.labels) == 2 or not shared.any():
            return compared
        level = scores.intercept[0] - scores.bias[0] + (door.offset + door.step * scores.centre) @ scores.coef[0]
        return np.asarray(compared + (self._deviations(rows, scores) @ shared + level)[:, None])

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows but for what all classes share: what differences and classes come from."""
        return np.asarray(product(self._deviations(rows, scores), scores.weights.T) + scores.bias)

    def _deviations(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Rows less the centre, subtracted as integers, in dequantised units."""
        deviations: NDArray[np.float64] = np.subtract(rows, scores.centre, dtype=np.float64)
        deviations *= self.door_.step
        return deviations
