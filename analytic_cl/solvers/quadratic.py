"""Scores by a distance to each class's mean in the metric of its own covariance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analytic_cl._blas import is_triangle, product, times_triangle
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s

_ROWS = 512  # that are scored at a time: a copy of them stays in the cache


@dataclass(frozen=True)
class QuadraticScores:
    """Scores bias_c - |(x - mean_c) @ factor_c|^2 / 2, one column a class.

    Attributes
    ----------
    centre : ndarray of int64, shape (width,)
        What rows are measured from.
    means : ndarray, shape (k, width)
    factors : list of ndarrays, shape (width, rank)
        factor_c factor_c^T is the inverse of the class's covariance. Upper triangles, but for singular covariances.
    bias : ndarray, shape (k,)
    """

    centre: Int64s
    means: Floats
    factors: list[Floats]
    bias: Floats

    @cached_property
    def _triangular(self) -> list[bool]:
        return [is_triangle(factor) for factor in self.factors]

    def of(self, rows: Floats) -> Floats:
        """Of rows less the centre; for two classes one column, the second's less the first's.

        Cost: k d^2 operations a row, 2 k d^2 of classes whose covariance is singular.
        """
        scores = np.empty((len(rows), len(self.factors)))
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            for c, factor in enumerate(self.factors):
                u = (times_triangle if self._triangular[c] else product)(part - self.means[c], factor)
                scores[start : start + _ROWS, c] = -0.5 * np.einsum("ij,ij->i", u, u)
        scores += self.bias
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores
