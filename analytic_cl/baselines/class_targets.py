"""What AnaCP solves for: targets of classes that keep their distance, and projections onto them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import eigh, svd

from analytic_cl._blas import product
from analytic_cl.solvers import needs
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments
from analytic_cl.statistics.gram import square_part

Targets = Literal["code", "paper"]

_RIDGE = 1e-4  # added to the covariance within classes
_SPREAD = 1.0  # added to every singular value of the whitened means
_FLAT = 1e-9  # share of the largest singular value below which a direction is rounding noise


@dataclass(frozen=True)
class TargetScores:
    """Mean over the branches of the cosine between a row's projection and each class's target.

    Attributes
    ----------
    weights : list of ndarray, shape (branch width, k)
        Ridge weights of each branch for targets of 0 and 1.
    targets : ndarray, shape (k, d)
        Unit vectors P.
    """

    weights: list[Floats]
    targets: Floats

    def of(self, z: Floats) -> Floats:
        """Scores of dequantised random features, shape (n, all branches); for two classes the second's less the
        first's.

        The projection of a row is o = u P, u = z @ weights: its cosines to P are u K / sqrt(u K u^T), K = P P^T.
        """
        between = product(self.targets, self.targets.T)
        scores, start = np.zeros((len(z), len(self.targets))), 0
        for weights in self.weights:
            u = product(np.ascontiguousarray(z[:, start : start + len(weights)]), weights)
            inner = product(u, between)
            squares = np.einsum("ij,ij->i", u, inner)
            scores += inner / np.sqrt(np.where(squares > 0, squares, np.inf))[:, None]
            start += len(weights)
        scores /= len(self.weights)
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores


@needs(CLASS_SUMS, GRAM)
def target_scores(moments: Moments, targets: Targets, branches: int, alpha: float) -> TargetScores:
    """From the moments of rows beside their random features; branches are equal parts of these.

    Of branch h with Gram matrix A_h and class sums Z_h of its features: weights (A_h + alpha I)^-1 Z_h^T.

    Cost: that of `class_targets`; D^3 / 3 + 2 k D^2 a branch of D features; one float64 square of D.
    """
    d = moments.quantizer.n_features
    width = (moments.quantizer.width - d) // branches
    weights = [
        _weights(moments, slice(start, start + width), alpha) for start in range(d, moments.quantizer.width, width)
    ]
    return TargetScores(weights, class_targets(moments.part("input"), targets))


def _weights(moments: Moments, part: slice, alpha: float) -> Floats:
    """Ridge weights of some columns for targets of 0 and 1, shape (columns, k)."""
    sums = (class_means(moments) * moments.counts[:, None])[:, part]
    solved = solve_spd(
        _penalised(moments, part, alpha), np.asfortranarray(sums.T), lambda: _penalised(moments, part, alpha)
    )
    return np.ascontiguousarray(solved)


def _penalised(moments: Moments, part: slice, alpha: float) -> Floats:
    """Gram matrix of some columns in dequantised units + alpha I, its upper triangle."""
    (packed,) = square_part(moments.planes, moments.quantizer.width, part)
    width, start = part.stop - part.start, 0
    a = np.zeros((width, width))
    for i in range(width):
        a[i, i:] = packed[start : start + width - i]
        start += width - i
    a *= moments.quantizer.step[part.start] ** 2  # of one size in all random features
    a[np.diag_indices(width)] += alpha
    return a


def class_targets(moments: Moments, targets: Targets) -> Floats:
    """P, unit rows of U (S + 1) V^T T + c: from whitened means (mu - c) Sigma^-1/2 = U S V^T, c their plain mean.

    T is Sigma^-1/2 for "code", Sigma^1/2 for "paper"; Sigma the covariance within classes + 1e-4 I. Directions in which
    means don't differ are left out.

    Cost: 3 k d^2 multiply-adds, about 9 d^3 for the eigenpairs, k^2 d; three float64 squares.
    """
    means = class_means(moments)
    middle = means.mean(axis=0)
    sigma = scatter_matrix(moments, "class means", 1 / moments.n_rows)
    sigma[np.diag_indices_from(sigma)] += _RIDGE
    values, vectors = eigh(sigma, lower=False, overwrite_a=True)
    roots = np.sqrt(values)
    u, s, vt = svd(product(product(means - middle, vectors) / roots, vectors.T), full_matrices=False)
    kept = s > _FLAT * s[0]
    spread = product(product(u[:, kept] * (s[kept] + _SPREAD), vt[kept]), vectors)
    p = product(spread / roots if targets == "code" else spread * roots, vectors.T) + middle
    lengths = np.sqrt(np.einsum("ij,ij->i", p, p))
    return np.asarray(p / np.where(lengths > 0, lengths, 1.0)[:, None])
