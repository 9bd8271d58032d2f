"""Ridge regression on targets of +-1: what recursive least squares converges to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from analytic_cl.solvers.linear import LinearScores, centre
from analytic_cl.solvers.shrinkage import shrink_correlations
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import centred_class_sums, class_means, mean, scatter_matrix
from analytic_cl.statistics import Moments

GCV_ALPHAS = np.logspace(-8, 4, 61)  # times the mean eigenvalue of the scatter


@dataclass(frozen=True)
class _Problem:
    """Normal equations A W = cross, and the targets' sum of squares and means."""

    a: Floats
    cross: Floats
    target_squares: float
    target_means: Floats


def ridge(moments: Moments, alpha: str | float = "oas", fit_intercept: bool = True) -> LinearScores:
    """Minimise sum |X w + b - y|^2 + penalty, y = +1 for the class and -1 for all others.

    A numeric alpha is the usual penalty alpha |w|^2 in the units of the dequantised rows. "oas" shrinks the
    correlations of the rows instead, by a formula of the state; "gcv" takes the alpha of least generalised
    cross-validation error. With two classes one column is solved, for the second.

    Cost: d^3 / 3 + 2 d^2 n_classes operations and one float64 square; "gcv" about 10 d^3 and three squares.
    """
    problem = _normal_equations(moments, fit_intercept)
    n, a = moments.n_rows, problem.a
    if alpha == "gcv":
        w, strength = _solve_by_gcv(problem, n, fit_intercept)
    elif alpha == "oas":
        a /= n
        strength = shrink_correlations(a, n)
        w = solve_spd(a, np.asfortranarray(problem.cross / n))
    else:
        strength = float(alpha)
        a[np.diag_indices_from(a)] += strength
        w = solve_spd(a, np.asfortranarray(problem.cross))
    coef = np.ascontiguousarray(w.T)
    if not fit_intercept:
        zero = np.zeros(len(coef))
        origin = np.zeros(moments.door.width, dtype=np.int64)
        return LinearScores(origin, coef * moments.door.step, coef @ moments.door.offset, coef, zero, strength)
    origin = centre(moments)
    bias, intercept = (problem.target_means - coef @ m for m in (mean(moments, origin), mean(moments)))
    return LinearScores(origin, coef * moments.door.step, bias, coef, intercept, strength)


def _normal_equations(moments: Moments, centred: bool) -> _Problem:
    n, counts = moments.n_rows, moments.counts
    target_means = 2 * counts / n - 1
    if centred:
        a, cross = scatter_matrix(moments, "mean"), 2 * centred_class_sums(moments)
        squares = 4 * counts * (n - counts) / n
    else:
        sums = class_means(moments) * counts[:, None]
        a, cross = scatter_matrix(moments, "origin"), 2 * sums - sums.sum(axis=0)
        squares = np.full(len(counts), float(n))
    used = slice(1, None) if len(counts) == 2 else slice(None)
    return _Problem(a, cross[used].T, float(squares[used].sum()), target_means[used])


def _solve_by_gcv(problem: _Problem, n: int, fit_intercept: bool) -> tuple[Floats, float]:
    """GCV = RSS / (n - df)^2 over a grid of alphas, all from one eigendecomposition of the state's scatter.

    References
    ----------
    Golub, Heath and Wahba, Generalized cross-validation as a method for choosing a good ridge parameter,
    Technometrics 21 (1979). There from the rows; here from A = V s V^T and Z = V^T cross alone.
    """
    s, v = eigh(problem.a, overwrite_a=True, driver="evd")
    s = np.maximum(s, 0.0)
    z = v.T @ problem.cross
    z_squares = np.einsum("ij,ij->i", z, z)
    alphas = GCV_ALPHAS * (s.mean() or 1.0)
    h = 1 / (s + alphas[:, None])
    rss = np.maximum(problem.target_squares - (2 * h - s * h * h) @ z_squares, 0.0)
    left = n - fit_intercept - h @ s
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(left > 0, rss / left**2, np.inf)
    best = int(np.argmin(error))
    return v @ (h[best][:, None] * z), float(alphas[best])
