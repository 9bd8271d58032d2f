"""Linear discriminant analysis: Gaussian classes with one shared covariance."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.shrinkage import shrink_correlations, shrink_to_mean_variance
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import Moments


def lda(moments: Moments, shrinkage: str | float = "oas", priors: Floats | None = None) -> LinearScores:
    """w_c = Sigma^-1 mu_c, b_c = -w_c.mu_c / 2 + log prior_c, Sigma the shrunk within-class covariance Sw / N.

    The formula behind "oas" counts N - n_classes samples, the degrees of freedom of Sw.

    Cost: 2 n_classes d^2 + d^3 / 3 operations, one float64 square.
    """
    means, n = class_means(moments), moments.n_rows
    covariance = scatter_matrix(moments, "class means")
    covariance /= n
    if shrinkage == "oas":
        strength = shrink_correlations(covariance, n - len(means))
    else:
        strength = float(shrinkage)
        shrink_to_mean_variance(covariance, strength)
    coef = solve_spd(covariance, np.asfortranarray(means.T)).T
    priors = moments.counts / n if priors is None else priors
    intercept = -0.5 * np.einsum("ij,ij->i", means, coef) + np.log(priors)
    return LinearScores(np.ascontiguousarray(coef), intercept, strength).of_second_class()
