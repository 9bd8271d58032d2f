"""How much a row is like those that were learned: higher is more normal. Pure functions of the state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from analytic_cl._blas import product
from analytic_cl.solvers.class_gaussian import GaussianScores
from analytic_cl.solvers.discriminant import Discriminants, DiscriminantScores
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
    bias = -0.5 * ((precision * believed**2) - np.log(precision)).sum(axis=1)

    def known(y: Floats) -> Floats:
        return np.asarray(product(y, (precision * believed).T) - 0.5 * product(y * y, precision.T) + bias)

    return _odds(space, known)


def own_class_odds(scores: GaussianScores | DiscriminantScores) -> Normality:
    """As `known_class_odds`, with the covariance of each class, and doubt about its mean, in discriminant space.

    For scores in whitened space, or of one covariance, it is `known_class_odds`: distances in all directions, without
    a determinant, compare classes, and tell no row of a class never seen.

    Cost: 2 k r^2 operations a row.
    """
    if not isinstance(scores, GaussianScores) or scores.space != "discriminant":
        return known_class_odds(scores.space if isinstance(scores, DiscriminantScores) else scores.pooled.space)
    space, log_priors = scores.pooled.space, scores.log_priors
    classes = [
        own._replace(shift=product(mean[None], own.factor)[0], bias=own.bias - prior)
        for own, mean, prior in zip(scores.classes, space.believed, log_priors.tolist(), strict=True)
    ]
    return _odds(space, lambda y: np.stack([own.of(y) for own in classes], axis=1))


def _odds(space: Discriminants, known: Callable[[Floats], Floats]) -> Normality:
    """Those of the learned classes, by the log densities of each in `space`, against a class never seen."""
    flat = np.where(np.isfinite(space.between), 1 + space.between, np.inf)
    never = np.where(np.isfinite(space.between), np.log(flat), 0.0).sum()

    def score(deviations: Floats) -> Floats:
        y = space.coordinates(deviations)
        found = known(y)
        return np.asarray(logsumexp(found, axis=1) - np.log(found.shape[1]) + 0.5 * (y * y @ (1 / flat) + never))

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
