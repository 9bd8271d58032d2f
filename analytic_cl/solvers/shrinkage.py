"""How strongly a covariance estimate is pulled towards a simpler one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytic_cl._parallel import map_panels
from analytic_cl.solvers.spd import Floats, unit_scale
from analytic_cl.solvers.units import centred_class_sums
from analytic_cl.statistics import Moments


@dataclass(frozen=True)
class Correlations:
    """Shrink correlations, as "oas" does, but by this much: what choosing by held-out rows chooses from."""

    intensity: float


Shrinkage = str | float | Correlations  # "oas", or scikit-learn's number

# Of correlations: measured on embeddings with 5 to 500 rows a class, where the formula is right with many rows only
CANDIDATES: tuple[Shrinkage, ...] = (
    "oas",
    Correlations(0.5),
    Correlations(0.65),
    Correlations(0.8),
    Correlations(0.95),
)


def shrink_to_mean_variance(covariance: Floats, intensity: float) -> None:
    """(1 - intensity) covariance + intensity * mean variance * I, its upper triangle, in place: scikit-learn's
    ``shrinkage``.
    """
    mean_variance = covariance.trace() / covariance.shape[0]
    _scale_upper(covariance, 1 - intensity)
    covariance[np.diag_indices_from(covariance)] += intensity * mean_variance


def shrink_within(covariance: Floats, moments: Moments) -> float:
    """Shrink a within-class covariance, its upper triangle, in place; returns the intensity, in (0, 1].

    The formula of `shrink_correlations` for n - n_classes samples, times 3 d / samples where that is below 1: it
    weighs a covariance as a whole, and with many rows is too strong for the narrow directions that tell classes apart.
    A column that is constant within the classes gets the variance that it would have if each class had one more row, at
    the mean of all rows: that has the column's own unit, and grows less certain the fewer rows a class has.
    """
    dead = np.flatnonzero(~(covariance.diagonal() > 0))
    intensity = shrink_correlations(covariance, moments.n_rows - len(moments.labels), many=3)
    if dead.size:
        counts = moments.counts[:, None]
        apart = centred_class_sums(moments)[:, dead] ** 2 / (counts * (counts + 1))
        variances = apart.sum(axis=0) / moments.n_rows
        covariance[dead, dead] = np.where(variances > 0, variances, 1.0)  # constant in all rows: no weight, any number
    return intensity


def shrink_correlations(covariance: Floats, n_samples: int, many: float = math.inf) -> float:
    """Shrink the correlations behind a covariance, its upper triangle, by the oracle approximating formula, in place.

    The covariance is divided to correlation scale (columns without variance by 1), shrunk towards the identity and
    scaled back, which leaves variances alone and multiplies the rest by 1 - intensity. A column without variance
    gets the intensity as its variance, and has no part in the formula. Where samples are more than `many` times the
    columns, the intensity is less by as much. Returns the intensity, in (0, 1].

    Cost: O(d^2).

    References
    ----------
    Chen, Wiesel, Eldar and Hero, Shrinkage algorithms for MMSE covariance estimation, IEEE Trans. Signal Processing
    58 (2010). There: towards the mean variance, of the covariance itself, which lets one wide column decide.
    """
    variances = covariance.diagonal().copy()
    live = variances > 0
    intensity = 1.0
    if live.any() and n_samples > 0:
        squares = _sum_of_squares(covariance, 1 / unit_scale(variances) ** 2)
        n_live = int(live.sum())  # counting the others too would let constant columns change the answer
        intensity = oas_intensity(float(n_live), squares, n_live, n_samples) * min(1.0, many * n_live / n_samples)
    _scale_upper(covariance, 1 - intensity)
    np.fill_diagonal(covariance, np.where(live, variances, intensity))
    return intensity


def _sum_of_squares(a: Floats, weights: Floats) -> float:
    """Sum of weights[i] weights[j] a[i, j]^2 over a symmetric matrix, from its upper triangle."""

    def of_rows(rows: slice) -> float:
        panel = a[rows, rows.start :] ** 2
        panel *= weights[rows.start :]
        n = len(panel)
        square, beside = np.triu(panel[:, :n], 1), panel[:, n:]
        both = 2 * (square.sum(axis=1) + beside.sum(axis=1)) + panel.diagonal()
        return float((both * weights[rows]).sum())

    return sum(map_panels(of_rows, len(a)))


def _scale_upper(a: Floats, factor: float) -> None:
    """Multiply the upper triangle, and little else: the other half of a wide matrix, which nobody writes to, takes no
    memory.
    """

    def scale(rows: slice) -> None:
        a[rows, rows.start :] *= factor

    map_panels(scale, len(a))


def reshrink_correlations(covariance: Floats, intensity: float, wanted: float) -> float:
    """From correlations shrunk by one intensity to another, in place; returns the one in force.

    Where the intensity is 1 nothing is left to scale.
    """
    if intensity == 1:
        return intensity
    diagonal = covariance.diagonal().copy()
    _scale_upper(covariance, (1 - wanted) / (1 - intensity))
    np.fill_diagonal(covariance, diagonal)
    return wanted


def oas_intensity(trace: float, squares: float, d: int, n_samples: int) -> float:
    """The oracle approximating shrinkage of a d by d matrix from its trace and its sum of squared entries."""
    mean_square, mean_variance = squares / d**2, trace / d
    gap = (n_samples + 1) * (mean_square - mean_variance**2 / d)
    return 1.0 if gap <= 0 else min(1.0, (mean_square + mean_variance**2) / gap)
