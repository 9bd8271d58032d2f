"""How much a row is like those that were learned: higher is more normal. Pure functions of the state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from analytic_cl._blas import product
from analytic_cl.solvers.discriminant import Discriminants
from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.ridge import regularised
from analytic_cl.solvers.shrinkage import Correlations, Shrinkage
from analytic_cl.solvers.spd import Floats, whitener
from analytic_cl.solvers.units import class_means
from analytic_cl.statistics import CLASS_SUMS, GRAM, Int64s, Moments

Normality = tuple[Int64s, Callable[[Floats], Floats]]  # a centre, and scores of rows less it, shape (n,)


def known_class_odds(space: Discriminants) -> Normality:
    """Log p(x | a learned class, all alike) - log p(x | a class never seen), under the model of shrunk means.

    A class never seen has its mean drawn from N(m, B), so rows have variance 1 + psi there. It is a relative
    Mahalanobis distance that counts only directions in which classes differ, and knows how uncertain their means are.
    """
    precision, believed = 1 / (1 + space.doubt), space.believed
    flat = np.where(np.isfinite(space.between), 1 + space.between, np.inf)
    never = np.where(np.isfinite(space.between), np.log(flat), 0.0).sum()
    bias = -0.5 * ((precision * believed**2) - np.log(precision)).sum(axis=1)

    def score(deviations: Floats) -> Floats:
        y = space.coordinates(deviations)
        known = product(y, (precision * believed).T) - 0.5 * product(y * y, precision.T) + bias
        return np.asarray(logsumexp(known, axis=1) - np.log(len(bias)) + 0.5 * (y * y @ (1 / flat) + never))

    return space.centre, score


@needs(CLASS_SUMS, GRAM)
def leverage(moments: Moments, alpha: Shrinkage) -> Normality:
    """Minus the leverage (x - m)^T A^-1 (x - m), A the regularised scatter of ridge about the mean of all rows.

    Cost: 2/3 d^3 once, 2 d^2 a row.
    """
    n, origin = moments.n_rows, centre(moments)
    by_rows = isinstance(alpha, str | Correlations)
    inverse = whitener(regularised(moments, alpha, True)[0], lambda: regularised(moments, alpha, True)[0])
    middle = moments.counts @ class_means(moments, origin) / n

    def score(deviations: Floats) -> Floats:
        u = product(deviations - middle, inverse.T)
        return np.asarray(-np.einsum("ij,ij->i", u, u) / (n if by_rows else 1))

    return origin, score
