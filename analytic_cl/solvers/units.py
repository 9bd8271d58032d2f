"""Means and scatters of a state in the units of its dequantised rows, x = offset + step * q."""

from __future__ import annotations

from typing import Literal

import numpy as np

from analytic_cl._blas import squared_lengths
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s, Moments, scatter, scatter_product


def class_means(moments: Moments, origin: Int64s | None = None) -> Floats:
    """Mean row of each class, shape (n_classes, width).

    With `origin`, integers to measure from: the mean minus what they stand for, subtracted exactly.
    """
    counts, step = moments.counts[:, None], moments.quantizer.step
    if origin is None:
        return np.asarray(moments.quantizer.offset + step * (moments.sums / counts))
    return np.asarray(step * ((moments.sums - counts * origin) / counts))


def lengths(x: Floats) -> Floats:
    """What to divide rows by so that they have unit length, shape (n, 1): 1 for rows of zero, which stay."""
    norms = np.sqrt(squared_lengths(x))[:, None]
    return np.where(norms > 0, norms, 1.0)


def mean(moments: Moments) -> Floats:
    """Mean of all rows, shape (width,)."""
    return np.asarray(moments.quantizer.offset + moments.quantizer.step * (moments.total / moments.n_rows))


def mean_in_parts(moments: Moments) -> tuple[Int64s, Floats, Floats]:
    """The mean of all rows rounded to integers, the mean itself, and how far it is from what the integers stand for."""
    n, total, step = moments.n_rows, moments.total, moments.quantizer.step
    origin = np.rint(total / n).astype(np.int64)
    return origin, moments.quantizer.offset + step * (total / n), step * ((total - n * origin) / n)


def centred_class_sums(moments: Moments) -> Floats:
    """Sum over the rows of each class of x minus the mean of all rows, shape (n_classes, width).

    S_c - n_c S / N with S = N q + r: the large part S_c - n_c q is an integer, subtracted exactly.
    """
    n = moments.n_rows
    q, r = np.divmod(moments.total, n)
    counts = moments.counts[:, None]
    return np.asarray(moments.quantizer.step * ((moments.sums - counts * q) - counts * (r / n)))


def scatter_matrix(moments: Moments, about: Literal["origin", "mean", "class means"], factor: float = 1.0) -> Floats:
    """`factor` times the sum of (x - m)(x - m)^T, its upper triangle; see `analytic_cl.statistics.scatter`."""
    if about == "origin" and moments.quantizer.offset.any():
        a, m = scatter_matrix(moments, "mean", factor), mean(moments)
        a += factor * moments.n_rows * np.outer(m, m)
        return a
    return scatter(moments, about, moments.quantizer.step, moments.quantizer.step * factor, mirrored=False)


def scatter_matrix_product(moments: Moments, about: Literal["origin", "mean", "class means"], v: Floats) -> Floats:
    """`scatter_matrix(moments, about) @ v`, v of shape (width, k); see `analytic_cl.statistics.scatter_product`."""
    step = moments.quantizer.step[:, None]
    if about == "origin" and moments.quantizer.offset.any():
        m = mean(moments)
        return scatter_matrix_product(moments, "mean", v) + moments.n_rows * np.outer(m, m @ v)
    return np.asarray(step * scatter_product(moments, about, step * v))
