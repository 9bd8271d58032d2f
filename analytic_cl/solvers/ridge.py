"""Ridge regression on targets of +-1: what recursive least squares converges to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import blas, eigvalsh_tridiagonal, lapack

from analytic_cl._blas import product
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
    mean_in_parts,
    scatter_matrix,
    scatter_matrix_product,
)
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments

GCV_ALPHAS = np.logspace(-8, 4, 61)  # times the mean eigenvalue of the scatter


@dataclass(frozen=True)
class NormalEquations:
    """A W = cross for one column a class, A its upper triangle, and the sum of squares of each class's targets."""

    a: Floats
    cross: Floats
    target_squares: Floats

    def of_second_class(self) -> NormalEquations:
        """For two classes: the second's column alone, because the first's is its negative."""
        if self.cross.shape[1] != 2:
            return self
        return NormalEquations(self.a, self.cross[:, 1:], self.target_squares[1:])

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
    about: Literal["mean", "origin"] = "mean" if fit_intercept else "origin"
    explained = None if w0 is None else scatter_matrix_product(moments, about, w0)
    if alpha == "gcv":
        problem = normal_equations(moments, fit_intercept).of_second_class()
        w, strength = _solve_by_gcv(problem.beyond(w0, explained), moments.n_rows, fit_intercept)
    else:
        cross = cross_products(moments, fit_intercept)
        right = np.asfortranarray((cross[1:] if len(cross) == 2 else cross).T)
        if explained is not None:
            right -= explained
        a, strength = regularised(moments, alpha, fit_intercept)
        w = solve_spd(a, right, lambda: regularised(moments, alpha, fit_intercept)[0])
        if _by_rows(alpha):
            w /= moments.n_rows
    if w0 is not None:
        w = w + w0
    return ridge_scores(moments, np.ascontiguousarray(w.T), fit_intercept, strength)


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
    if not fit_intercept:
        zero = np.zeros(len(coef))
        origin = np.zeros(moments.quantizer.width, dtype=np.int64)
        return LinearScores(origin, coef, coef @ moments.quantizer.offset, coef, zero, strength)
    target_means = (2 * moments.counts / moments.n_rows - 1)[-len(coef) :]
    origin, whole_mean, rest = mean_in_parts(moments)
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


def normal_equations(moments: Moments, centred: bool) -> NormalEquations:
    """Normal equations of ridge on targets of +-1, without the penalty; rows and targets centred, or as they are."""
    n, counts = moments.n_rows, moments.counts
    squares = 4 * counts * (n - counts) / n if centred else np.full(len(counts), float(n))
    return NormalEquations(
        scatter_matrix(moments, "mean" if centred else "origin"), cross_products(moments, centred).T, squares
    )


def cross_products(moments: Moments, centred: bool) -> Floats:
    """Sum over all rows of target times row, shape (n_classes, width): the right-hand sides."""
    if centred:
        return 2 * centred_class_sums(moments)
    sums = class_means(moments) * moments.counts[:, None]
    return np.asarray(2 * sums - sums.sum(axis=0))


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
