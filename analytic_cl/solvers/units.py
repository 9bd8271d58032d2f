"""Means and scatters of a state in the units of its dequantised rows, x = offset + step * q."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import squared_lengths
from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import Int64s, LabelSetMoments, Moments, scatter, scatter_product

Whole = NDArray[Any]  # int64, or Python's integers in an object array


def class_means(moments: Moments, origin: Int64s | None = None) -> Floats:
    """Mean row of each class, shape (n_classes, width).

    With `origin`, integers to measure from: the mean minus what they stand for, subtracted exactly.
    """
    counts, step = moments.counts[:, None], moments.quantizer.step
    if origin is None:
        means: Floats = moments.sums.astype(np.float64)
        means /= counts.astype(np.float64)
        means *= step
        if (offset := moments.quantizer.offset).any():
            means += offset
        return means
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
    return mean_of_sum_in_parts(moments.quantizer, moments.n_rows, moments.total)


def mean_of_sum_in_parts(quantizer: Quantizer, n: int, total: Int64s) -> tuple[Int64s, Floats, Floats]:
    """As `mean_in_parts`, for n rows of this sum."""
    origin = np.rint(total / n).astype(np.int64)
    return origin, quantizer.offset + quantizer.step * (total / n), quantizer.step * ((total - n * origin) / n)


def centred_class_sums(moments: Moments | LabelSetMoments) -> Floats:
    """Sum over the rows of each class, or label, of x minus the mean of all rows, shape (n_classes, width)."""
    counts = moments.counts[:, None]
    return np.asarray(moments.quantizer.step * exact_residue(moments.n_rows, moments.sums, counts, moments.total))


def exact_residue(n: int, products: Whole, left: Whole, right: Whole) -> Floats:
    """(n products - left right) / n of integers, or of Python's in object arrays: what centring leaves of products.

    The numerator is exact, so that scaling all of it by a power of two scales the result, to the bit.
    """
    largest = max(_bits(products) + n.bit_length(), _bits(left) + _bits(right))
    if largest > 62:
        products, left = products.astype(object), left.astype(object)
    return np.asarray((n * products - left * right).astype(np.float64) / n)


def _bits(integers: Whole) -> int:
    return max(int(integers.max()), -int(integers.min())).bit_length()


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
