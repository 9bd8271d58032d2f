"""Ridge regression on targets of +-1: what recursive least squares converges to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import blas, eigvalsh_tridiagonal, lapack

from analytic_cl._blas import product
from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers.class_weights import WeightedClasses
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.shrinkage import (
    Correlations,
    Shrinkage,
    reshrink_correlations,
    shrink_correlations,
    shrink_within,
)
from analytic_cl.solvers.spd import Floats, solve_spd, symmetric_product, tridiagonal
from analytic_cl.solvers.units import (
    centred_class_sums,
    class_means,
    mean_of_sum_in_parts,
    scatter_matrix,
    scatter_matrix_product,
)
from analytic_cl.statistics import CLASS_SUMS, GRAM, Int64s, LabelSetMoments, Moments

GCV_ALPHAS = np.logspace(-8, 4, 61)  # times the mean eigenvalue of the scatter


@dataclass(frozen=True)
class NormalEquations:
    """A W = cross for one column a class, A its upper triangle, and the sum of squares of each class's targets."""

    a: Floats
    cross: Floats
    target_squares: Floats

    def beyond(self, w0: Floats | None, explained: Floats | None) -> NormalEquations:
        """For what the weights `w0` leave of the targets; `explained` is the scatter times w0."""
        if w0 is None or explained is None:
            return self
        squares = self.target_squares + np.einsum("ij,ij->j", w0, explained - 2 * self.cross)
        return NormalEquations(self.a, self.cross - explained, squares)


@needs(CLASS_SUMS, GRAM)
def ridge(
    moments: Moments,
    alpha: Shrinkage = "auto",
    fit_intercept: bool = True,
    balance: float = 0.0,
    towards: Floats | None = None,
) -> LinearScores:
    """Minimise sum |X w + b - y|^2 + penalty, y = +1 for the class and -1 for all others.

    A numeric alpha is the usual penalty alpha |w|^2 in the units of the dequantised rows. "oas" shrinks the
    correlations of the rows instead, by a formula of the state; "gcv" takes the alpha of least generalised
    cross-validation error; for "auto" see `_auto`. With two classes one column is solved, for the second. `balance`:
    see `WeightedClasses`; "auto" then is the same rule, of the scatter with these weights.

    `towards`, W_0 of shape (n_classes, width), is what weights are pulled towards in place of 0. The deviation D from
    it is what is penalised, and is ridge's answer to what W_0 leaves of the targets: A D = cross - G W_0, G the scatter
    without the penalty. For a numeric alpha that is (G + alpha I) W = cross + alpha W_0.

    Cost: d^3 / 3 + 2 d^2 n_classes multiply-adds and one float64 square; "gcv" 2/3 d^3 of which half wait for memory.
    """
    w0 = None if towards is None else (towards[1:] - towards[:1]).T / 2 if len(towards) == 2 else towards.T
    if balance:
        return _balanced(WeightedClasses.balanced(moments, balance, fit_intercept), alpha, fit_intercept, w0)
    cross = cross_products(moments, fit_intercept)
    squares = target_squares(moments, fit_intercept)
    last = slice(1, None) if len(cross) == 2 else slice(None)  # the first's column is the negative of the second's
    w, strength = ridge_weights(moments, alpha, fit_intercept, np.asfortranarray(cross[last].T), squares[last], w0)
    return ridge_scores(moments, np.ascontiguousarray(w.T), fit_intercept, strength)


def ridge_weights(
    moments: Moments, alpha: Shrinkage, fit_intercept: bool, cross: Floats, squares: Floats, w0: Floats | None = None
) -> tuple[Floats, float]:
    """Weights, shape (width, k), for right-hand sides of that shape in Fortran order, and the strength.

    `squares` are the sums of squared targets of each; weights are pulled towards `w0`. May overwrite `cross`.
    """
    about: Literal["mean", "origin"] = "mean" if fit_intercept else "origin"
    explained = None if w0 is None else scatter_matrix_product(moments, about, w0)
    if alpha == "gcv":
        problem = NormalEquations(scatter_matrix(moments, about), cross, squares)
        w, strength = _solve_by_gcv(problem.beyond(w0, explained), moments.n_rows, fit_intercept)
    else:
        if explained is not None:
            cross -= explained
        a, strength = regularised(moments, alpha, fit_intercept)
        w = solve_spd(a, cross, lambda: regularised(moments, alpha, fit_intercept)[0])
        if _by_rows(alpha):
            w /= moments.n_rows
    return (w if w0 is None else w + w0), strength


