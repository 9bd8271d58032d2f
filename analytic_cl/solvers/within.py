"""The covariance of rows within their classes, shrunk: what discriminants are made from."""

from __future__ import annotations

from typing import NamedTuple

from analytic_cl.solvers.shrinkage import (
    Correlations,
    Shrinkage,
    reshrink_correlations,
    shrink_to_mean_variance,
    shrink_within,
)
from analytic_cl.solvers.spd import Floats
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import Moments


class Within(NamedTuple):
    """Sigma, its upper triangle: (1 - strength) Sw / N and something on the diagonal; and the diagonal of Sw / N."""

    covariance: Floats
    strength: float
    variances: Floats


def within_covariance(moments: Moments, shrinkage: Shrinkage) -> Within:
    """The shrunk within-class covariance; for "oas" see `shrink_within`.

    Cost: 3 n_classes d^2 multiply-adds, one float64 square.
    """
    covariance = scatter_matrix(moments, "class means", 1 / moments.n_rows)
    variances = covariance.diagonal().copy()
    if shrinkage == "oas" or isinstance(shrinkage, Correlations):
        strength = shrink_within(covariance, moments)
        if isinstance(shrinkage, Correlations):
            strength = reshrink_correlations(covariance, strength, shrinkage.intensity)
        return Within(covariance, strength, variances)
    shrink_to_mean_variance(covariance, float(shrinkage))
    return Within(covariance, float(shrinkage), variances)
