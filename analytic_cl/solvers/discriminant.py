"""The space in which classes differ, and class means shrunk in it: Bayesian (two-covariance) LDA.

Symbols: k classes with n_c rows, r directions; Sigma = L L^T the shrunk within-class covariance, in which a row has unit
variance along each direction; u(x) = (x - m) D the coordinates of a row, u_c those of a class mean; beta_j the variance
between classes along direction j, in units of the variance within.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s

_FLAT = 1e-10  # share of the largest eigenvalue below which a direction tells no classes apart
_LEAST = 1e-9  # variance between classes that is always granted, so that equal classes are still ordered


@dataclass(frozen=True)
class Discriminants:
    """Coordinates u(x) = (step * (q - centre) - m) @ directions of integer rows q, and what classes are like in them.

    Attributes
    ----------
    centre : ndarray of int64, shape (width,)
    directions : ndarray, shape (width, r)
    shift : ndarray, shape (r,)
        m @ directions.
    means : ndarray, shape (k, r)
        Coordinates u_c of the class means.
    between : ndarray, shape (r,)
        beta.
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

    def kept(self) -> Floats:
        """Share of each class mean that is believed: n beta / (1 + n beta), shape (k, r)."""
        weight = self.counts[:, None] * self.between
        return np.asarray(weight / (1 + weight))

    def doubt(self) -> Floats:
        """Variance of a class mean given its rows: beta / (1 + n beta), shape (k, r)."""
        return np.asarray(self.between / (1 + self.counts[:, None] * self.between))
