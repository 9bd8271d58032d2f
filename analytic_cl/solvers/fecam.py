"""FeCAM: distances to class means, each in the metric of its class's correlations."""

from __future__ import annotations

import numpy as np

from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.quadratic import QuadraticScores
from analytic_cl.solvers.spd import Floats, unit_scale, whitener
from analytic_cl.solvers.units import class_means, lengths, scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_SUMS, ClassGrams, Label


@needs(CLASS_SUMS, CLASS_GRAMS)
def fecam(state: ClassGrams, gamma1: float = 1.0, gamma2: float = 1.0) -> QuadraticScores:
    """Minus half the squared Mahalanobis distance of a unit row x from the unit mean m_c of a class:
    score_c = -(x - m_c)^T N_c^-1 (x - m_c) / 2.

    N_c are the correlations of S_c + gamma1 v I + gamma2 w (11^T - I), with S_c = Sw_c / (n_c - 1), v the mean of its
    diagonal and w the mean beside it. A column without variance, as in a class of one row, is correlated with none.

    Cost: a class n_c d^2 where rows wait, and d^3. Memory 8 d^2 bytes a class.

    References
    ----------
    Goswami, Liu, Twardowski and van de Weijer, FeCAM, NeurIPS 2023.
    """
    factors = []
    for label in state.labels:
        correlations = _correlations(state, label, gamma1, gamma2)
        again = lambda label=label: _correlations(state, label, gamma1, gamma2)  # noqa: E731
        factors.append(whitener(correlations, again).T)
    means = class_means(state.moments())
    means /= lengths(means)
    k, d = means.shape
    return QuadraticScores(np.zeros(d, dtype=np.int64), means, factors, np.zeros(k))


def _correlations(state: ClassGrams, label: Label, gamma1: float, gamma2: float) -> Floats:
    """N_c, its upper triangle."""
    n = state.count(label)
    a = scatter_matrix(state.moments_of(label), "class means", 1 / max(1, n - 1))
    for i in range(1, len(a)):
        a[i, :i] = 0.0
    d, diagonal = len(a), a.diagonal().copy()
    on = float(diagonal.mean())
    beside = float(a.sum() - diagonal.sum()) / max(1, d * (d - 1) // 2)
    a += gamma2 * beside
    np.fill_diagonal(a, diagonal + gamma1 * on)
    scale = 1 / unit_scale(a.diagonal())
    a *= scale[:, None]
    a *= scale
    np.fill_diagonal(a, 1.0)
    return a
