"""The covariance of rows within their classes, shrunk: what discriminants are made from."""

from __future__ import annotations

from typing import NamedTuple

from analytic_cl.solvers.shrinkage import shrink_correlations, shrink_to_mean_variance
from analytic_cl.solvers.spd import Floats
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import Moments


class Within(NamedTuple):
    """Sigma, its upper triangle: (1 - strength) Sw / N and something on the diagonal; and the diagonal of Sw / N."""

    covariance: Floats
    strength: float
    variances: Floats


def within_covariance(moments: Moments, shrinkage: str | float) -> Within:
    """The shrunk within-class covariance; the formula behind "oas" counts N - n_classes samples, Sw's own freedom.

    Cost: 3 n_classes d^2 multiply-adds, one float64 square.
    """
    n = moments.n_rows
    covariance = scatter_matrix(moments, "class means", 1 / n)
    variances = covariance.diagonal().copy()
    if shrinkage == "oas":
        return Within(covariance, shrink_correlations(covariance, n - len(moments.labels)), variances)
    shrink_to_mean_variance(covariance, float(shrinkage))
    return Within(covariance, float(shrinkage), variances)
