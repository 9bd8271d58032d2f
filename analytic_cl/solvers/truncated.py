"""Least squares in the leading directions of the rows: regularisation by leaving directions out."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh_tridiagonal

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats, tridiagonal
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments


@needs(CLASS_SUMS, GRAM)
def truncated_least_squares(moments: Moments, discard: float) -> LinearScores:
    """Least squares on targets of 0 and 1 in the eigenvectors of G = sum of x x^T that have the largest eigenvalues.

    Of the r = min(n_rows, width) directions that rows can have, the share `discard` with the smallest eigenvalues is
    left out (one stays), and so are directions that are null to working precision: W = V s^-1 V^T X^T Y with what
    remains of G = V s V^T. `strength` of the result is the number of directions in use. Neither rows nor targets are
    centred.

    Cost: 4/3 d^3 multiply-adds to tridiagonal form, O(d^2) for its eigenpairs, 6 d^2 a class; two float64 squares.
    """
    d = moments.quantizer.width
    cross = (class_means(moments) * moments.counts[:, None]).T
    diagonal, beside, rotate = tridiagonal(scatter_matrix(moments, "origin"))
    values, vectors = _eigenpairs(diagonal, beside)
    wanted = max(1, round((1 - discard) * min(moments.n_rows, d)))
    kept = np.flatnonzero(values > d * np.finfo(np.float64).eps * max(values[-1], 0.0))[-wanted:]
    values, vectors = values[kept], vectors[:, kept]
    z = product(vectors.T, rotate(cross, True)) / values[:, None]
    coef = np.ascontiguousarray(rotate(product(vectors, z), False).T)
    zero = np.zeros(len(coef))
    origin = np.zeros(d, dtype=np.int64)
    bias = coef @ moments.quantizer.offset
    return LinearScores(origin, coef, bias, coef, zero, float(len(values))).of_second_class()


def _eigenpairs(diagonal: Floats, beside: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues of a tridiagonal matrix, the smallest first, and its eigenvectors, in Fortran order."""
    if not beside.size:
        return diagonal, np.ones((1, 1))
    values, vectors = eigh_tridiagonal(diagonal, beside)
    return np.asarray(values, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
