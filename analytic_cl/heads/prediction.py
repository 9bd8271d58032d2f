"""From a learned state to classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from analytic_cl._locks import Guarded, reading
from analytic_cl.heads.declared import DeclaredClasses
from analytic_cl.heads.novelty import with_rejections
from analytic_cl.heads.scoring import LabelScore
from analytic_cl.heads.validation import plain_rows, validated_rows
from analytic_cl.learner import Learner, Listener
from analytic_cl.ledger import Track, check_track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.statistics import LabelledState, State

_BLOCK = 2**23  # numbers that are scored at a time, to bound memory
_SPARSE_ROWS = 2**14  # rows that are scored at a time at most, where they have few numbers


def posteriors(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the classes whose log-odds are `scores`, as `decision_function` shapes them."""
    if scores.ndim == 1:
        return np.stack([expit(-scores), expit(scores)], axis=1)
    return np.asarray(softmax(scores, axis=1))


def shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the classes, where `scores` are shares already, or the difference of two."""
    if scores.ndim > 1:
        return scores
    difference = np.clip(scores, -1, 1)  # sums of shares round
    return np.stack([(1 - difference) / 2, (1 + difference) / 2], axis=1)


class Prediction(Guarded, LabelScore, DeclaredClasses, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The half of a head that only reads the state."""

    needs: ClassVar[frozenset[str]] = frozenset()
    depends_on_order: ClassVar[bool] = False
    """Whether the state depends on which classes came together, and in which order, as `ClassGroups` does.

    Its `Exactness:` line then says "depends on order". Forgetting leaves, bit for bit, the state of the same sessions
    without the rows, a session being what one call brings; not that of all rows in one call. Merging is associative,
    not commutative. Checks and comparisons skip what this excludes, and only that; a store, which learns its rows anew
    in any order, refuses such heads.
    """

    takes_sparse_rows: ClassVar[bool] = False
    """Whether X may be a SciPy sparse matrix: for states that take sparse rows, and scores that come of products with
    `_deviations` alone.
    """

    quantizer: str | FixedPoint
    projection: RandomFeatures | None
    track: Track
    learner_: Learner
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    _solved: dict[str, Any]

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, parts of a projection or a quantizer too, as ``projection__n_components=5000``.

        Projections and quantizers never change, because learned states refer to them: with a part they are replaced.
        """
        parts: dict[str, dict[str, Any]] = {}
        for key in [key for key in params if "__" in key]:
            name, _, part = key.partition("__")
            whole = params.get(name, getattr(self, name, None))
            if isinstance(whole, FixedPoint | RandomFeatures):
                if part not in whole.get_params():
                    raise ValueError(
                        f"Invalid parameter {part!r} for {whole!r}. Valid parameters are: {[*whole.get_params()]}"
                    )
                parts.setdefault(name, {})[part] = params.pop(key)
        for name, changed in parts.items():
            params[name] = replace(params.get(name, getattr(self, name)), **changed)
        super().set_params(**params)
        return self

    def check_parameters(self) -> None:
        """Raise ValueError or TypeError for parameters that are invalid; subclasses add their own."""
        check_track(self.track)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.takes_sparse_rows
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_solved": {}} if "_solved" in state else state  # caches can be made again

    def __sklearn_is_fitted__(self) -> bool:
        return "learner_" in self.__dict__

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():  # which is quick, while scikit-learn looks up tags first
            check_is_fitted(self)

    def check_learned_something(self) -> None:
        """Raise NotFittedError where there is nothing to forget or replace."""
        check_is_fitted(self, msg="This %(name)s has learned nothing yet: there is nothing to forget or replace.")

    @property
    def state_(self) -> State:
        """The learned state."""
        self._check_fitted()
        return self.learner_.state

    @property
    def _labelled(self) -> LabelledState:
        return cast(LabelledState, self.state_)

    @property
    @reading
    def classes_(self) -> NDArray[Any]:
        """Sorted labels that have rows, or that `partial_fit` declared."""
        self._check_fitted()
        return self._all_classes()

    @property
    def quantizer_(self) -> Quantizer:
        """The quantizer that the parameters meant for rows of this width."""
        return self.state_.quantizer

    @reading
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            The largest names the class; for two classes, a positive score names the second. Declared classes without
            rows have -1e30, which is below any other score.

        Notes
        -----
        Exactness: algebraic. A row alone and the same row in a batch agree to 1e-12 of the largest score.
        """
        return self._decisions_of_all(self._scored(X, self._score_rows))

    @reading
    def predict(self, X: ArrayLike, reject: float | None = None) -> NDArray[Any]:
        """Class of each row, shape (n_samples,).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        reject : float, optional
            Rows whose `score_samples` is below this are rejected: their label is -1, or "" where labels are strings.
            A threshold with a guarantee comes from `conformal_threshold`.
        """
        labels = self.labels_of(self._scored(X, self._compare_rows))
        if reject is None:
            return labels
        if not hasattr(self, "score_samples"):
            raise ValueError(f"{type(self).__name__} has no score_samples, so that it can reject no row")
        return with_rejections(labels, self.score_samples(X) < reject, self.classes_)

    def labels_of(self, scores: NDArray[np.float64]) -> NDArray[Any]:
        """Classes that scores as of `scores_of` name."""
        places = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self._scored_classes()[places])  # never one that is declared alone

    def _scored(self, X: ArrayLike, score: Any) -> NDArray[np.float64]:
        prepared = self._prepared()
        return self._in_shape(self._by_rows(X, lambda rows: score(rows, prepared)))

    def _by_rows(self, X: ArrayLike, find: Callable[[NDArray[Any]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """What is found of integer rows, block by block."""
        rows: Any = X if plain_rows(self, X) else validated_rows(self, X)
        quantizer, n = self.quantizer_, rows.shape[0]
        per_row = cast(Any, rows).nnz // n if issparse(rows) and quantizer.projection is None else None
        return self._in_blocks(n, lambda part: find(quantizer.quantise(rows[part], first_row=part.start)), per_row)

    @reading
    def scores_of(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of rows that are integers already, as `labels_of` and `probabilities_of` take them."""
        prepared = self._prepared()
        return self._in_shape(self._in_blocks(len(rows), lambda part: self._compare_rows(rows[part], prepared)))

    def prepare(self) -> None:
        """Do what predictions wait for, such as solving for weights."""
        self._prepared()

    def drop_caches(self) -> None:
        """Forget what was derived from the state; it is made again when it is needed."""
        for listener in self._solved.pop("listeners", ()):
            self.learner_.listeners.remove(listener)
        self._solved.clear()

    def _listen(self, listener: Listener) -> None:
        """Tell a cache of every change of the state, until caches are dropped."""
        self.learner_.listeners.append(listener)
        self._solved["listeners"] = [*self._solved.get("listeners", ()), listener]

    def _in_blocks(
        self, n: int, scores: Callable[[slice], NDArray[np.float64]], per_row: int | None = None
    ) -> NDArray[np.float64]:
        """Scores, block by block; `per_row` says how many entries sparse rows have."""
        size = max(1, _BLOCK // max(self.quantizer_.width, self.quantizer_.n_features))
        if per_row is not None:
            size = max(size, min(_SPARSE_ROWS, _BLOCK // max(1, per_row)))
        return np.concatenate([scores(slice(start, min(n, start + size))) for start in range(0, n, size)])

    def _in_shape(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores as `decision_function` shapes them: one number a row for two classes."""
        return scores.ravel() if len(self._scored_labels()) == 2 else scores

    def _deviations(self, rows: NDArray[Any], centre: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows less the centre, subtracted as integers, in dequantised units."""
        return self.quantizer_.deviations(rows, centre)

    def _prepared(self) -> Any:
        """What all rows of a call are scored with; raises where nothing was learned or parameters are invalid."""
        raise NotImplementedError(f"{type(self).__name__} must define _prepared")

    def _compare_rows(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.float64]:
        """Scores of integer rows, one column a class, or one for two: what classes come from."""
        raise NotImplementedError(f"{type(self).__name__} must define _compare_rows")

    def _score_rows(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.float64]:
        """Scores as `decision_function` shows them."""
        return self._compare_rows(rows, prepared)
