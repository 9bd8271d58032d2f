"""Classes of unit rows as von Mises-Fisher distributions: a direction and a spread each.

Symbols: n_c rows of class c with the sum S_c, R_c = |S_c| / n_c; density C_d(kappa) exp(kappa m^T x) of unit rows x,
C_d(kappa) = kappa^nu / ((2 pi)^(d / 2) I_nu(kappa)), nu = d / 2 - 1, I the modified Bessel function of the first kind.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ive

from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats
from analytic_cl.solvers.units import class_means
from analytic_cl.statistics import CLASS_SUMS, Moments

_HIGH_ORDER = 20.0  # of I, from which four terms of the expansion are right to 1e-8, and to 1e-10 from 50 on
_SMALL, _LARGE = 1e-9, 1e6  # kappa below which C_d is that of 0 in all digits; above which `ive` loses digits


@needs(CLASS_SUMS)
def von_mises_fisher(moments: Moments, prior_rows: float) -> LinearScores:
    """score_c = kappa_c m_c . x + log C_d(kappa_c) + log(n_c / N), m_c = S_c / |S_c|.

    The spread 1 - rho_c^2 of a class, rho_c the length of its true mean, is estimated without bias by
    n_c (1 - R_c^2) / (n_c - 1), drawn to that of all classes together, which counts for `prior_rows` rows, and not
    taken below what rounding to integers brings about. kappa_c = rho_c (d - rho_c^2) / (1 - rho_c^2).

    Cost: 4 d a class.
    """
    counts, d = moments.counts.astype(np.float64), moments.quantizer.width
    means = class_means(moments)
    lengths = np.sqrt(np.einsum("ij,ij->i", means, means))
    directions = means / np.where(lengths > 0, lengths, 1.0)[:, None]
    spreads = _spreads(counts, lengths, prior_rows, float((moments.quantizer.step**2).sum()) / 12)
    rho = np.sqrt(1 - spreads)
    kappa = rho * (d - rho**2) / spreads
    weights = kappa[:, None] * directions
    bias = log_normaliser(d, kappa) + np.log(counts / moments.n_rows)
    origin = np.zeros(d, dtype=np.int64)
    return LinearScores(origin, weights, bias, weights, bias).of_second_class()


def _spreads(counts: Floats, lengths: Floats, prior_rows: float, least: float) -> Floats:
    """1 - rho_c^2 of each class, in [least, 1]."""
    scatter, freedom = np.maximum(counts * (1 - lengths**2), 0.0), counts - 1
    pooled = scatter.sum() / freedom.sum() if freedom.any() else least
    known = freedom + prior_rows
    drawn = (scatter + prior_rows * pooled) / np.where(known > 0, known, 1.0)
    return np.asarray(np.clip(np.where(known > 0, drawn, pooled), least, 1.0))


def log_normaliser(d: int, kappa: Floats) -> Floats:
    """Log C_d(kappa), absolute error below 1e-8 for d < 100, below 1e-9 beyond."""
    kappa, nu = np.maximum(kappa, _SMALL), d / 2 - 1
    if nu >= _HIGH_ORDER:
        log_bessel = _expanded(nu, kappa)
    else:
        small = np.minimum(kappa, _LARGE)
        far = kappa - 0.5 * np.log(2 * math.pi * kappa) - (4 * nu**2 - 1) / (8 * kappa)
        log_bessel = np.where(kappa > _LARGE, far, np.log(ive(nu, small)) + small)
    return np.asarray(nu * np.log(kappa) - d / 2 * math.log(2 * math.pi) - log_bessel)


def _expanded(nu: float, kappa: Floats) -> Floats:
    """Log I_nu(kappa) by the expansion that is uniform in kappa (Abramowitz and Stegun 9.7.7)."""
    z = kappa / nu
    root = np.sqrt(1 + z * z)
    t = 1 / root
    t2 = t * t
    series = (
        1
        + t * (3 - 5 * t2) / (24 * nu)
        + t2 * (81 - 462 * t2 + 385 * t2**2) / (1152 * nu**2)
        + t * t2 * (30375 - 369603 * t2 + 765765 * t2**2 - 425425 * t2**3) / (414720 * nu**3)
        + t2**2
        * (4465125 - 94121676 * t2 + 349922430 * t2**2 - 446185740 * t2**3 + 185910725 * t2**4)
        / (39813120 * nu**4)
    )
    leading = nu * (root + np.log(z / (1 + root))) - 0.5 * np.log(2 * math.pi * nu * root)
    return np.asarray(leading + np.log(series))
