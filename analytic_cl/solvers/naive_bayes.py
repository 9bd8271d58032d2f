"""Gaussian naive Bayes: of each class's covariance only the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_SUMS, GRAM, ClassGrams, Int64s

_NUMBERS = 2**17  # that are worked on at a time: they stay in the cache


@dataclass(frozen=True)
class NaiveBayesScores:
    """Log densities of classes of independent columns, with their log priors, one column a class.

    Attributes
    ----------
    centre : ndarray of int64, shape (width,)
    means, variances : ndarrays, shape (k, width)
    log_priors : ndarray, shape (k,)
    epsilon : float
        What was added to all variances.
    """

    centre: Int64s
    means: Floats
    variances: Floats
    log_priors: Floats
    epsilon: float

    def of(self, deviations: Floats) -> Floats:
        """Of rows less the centre, in dequantised units; for two classes one column, the second's less the first's.

        Differences are squared one class at a time: multiplied out, small variances would cost the digits.

        Cost: 4 k d operations a row.
        """
        scores = np.empty((len(deviations), len(self.means)))
        size = max(1, _NUMBERS // deviations.shape[1])
        for start in range(0, len(deviations), size):
            part = deviations[start : start + size]
            for c, (mean, variance) in enumerate(zip(self.means, self.variances, strict=True)):
                apart = part - mean
                apart *= apart
                scores[start : start + size, c] = apart @ (-0.5 / variance)
        scores += self.log_priors - 0.5 * np.log(2 * np.pi * self.variances).sum(axis=1)
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores


@needs(CLASS_SUMS, GRAM, CLASS_GRAMS)
def naive_bayes(state: ClassGrams, var_smoothing: float = 1e-9, priors: Floats | None = None) -> NaiveBayesScores:
    """Variances of each class's columns, and `var_smoothing` times the largest variance of a column of all rows.

    Where all rows are equal variances are 1, which no row can tell from another number.

    Cost: a class n_c d^2 where rows wait, and d^2.
    """
    moments, counts = state.moments(), state.counts
    widest = float(scatter_matrix(moments, "mean", 1 / moments.n_rows).diagonal().max())
    epsilon = var_smoothing * widest if widest > 0 else 1.0
    variances = np.stack(
        [
            scatter_matrix(state.moments_of(label), "class means", 1 / n).diagonal()
            for label, n in zip(state.labels, counts.tolist(), strict=True)
        ]
    )
    origin = centre(moments)
    log_priors = np.log(counts / state.n_rows if priors is None else priors)
    return NaiveBayesScores(origin, class_means(moments, origin), variances + epsilon, log_priors, epsilon)
