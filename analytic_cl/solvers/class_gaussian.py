"""Gaussian classes with a covariance each, the shared one as prior.

Symbols: k classes of n_c rows, N in all; Sigma the shrunk within-class covariance, R Sigma R^T = I; Sw_c the scatter of
the rows of class c about their mean, S_c = R Sw_c R^T / (n_c - 1); y, a_c y_c and psi as in `discriminant`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, lapack

from analytic_cl._blas import is_triangle, product, squared, times_triangle
from analytic_cl.solvers.discriminant import (
    Discriminants,
    DiscriminantScores,
    discriminants_and_whitener,
    with_shrunk_means,
)
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.shrinkage import Shrinkage
from analytic_cl.solvers.spd import Floats, semidefinite_root, symmetric_product
from analytic_cl.solvers.units import mean_in_parts, scatter_matrix
from analytic_cl.solvers.within import within_covariance
from analytic_cl.statistics import CLASS_GRAMS, CLASS_SUMS, GRAM, ClassGrams, Int64s, Moments

PRIOR = 4  # rows that the shared covariance counts for, a dimension of the space
LEAST = 32  # that it counts for in any case
RANK = 64  # directions of a class in whitened space
FEW = 10  # classes of which each is scored with its own covariance; of more, those
NEAR = {"discriminant": 60.0, "whitened": 20.0}  # whose score by the shared one is so near the best
NEARER = 8.0  # and in whitened space, for more than the first directions, so near with these
FIRST = 8
ROWS = 24  # that are scored at a time, into the cache
ALONE = (
    2**18
)  # multiplications up to which BLAS starts no threads: on a busy machine many small products wait for these
KEPT = 2**25  # numbers in the scatters of all classes up to which these are made once
SAME_SCALE = 0.2  # spread of log tr S_c up to which distances in all directions compare between classes


class ClassQuadratic(NamedTuple):
    """What a class's own covariance makes of a row v: `bias` + the sum of `weights` * (v @ factor - shift)^2 / 2.

    The factor is in Fortran order, so that its first columns are no copy.
    """

    factor: Floats
    shift: Floats
    weights: Floats
    bias: float

    def of(self, v: Floats, columns: int | None = None) -> Floats:
        """Of rows, by the first columns of the factor; shape (n,)."""
        scores = np.full(len(v), self.bias)
        last = self.factor.shape[1] if columns is None else columns
        width = max(FIRST, ALONE // max(1, v.size))
        for start in range(0, last, width):
            some = slice(start, min(start + width, last))
            found = product(v, self.factor[:, some])
            found -= self.shift[some]
            found *= found
            scores += found @ (0.5 * self.weights[some])
        return scores


@dataclass(frozen=True)
class GaussianScores:
    """Scores of the shared covariance, corrected for the likeliest classes by their own.

    Attributes
    ----------
    pooled : DiscriminantScores
    space : {"discriminant", "whitened"}
        Which directions the classes have a covariance of their own in.
    classes : list of ClassQuadratic
        In discriminant space, of the coordinates y, the score itself; in whitened space, of the row less the centre,
        what is to be added to that of `pooled`, the columns that matter most first.
    log_priors : ndarray, shape (k,)
    """

    pooled: DiscriminantScores
    space: str
    classes: list[ClassQuadratic]
    log_priors: Floats

    @property
    def centre(self) -> Int64s:
        return self.pooled.centre

    @property
    def strength(self) -> float:
        return self.pooled.strength

    def of(self, deviations: Floats) -> Floats:
        """Scores of rows less the centre, in dequantised units; for two classes one column, the second's less the
        first's.

        Classes that are not among the likeliest keep their distance from the last of these.
        """
        y = self.pooled.space.coordinates(deviations)
        shared = self.pooled.of_coordinates(y)
        k = shared.shape[1]
        likely = _near_best(shared, NEAR[self.space] if k > FEW else np.inf)
        if self.space == "discriminant":
            scores = _rescored(shared, self._own(y, likely))
        else:
            scores = _rescored(shared, shared + self._own(deviations, likely, FIRST))
            likely &= _near_best(scores, NEARER if k > FEW else np.inf)
            scores = _rescored(scores, shared + self._own(deviations, likely))
        return scores[:, 1:] - scores[:, :1] if k == 2 else scores

    def _own(self, v: Floats, which: NDArray[np.bool_], columns: int | None = None) -> Floats:
        """What classes make of the rows that are marked for them; infinite elsewhere, shape (n, k)."""
        found = np.full(which.shape, np.inf)
        buffer = np.empty((ROWS, v.shape[1]))
        for c, own in enumerate(self.classes):
            rows = np.flatnonzero(which[:, c])
            for start in range(0, rows.size, ROWS):
                at = rows[start : start + ROWS]
                found[at, c] = own.of(np.take(v, at, axis=0, out=buffer[: at.size], mode="clip"), columns)
        return found


def _near_best(scores: Floats, distance: float) -> NDArray[np.bool_]:
    return np.asarray(scores >= scores.max(axis=1, keepdims=True) - distance)


def _rescored(scores: Floats, new: Floats) -> Floats:
    """New scores where they are finite; the others fall, or rise, as the worst of these did."""
    change = new - scores
    return np.asarray(scores + np.where(np.isfinite(new), change, change.min(axis=1, keepdims=True)))


@needs(CLASS_SUMS, GRAM, CLASS_GRAMS)
def class_gaussian(
    state: ClassGrams, covariance: str = "auto", shrinkage: Shrinkage = "oas", priors: Floats | None = None
) -> GaussianScores | DiscriminantScores:
    """Discriminant analysis by a covariance of each class, with the shared one as a prior of 4 rows a dimension,
    and 32 at least.

    In discriminant space (r dimensions, b_c = (n_c - 1) / (n_c - 1 + 4 r), A_c = (1 - b_c) I + b_c S_c, V_c the doubt
    about the mean):
    score_c = log prior_c - (y - a_c y_c)^T (A_c + V_c)^-1 (y - a_c y_c) / 2 - log det A_c / 2.

    In whitened space (all d dimensions, b_c with 4 d, (rho_j, v_j) the 64 largest eigenpairs of S_c, u = R (x - m)):
    score_c = that of the shared covariance + sum over j of w_j (v_j^T (u - u_c))^2 / 2,
    w_j = b_c (rho_j - 1) / (1 + b_c (rho_j - 1)): the inverse of I + sum of b_c (rho_j - 1) v_j v_j^T, without its
    determinant, which is small here, and helps nowhere that was measured. A class with a covariance of its own takes
    rows from classes that have too few rows for one; so n_c in b_c is at most the harmonic mean of all.

    Distances in all directions tell classes apart where all are about as wide; where they are not, they tell mostly how
    wide. So the space is the whitened one where log tr S_c spreads by less than 0.2 (one standard deviation over the
    classes, weighted by n_c - 1), else the discriminant one.

    `covariance` "pooled" gives the scores of `shrunk_means_lda`; "auto" does so where the S_c differ by no more than
    chance would make them.

    Cost: that of `shrunk_means_lda`, and a class n_c d^2 where rows wait, d^2 for Sw_c; r d^2 + r^3 in discriminant
    space, 2 min(n_c, d) d^2 in whitened space. Memory k r^2 or 64 k d numbers; while solving, k d^2 where these are at
    most 2^25.

    References
    ----------
    Friedman, Regularized discriminant analysis, JASA 84 (1989). Srivastava, Gupta and Frigyik, Bayesian quadratic
    discriminant analysis, JMLR 8 (2007). There: one strength for all classes; here by their rows.
    """
    moments = state.moments()
    space, inverse = discriminants_and_whitener(moments, shrinkage)
    pooled = with_shrunk_means(space, priors)
    if covariance == "pooled" or len(state.labels) < 2 or not pooled.space.directions.shape[1]:
        return pooled
    log_priors = np.log(state.counts / state.n_rows if priors is None else priors)
    return with_own_covariances(moments, pooled, inverse, _OfGrams(state, inverse), covariance, shrinkage, log_priors)


class ClassScatters(Protocol):
    """What is asked of the rows of each class: their scatter Sw_c about their mean, from different sides."""

    def trace(self, c: int, /) -> float:
        """tr(R Sw_c R^T)."""
        ...

    def along(self, c: int, directions: Floats, /) -> Floats:
        """Of coordinates in these directions: D^T Sw_c D."""
        ...

    def whitened(self, c: int, /) -> tuple[Floats, Callable[[Floats, Floats], Floats]]:
        """The lower triangle of a matrix whose eigenvalues, but for zeros, are those of R Sw_c R^T = W W^T, and a
        function of some of these and of their eigenvectors in that matrix that gives R^T times the eigenvectors of
        W W^T.
        """
        ...


def with_own_covariances(
    moments: Moments,
    pooled: DiscriminantScores,
    inverse: Floats,
    scatters: ClassScatters,
    covariance: str,
    shrinkage: Shrinkage,
    log_priors: Floats,
) -> GaussianScores | DiscriminantScores:
    """The scores of `class_gaussian`, from those of the shared covariance and R."""
    if _scale_spread(moments.counts, scatters) < SAME_SCALE:
        sigma, _, variances = within_covariance(moments, shrinkage)
        classes, differ = _whitened(moments, scatters, pooled, sigma, inverse, int((variances > 0).sum()))
        scores = GaussianScores(pooled, "whitened", classes, log_priors)
    else:
        directions = pooled.space.directions
        classes, differ = own_classes(pooled.space, lambda c: scatters.along(c, directions), log_priors)
        scores = GaussianScores(pooled, "discriminant", classes, log_priors)
    return scores if covariance == "class" or differ else pooled


def _own_share(n: float, dimensions: int) -> float:
    """Weight of the covariance of n rows against the shared one."""
    return (n - 1) / (n - 1 + max(PRIOR * dimensions, LEAST))


class _OfGrams:
    """`ClassScatters` from a Gram matrix a class; each scatter is asked for twice, and kept where all are small."""

    def __init__(self, state: ClassGrams, inverse: Floats) -> None:
        self._state, self._inverse = state, inverse
        self._scatter = self._made
        if len(state.labels) * state.quantizer.width**2 <= KEPT:
            self._scatter = cache(self._made)

    def _made(self, c: int) -> Floats:
        """Its upper triangle, to be read."""
        return scatter_matrix(self._state.moments_of(self._state.labels[c]), "class means")

    @cached_property
    def _precision(self) -> Floats:
        precision = np.triu(product(self._inverse.T, self._inverse))
        np.fill_diagonal(precision, precision.diagonal() / 2)  # twice the upper triangle is all of it
        return precision

    @cached_property
    def _whiten(self) -> Callable[[Floats, Floats], Floats]:
        return times_triangle if is_triangle(self._inverse.T) else product

    def trace(self, c: int) -> float:
        return 2 * float(np.einsum("ij,ij->", self._precision, self._scatter(c)))

    def along(self, c: int, directions: Floats) -> Floats:
        return product(directions.T, symmetric_product(self._scatter(c), directions))

    def whitened(self, c: int) -> tuple[Floats, Callable[[Floats, Floats], Floats]]:
        root = semidefinite_root(self._scatter(c), int(self._state.counts[c]) - 1, 1e-13)
        white = self._whiten(root.T, self._inverse.T)  # W^T

        def back(values: Floats, vectors: Floats) -> Floats:
            return np.asarray(product(self._inverse.T, product(white.T, vectors)) / np.sqrt(values))

        return squared(white), back


def _scale_spread(counts: Int64s, scatters: ClassScatters) -> float:
    """Standard deviation of log tr S_c over the classes; infinite where one has no width."""
    freedom, scales = [], []
    for c, n in enumerate(counts.tolist()):
        if n > 1:
            freedom.append(n - 1)
            scales.append(scatters.trace(c) / (n - 1))
    if not scales or min(scales) <= 0:
        return np.inf
    logs, weights = np.log(scales), np.array(freedom) / sum(freedom)
    return float(np.sqrt(weights @ (logs - weights @ logs) ** 2))


def own_classes(
    space: Discriminants, scatter: Callable[[int], Floats], log_priors: Floats
) -> tuple[list[ClassQuadratic], bool]:
    """Each class's own density in discriminant space, from the scatter of its rows there, and whether these differ by
    more than chance.
    """
    r, doubt, means = space.directions.shape[1], space.doubt, space.contrasted
    classes, chance = [], _Chance(r)
    for c, n in enumerate(space.counts.tolist()):
        a = np.eye(r)
        if n > 1:
            own = scatter(c) / (n - 1)
            chance.see(float(own.trace()), float((own**2).sum()), n - 1)
            b = _own_share(n, r)
            a = (1 - b) * a + b * (own + own.T) / 2
        log_det = 2 * float(np.log(np.diagonal(lapack.dpotrf(a, lower=1, clean=1)[0])).sum())
        a[np.diag_indices(r)] += doubt[c]
        # any F with F F^T = A^-1 will do: a Cholesky factor takes a tenth of the time of eigenvectors
        inverse = lapack.dtrtri(lapack.dpotrf(a, lower=1, clean=1)[0], lower=1, overwrite_c=1)[0]
        factor = np.asfortranarray(inverse.T)
        shift = product(means[c : c + 1], factor)[0]
        classes.append(ClassQuadratic(factor, shift, np.full(r, -1.0), float(log_priors[c]) - log_det / 2))
    return classes, chance.differ


def _whitened(
    moments: Moments,
    scatters: ClassScatters,
    pooled: DiscriminantScores,
    sigma: Floats,
    inverse: Floats,
    n_live: int,
) -> tuple[list[ClassQuadratic], bool]:
    space, d = pooled.space, len(inverse)
    _, _, middle = mean_in_parts(moments)
    # R^-1 U = Sigma R^T U leads from coordinates back to rows
    typical = len(moments.labels) / float((1 / moments.counts).sum())
    means = middle + product(symmetric_product(sigma, space.directions), space.contrasted.T).T
    classes, chance = [], _Chance(n_live)  # columns that are constant within all classes differ by no chance
    for c, n in enumerate(moments.counts.tolist()):
        inner, back = scatters.whitened(c)
        diagonal = inner.diagonal()
        if n > 1:
            squares = 2 * float((inner**2).sum()) - float((diagonal**2).sum())
            chance.see(float(diagonal.sum()) / (n - 1), squares / (n - 1) ** 2, n - 1)
        if not diagonal.any():
            classes.append(ClassQuadratic(np.zeros((len(sigma), 0)), np.zeros(0), np.zeros(0), 0.0))
            continue
        values, vectors = eigh(inner, subset_by_index=[max(0, len(inner) - RANK), len(inner) - 1])
        kept = values > 1e-12 * values[-1]
        values = values[kept]
        factor = back(values, vectors[:, kept])
        excess = _own_share(min(n, typical), d) * (values / (n - 1) - 1)
        shift = product(means[c : c + 1], factor)[0]
        order = slice(None, None, -1)
        factor = np.asfortranarray(factor[:, order])
        classes.append(ClassQuadratic(factor, shift[order], (excess / (1 + excess))[order], 0.0))
    return classes, chance.differ


class _Chance:
    """Whether covariances of classes differ from the identity in q dimensions by more than rows of one would make."""

    def __init__(self, q: int) -> None:
        self._q = q
        self._sum = 0.0
        self._classes = 0

    def see(self, trace: float, squares: float, freedom: float) -> None:
        """Trace and sum of squares of S_c. |Sigma_c - I|^2 is estimated without bias; times the freedom, by chance
        alone, it is 2 q in standard deviation.
        """
        if freedom > 1:
            unbiased = freedom**2 / ((freedom - 1) * (freedom + 2)) * (squares - trace**2 / freedom)
            self._sum += freedom * (unbiased - 2 * trace + self._q)
            self._classes += 1

    @property
    def differ(self) -> bool:
        return self._classes > 0 and self._sum > 2 * 2 * self._q * np.sqrt(self._classes)
