"""Symmetric positive definite systems, and what happens when they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, blas, eigh, lapack

from analytic_cl._blas import solve_factored
from analytic_cl._warnings import warn
from analytic_cl.solvers.refined import pays, solve_refined

Floats = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


def solve_spd(a: Floats, right: Floats, again: Callable[[], Floats]) -> Floats:
    """Solve A W = right for a symmetric positive definite A, its upper triangle in C order. Overwrites `a`.

    Cholesky; of wide matrices with few right-hand sides in float32, refined in float64: see `solve_refined`, whose
    residual is as small. Where A is singular to working precision, an eigendecomposition of A made `again`, which
    leaves its null directions out, with a LinAlgWarning: never a hidden addition to the diagonal.

    Cost: d^3/3 + 2 d^2 operations a column, no copy of A (refined: one in float32); some 30 times that on the
    fallback.
    """
    if pays(len(a), right.shape[1]):
        found = solve_refined(a, right)
        if found is not None:
            return found
    factor = factor_spd(a)
    if factor is not None:
        return solve_factored(factor, right)
    _warn_singular()
    return _pseudo_solve(again(), right)


def whitener(a: Floats, again: Callable[[], Floats]) -> Floats:
    """R, shape (rank, d), with R A R^T = I and R^T R = A^-1: A as for `solve_spd`, with its fallback. Overwrites `a`.

    Cost: 2/3 d^3 operations, no copy of A; some 30 times that on the fallback.
    """
    inverse = inverse_factor(a)
    if inverse is not None:
        return inverse
    _warn_singular()
    values, vectors = _eigenpairs(again())
    return np.asarray((vectors / np.sqrt(values)).T)


def inverse_factor(a: Floats) -> Floats | None:
    """The inverse of the lower Cholesky factor of A, its upper triangle in C order; None where A is singular.

    Overwrites `a`. Cost: 2/3 d^3 operations, no copy of A.
    """
    factor = factor_spd(a)
    if factor is None:
        return None
    inverse = np.asarray(lapack.dtrtri(factor, lower=1, overwrite_c=1)[0])
    for i in range(1, len(inverse)):
        inverse[:i, i] = 0.0
    return inverse


def _warn_singular() -> None:
    warn(
        "the regularised matrix is singular to working precision: solved by eigendecomposition, leaving out its null "
        "directions. A larger alpha or shrinkage avoids this",
        LinAlgWarning,
    )


def factor_spd(a: Floats) -> Floats | None:
    """Cholesky factor of A, lower triangle in Fortran order, written over `a`; None where A is singular.

    Reads the upper triangle, in C order. A pivot that lost all its digits means singular to working precision, though
    rounding left it positive.
    """
    diagonal = a.diagonal().copy()
    factor, info = lapack.dpotrf(a.T, lower=1, overwrite_a=1, clean=0)
    if info == 0 and (np.diagonal(factor) ** 2 > a.shape[0] * _EPS * diagonal).all():
        return np.asarray(factor)
    return None


def semidefinite_root(a: Floats, most: int, tolerance: float) -> Floats:
    """L with L L^T = A, its upper triangle in C order, shape (d, rank), of at most `most` columns.

    Ends where what is left of the diagonal is below `tolerance` of its largest entry. Cost: d rank^2 operations, and a
    copy of A.
    """
    largest = float(a.diagonal().max(initial=0.0))
    if most < 1 or largest <= 0:
        return np.zeros((len(a), 0))
    factor, pivots, rank, _ = lapack.dpstrf(a.T, lower=1, tol=tolerance * largest)
    rank = min(rank, most)
    root = np.zeros((len(a), rank))
    root[pivots - 1] = np.tril(factor[:, :rank])
    return root


def tridiagonal(a: Floats) -> tuple[Floats, Floats, Callable[[Floats, bool], Floats]]:
    """Diagonal and subdiagonal of T in A = Q T Q^T, and a function of (c, transposed) that gives Q^T c or Q c.

    Overwrites `a` with the reflections that Q is made of. Cost: 4/3 d^3 operations, no copy of A.
    """
    n = a.shape[0]
    if n == 1:
        return a[0].copy(), np.zeros(0), lambda c, _: c
    work = int(lapack.dsytrd_lwork(n, lower=1)[0])
    reduced, diagonal, beside, tau, _ = lapack.dsytrd(a.T, lower=1, lwork=work, overwrite_a=1)
    # The reflections start one row down, where LAPACK's routine for them can't be pointed without a copy. So it gets
    # the whole memory one number later: that adds a last row, the unused upper part of the first, which must be 0.
    reduced[0, 1:] = 0.0
    reflections = reduced.ravel(order="K")[1 : 1 + n * (n - 1)].reshape(n, n - 1, order="F")

    def rotate(c: Floats, transposed: bool) -> Floats:
        shifted = np.asfortranarray(np.vstack([c[1:], np.zeros(c.shape[1])]))
        room = 64 * max(1, c.shape[1])
        turned = lapack.dormqr("L", "T" if transposed else "N", reflections, tau, shifted, room)[0]
        return np.asarray(np.vstack([c[:1], turned[:-1]]))

    return diagonal, beside, rotate


def _pseudo_solve(a: Floats, right: Floats) -> Floats:
    """A^+ right from the upper triangle of A."""
    values, vectors = _eigenpairs(a)
    return np.asarray(vectors @ ((vectors.T @ right) / values[:, None]))


def _eigenpairs(a: Floats) -> tuple[Floats, Floats]:
    """Values and vectors with A^+ = V values^-1 V^T, from the upper triangle of A, null directions left out.

    A is equilibrated first, so that the cut-off is blind to units.
    """
    scale = unit_scale(a.diagonal())
    values, vectors = eigh(a / np.outer(scale, scale), lower=False)
    kept = values > a.shape[0] * _EPS * max(values.max(), 0.0)
    return values[kept], vectors[:, kept] / scale[:, None]


def unit_scale(diagonal: Floats) -> Floats:
    """Square roots of a diagonal, with 1 in place of 0: what divides a covariance to a correlation."""
    return np.sqrt(np.where(diagonal > 0, diagonal, 1.0))


def symmetric_product(a: Floats, v: Floats) -> Floats:
    """A @ v from the upper triangle of A, in C order; without a copy of A."""
    if 0 in v.shape:
        return np.zeros(v.shape)
    return np.ascontiguousarray(blas.dsymm(1.0, a.T, v, lower=1))
