"""AIR: ridge in which every class counts alike, each with its own second moments."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.ridge import ridge_scores
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_SUMS, ClassGrams


@needs(CLASS_SUMS, CLASS_GRAMS)
def air(state: ClassGrams, alpha: float = 1.0) -> LinearScores:
    """W = (sum of pi_c G_c + alpha I)^-1 sum of pi_c X_c^T Y_c, pi_c proportional to 1 / n_c with sum k, Y +-1.

    Without an intercept, as published. Classes of one size are summed as integers.

    Cost: that of `ridge`, and for each size of a class d^2, and n_c d^2 where rows wait.

    References
    ----------
    Fang et al., AIR, arXiv 2408.10349. There: targets 0 and 1, which name the same classes.
    """
    counts = state.counts
    weights = (1 / counts) * (len(counts) / (1 / counts).sum())

    def matrix() -> Floats:
        a = np.zeros((state.quantizer.width, state.quantizer.width))
        for n in np.unique(counts):
            same = np.flatnonzero(counts == n)
            a += scatter_matrix(state.moments_of(*[state.labels[c] for c in same]), "origin", float(weights[same[0]]))
        a[np.diag_indices_from(a)] += alpha
        return a

    sums = class_means(state.moments()) * (counts * weights)[:, None]
    cross = 2 * sums - sums.sum(axis=0)
    right = np.asfortranarray((cross[1:] if len(cross) == 2 else cross).T)
    coef = np.ascontiguousarray(solve_spd(matrix(), right, matrix).T)
    return ridge_scores(state.moments(), coef, False, alpha)
