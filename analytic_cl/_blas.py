"""Matrix products by the BLAS that also factors and solves.

NumPy and SciPy bring a BLAS each, with threads that spin for a while after every call. Called in turns, they take
the cores from each other: on two cores, a product of 0.05 ms after a call of the other library takes milliseconds.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from analytic_cl._sparse import SparseDeviations

Floats = NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)


def product(a: NDArray[Real] | SparseDeviations, b: NDArray[Real]) -> NDArray[Real]:
    """A @ b in C order, for a of shape (m, k) and b of shape (k, n), both of one type; a may be `SparseDeviations`."""
    if isinstance(a, SparseDeviations):
        return cast(Any, a @ cast(Any, b))  # type: ignore[no-any-return]  # of float64, as the rows are
    if 0 in (*a.shape, *b.shape):
        return np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    if b.shape[1] == 1:
        return _times_vector(a, b[:, 0])[:, None]
    if a.shape[0] == 1:
        return _times_vector(b.T, a[0])[None, :]
    # BLAS writes Fortran order: it makes the transpose, b^T a^T, from whichever of each factor is without a copy.
    left, left_transposed = (b.T, 0) if b.flags.c_contiguous else (b, 1)
    right, right_transposed = (a.T, 0) if a.flags.c_contiguous else (a, 1)
    gemm = blas.sgemm if a.dtype == np.float32 else blas.dgemm
    out: NDArray[Real] = np.asarray(gemm(1.0, left, right, trans_a=left_transposed, trans_b=right_transposed))
    return out.T


def times_triangle(a: Floats, b: Floats) -> Floats:
    """A @ B in C order, for B upper triangular, in half of the work of `product`. Overwrites `a` that is in C order."""
    if not b.size or not a.size:
        return np.zeros((a.shape[0], b.shape[1]))
    if a.shape[0] == 1:
        return _times_vector(b.T, a[0])[None, :]
    out: Floats = np.asarray(blas.dtrmm(1.0, b.T, np.ascontiguousarray(a).T, lower=1, overwrite_b=1))
    return out.T


def solve_factored(factor: NDArray[Real], right: NDArray[Real]) -> NDArray[Real]:
    """A^-1 right in Fortran order, from the lower Cholesky factor of A and right-hand sides of its type, in columns.

    One alone takes a third of the time that the routine for many would need.
    """
    single = factor.dtype == np.float32
    if right.shape[1] != 1:
        many: NDArray[Real] = np.asarray((lapack.spotrs if single else lapack.dpotrs)(factor, right, lower=1)[0])
        return many
    solve = blas.strsv if single else blas.dtrsv
    one: NDArray[Real] = np.asarray(solve(factor, solve(factor, right[:, 0], lower=1), lower=1, trans=1, overwrite_x=1))
    return one[:, None]


def triangle_times(a: Floats, b: Floats) -> Floats:
    """A @ B in C order, for A upper triangular, in half of the work of `product`."""
    if not b.size or not a.size:
        return np.zeros((a.shape[0], b.shape[1]))
    out: Floats = np.asarray(blas.dtrmm(1.0, a.T, b.T, side=1, lower=1))
    return out.T


def squared(a: Floats) -> Floats:
    """The lower triangle of A A^T, in half of the work of `product`; 0 above. A in C order is not copied."""
    if 0 in a.shape:
        return np.zeros((a.shape[0], a.shape[0]))
    transposed = a.flags.c_contiguous
    return np.asarray(blas.dsyrk(1.0, a.T if transposed else a, trans=int(transposed), lower=1))


def is_triangle(b: Floats) -> bool:
    """Whether B is square and upper triangular."""
    # row by row, or column by column: a mask of the whole takes ten times as long
    lower = (b[i, :i] for i in range(len(b))) if b.flags.c_contiguous else (b[i + 1 :, i] for i in range(len(b)))
    return b.shape[0] == b.shape[1] and not any(part.any() for part in lower)


def squared_lengths(a: Floats | SparseDeviations) -> Floats:
    """Sum of the squares of each row, shape (m,); rows may be `SparseDeviations`."""
    return a.squares() if isinstance(a, SparseDeviations) else np.asarray(np.einsum("ij,ij->i", a, a))


def _times_vector(a: NDArray[Real], x: NDArray[Real]) -> NDArray[Real]:
    """A @ x: several times as fast as a product of matrices of which one is a vector."""
    transposed = a.flags.c_contiguous
    gemv = blas.sgemv if a.dtype == np.float32 else blas.dgemv
    out: NDArray[Real] = np.asarray(gemv(1.0, a.T if transposed else a, x, trans=transposed))
    return out
