"""Maps of rows onto the mean and spread that a state says they should have. Units are those of integer rows.

x are rows of a batch, n of them with mean xbar and spread V; mu_c and W the class means and the scatter within classes
of the state, a row; pi class frequencies, m = sum_c pi_c mu_c. Rows in those frequencies have mean m and spread
T = W + sum_c pi_c (mu_c - m)(mu_c - m)^T.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh

from analytic_cl.statistics import Moments, scatter

Floats = NDArray[np.float64]
Which = Literal["mean", "diagonal", "full"]

_ROUNDING = 1 / 12  # variance of what is lost when a number is rounded to an integer
_FLOOR = 1e-6  # of the mean variance: what counts as none


class Learned(NamedTuple):
    """Class means, and the scatter within classes: the whole matrix, or its diagonal."""

    means: Floats
    variances: Floats
    within: Floats | None

    @classmethod
    def of(cls, moments: Moments, which: Which) -> Self:
        """Those of a state of order 2. Cost: 3 n_classes d^2."""
        within = scatter(moments, "class means")
        within /= moments.n_rows
        means = moments.sums / moments.counts[:, None]
        return cls(means, within.diagonal().copy(), within if which == "full" else None)


class Seen(NamedTuple):
    """How many rows came, their mean, and their summed squares about it: of each feature, or the whole matrix."""

    n: float
    mean: Floats
    scatter: Floats

    @classmethod
    def of(cls, rows: NDArray[Any], which: Which) -> Self:
        x = rows.astype(np.float64)
        mean = x.mean(axis=0)
        x -= mean
        return cls(float(len(x)), mean, x.T @ x if which == "full" else np.einsum("ij,ij->j", x, x))

    def with_earlier(self, earlier: Seen, weight: float) -> Seen:
        """These rows and, counting `weight` times, earlier ones."""
        n, before = self.n + weight * earlier.n, weight * earlier.n
        apart = earlier.mean - self.mean
        square = np.outer(apart, apart) if self.scatter.ndim == 2 else apart**2
        total = self.scatter + weight * earlier.scatter + (self.n * before / n) * square
        return Seen(n, self.mean + (before / n) * apart, total)


def aligned(rows: NDArray[Any], seen: Seen, learned: Learned, priors: Floats, which: Which, limit: int) -> NDArray[Any]:
    """Integer rows, moved so that what was seen has the learned moments under these class frequencies.

    Where what was seen has these moments already, up to chance, the rows are as they were.
    """
    goal = priors @ learned.means
    shift = shrunk_shift(seen.mean - goal, learned.variances, seen.n)
    goal = seen.mean - shift
    if which == "mean":
        moved = rows - shift
    else:
        x = rows - seen.mean
        between = learned.means - priors @ learned.means
        if learned.within is None:
            expected = learned.variances + priors @ between**2
            moved = x * gains(seen.scatter / seen.n, expected, seen.n) + goal
        else:
            expected = learned.within + (between.T * priors) @ between
            moved = x @ transport(seen.scatter, expected, seen.n) + goal
    return np.asarray(np.clip(np.rint(moved), -limit, limit).astype(rows.dtype))


def shrunk_shift(shift: Floats, variances: Floats, n: float) -> Floats:
    """A shift of a mean of n rows, shrunk by the positive-part rule of James and Stein: 0 where chance explains it."""
    there = variances > 0
    size = n * float((shift[there] ** 2 / variances[there]).sum())
    rest = shift * max(0.0, 1 - int(there.sum()) / size) if size > 0 else np.zeros_like(shift)
    return np.asarray(np.where(there, rest, shift))  # a feature that never varied has no chance


def gains(found: Floats, expected: Floats, n: float) -> Floats:
    """What to multiply deviations by, of n rows: roots of ratios of variances, their logarithms shrunk as a shift."""
    there = (found > 0) & (expected > 0)
    logs = np.zeros(len(found))
    logs[there] = np.log(expected[there] / found[there]) / 2
    size = 2 * n * float(logs @ logs)  # a logarithm of a deviation of n normal rows has variance 1 / (2 n)
    return np.exp(logs * max(0.0, 1 - int(there.sum()) / size)) if size > 0 else np.ones(len(found))


def transport(found: Floats, expected: Floats, n: float) -> Floats:
    """The symmetric map A, A V A = T, from a scatter of n rows to the expected covariance T: moves rows least.

    The covariance V counts T as d rows beside the n. With T = L L^T: A = L (L^T V L)^(-1/2) L^T.
    """
    d = len(expected)
    floor = max(_ROUNDING, _FLOOR * float(np.trace(expected)) / d) * np.eye(d)
    there = (found + d * expected) / (n + d) + floor
    root = cholesky(expected + floor, lower=True)
    values, vectors = eigh(root.T @ there @ root)
    half = root @ (vectors / np.sqrt(np.sqrt(values)))
    return np.asarray(half @ half.T)
