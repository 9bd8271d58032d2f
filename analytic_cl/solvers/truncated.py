"""Least squares in the leading directions of the rows: regularisation by leaving directions out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import blas, eigh_tridiagonal

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats, semidefinite_root, tridiagonal
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments

_EPS = float(np.finfo(np.float64).eps)
_FEW = 0.75  # rows a column up to which a root of the Gram matrix is the shorter way to its eigenvectors


@needs(CLASS_SUMS, GRAM)
def truncated_least_squares(moments: Moments, discard: float) -> LinearScores:
    """Least squares on targets of 0 and 1 in the eigenvectors of G = sum of x x^T that have the largest eigenvalues.

    Of the r = min(n_rows, width) directions that rows can have, the share `discard` with the smallest eigenvalues is
    left out (one stays), and so are directions that are null to working precision: W = V s^-1 V^T X^T Y with what
    remains of G = V s V^T. `strength` of the result is the number of directions in use. Neither rows nor targets are
    centred.

    Cost: 4/3 d^3 multiply-adds to tridiagonal form, O(d^2) for its eigenpairs, 6 d^2 a class; two float64 squares.
    Where rows are at most three quarters of the columns, 4/3 n^3 and 2 n^2 d.
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
    values, vectors, rotate = _largest(gram, wanted, len(gram))
    z = product(vectors.T, rotate(cross, True)) / values[:, None]
    return np.ascontiguousarray(rotate(product(vectors, z), False).T), len(values)


def _by_root(gram: Floats, cross: Floats, wanted: int, n_rows: int) -> tuple[Floats, int]:
    """The same from G = L L^T, L of as many columns as there are rows at most: L^T L has the eigenvalues of G that are
    not 0, and v of its eigenvectors is L v / sqrt(s) of G's.
    """
    root = semidefinite_root(gram, n_rows, _EPS)
    if not root.size:
        return np.zeros(cross.T.shape), 0
    values, vectors, rotate = _largest(blas.dsyrk(1.0, root.T, lower=1).T, wanted, len(gram))
    z = product(vectors.T, rotate(product(root.T, cross), True)) / values[:, None] ** 2
    return np.ascontiguousarray(product(root, rotate(product(vectors, z), False)).T), len(values)


def _largest(a: Floats, wanted: int, width: int) -> tuple[Floats, Floats, Callable[[Floats, bool], Floats]]:
    """The largest eigenvalues of A, the smallest of them first, and V where A = Q V values V^T Q^T, with what turns by
    Q; without what is null to working precision. Overwrites `a`.
    """
    diagonal, beside, rotate = tridiagonal(a)
    values, vectors = _eigenpairs(diagonal, beside, min(wanted, len(a)))
    null = width * _EPS * max(values[-1], 0.0)
    kept = values > null
    return values[kept], vectors[:, kept], rotate


def _eigenpairs(diagonal: Floats, beside: Floats, wanted: int) -> tuple[Floats, Floats]:
    """The `wanted` largest eigenvalues of a tridiagonal matrix, the smallest of them first, and their eigenvectors, in
    Fortran order.
    """
    n = len(diagonal)
    if n == 1:
        return diagonal, np.ones((1, 1))
    values, vectors = eigh_tridiagonal(
        diagonal, beside, select="i", select_range=(n - wanted, n - 1), lapack_driver="stemr"
    )
    return np.asarray(values, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
