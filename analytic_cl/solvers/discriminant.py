"""The space in which classes differ, and class means shrunk in it (two-covariance, or Bayesian, discriminant analysis).

Symbols: k classes of n_c rows, N in all; Sigma the shrunk within-class covariance Sw / N, R Sigma R^T = I; a row x less
the mean m of all rows is u = R (x - m) in whitened space, a class mean u_c; y = U^T u, with r orthonormal directions U.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh

from analytic_cl._blas import is_triangle, product, times_triangle, triangle_times
from analytic_cl.quantizers import Leading
from analytic_cl.solvers.coordinate_scores import MOST_COEFFICIENTS, Squares, aligned, coordinate_scores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.shrinkage import Shrinkage
from analytic_cl.solvers.spd import Floats, whitener
from analytic_cl.solvers.units import class_means, mean_in_parts
from analytic_cl.solvers.within import Within, within_covariance
from analytic_cl.statistics import CLASS_SUMS, GRAM, Int64s, Moments

_FLAT = 1e-10  # share of the largest eigenvalue below which a direction tells no classes apart
_ROUNDED = 2.0**-51  # of a sum of two terms, for each: twice what sums in any order, and what they are made of, round
_ALL_DIAGONAL = 1e-8  # share of the correlations that is left, below which they count as none


@dataclass(frozen=True)
class Discriminants:
    """Coordinates y = (step * (q - centre)) @ directions - shift of integer rows q, and what classes are like in them.

    Attributes
    ----------
    centre : ndarray of int64, shape (width,)
    directions, shift : ndarrays, shape (width, r) and (r,)
        Within a class, rows have variance 1 along each direction and no correlation, as far as Sigma is right. The
        largest loading of each direction is positive.
    means : ndarray, shape (k, r)
        Of the classes, as they were learned.
    between : ndarray, shape (r,)
        Variance psi of true class means along each direction; infinite where the rows show no noise to compare it with.
    counts : ndarray, shape (k,)
    strength : float
        Shrinkage intensity of the covariance.
    """

    centre: Int64s
    directions: Floats
    shift: Floats
    means: Floats
    between: Floats
    counts: Floats
    strength: float

    def coordinates(self, deviations: Floats) -> Floats:
        """Of rows less the centre, in dequantised units, shape (n, r)."""
        return np.asarray(product(deviations, self.directions) - self.shift)

    @property
    def doubt(self) -> Floats:
        """Variance of a class's true mean, given its rows: psi / (n_c psi + 1), shape (k, r)."""
        with np.errstate(divide="ignore"):
            return np.asarray(1 / (self.counts[:, None] + 1 / self.between))

    @property
    def believed(self) -> Floats:
        """Class means drawn towards the mean of all, to n_c psi / (n_c psi + 1) of their length, shape (k, r)."""
        return np.asarray(self.means * (self.counts[:, None] * self.doubt))

    @property
    def contrasted(self) -> Floats:
        """Class means drawn less than `believed` ones: as if the largest class's were known, shape (k, r).

        What all classes are drawn alike says how weak a direction is, and not which class a row is of. It would leave
        out directions in which classes do differ, by less than the noise.
        """
        largest = self.doubt[self.counts.argmax()]
        shares = self.counts[:, None] / self.counts.max() * np.ones_like(largest)
        sure = largest > 0
        shares[:, sure] *= self.doubt[:, sure] / largest[sure]
        return np.asarray(self.means * shares)


@needs(CLASS_SUMS, GRAM)
def discriminants(moments: Moments, shrinkage: Shrinkage = "oas") -> Discriminants:
    """The directions along which class means differ, and how much of that is more than their rows' own noise.

    The squares s_j^2 of the singular values of the columns sqrt(n_c) u_c are what is seen along direction j, and
    psi_j = max(0, s_j^2 - t) / n0 with n0 = N - sum of n_c^2 / N. If all classes were one, the squares would have the
    sum (k - 1) tr(R W R^T), W = Sw / (N - k); t is that, divided among the r directions: for k - 1 <= d, the noise of
    all d columns, because the directions were picked where the noise is.

    Cost: 3 k d^2 for Sw, 2/3 d^3 to factor and invert, k d^2 to whiten, min(k, d)^2 (k + d); one float64 square.
    """
    return discriminants_and_whitener(moments, shrinkage)[0]


