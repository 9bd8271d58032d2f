"""From a learned state to answers: what all heads share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from analytic_cl._locks import Guarded
from analytic_cl.heads.declared import DeclaredClasses
from analytic_cl.heads.validation import plain_rows, validated_rows
from analytic_cl.learner import Learner, Listener
from analytic_cl.ledger import Track, check_track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.statistics import LabelledState, State

Number = TypeVar("Number", np.float64, np.intp)

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


class Prediction(Guarded, DeclaredClasses, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The half of a head that only reads the state, whatever it answers; `Classification` answers with classes."""

    task: ClassVar[str] = "classification"
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
    def quantizer_(self) -> Quantizer:
        """The quantizer that the parameters meant for rows of this width."""
        return self.state_.quantizer

    def _n_columns(self) -> int:
        """Numbers of a row's answer, as far as they could outgrow the row itself."""
        return 1

    def _by_rows(self, X: ArrayLike, find: Callable[[NDArray[Any]], NDArray[Number]]) -> NDArray[Number]:
        """What is found of integer rows, block by block."""
        rows: Any = X if plain_rows(self, X) else validated_rows(self, X)
        quantizer, n = self.quantizer_, rows.shape[0]
        per_row = cast(Any, rows).nnz // n if issparse(rows) and quantizer.projection is None else None
        return self._in_blocks(n, lambda part: find(quantizer.quantise(rows[part], first_row=part.start)), per_row)

    def empty_answer(self) -> NDArray[Any]:
        """What `predict` would return for no rows: its shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} must define empty_answer")

    def prepare(self) -> Any:
        """Do what predictions wait for, such as solving for weights: what rows are scored with comes back."""
        return self._prepared()

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
        self, n: int, find: Callable[[slice], NDArray[Number]], per_row: int | None = None
    ) -> NDArray[Number]:
        """What is found, block by block; `per_row` says how many entries sparse rows have."""
        quantizer, k = self.quantizer_, self._n_columns()
        size = _BLOCK // max(quantizer.width, quantizer.n_features, k)
        if per_row is not None:
            size = max(size, min(_SPARSE_ROWS, _BLOCK // max(1, per_row, k)))
        size = max(1, size)
        first: NDArray[Number] = find(slice(0, min(n, size)))
        if n <= size:
            return first
        found = np.empty((n, *first.shape[1:]), dtype=first.dtype)
        found[:size] = first
        for start in range(size, n, size):
            found[start : start + size] = find(slice(start, min(n, start + size)))
        return found

    def _deviations(self, rows: NDArray[Any], centre: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows less the centre, subtracted as integers, in dequantised units."""
        return self.quantizer_.deviations(rows, centre)

    def _prepared(self) -> Any:
        """What all rows of a call are scored with; raises where nothing was learned or parameters are invalid."""
        raise NotImplementedError(f"{type(self).__name__} must define _prepared")