def _balanced(classes: WeightedClasses, alpha: Shrinkage, centred: bool, w0: Floats | None) -> LinearScores:
    moments, n = classes.moments, classes.moments.n_rows
    last = slice(1, None) if len(classes.weights) == 2 else slice(None)
    right = np.asfortranarray(classes.cross[last].T)
    explained = None if w0 is None else symmetric_product(classes.scatter(), w0)
    if alpha == "gcv":
        squares = n * (1 - classes.target_means**2) if centred else np.full(len(classes.weights), float(n))
        problem = NormalEquations(classes.scatter(), right, squares[last])
        w, strength = _solve_by_gcv(problem.beyond(w0, explained), n, centred)
    else:
        if explained is not None:
            right -= explained

        def matrix() -> tuple[Floats, float]:
            return _strengthened(moments, alpha, classes.scatter, classes.between)

        a, strength = matrix()
        w = solve_spd(a, right / n if _by_rows(alpha) else right, lambda: matrix()[0])
    coef = np.ascontiguousarray(w.T if w0 is None else (w + w0).T)
    if not centred:
        return ridge_scores(moments, coef, False, strength)
    bias = classes.target_means[last] - product(coef, classes.mean[:, None])[:, 0]
    x0 = moments.quantizer.offset + moments.quantizer.step * classes.origin
    return LinearScores(classes.origin, coef, bias, coef, bias - product(coef, x0[:, None])[:, 0], strength)


def ridge_scores(moments: Moments, coef: Floats, fit_intercept: bool, strength: float) -> LinearScores:
    """Scores of these ridge weights, shape (n_classes, width), or of the second of two classes alone: (1, width)."""
    means = ((2 * moments.counts - moments.n_rows) / moments.n_rows)[-len(coef) :]
    about = moments.quantizer, moments.n_rows, moments.total
    return linear_scores(*about, coef, means if fit_intercept else None, strength)


def linear_scores(
    quantizer: Quantizer, n: int, total: Int64s, coef: Floats, target_means: Floats | None, strength: float
) -> LinearScores:
    """Scores of weights, shape (k, width), that are the targets' means at the mean of n rows of a sum; without these
    means, 0 at 0.
    """
    if target_means is None:
        zero = np.zeros(len(coef))
        origin = np.zeros(quantizer.width, dtype=np.int64)
        return LinearScores(origin, coef, coef @ quantizer.offset, coef, zero, strength)
    origin, whole_mean, rest = mean_of_sum_in_parts(quantizer, n, total)
    bias, intercept = (target_means - product(coef, m[:, None])[:, 0] for m in (rest, whole_mean))
    return LinearScores(origin, coef, bias, coef, intercept, strength)


def regularised(moments: Moments, alpha: Shrinkage, centred: bool) -> tuple[Floats, float]:
    """The matrix to solve with, its upper triangle (but for a numeric alpha divided by the number of rows), and the
    strength.
    """
    about: Literal["mean", "origin"] = "mean" if centred else "origin"

    def between() -> Floats:
        sums = centred_class_sums(moments) if centred else class_means(moments) * moments.counts[:, None]
        return np.asarray(sums / np.sqrt(moments.counts[:, None]))

    return _strengthened(moments, alpha, lambda factor: scatter_matrix(moments, about, factor), between)


def _by_rows(alpha: Shrinkage) -> bool:
    """Whether the matrix to solve with is divided by the number of rows: for all but a penalty in the rows' units."""
    return isinstance(alpha, str | Correlations)


