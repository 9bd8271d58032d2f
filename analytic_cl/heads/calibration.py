"""How sure scores should be, by rows that a head had not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from analytic_cl.heads.held_out import Held

Floats = NDArray[np.float64]

_SHARPEST, _SOFTEST = 1e4, 1e-4  # factors on scores, of standard deviation 1
_LIGHTEST = 6.0  # logarithm of a tail that is as good as none


class Calibration(NamedTuple):
    """Scores to log-odds: a factor, and a tail for rows that lie far from what their class is like.

    A class that is z = factor * (best score - its score) behind counts as tail * log(1 + z / tail) behind: z itself
    where z is small or the tail infinite, ever less beyond. It is what a Student distribution has in place of a
    Gaussian. The order of the classes stays.
    """

    factor: float = 1.0
    tail: float = math.inf

    def of(self, scores: Floats) -> Floats:
        """Log-odds, in the shape of `decision_function`, but for what all classes of a row share."""
        if math.isinf(self.tail):
            return scores * self.factor
        if scores.ndim == 1:
            return np.sign(scores) * self._shortened(np.abs(scores))
        return -self._shortened(scores.max(axis=1, keepdims=True) - scores)

    def _shortened(self, behind: Floats) -> Floats:
        return np.asarray(self.tail * np.log1p(behind * (self.factor / self.tail)))


def log_sums(scores: Floats) -> Floats:
    """Logarithm of the sum of the exponentials of each row; one pass less than SciPy's, and no array of booleans."""
    most = scores.max(axis=1, keepdims=True)
    powers = scores - most
    np.exp(powers, out=powers)
    return np.asarray(np.log(powers.sum(axis=1)) + most[:, 0])


class _Rows:
    """Held-out scores, the best of each row 0, and where its own class stands.

    Own classes count as 1 - 1 / (n + 2), and all classes share the rest, so that what is best stays finite where every
    row is right.
    """

    def __init__(self, held: Sequence[Held], weights: Floats | None) -> None:
        scores, self.places = np.concatenate([p.scores for p in held]), np.concatenate([p.places for p in held])
        self.there = np.isfinite(scores)
        self.scores = np.where(self.there, scores - scores.max(axis=1, keepdims=True), -np.inf)
        self.spread = float(np.sqrt(np.mean(self.scores[self.there] ** 2))) or 1.0
        self.weights = np.full(len(scores), 1 / len(scores)) if weights is None else weights
        self._rest = 1 / (len(scores) + 2)

    def wanted(self, scores: Floats) -> float:
        """What the likelihood gains by the scores of the classes that should be named."""
        means = np.where(self.there, scores, 0.0).sum(axis=1) / self.there.sum(axis=1)
        own = scores[np.arange(len(scores)), self.places]
        return float(self.weights @ ((1 - self._rest) * own + self._rest * means))


def _rows_of(held: Sequence[Held], weights: Floats | None) -> _Rows | None:
    """None where there is nothing to find out."""
    held = [part for part in held if len(part.places) and len(part.scores.T) > 1]
    return _Rows(held, weights) if held else None


def sharpness(held: Sequence[Held], weights: Floats | None = None) -> float:
    """The factor on scores whose softmax has the least negative log-likelihood of held-out rows: 1 / temperature.

    `weights` of the rows, of sum 1; all count alike by default. 1 without rows.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017. There: one set of rows kept apart.
    """
    rows = _rows_of(held, weights)
    return 1.0 if rows is None else _best_factor(rows)


def _best_factor(rows: _Rows) -> float:
    gain = rows.wanted(rows.scores)

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(rows.weights @ log_sums(factor * rows.scores) - factor * gain)

    bounds = np.log(_SOFTEST / rows.spread), np.log(_SHARPEST / rows.spread)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))


def calibration(held: Sequence[Held], weights: Floats | None = None) -> Calibration:
    """The factor and the tail of least negative log-likelihood of held-out rows.

    Gaussian heads are wrong by much on a few rows; a temperature alone makes all others too unsure for their sake.
    """
    rows = _rows_of(held, weights)
    if rows is None:
        return Calibration()
    factor = _best_factor(rows)
    low, high = math.log(_SOFTEST / rows.spread), math.log(_SHARPEST / rows.spread)

    def loss(logs: Floats) -> float:
        scores = Calibration(*np.exp(logs).tolist()).of(rows.scores)
        return float(rows.weights @ log_sums(scores) - rows.wanted(scores))

    start = [min(max(math.log(factor), low), high), 2.0]
    found = minimize(
        loss,
        start,
        bounds=[(low, high), (-2.0, _LIGHTEST)],
        method="Nelder-Mead",
        options={"xatol": 1e-2, "fatol": 1e-6},
    )
    return Calibration(*np.exp(found.x).tolist())
