"""Scores of labels of which a row may have any number: for each label, whether a row has it.

All labels share one scatter of all rows, so that one factorisation serves them all. N rows, n_k of them with label k;
u_k is the sum over those of x - m, m the mean of all rows.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.ridge import cross_products, linear_scores, ridge_weights, target_squares
from analytic_cl.solvers.shrinkage import Correlations, Shrinkage
from analytic_cl.solvers.spd import Floats, solve_spd, tridiagonal
from analytic_cl.solvers.units import centred_class_sums, scatter_matrix
from analytic_cl.solvers.within import within_covariance
from analytic_cl.statistics import GRAM, LABEL_SUMS, LabelSetMoments

_CERTAIN = 1e30  # score of a label that all rows have: finite, because scikit-learn refuses infinity


@needs(LABEL_SUMS, GRAM)
def label_ridge(
    state: LabelSetMoments, alpha: Shrinkage = "auto", fit_intercept: bool = True, towards: Floats | None = None
) -> LinearScores:
    """Ridge on a target of +-1 for each label, +1 where a row has it; parameters as those of `ridge`.

    The centred products are 2 u_k, so where every row has one label, of three or more, these are the bits of `ridge`:
    for a number, "gcv", "oas", and "auto" behind a projection or of unit rows. "auto" else shrinks the correlations of
    all rows, because labels that overlap leave no scatter within them.

    Cost: d^3 / 3 + 2 d^2 n_labels multiply-adds and one float64 square; "gcv" 2/3 d^3 of which half wait for memory.
    """
    rows, n, counts = state.all_rows, state.n_rows, state.counts
    if not counts.size:
        return _no_labels(state)
    cross, squares = np.asfortranarray(cross_products(state, fit_intercept).T), target_squares(state, fit_intercept)
    w0 = None if towards is None else towards.T
    w, strength = ridge_weights(rows, alpha, fit_intercept, cross, squares, w0)
    means = (2 * counts - n) / n if fit_intercept else None
    return linear_scores(rows.quantizer, n, rows.total, np.ascontiguousarray(w.T), means, strength)


@needs(LABEL_SUMS, GRAM)
def label_lda(state: LabelSetMoments, shrinkage: Shrinkage = "oas") -> LinearScores:
    """Log-odds of each label by discriminant analysis of two classes, the rows with it and those without.

    With p = n_k / N, d_k = u_k N / (n_k (N - n_k)) the difference of the two means and T = G - S S^T / N, the
    covariance within the two is W_k = T / N - p (1 - p) d_k d_k^T. A number s shrinks it as scikit-learn does,
    (1 - s) W_k + s tr(W_k) / d I: what it adds to the diagonal differs between labels, so T is reduced to tridiagonal
    form once, in which a label costs O(d). "oas" shrinks the correlations of all rows, T, once, and takes
    (1 - strength) p (1 - p) d_k d_k^T from that. Both by the identity of Sherman and Morrison.

    A label that all rows have has score 1e30 everywhere.

    Cost: d^3 / 3 + 2 d^2 n_labels multiply-adds and one float64 square; for a number above 0 2/3 d^3 + 4 d^2 n_labels.
    """
    rows, n, counts = state.all_rows, state.n_rows, state.counts
    if not counts.size:
        return _no_labels(state)
    coef, levels = np.zeros((len(counts), rows.quantizer.width)), np.full(len(counts), _CERTAIN)
    some = np.flatnonzero(counts < n)
    p = counts[some] / n
    differences = centred_class_sums(state)[some] / (n * p * (1 - p))[:, None]
    if isinstance(shrinkage, str | Correlations) or shrinkage == 0:
        solved, strength = _shrunk_once(state, shrinkage, differences)
    else:
        solved, strength = _shrunk_each(state, float(shrinkage), differences, p * (1 - p)), float(shrinkage)
    explained = (1 - strength) * p * (1 - p) * np.einsum("ij,ij->i", differences, solved)
    # 1 - explained is above 0, but where some direction tells the two sides apart without any error
    coef[some] = solved / np.maximum(1 - explained, np.finfo(np.float64).eps)[:, None]
    levels[some] = np.log(p / (1 - p)) - (0.5 - p) * np.einsum("ij,ij->i", differences, coef[some])
    return linear_scores(rows.quantizer, n, rows.total, coef, levels, strength)


def _shrunk_once(state: LabelSetMoments, shrinkage: Shrinkage, differences: Floats) -> tuple[Floats, float]:
    """Differences times the inverse of the covariance of all rows, shrunk; and the strength."""
    covariance, strength, _ = within_covariance(state.all_rows, shrinkage)
    right = np.asfortranarray(differences.T)
    if not right.size:
        return differences, strength
    return solve_spd(covariance, right, lambda: within_covariance(state.all_rows, shrinkage).covariance).T, strength


def _shrunk_each(state: LabelSetMoments, shrinkage: float, differences: Floats, spread: Floats) -> Floats:
    """Differences times the inverse of (1 - s) T / N + s tr(W_k) / d I."""
    covariance = scatter_matrix(state.all_rows, "mean", 1 / state.n_rows)
    trace, d = covariance.trace(), len(covariance)
    within = trace - spread * np.einsum("ij,ij->i", differences, differences)
    diagonal, beside, rotate = tridiagonal(covariance)
    turned, solved = rotate(differences.T, True), np.zeros_like(differences.T)
    for k, variance in enumerate(np.maximum(within, 0.0) / d):
        shrunk = (1 - shrinkage) * diagonal + shrinkage * variance
        x, info = lapack.dptsv(shrunk, (1 - shrinkage) * beside, turned[:, k])[2:]
        solved[:, k] = x if info == 0 else 0.0
    return np.asarray(rotate(solved, False).T)


def _no_labels(state: LabelSetMoments) -> LinearScores:
    """Where no row has a label."""
    none = np.zeros((0, state.quantizer.width))
    return LinearScores(np.zeros(state.quantizer.width, dtype=np.int64), none, np.zeros(0), none, np.zeros(0))