def _strengthened(
    moments: Moments, alpha: Shrinkage, scatter: Callable[[float], Floats], between: Callable[[], Floats]
) -> tuple[Floats, float]:
    """The matrix to solve with and the strength, from `scatter` times a factor, of which D^T D is between classes."""
    n = moments.n_rows
    if alpha == "auto" and moments.quantizer.projection is None:
        return _auto(moments, scatter, between)
    if isinstance(alpha, str | Correlations):
        a = scatter(1 / n)
        strength = shrink_correlations(a, n)
        if isinstance(alpha, Correlations):
            strength = reshrink_correlations(a, strength, alpha.intensity)
        return a, strength
    a = scatter(1.0)
    a[np.diag_indices_from(a)] += float(alpha)
    return a, float(alpha)


def _auto(moments: Moments, scatter: Callable[[float], Floats], between: Callable[[], Floats]) -> tuple[Floats, float]:
    """What "auto" means without a projection, divided by the number of rows, and the strength.

    The columns of rows of unit length share a unit, and it is the wide ones that count: the penalty is the mean of
    |x - m|^2, as if one more row were spread over all directions. Other columns have units of their own: the covariance
    within the classes is shrunk on the scale of correlations. That of all rows would not do: there a column is wide
    because it tells classes apart, and would be divided by that width.
    """
    n = moments.n_rows
    if moments.quantizer.rule.norm == "l2":
        a = scatter(1 / n)
        penalty = float(a.trace()) or 1.0
        a[np.diag_indices_from(a)] += penalty / n
        return a, penalty
    a = scatter_matrix(moments, "class means", 1 / n)
    intensity = shrink_within(a, moments)
    return blas.dsyrk(1 / n, between().T, beta=1.0, c=a.T, lower=1, overwrite_c=1).T, intensity


def target_squares(moments: Moments | LabelSetMoments, centred: bool) -> Floats:
    """Sum of squared targets of +-1 of each class, centred or as they are."""
    n, counts = moments.n_rows, moments.counts
    return np.asarray(4 * counts * (n - counts) / n if centred else np.full(len(counts), float(n)))


def cross_products(moments: Moments | LabelSetMoments, centred: bool) -> Floats:
    """Sum over all rows of target times row, shape (n_classes, width): the right-hand sides."""
    if centred:
        return 2 * centred_class_sums(moments)
    q = moments.quantizer
    cross = q.step * (2 * moments.sums - moments.total).astype(np.float64)
    if q.offset.any():
        cross += np.outer(2 * moments.counts - moments.n_rows, q.offset)
    return np.asarray(cross)


def _solve_by_gcv(problem: NormalEquations, n: int, fit_intercept: bool) -> tuple[Floats, float]:
    """GCV = RSS / (n - df)^2 over a grid of alphas, all from one reduction A = Q T Q^T of the state's scatter to
    tridiagonal form: 4/3 d^3 operations, four times a Cholesky factorisation, in the memory of A.

    With Z = Q^T cross and X = (T + alpha I)^-1 Z, in O(d) a column, RSS = |y|^2 - Z.X - alpha X.X. The degrees of
    freedom come from the eigenvalues of T, without vectors, in O(d^2).

    References
    ----------
    Golub, Heath and Wahba, Generalized cross-validation as a method for choosing a good ridge parameter,
    Technometrics 21 (1979). There from the rows; here from the state alone.
    """
    diagonal, beside, rotate = tridiagonal(problem.a)
    z = rotate(problem.cross, True)
    s = np.maximum(eigvalsh_tridiagonal(diagonal, beside) if beside.size else diagonal, 0.0)
    best, w, strength = math.inf, np.zeros_like(z), 0.0
    for alpha in GCV_ALPHAS * (s.mean() or 1.0):
        x, info = lapack.dptsv(diagonal + alpha, beside, z)[2:]
        left = n - fit_intercept - float((s / (s + alpha)).sum())
        if info or left <= 0:
            continue
        rss = problem.target_squares.sum() - np.vdot(z, x) - alpha * np.vdot(x, x)
        error = max(float(rss), 0.0) / left**2
        if error < best:
            best, w, strength = error, x, float(alpha)
    return rotate(w, False), strength
