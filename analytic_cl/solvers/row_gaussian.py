"""Gaussian classes from rows, where these are at hand: no Gram matrix a class is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import is_triangle, product, squared, times_triangle
from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers.class_gaussian import KEPT, GaussianScores, own_classes, with_own_covariances
from analytic_cl.solvers.discriminant import DiscriminantScores, discriminants_and_whitener, with_shrunk_means
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s, Moments


def row_class_gaussian(
    moments: Moments, rows: NDArray[Any], codes: Int64s, covariance: str = "auto"
) -> GaussianScores | DiscriminantScores:
    """As `class_gaussian`, from integer rows, sorted by class, and their moments.

    Cost: that of `shrunk_means_lda`, n d^2 to whiten the rows; a class n_c^2 d in whitened space, and in discriminant
    space r n_c d + r^3. Memory n_c^2 numbers a class where these are at most 2^25 together, else of one; of classes of
    more rows than columns, d^2 in place of n_c^2.

    Exactness: algebraic, within 1e-9 of `class_gaussian`; a pure function of the rows in their order.
    """
    space, inverse = discriminants_and_whitener(moments)
    pooled = with_shrunk_means(space)
    if len(moments.labels) < 2 or not space.directions.shape[1]:
        return pooled
    scatters = _OfRows(moments.quantizer, rows, codes, space.centre, inverse)
    log_priors = np.log(space.counts / space.counts.sum())
    return with_own_covariances(moments, pooled, inverse, scatters, covariance, "oas", log_priors)


class _OfRows:
    """`ClassScatters` from the rows themselves; R Sw_c R^T or the products of whitened rows, whichever is smaller, is
    asked for twice.
    """

    def __init__(
        self, quantizer: Quantizer, rows: NDArray[Any], codes: Int64s, centre: Int64s, inverse: Floats
    ) -> None:
        self._quantizer, self._rows, self._centre, self._inverse = quantizer, rows, centre, inverse
        self._starts = np.searchsorted(codes, np.arange(int(codes[-1]) + 2))
        self._times_root = times_triangle if is_triangle(inverse.T) else product
        smaller = np.minimum(np.diff(self._starts), len(inverse))
        self._inner = cache(self._made) if (smaller**2).sum() <= KEPT else self._made

    def _deviations(self, c: int) -> Floats:
        """Of the rows of a class from their mean."""
        rows = self._rows[self._starts[c] : self._starts[c + 1]]
        x: Floats = self._quantizer.deviations(rows, self._centre)
        x -= x.mean(axis=0)
        return x

    def _made(self, c: int) -> Floats:
        white = self._times_root(self._deviations(c), self._inverse.T)
        return squared(white if len(white) <= white.shape[1] else white.T)

    def trace(self, c: int) -> float:
        return float(self._inner(c).trace())

    def along(self, c: int, directions: Floats) -> Floats:
        y = product(self._deviations(c), directions)
        return product(y.T, y)

    def whitened(self, c: int) -> tuple[Floats, Callable[[Floats, Floats], Floats]]:
        def back(values: Floats, vectors: Floats) -> Floats:
            if len(vectors) == len(self._inverse):
                return product(self._inverse.T, vectors)
            x = product(self._deviations(c).T, vectors) / np.sqrt(values)
            return product(self._inverse.T, self._times_root(x.T, self._inverse.T).T)

        return self._inner(c), back


def row_gaussian(
    pooled: DiscriminantScores, quantizer: Quantizer, rows: NDArray[Any], codes: Int64s
) -> GaussianScores | DiscriminantScores:
    """As `row_class_gaussian`, in discriminant space in any case, from `pooled`, the scores of the shared covariance.

    Cost: n d r + n r^2 + k r^3, in place of k d^2 r.

    Exactness: algebraic, within 1e-9 of `class_gaussian`; a pure function of the rows in their order.
    """
    space = pooled.space
    if not space.directions.shape[1]:
        return pooled
    starts = np.searchsorted(codes, np.arange(len(space.counts) + 1))

    def scatter(c: int) -> Floats:
        y = space.coordinates(quantizer.deviations(rows[starts[c] : starts[c + 1]], space.centre))
        y -= y.mean(axis=0)
        return product(y.T, y)

    log_priors = np.log(space.counts / space.counts.sum())
    classes, differ = own_classes(space, scatter, log_priors)
    return GaussianScores(pooled, "discriminant", classes, log_priors) if differ else pooled