@needs(CLASS_SUMS, GRAM)
def discriminants_and_whitener(moments: Moments, shrinkage: Shrinkage = "oas") -> tuple[Discriminants, Floats]:
    """`discriminants`, and R, shape (rank, d)."""
    n, k, counts = moments.n_rows, len(moments.labels), moments.counts.astype(np.float64)
    within = within_covariance(moments, shrinkage)
    diagonal = within.covariance.diagonal().copy()
    inverse = whitener(within.covariance, lambda: within_covariance(moments, shrinkage).covariance)
    noise = _noise(within, diagonal, inverse) * n / max(1, n - k)
    origin, _, middle = mean_in_parts(moments)
    means = class_means(moments, origin)
    triangular = is_triangle(inverse.T)
    u = (times_triangle if triangular else product)(means - middle, inverse.T) * np.sqrt(counts)[:, None]
    squares, axes = _principal(u, k - 1)
    n0 = n - float((counts**2).sum()) / n
    if noise > 0:
        between = np.maximum(0.0, squares - noise * (k - 1) / max(1, len(squares))) / max(n0, 1.0)
    else:  # no class has two different rows
        between = np.full(len(squares), np.inf)
    directions = triangle_times(inverse.T, axes) if triangular else product(inverse.T, axes)
    # an eigenvector's sign is nobody's choice: the same axes from the same classes, whatever computed them
    at_most = np.abs(directions).argmax(axis=0)
    directions *= np.where(directions[at_most, np.arange(directions.shape[1])] < 0, -1.0, 1.0)
    shift = product(middle[None], directions)[0]
    space = Discriminants(
        origin, directions, shift, product(means, directions) - shift, between, counts, within.strength
    )
    return space, inverse


def _noise(within: Within, diagonal: Floats, inverse: Floats) -> float:
    """tr(Sigma^-1 Sw / N). Sw is overwritten: off the diagonal it is Sigma / (1 - strength), on it `variances`."""
    precisions = np.einsum("ij,ij->j", inverse, inverse)
    on = float(precisions @ within.variances)
    left = 1 - within.strength
    # tr(Sigma^-1 Sigma) is the rank; without what the diagonals add to it, the rest is left
    return on + (len(inverse) - float(precisions @ diagonal)) / left if left > _ALL_DIAGONAL else on


def _principal(u: Floats, most: int) -> tuple[Floats, Floats]:
    """Squared singular values, the largest first, and right singular vectors (columns) of u, at most `most`."""
    k, d = u.shape
    r = min(most, d)
    if not r:
        return np.zeros(0), np.zeros((d, 0))
    wide = d >= k
    values, vectors = eigh(product(u, u.T) if wide else product(u.T, u), subset_by_index=[min(k, d) - r, min(k, d) - 1])
    kept = values > _FLAT * max(values[-1], 0.0)
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    return values, product(u.T, vectors) / np.sqrt(values) if wide else np.ascontiguousarray(vectors)


