"""Heads whose scores are linear in the row, with weights that are solved when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._blas import product
from analytic_cl._locks import reading
from analytic_cl.heads.base import Head
from analytic_cl.heads.held_out import best_of, held_out, sharpness
from analytic_cl.solvers import LinearScores, Normality, Shrinkage
from analytic_cl.statistics import Moments

Floats = NDArray[np.float64]


@cache
def _solver_parameters(kind: type) -> tuple[str, ...]:
    """Names of the parameters of a class of heads that have a part in its weights."""
    return tuple(
        name for name in signature(kind).parameters if name not in ("quantizer", "projection", "track", "temperature")
    )


class LinearHead(Head):
    """Base of heads with weights.

    A subclass defines, besides what `Head` asks for,

    * ``needs``: ``the_solver.needs``;
    * ``_solve(moments) -> LinearScores``: a pure function of the state and the head's parameters. A head whose scores
      are linear only with some parameters returns another object with `strength`, and defines `_compare_rows` and
      `_score_rows` for it.
    """

    @property
    def moments_(self) -> Moments:
        """The learned state."""
        return cast(Moments, self.state_)

    def _solve(self, moments: Moments) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _solve")

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Weights for dequantised rows, shape (n_classes, width), of classes with rows; one row for two classes.

        A copy.
        """
        return cast(Floats, self._scores().coef.copy())

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Offsets that go with `coef_`, shape (n_classes,); one for two classes. A copy."""
        return cast(Floats, self._scores().intercept.copy())

    def _prepared(self) -> Any:
        return self._scores()

    @reading
    def _scores(self) -> Any:
        """Weights for the state as it is: solved once per change of state or parameters."""
        return self._once("current", lambda: self._solve(self.moments_))

    def _solver_key(self) -> tuple[Any, ...]:
        """The parameters that weights depend on, by value."""
        values = [getattr(self, name) for name in _solver_parameters(cast(Any, type(self)))]
        return tuple(v if isinstance(v, str | None) else np.asarray(v, dtype=np.float64).tobytes() for v in values)

    def _solve_by(self, moments: Moments, strength: Shrinkage) -> Any:
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

    def _temperature(self, strength: Shrinkage, wanted: str | float) -> float:
        """`wanted`, or for "folds" the temperature that held-out rows ask for, solved with this strength."""
        if isinstance(wanted, str):
            found = self._once(
                "temperature",
                lambda: (
                    1
                    / sharpness(
                        [held for _, held in held_out(self.learner_, self._solve_by, self._compare_rows, [strength])]
                    )
                ),
            )
            return cast(float, found)
        return float(wanted)

    def _once(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find` finds: once per change of state or parameters."""
        self._check_fitted()
        key = (self.moments_.revision, self._declared, self._solver_key())
        found = self._solved.get(name)
        if found is None or found[0] != key:
            self.check_parameters()
            found = key, find()
            self._solved[name] = found
        return found[1]

    def _normality_of(self, X: ArrayLike, find: Callable[[], Normality]) -> NDArray[np.float64]:
        """Scores of rows by what `find` solves for, once per change of state or parameters."""
        self._check_fitted()
        origin, score = self._once("normality", find)
        return self._by_rows(X, lambda rows: score(self._deviations(rows, origin)))

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows as `decision_function` shows them: those of `coef_` and `intercept_`."""
        compared, quantizer = self._compare_rows(rows, scores), self.quantizer_
        shared = scores.coef[0] - scores.weights[0]
        if len(self.moments_.labels) == 2 or not shared.any():
            return compared
        level = (
            scores.intercept[0] - scores.bias[0] + (quantizer.offset + quantizer.step * scores.centre) @ scores.coef[0]
        )
        return np.asarray(compared + (self._deviations(rows, scores.centre) @ shared + level)[:, None])

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows but for what all classes share: what differences and classes come from."""
        return np.asarray(product(self._deviations(rows, scores.centre), scores.weights.T) + scores.bias)
