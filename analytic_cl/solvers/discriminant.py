"""The space in which classes differ, and class means shrunk in it (two-covariance, or Bayesian, discriminant analysis).

Symbols: k classes of n_c rows, N in all, m their mean; Sigma = L L^T the shrunk within-class covariance; a row is
u = L^-1 (x - m) in whitened space, a class mean u_c; U holds r orthonormal directions there, y = U^T u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh, lapack

from analytic_cl._blas import product
from analytic_cl.solvers.lda import within_covariance
from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats, factor_or_warn
from analytic_cl.solvers.units import class_means, mean_in_parts
from analytic_cl.statistics import CLASS_SUMS, GRAM, Int64s, Moments

_FLAT = 1e-10  # share of the largest eigenvalue below which a direction tells no classes apart


@dataclass(frozen=True)
class Discriminants:
    """Coordinates y = (step * (q - centre)) @ directions - shift of integer rows q, and what classes are like in them.

    Attributes
    ----------
    centre : ndarray of int64, shape (width,)
    directions, shift : ndarrays, shape (width, r) and (r,)
        Within a class, the rows have unit variance along each direction, and no correlation.
    means : ndarray, shape (k, r)
        Of the classes, as they were learned.
    between : ndarray, shape (r,)
        Variance psi of class means along each direction, in units of the variance within.
    counts : ndarray, shape (k,)
    strength : float
        Shrinkage intensity of the covariance.
    """

    centre: Int64s
    directions: Floats
    shift: Floats
    means: Floats
    between: Floats
    counts: Floats
    strength: float

    def coordinates(self, deviations: Floats) -> Floats:
        """Of rows less the centre, in dequantised units, shape (n, r)."""
        return np.asarray(product(deviations, self.directions) - self.shift)

    @property
    def believed(self) -> Floats:
        """Class means, shrunk towards the mean of all by n psi / (n psi + 1), shape (k, r)."""
        weight = self.counts[:, None] * self.between
        return np.asarray(self.means * (weight / (weight + 1)))

    @property
    def doubt(self) -> Floats:
        """Variance of a class's true mean, given its rows: psi / (n psi + 1), shape (k, r)."""
        return np.asarray(self.between / (self.counts[:, None] * self.between + 1))


@dataclass(frozen=True)
class DiscriminantScores:
    """Scores ``y @ linear.T - y**2 @ square.T + bias`` in the space of `space`, one column a class."""

    space: Discriminants
    linear: Floats
    square: Floats
    bias: Floats

    @property
    def strength(self) -> float:
        return self.space.strength

    def of(self, deviations: Floats) -> Floats:
        """Scores of rows less the centre, in dequantised units; for two classes one column, the second's less the
        first's.
        """
        y = self.space.coordinates(deviations)
        scores = product(y, self.linear.T) - product(y * y, self.square.T) + self.bias
        return np.asarray(scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores)


@needs(CLASS_SUMS, GRAM)
def discriminants(moments: Moments, shrinkage: str | float = "oas") -> Discriminants:
    """The directions along which class means differ, and how much of that is more than their rows' own noise.

    With the columns sqrt(n_c) u_c = U s Z^T: psi_j = max(0, s_j^2 - t) / n0, n0 = N - sum of n_c^2 / N, and t the noise
    that the means of as many rows would have along a direction, were all classes one.

    Cost: that of `lda`, d^3 / 3 and k^2 (k + d).
    """
    n, k, counts = moments.n_rows, len(moments.labels), moments.counts.astype(np.float64)
    origin = centre(moments)
    covariance, strength, target = within_covariance(moments, shrinkage)
    inverse, rank = factor_or_warn(covariance, lambda: within_covariance(moments, shrinkage)[0])
    # tr(Sigma^-1 Sw / N), from Sigma = (1 - strength) Sw / N + strength * target
    noise = float(rank)
    if strength < 1:
        noise = max(0.0, (rank - strength * float(np.einsum("ij,ij,j->", inverse, inverse, target))) / (1 - strength))
    deviations = class_means(moments, origin)
    middle = mean_in_parts(moments, origin)
    u = product(deviations - middle, inverse.T) * np.sqrt(counts)[:, None]
    r = min(k - 1, len(inverse))
    values, vectors = eigh(product(u, u.T), subset_by_index=[k - r, k - 1]) if r else (np.zeros(0), np.zeros((k, 0)))
    kept = values > _FLAT * values.max(initial=0.0)
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    whitened = product(u.T, vectors) / np.sqrt(values)
    n0 = n - float((counts**2).sum()) / n
    spread = noise * (k - 1) / max(1, len(values)) * n / max(1, n - k)
    directions = product(inverse.T, whitened)
    shift = middle @ directions
    means = product(deviations, directions) - shift
    between = np.maximum(0.0, values - spread) / n0 if n0 > 0 else np.zeros(0)
    return Discriminants(origin, directions, shift, means, between, counts, strength)
