"""Linear discriminant analysis: Gaussian classes with one shared covariance."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import LinearScores, centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.shrinkage import Shrinkage
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means
from analytic_cl.solvers.within import within_covariance
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments


@needs(CLASS_SUMS, GRAM)
def lda(moments: Moments, shrinkage: Shrinkage = "oas", priors: Floats | None = None) -> LinearScores:
    """w_c = Sigma^-1 mu_c, b_c = -w_c.mu_c / 2 + log prior_c, Sigma the shrunk within-class covariance Sw / N.

    Cost: 3 n_classes d^2 multiply-adds for Sw, d^3 / 3 to factor, 2 n_classes d^2 to solve; one float64 square.
    """
    n, origin = moments.n_rows, centre(moments)
    means, deviations = class_means(moments), class_means(moments, origin)
    covariance, strength, _ = within_covariance(moments, shrinkage)
    x0 = moments.quantizer.offset + moments.quantizer.step * origin
    right = np.asfortranarray(np.vstack([deviations, x0]).T)
    solved = solve_spd(covariance, right, lambda: within_covariance(moments, shrinkage).covariance).T
    weights, coef = solved[:-1], solved[:-1] + solved[-1]
    log_priors = np.log(moments.counts / n if priors is None else priors)
    bias, intercept = (
        -0.5 * np.einsum("ij,ij->i", m, w) + log_priors for m, w in ((deviations, weights), (means, coef))
    )
    return LinearScores(origin, weights, bias, coef, intercept, strength).of_second_class()
