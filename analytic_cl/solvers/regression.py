"""Ridge regression on numeric targets, and how far its predictions may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.ridge import linear_scores, regularised, ridge_weights
from analytic_cl.solvers.spd import Floats, symmetric_product, whitener
from analytic_cl.solvers.units import exact_residue, mean_in_parts, scatter_matrix
from analytic_cl.statistics import TARGET_PRODUCTS, Int64s, RegressionMoments

_FEWEST = 1e-6  # degrees of freedom, below which rounding decides how many there are, and what is left of the targets


@needs(TARGET_PRODUCTS)
def ridge_regression(state: RegressionMoments, alpha: float | str, fit_intercept: bool = True) -> LinearScores:
    """Minimise sum |X w + b - y|^2 + alpha |w|^2 for each output, in the units of the dequantised rows and targets.

    A number is the usual penalty, "oas" and "gcv" are as in `ridge`; "gcv" takes one alpha for all outputs. The scores
    are the predictions, one column an output.

    Centring subtracts integers, so that each entry of the normal equations is rounded once or twice.

    Cost: d^3 / 3 + 2 d^2 n_outputs multiply-adds and one float64 square; "gcv" four times that.
    """
    moments = state.rows_alone()
    w, strength = ridge_weights(
        moments, alpha, fit_intercept, target_cross(state, fit_intercept), _squares(state, fit_intercept)
    )
    return regression_scores(state, np.ascontiguousarray(w.T), fit_intercept, strength)


def regression_scores(state: RegressionMoments, coef: Floats, fit_intercept: bool, strength: float) -> LinearScores:
    """Predictions of these weights, shape (n_outputs, row_width)."""
    rows = state.quantizer.rows
    about = rows, state.n_rows, state.total[: rows.width]
    return linear_scores(*about, coef, target_means(state) if fit_intercept else None, strength)


def target_means(state: RegressionMoments) -> Floats:
    """Mean of each output's targets, shape (n_outputs,)."""
    q = state.quantizer
    return np.asarray(q.target_offset + q.target_step * (state.target_sums().astype(np.float64) / state.n_rows))


def target_cross(state: RegressionMoments, centred: bool) -> Floats:
    """Sum over all rows of x y^T, shape (row_width, n_outputs), both centred or as they are: the right-hand sides."""
    q, n, total = state.quantizer, state.n_rows, state.total[: state.quantizer.row_width]
    unit = q.step[:, None] * q.target_step
    if centred:
        left = total.astype(object)[:, None]
        return np.asfortranarray(unit * exact_residue(n, state.target_products(), left, state.target_sums()))
    cross = unit * state.target_products().astype(np.float64)
    if q.offset.any() or q.target_offset.any():
        x, y = q.step * total, q.target_step * state.target_sums().astype(np.float64)
        cross += np.outer(q.offset, y) + np.outer(x + n * q.offset, q.target_offset)
    return np.asfortranarray(cross)


def _squares(state: RegressionMoments, centred: bool) -> Floats:
    """Sum of each output's squared targets, centred or as they are."""
    q, n, sums, squares = state.quantizer, state.n_rows, state.target_sums(), state.target_squares()
    if centred:
        return np.asarray(q.target_step**2 * exact_residue(n, squares, sums, sums))
    found = q.target_step**2 * squares.astype(np.float64)
    found += q.target_offset * (2 * q.target_step * sums.astype(np.float64) + n * q.target_offset)
    return np.asarray(found)


@dataclass(frozen=True)
class PredictiveVariance:
    """What to expect of (y - prediction)^2 at a row: s^2 (1 + 1/N + u^T A^-1 u), u its deviation from the mean row.

    Without an intercept u is the row itself, and there is no 1/N.

    Attributes
    ----------
    noise : ndarray of shape (n_outputs,)
        s^2 = RSS / (N - df).
    residual_degrees : float
        N - df, df the trace of what takes targets to predictions.
    """

    centre: Int64s
    rest: Floats  # of the mean row, or of what integers of 0 stand for, from what the centre stands for
    whitener: Floats
    own: float
    noise: Floats
    residual_degrees: float

    def of(self, deviations: Floats) -> Floats:
        """Variances for rows less the centre, in dequantised units, shape (n, n_outputs)."""
        z = product(deviations - self.rest, self.whitener.T)
        return np.asarray(np.outer(1 + self.own + np.einsum("ij,ij->i", z, z), self.noise))


@needs(TARGET_PRODUCTS)
def predictive_variance(
    state: RegressionMoments, scores: LinearScores, alpha: float | str, fit_intercept: bool
) -> PredictiveVariance:
    """Of predictions by `scores`, which `ridge_regression` found with this alpha: a number, or "oas".

    It is the variance that Bayesian linear regression gives with the noise s^2 and weights a priori N(0, s^2 / alpha),
    s^2 estimated from what is left of the targets. Raises ValueError where rows leave no degree of freedom.

    Cost: 5/3 d^3 once, 2 d^2 a row.
    """
    moments, n = state.rows_alone(), state.n_rows
    about: Literal["mean", "origin"] = "mean" if fit_intercept else "origin"
    by_rows = isinstance(alpha, str)

    def matrix() -> Floats:
        return regularised(moments, alpha, fit_intercept)[0]

    root = whitener(matrix(), matrix) / (np.sqrt(n) if by_rows else 1.0)
    g, w = scatter_matrix(moments, about), scores.coef.T
    degrees = n - fit_intercept - float(np.einsum("ij,ji->", root, symmetric_product(g, root.T)))
    if degrees < _FEWEST:
        raise ValueError(
            f"no degree of freedom is left to estimate the noise from, of rows learned: {n}. Learn more, or choose a "
            "larger alpha"
        )
    explained = symmetric_product(g, np.ascontiguousarray(w)) - 2 * target_cross(state, fit_intercept)
    rss = _squares(state, fit_intercept) + np.einsum("ij,ij->j", w, explained)
    noise = np.maximum(rss, 0.0) / degrees
    rest = mean_in_parts(moments)[2] if fit_intercept else -moments.quantizer.offset
    return PredictiveVariance(scores.centre, rest, root, 1 / n if fit_intercept else 0.0, noise, degrees)
