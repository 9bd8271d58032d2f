"""Least squares in the leading directions of the rows: regularisation by leaving directions out."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, eigh_tridiagonal, eigvalsh_tridiagonal

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats, semidefinite_root, tridiagonal
from analytic_cl.solvers.spectral_filter import filtered_inverse
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments

_EPS = float(np.finfo(np.float64).eps)
_APART = (
    1e-11  # gap between what is left out and what stays, as a share of the largest eigenvalue, that can be stepped over
)
_FEW = 0.75  # rows a column up to which a root of the Gram matrix is the shorter way to its eigenvectors


@needs(CLASS_SUMS, GRAM)
def truncated_least_squares(moments: Moments, discard: float) -> LinearScores:
    """Least squares on targets of 0 and 1 in the eigenvectors of G = sum of x x^T that have the largest eigenvalues.

    Of the r = min(n_rows, width) directions that rows can have, the share `discard` with the smallest eigenvalues is
    left out (one stays), and so are directions that are null to working precision: W = V s^-1 V^T X^T Y with what
    remains of G = V s V^T. `strength` of the result is the number of directions in use. Neither rows nor targets are
    centred.

    No eigenvector is made: the tridiagonal form of G is filtered, see `filtered_inverse`. Only where less than 1e-11 of
    the largest eigenvalue lies between what stays and what is left out, MRRR finds its eigenvectors.

    Cost: 4/3 d^3 multiply-adds to tridiagonal form, O(d^2) for its eigenvalues, 4 d^2 and some 5,000 d a class; one
    float64 square. Where rows are at most three quarters of the columns, 4/3 n^3 and 2 n^2 d.
    """
    d, n = moments.quantizer.width, moments.n_rows
    cross = (class_means(moments) * moments.counts[:, None]).T
    gram = scatter_matrix(moments, "origin")
    wanted = max(1, round((1 - discard) * min(n, d)))
    solve = _by_root if n <= _FEW * d else _by_square
    coef, rank = solve(gram, cross, wanted, n)
    zero = np.zeros(len(coef))
    origin = np.zeros(d, dtype=np.int64)
    bias = coef @ moments.quantizer.offset
    return LinearScores(origin, coef, bias, coef, zero, float(rank)).of_second_class()


def _by_square(gram: Floats, cross: Floats, wanted: int, _: int) -> tuple[Floats, int]:
    """W^T and the number of directions in use, at most `wanted`."""
    diagonal, beside, rotate = tridiagonal(gram)
    z, rank = leading_inverse(diagonal, beside, wanted, len(gram), 1, rotate(cross, True))
    return np.ascontiguousarray(rotate(z, False).T), rank


def _by_root(gram: Floats, cross: Floats, wanted: int, n_rows: int) -> tuple[Floats, int]:
    """The same from G = L L^T, L of as many columns as there are rows at most: L^T L has the eigenvalues of G that are
    not 0, and v of its eigenvectors is L v / sqrt(s) of G's.
    """
    root = semidefinite_root(gram, n_rows, _EPS)
    if not root.size:
        return np.zeros(cross.T.shape), 0
    diagonal, beside, rotate = tridiagonal(blas.dsyrk(1.0, root.T, lower=1).T)
    right = rotate(product(root.T, cross), True)
    z, rank = leading_inverse(diagonal, beside, wanted, len(gram), 2, right)
    return np.ascontiguousarray(product(root, rotate(z, False)).T), rank


def leading_inverse(
    diagonal: Floats, beside: Floats, wanted: int, width: int, power: int, right: Floats
) -> tuple[Floats, int]:
    """V values^-power V^T right of a tridiagonal matrix's `wanted` largest eigenvalues, without what is null to working
    precision; and how many these are.
    """
    values = eigvalsh_tridiagonal(diagonal, beside) if beside.size else diagonal
    null = width * _EPS * max(values[-1], 0.0)
    first = max(len(values) - wanted, int(np.searchsorted(values, null, side="right")))
    rank = len(values) - first
    if not rank:
        return np.zeros(right.shape), 0
    high, low = float(values[first]), max(0.0, float(values[first - 1]) if first else 0.0)
    if high - low > _APART * values[-1]:
        return filtered_inverse(diagonal, beside, low, high, power, right), rank
    values, found = eigh_tridiagonal(
        diagonal, beside, select="i", select_range=(first, len(values) - 1), lapack_driver="stemr"
    )
    vectors: Floats = np.asfortranarray(found, dtype=np.float64)
    z: Floats = product(vectors.T, right) / np.asarray(values)[:, None] ** power
    return product(vectors, z), rank
