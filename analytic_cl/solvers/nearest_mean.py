"""Nearest class mean."""

from __future__ import annotations

import numpy as np

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores, centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.units import class_means, lengths
from analytic_cl.statistics import CLASS_SUMS, Moments


@needs(CLASS_SUMS)
def euclidean_nearest_mean(moments: Moments) -> LinearScores:
    """w_c = mu_c, b_c = -|mu_c|^2 / 2: the largest score is that of the closest mean."""
    origin = centre(moments)
    weights, means = class_means(moments, origin), class_means(moments)
    bias, intercept = (-0.5 * np.einsum("ij,ij->i", a, a) for a in (weights, means))
    return LinearScores(origin, weights, bias, means, intercept).of_second_class()


@needs(CLASS_SUMS)
def cosine_nearest_mean(moments: Moments) -> LinearScores:
    """w_c = mu_c / |mu_c|, 0 for a mean of zero: ``x @ coef.T`` is |x| times the cosine to each mean."""
    means = class_means(moments)
    unit, zero = np.divide(means, lengths(means), out=means), np.zeros(len(means))
    offset = moments.quantizer.offset
    bias = product(unit, offset[:, None])[:, 0] if offset.any() else zero
    return LinearScores(np.zeros(len(offset), dtype=np.int64), unit, bias, unit, zero).of_second_class()
