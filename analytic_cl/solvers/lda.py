"""Linear discriminant analysis: Gaussian classes with one shared covariance."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import LinearScores, centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.shrinkage import shrink_to_mean_variance, shrink_within
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments


@needs(CLASS_SUMS, GRAM)
def lda(moments: Moments, shrinkage: str | float = "oas", priors: Floats | None = None) -> LinearScores:
    """w_c = Sigma^-1 mu_c, b_c = -w_c.mu_c / 2 + log prior_c, Sigma the shrunk within-class covariance Sw / N.

    For "oas" see `shrink_within`.

    Cost: 3 n_classes d^2 multiply-adds for Sw, d^3 / 3 to factor, 2 n_classes d^2 to solve; one float64 square.
    """
    n, origin = moments.n_rows, centre(moments)
    means, deviations = class_means(moments), class_means(moments, origin)
    covariance, strength = _shrunk_covariance(moments, shrinkage)
    x0 = moments.quantizer.offset + moments.quantizer.step * origin
    right = np.asfortranarray(np.vstack([deviations, x0]).T)
    solved = solve_spd(covariance, right, lambda: _shrunk_covariance(moments, shrinkage)[0]).T
    weights, coef = solved[:-1], solved[:-1] + solved[-1]
    log_priors = np.log(moments.counts / n if priors is None else priors)
    bias, intercept = (
        -0.5 * np.einsum("ij,ij->i", m, w) + log_priors for m, w in ((deviations, weights), (means, coef))
    )
    return LinearScores(origin, weights, bias, coef, intercept, strength).of_second_class()


def _shrunk_covariance(moments: Moments, shrinkage: str | float) -> tuple[Floats, float]:
    """Sigma, its upper triangle, and the intensity."""
    n = moments.n_rows
    covariance = scatter_matrix(moments, "class means", 1 / n)
    if shrinkage == "oas":
        return covariance, shrink_within(covariance, moments)
    shrink_to_mean_variance(covariance, float(shrinkage))
    return covariance, float(shrinkage)
