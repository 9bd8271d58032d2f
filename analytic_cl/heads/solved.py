"""Heads that are solved when they are needed: once per change of state or parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.base import BaseHead, Head
from analytic_cl.heads.calibration import Calibration, calibration
from analytic_cl.heads.held_out import best_of, held_out
from analytic_cl.quantizers import LinearMap
from analytic_cl.recursive import Follower
from analytic_cl.solvers import DiscriminantScores, LinearScores, Normality, Shrinkage

_NOT_OF_WEIGHTS = ("quantizer", "target_quantizer", "projection", "track", "temperature")


@cache
def _solver_parameters(kind: type) -> tuple[str, ...]:
    """Names of the parameters of a class of heads that have a part in its weights."""
    return tuple(name for name in signature(kind).parameters if name not in _NOT_OF_WEIGHTS)


def _by_value(parameter: Any) -> Any:
    if parameter is None or isinstance(parameter, str | bool | float):
        return parameter
    if isinstance(parameter, Mapping):
        return tuple((label, _by_value(vector)) for label, vector in parameter.items())
    return np.asarray(parameter, dtype=np.float64).tobytes()


class Solved(BaseHead):
    """What heads share that solve once per change of state or parameters, for any task.

    A subclass defines ``_solve(state)``: a pure function of the state and the head's parameters.
    """

    def _solve(self, state: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _solve")

    def _followed(self, kind: type[Follower], state: Any, alpha: float, fit_intercept: bool) -> LinearScores:
        """Scores by an inverse that follows each row; made anew where parameters changed."""
        follower = self._solved.get("recursive")
        if follower is None or (follower.alpha, follower.fit_intercept) != (alpha, fit_intercept):
            self.drop_caches()
            follower = self._solved["recursive"] = kind(alpha, fit_intercept)
            self._listen(follower.queue)
        return cast(LinearScores, follower.scores(state))

    @reading
    def _prepared(self) -> Any:
        """Weights for the state as it is: solved once per change of state or parameters."""
        return self._once("current", lambda: self._solve(self.state_))

    def _solver_key(self) -> tuple[Any, ...]:
        """The parameters that weights depend on, by value."""
        values = [getattr(self, name) for name in _solver_parameters(cast(Any, type(self)))]
        return tuple(map(_by_value, values))

    def _once(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find` finds: once per change of state or parameters."""
        self._check_fitted()
        key = (self.state_.revision, self._declared, self._solver_key())
        found = self._solved.get(name)
        if found is None or found[0] != key:
            self.check_parameters()
            found = key, find()
            self._solved[name] = found
        return found[1]

    def _mapped(self, rows: NDArray[Any], scores: LinearScores | DiscriminantScores) -> NDArray[np.float64]:
        """What scores begin with, linear in the row, of integer rows."""
        return self._map(scores).of(rows)

    def _map(self, scores: LinearScores | DiscriminantScores) -> LinearMap:
        found = self._solved.get("map")
        if found is None or found[0] is not scores:
            found = self._solved["map"] = scores, LinearMap(self.quantizer_, *scores.linear_part)
        return cast(LinearMap, found[1])


class SolvedHead(Solved, Head):
    """Base of heads whose scores come from a solver.

    A subclass defines, besides what `Head` asks for,

    * ``needs``: ``the_solver.needs``;
    * ``_solve(state)``: a pure function of the state and the head's parameters, for rows to be scored with;
    * ``_compare_rows(rows, solved)``;
    * if it chooses by held-out rows, ``_solve_by(state, strength)``.
    """

    def _solve_by(self, state: Any, strength: Shrinkage) -> Any:
        """As `_solve`, with another strength: for heads that choose by held-out rows."""
        raise NotImplementedError(f"{type(self).__name__} does not choose by held-out rows")

    def _chosen(self, candidates: Sequence[Shrinkage], wanted: Shrinkage) -> Shrinkage:
        """`wanted`, or for "folds" the candidate that classifies held-out rows best."""
        if wanted != "folds":
            return wanted
        return cast(
            Shrinkage,
            self._once("chosen", lambda: best_of(self.learner_, self._solve_by, self._compare_rows, candidates)),
        )

    def _calibrated(self, strength: Shrinkage, wanted: str | float) -> Calibration:
        """The temperature `wanted`, or for "folds" what held-out rows ask for, solved with this strength."""
        if not isinstance(wanted, str):
            return Calibration(1 / float(wanted))

        def find() -> Calibration:
            held = held_out(self.learner_, self._solve_by, self._compare_rows, [strength])
            return calibration([rows for _, rows in held])

        return cast(Calibration, self._once("calibration", find))

    def _check_has_directions(self) -> None:
        self._check_fitted()
        if len(self._labelled.labels) < 2:
            raise ValueError("score_samples needs two classes with rows: one class has no directions to look along")

    def _normality_of(self, X: ArrayLike, find: Callable[[], Normality]) -> NDArray[np.float64]:
        """Scores of rows by what `find` solves for, once per change of state or parameters."""
        self._check_fitted()
        origin, score = self._once("normality", find)
        return self._by_rows(X, lambda rows: score(self._deviations(rows, origin)))
