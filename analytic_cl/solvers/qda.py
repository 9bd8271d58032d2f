"""Quadratic discriminant analysis: every class has its own covariance, and nothing is shared."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.quadratic import QuadraticScores
from analytic_cl.solvers.spd import Floats, inverse_factor
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_SUMS, ClassGrams


@needs(CLASS_SUMS, CLASS_GRAMS)
def qda(state: ClassGrams, reg_param: float = 0.0, priors: Floats | None = None) -> QuadraticScores:
    """Sigma_c = (1 - reg_param) Sw_c / n_c + reg_param I;
    score_c = log prior_c - log det Sigma_c / 2 - (x - mu_c)^T Sigma_c^-1 (x - mu_c) / 2.

    Raises LinAlgError naming the class whose Sigma_c is singular to working precision.

    Cost: a class n_c d^2 where rows wait, and d^3. Memory 8 d^2 bytes a class.
    """
    origin, counts = centre(state.moments()), state.counts
    bias = np.log(counts / state.n_rows if priors is None else priors)
    factors = []
    for c, (label, n) in enumerate(zip(state.labels, counts.tolist(), strict=True)):
        covariance = scatter_matrix(state.moments_of(label), "class means", (1 - reg_param) / n)
        covariance[np.diag_indices_from(covariance)] += reg_param
        inverse = inverse_factor(covariance)
        if inverse is None:
            raise np.linalg.LinAlgError(
                f"the covariance of class {label!r}, of {n} rows, is singular in {len(covariance)} columns: use a "
                "larger reg_param, or a head whose classes share a covariance, such as GaussianClassifier"
            )
        bias[c] += np.log(np.diagonal(inverse)).sum()
        factors.append(inverse.T)
    return QuadraticScores(origin, class_means(state.moments(), origin), factors, bias)
