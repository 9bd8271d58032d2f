"""Means and scatters of a state in the units of its dequantised rows, x = offset + step * q."""

from __future__ import annotations

from typing import Literal

import numpy as np

from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Moments, scatter


def class_means(moments: Moments) -> Floats:
    """Mean row of each class, shape (n_classes, width)."""
    return np.asarray(moments.door.offset + moments.door.step * (moments.sums / moments.counts[:, None]))


def mean(moments: Moments) -> Floats:
    """Mean of all rows, shape (width,)."""
    return np.asarray(moments.door.offset + moments.door.step * (moments.sums.sum(axis=0) / moments.n_rows))


def centred_class_sums(moments: Moments) -> Floats:
    """Sum over the rows of each class of x minus the mean of all rows, shape (n_classes, width).

    S_c - n_c S / N with S = N q + r: the large part S_c - n_c q is an integer, subtracted exactly.
    """
    n = moments.n_rows
    q, r = np.divmod(moments.sums.sum(axis=0), n)
    counts = moments.counts[:, None]
    return np.asarray(moments.door.step * ((moments.sums - counts * q) - counts * (r / n)))


def scatter_matrix(moments: Moments, about: Literal["origin", "mean", "class means"]) -> Floats:
    """Sum of (x - m)(x - m)^T; see `analytic_cl.statistics.scatter`."""
    if about == "origin" and moments.door.offset.any():
        a, m = scatter_matrix(moments, "mean"), mean(moments)
        a += moments.n_rows * np.outer(m, m)
        return a
    a = scatter(moments, about)
    a *= moments.door.step[:, None]
    a *= moments.door.step
    return a