@dataclass(frozen=True)
class DiscriminantScores:
    """Scores y @ linear.T - y^2 @ square.T + bias in the space of `space`, one column a class, but for what all share.

    `square` is None where all classes have the same; classes of equally many rows have the same.
    """

    space: Discriminants
    linear: Floats
    square: Floats | None
    bias: Floats

    @property
    def centre(self) -> Int64s:
        return self.space.centre

    @property
    def strength(self) -> float:
        return self.space.strength

    def of(self, deviations: Floats) -> Floats:
        """Scores of rows less the centre, in dequantised units; for two classes one column, the second's less the
        first's.
        """
        if self.is_linear:
            return np.asarray(product(deviations, self._weights.T) + self._offsets)
        return self.of_coordinates(self.space.coordinates(deviations), two_as_one=True)

    @property
    def is_linear(self) -> bool:
        """Whether scores are linear in the row, so that it is not worth going by coordinates."""
        return self.square is None

    @property
    def linear_part(self) -> tuple[Int64s, Floats, Floats]:
        """Centre, weights and bias: a `LinearMap` of these is `of` rows, where it is linear; else their coordinates."""
        if self.is_linear:
            return self.centre, self._weights, self._offsets
        return self.centre, self.space.directions.T, -self.space.shift

    @cached_property
    def _weights(self) -> Floats:
        return product(self._two_as_one(self.linear), self.space.directions.T)

    @property
    def _offsets(self) -> Floats:
        return np.asarray(self._two_as_one(self.bias) - self._two_as_one(self.linear) @ self.space.shift)

    def _two_as_one(self, by_class: Floats) -> Floats:
        return by_class[1:] - by_class[:1] if len(by_class) == 2 else by_class

    @cached_property
    def _by_coordinate(self) -> tuple[Floats, Squares | None]:
        """Coefficients of coordinates, `aligned`, shape (r, k), and of their squares."""
        linear = aligned(self.linear.T)
        if self.square is None:
            return linear, None
        # what widens a class is its number of rows: classes of as many have the same coefficients
        _, first, group = np.unique(self.space.counts, return_index=True, return_inverse=True)
        return linear, Squares(aligned(self.square[first].T), group)

    def of_coordinates(self, y: Floats, two_as_one: bool = False) -> Floats:
        """Scores of coordinates in `space`, one column a class; of two, where wanted, the second's less the first's.

        Exactness: a row alone and in a batch gets the same bits up to 2^17 products of classes and coordinates.
        """
        if self.linear.size <= MOST_COEFFICIENTS:
            scores = coordinate_scores(np.ascontiguousarray(y), *self._by_coordinate, self.bias)
        else:
            scores = product(y, self.linear.T)
            scores += self.bias
            if self.square is not None:
                scores -= product(y * y, self.square.T)
        return scores[:, 1:] - scores[:, :1] if two_as_one and scores.shape[1] == 2 else scores

    def of_leading(self, found: Leading) -> tuple[Floats, Floats]:
        """Scores of coordinates that may be off, one column for two classes, and by how much those of a row may be;
        where scores are not linear.

        A score moves by at most (abs(linear) + 2 square reach) times what a coordinate moves, while the coordinate
        keeps within +-reach; and scores of either kind of coordinates are rounded.
        """
        assert self.square is not None
        y, linear, square = found.products, np.abs(self.linear), np.abs(self.square)
        reach = np.maximum(y.max(axis=0), -y.min(axis=0)) + found.sizes.max() * found.by_size + found.always
        slopes = linear + 2 * reach * square
        terms = (linear + reach * square) @ reach + np.abs(self.bias)
        by_size = (slopes @ found.by_size).max()
        always = (slopes @ found.always).max() + _ROUNDED * (len(reach) + 8) * terms.max()
        scores, doubt = self.of_coordinates(y, two_as_one=True), found.sizes * by_size + always
        return scores, doubt * (2 if scores.shape[1] < len(self.bias) else 1)


@needs(CLASS_SUMS, GRAM)
def shrunk_means_lda(
    moments: Moments, shrinkage: Shrinkage = "oas", priors: Floats | None = None
) -> DiscriminantScores:
    """Linear discriminant analysis that knows how uncertain each class mean is: the mean is integrated out.

    With mu_c ~ N(m, B), x | c ~ N(mu_c, Sigma) and psi the diagonal of B in discriminant space, a row of class c has
    mean a_c y_c, a_c = n_c psi / (n_c psi + 1), and variance v_c = 1 + psi / (n_c psi + 1). a_c is divided by that of
    the largest class, so that classes of one size keep their means:
    score_c = log prior_c - sum over j of (log v_c + (y - a_c y_c)^2 / v_c) / 2.

    Cost: that of `discriminants`; d r + 2 r k a row.

    References
    ----------
    Ioffe, Probabilistic linear discriminant analysis, ECCV 2006. There: all classes of one size.
    """
    return with_shrunk_means(discriminants(moments, shrinkage), priors)


def with_shrunk_means(space: Discriminants, priors: Floats | None = None) -> DiscriminantScores:
    """The scores of `shrunk_means_lda` in a space that is known."""
    precision, means = 1 / (1 + space.doubt), space.contrasted
    log_priors = np.log(space.counts / space.counts.sum() if priors is None else priors)
    linear = precision * means
    bias = log_priors - 0.5 * ((linear * means) - np.log(precision)).sum(axis=1)
    square = 0.5 * (precision - precision.min(axis=0, initial=1.0))
    return DiscriminantScores(space, linear, square if square.any() else None, bias)
