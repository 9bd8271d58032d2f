"""Heads whose scores are linear in the row, with weights that are solved when they are needed."""

from __future__ import annotations

from functools import cache
from inspect import signature
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product
from analytic_cl._locks import reading
from analytic_cl.heads.base import Head
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import Moments


@cache
def _solver_parameters(kind: type) -> tuple[str, ...]:
    """Names of the parameters of a class of heads that have a part in its weights."""
    return tuple(name for name in signature(kind).parameters if name not in ("quantizer", "projection", "track"))


class LinearHead(Head):
    """Base of heads with weights.

    A subclass defines, besides what `Head` asks for,

    * ``needs``: ``the_solver.needs``;
    * ``_solve(moments) -> LinearScores``: a pure function of the state and the head's parameters.
    """

    @property
    def moments_(self) -> Moments:
        """The learned state."""
        return cast(Moments, self.state_)

    def _solve(self, moments: Moments) -> LinearScores:
        raise NotImplementedError(f"{type(self).__name__} must define _solve")

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Weights for dequantised rows, shape (n_classes, width), of classes with rows; one row for two classes.

        A copy.
        """
        return self._scores().coef.copy()

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Offsets that go with `coef_`, shape (n_classes,); one for two classes. A copy."""
        return self._scores().intercept.copy()

    def _prepared(self) -> LinearScores:
        return self._scores()

    @reading
    def _scores(self) -> LinearScores:
        """Weights for the state as it is: solved once per change of state or parameters."""
        self._check_fitted()
        key = (self.moments_.revision, self._declared, self._solver_key())
        solved = self._solved.get("current")
        if solved is None or solved[0] != key:
            self.check_parameters()
            solved = key, self._solve(self.moments_)
            self._solved["current"] = solved
        return cast(LinearScores, solved[1])

    def _solver_key(self) -> tuple[Any, ...]:
        """The parameters that weights depend on, by value."""
        values = [getattr(self, name) for name in _solver_parameters(cast(Any, type(self)))]
        return tuple(v if isinstance(v, str | None) else np.asarray(v, dtype=np.float64).tobytes() for v in values)

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows as `decision_function` shows them: those of `coef_` and `intercept_`."""
        compared, quantizer = self._compare_rows(rows, scores), self.quantizer_
        shared = scores.coef[0] - scores.weights[0]
        if len(self.moments_.labels) == 2 or not shared.any():
            return compared
        level = (
            scores.intercept[0] - scores.bias[0] + (quantizer.offset + quantizer.step * scores.centre) @ scores.coef[0]
        )
        return np.asarray(compared + (self._deviations(rows, scores) @ shared + level)[:, None])

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows but for what all classes share: what differences and classes come from."""
        return np.asarray(product(self._deviations(rows, scores), scores.weights.T) + scores.bias)

    def _deviations(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Rows less the centre, subtracted as integers, in dequantised units."""
        deviations: NDArray[np.float64] = np.subtract(rows, scores.centre, dtype=np.float64)
        deviations *= self.quantizer_.step
        return deviations
