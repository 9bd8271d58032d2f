"""Nearest class mean."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.units import class_means
from analytic_cl.statistics import Moments


def euclidean_nearest_mean(moments: Moments) -> LinearScores:
    """w_c = mu_c, b_c = -|mu_c|^2 / 2: the largest score is that of the closest mean."""
    means = class_means(moments)
    return LinearScores(means, -0.5 * np.einsum("ij,ij->i", means, means)).of_second_class()


def cosine_nearest_mean(moments: Moments) -> LinearScores:
    """w_c = mu_c / |mu_c|, 0 for a mean of zero: scores are |x| times the cosine to each mean."""
    means = class_means(moments)
    norms = np.sqrt(np.einsum("ij,ij->i", means, means))
    return LinearScores(means / np.where(norms > 0, norms, 1.0)[:, None], np.zeros(len(means))).of_second_class()
