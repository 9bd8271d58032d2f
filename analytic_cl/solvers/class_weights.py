"""Ridge as if classes were of other sizes: weights of classes at the time of solving, from the state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic_cl._blas import product
from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.spd import Floats
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import Int64s, Moments


@dataclass(frozen=True)
class WeightedClasses:
    """Moments of rows of which class c counts as v_c rows, N in all, with the within-class scatter of all rows.

    `origin` is in integers, `means` (of classes) and `mean` (of all) are dequantised rows less what it stands for;
    without centring both are rows as they are.
    """

    moments: Moments
    weights: Floats
    origin: Int64s
    means: Floats
    mean: Floats

    @classmethod
    def balanced(cls, moments: Moments, balance: float, centred: bool) -> WeightedClasses:
        """v_c proportional to n_c^(1 - balance): 0 leaves the rows as they are, 1 makes all classes of one size."""
        weights: Floats = moments.counts.astype(np.float64) ** (1.0 - balance)
        weights *= moments.n_rows / weights.sum()
        if not centred:
            means = class_means(moments)
            return cls(moments, weights, np.zeros(moments.quantizer.width, np.int64), means, np.zeros(means.shape[1]))
        origin = centre(moments)
        means = class_means(moments, origin)
        return cls(moments, weights, origin, means, weights @ means / moments.n_rows)

    def scatter(self, factor: float = 1.0) -> Floats:
        """`factor` (Sw + sum of v_c (mu_c - m)(mu_c - m)^T), its upper triangle."""
        a = scatter_matrix(self.moments, "class means", factor)
        spread = np.sqrt(factor) * self.between()
        a += product(np.ascontiguousarray(spread.T), spread)
        return a

    def between(self) -> Floats:
        """D with D^T D = sum of v_c (mu_c - m)(mu_c - m)^T, shape (n_classes, width)."""
        return np.asarray((self.means - self.mean) * np.sqrt(self.weights)[:, None])

    @property
    def cross(self) -> Floats:
        """Sum over the weighted rows of target times row, targets +-1, shape (n_classes, width)."""
        sums = self.weights[:, None] * (self.means - self.mean)
        return np.asarray(2 * sums - sums.sum(axis=0))

    @property
    def target_means(self) -> Floats:
        return np.asarray(2 * self.weights / self.moments.n_rows - 1)
