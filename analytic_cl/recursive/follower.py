"""Ridge weights kept current while rows come and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl._locks import CacheLock
from analytic_cl.recursive.inverse import RidgeInverse
from analytic_cl.recursive.low_rank import BLOCK
from analytic_cl.recursive.target_inverse import TargetInverse
from analytic_cl.solvers import (
    LinearScores,
    cross_products,
    regression_scores,
    ridge,
    ridge_regression,
    ridge_scores,
    target_cross,
)
from analytic_cl.solvers.units import scatter_matrix_product
from analytic_cl.statistics import Change, Label, Moments, RegressionMoments

# Rows between two checks against the integers, fewer where rows of much leverage go: a check costs as much as twenty.
_CHECK_EVERY = 1024

_BOUND = 1e-10  # relative drift, in weights or inverse, past which both are made again


class _Queued:
    """Rows that came (sign +1) or went (-1) and are still to be followed, with their labels."""

    def __init__(self) -> None:
        self.n_rows = 0
        self.rows: dict[int, list[NDArray[Any]]] = {+1: [], -1: []}
        self.labels: dict[int, list[Label]] = {+1: [], -1: []}


class Follower(ABC):
    """Scores of ridge with a numeric penalty, by following each change instead of solving again.

    A subclass says for its kind of targets what the state's inverse is, and how weights and scores come out of that.

    It is told of changes by `queue`, applies them when scores are asked for, and starts anew from the state where
    it missed a change, where so many rows wait that starting anew costs less, or where a check finds it drifted.

    Parameters
    ----------
    alpha : float > 0
    fit_intercept : bool

    Notes
    -----
    Cost: 2 d^2 + 3 d n_classes multiply-adds a row, half of them in blocks; starting anew d^3. Memory 8 d^2 bytes and
    8 d a class.

    Exactness: algebraic. At least every 1024 rows P is multiplied by the exact scatter of the state, in O(d^2); a
    relative error above 1e-10 (or above ten times that of a fresh inverse, where the problem is ill-conditioned)
    starts anew.
    """

    def __init__(self, alpha: float, fit_intercept: bool) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.rebuilds = 0
        self._lock = CacheLock()  # two threads may ask one model for scores
        self._bound = _BOUND
        self._inverse: Any = None
        self._revision = -1  # of the state that the inverse and what is queued stand for
        self._queued = _Queued()

    def queue(self, before: int, after: int, changes: list[Change] | None) -> None:
        """Note changes that took the state from one revision to another."""
        with self._lock:
            if self._inverse is None or self._revision != before:
                return
            if changes is None:
                self._forget()
                return
            self._queued.n_rows += sum(len(change.rows) for change in changes)
            if self._queued.n_rows > max(BLOCK, self._inverse.p.shape[0] // 2):
                self._forget()
                return
            try:
                for rows, targets, sign in changes:
                    self._queued.rows[sign].append(np.array(rows))  # the ledger overwrites erased rows in place
                    self._queued.labels[sign] += targets.of_rows()
            except MemoryError:  # the change itself is done, and must not fail any more
                self._forget()
                return
            self._revision = after

    @abstractmethod
    def _inverse_of(self, state: Any) -> Any:
        """The inverse for a state, a `LowRankInverse`, or None where it is singular."""

    @abstractmethod
    def _change(self, inverse: Any, rows: NDArray[Any], labels: list[Label], sign: int) -> bool:
        """Let the inverse follow rows; whether precision allowed it."""

    @abstractmethod
    def _coef(self, inverse: Any, state: Any) -> NDArray[np.float64]:
        """Weights, shape (n_targets, row width)."""

    @abstractmethod
    def _problem(self, state: Any) -> tuple[Moments, NDArray[np.float64]]:
        """The rows' moments, and the right-hand sides, shape (n_targets, row width)."""

    @abstractmethod
    def _scores(self, state: Any, coef: NDArray[np.float64]) -> LinearScores: ...

    @abstractmethod
    def _solved(self, state: Any) -> LinearScores:
        """Scores by the solver, where there is no inverse."""

    def scores(self, state: Any) -> LinearScores:
        """Scores for the state as it is."""
        with self._lock:
            inverse = self._caught_up(state)
            if inverse is None:
                inverse = self._anew(state)
            if inverse is None:  # singular: the solver says so, and finds the solution of least norm
                return self._solved(state)
            return self._scores(state, self._coef(inverse, state))

    def _forget(self) -> None:
        """Hold no inverse, and so follow nothing."""
        self._inverse, self._revision, self._queued = None, -1, _Queued()

    def _caught_up(self, state: Any) -> Any:
        """The inverse with all queued changes applied; None where it has to be made anew."""
        inverse, revision, queued = self._inverse, self._revision, self._queued
        self._forget()  # what is interrupted below leaves no half-changed inverse behind
        if inverse is None or revision != state.revision:
            return None
        for sign in (+1, -1):  # the order of changes is free, and so no class or row goes before it came
            rows = queued.rows[sign]
            if rows and not self._change(inverse, np.concatenate(rows), queued.labels[sign], sign):
                return None
        if inverse.risk >= _CHECK_EVERY:
            inverse.risk = 0.0
            if not self._drift(inverse, state) <= self._bound:
                return None
        self._inverse, self._revision = inverse, revision
        return inverse

    def _anew(self, state: Any) -> Any:
        self.rebuilds += 1
        self._forget()
        inverse = self._inverse_of(state)
        if inverse is not None:
            self._bound = max(_BOUND, 10 * self._drift(inverse, state))
        self._inverse, self._revision = inverse, state.revision
        return inverse

    def _drift(self, inverse: Any, state: Any) -> float:
        """Relative error of P and of W against the state, each on one random combination of columns.

        With A exact from the state, v random and w = W z for random signs z: |P (A v) - v| and |P (A w - B z)|.
        """
        random = np.random.default_rng(state.revision)
        coef = self._coef(inverse, state)
        moments, cross = self._problem(state)
        signs = random.choice([-1.0, 1.0], size=len(coef))
        w = signs @ coef
        v = random.standard_normal(w.size)
        about: Literal["mean", "origin"] = "mean" if self.fit_intercept else "origin"
        tried = np.stack([v, w], axis=1)
        image = scatter_matrix_product(moments, about, tried) + self.alpha * tried
        image[:, 1] -= signs @ cross
        back = inverse.times(np.asfortranarray(image))
        back[:, 0] -= v
        return max(_ratio(back[:, 0], v), _ratio(back[:, 1], w))


class RecursiveRidge(Follower):
    """That of `ridge`: targets of +-1, one column a class."""

    def _inverse_of(self, state: Moments) -> RidgeInverse | None:
        return RidgeInverse.of(state, self.alpha, self.fit_intercept)

    def _change(self, inverse: RidgeInverse, rows: NDArray[Any], labels: list[Label], sign: int) -> bool:
        return inverse.change(rows, labels, sign)

    def _coef(self, inverse: RidgeInverse, state: Moments) -> NDArray[np.float64]:
        return inverse.coef(state.labels)

    def _problem(self, state: Moments) -> tuple[Moments, NDArray[np.float64]]:
        return state, cross_products(state, self.fit_intercept)

    def _scores(self, state: Moments, coef: NDArray[np.float64]) -> LinearScores:
        return ridge_scores(state, coef[1:] if len(coef) == 2 else coef, self.fit_intercept, self.alpha)

    def _solved(self, state: Moments) -> LinearScores:
        return ridge(state, self.alpha, self.fit_intercept)


class RecursiveRegression(Follower):
    """That of `ridge_regression`: numeric targets, one column an output."""

    def _inverse_of(self, state: RegressionMoments) -> TargetInverse | None:
        return TargetInverse.of(state, self.alpha, self.fit_intercept)

    def _change(self, inverse: TargetInverse, rows: NDArray[Any], labels: list[Label], sign: int) -> bool:
        return inverse.change(rows, sign)

    def _coef(self, inverse: TargetInverse, state: RegressionMoments) -> NDArray[np.float64]:
        return inverse.coef()

    def _problem(self, state: RegressionMoments) -> tuple[Moments, NDArray[np.float64]]:
        return state.rows_alone(), target_cross(state, self.fit_intercept).T

    def _scores(self, state: RegressionMoments, coef: NDArray[np.float64]) -> LinearScores:
        return regression_scores(state, coef, self.fit_intercept, self.alpha)

    def _solved(self, state: RegressionMoments) -> LinearScores:
        return ridge_regression(state, self.alpha, self.fit_intercept)


def _ratio(error: NDArray[np.float64], of: NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(of))
    return float(np.linalg.norm(error)) / size if size else 0.0
