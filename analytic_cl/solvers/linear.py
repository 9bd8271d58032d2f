"""What every solver returns: scores that are linear in the row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic_cl._blas import product
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s, Moments


def centre(moments: Moments) -> Int64s:
    """The mean of all rows, rounded to integers: where scores are taken from, shape (width,)."""
    mean: Floats = moments.total / moments.n_rows
    return np.rint(mean).astype(np.int64)


@dataclass(frozen=True)
class LinearScores:
    """Scores ``(step * (q - centre)) @ weights.T + bias`` of integer rows q behind a quantizer: one column a class.

    `coef` and `intercept` are the same scores on dequantised rows, where far from the origin large numbers cancel;
    they also carry a part that all classes share, as scikit-learn's do. For two classes there is one column, the
    second's minus the first's.

    `strength` is the regularisation that was used: a shrinkage intensity, or an alpha.
    """

    centre: Int64s
    weights: Floats
    bias: Floats
    coef: Floats
    intercept: Floats
    strength: float | None = None

    @property
    def linear_part(self) -> tuple[Int64s, Floats, Floats]:
        """Centre, weights and bias: a `LinearMap` of these is the scores."""
        return self.centre, self.weights, self.bias

    def of(self, deviations: Floats) -> Floats:
        """Scores of rows less the centre, in dequantised units."""
        return np.asarray(product(deviations, self.weights.T) + self.bias)

    def of_second_class(self) -> LinearScores:
        """For two classes: the second's scores minus the first's, in one column."""
        if len(self.weights) != 2:
            return self
        weights, bias, coef, intercept = (
            part[1:] - part[:1] for part in (self.weights, self.bias, self.coef, self.intercept)
        )
        return LinearScores(self.centre, weights, bias, coef, intercept, self.strength)
