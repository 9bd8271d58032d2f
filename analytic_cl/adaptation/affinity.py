"""Which rows of a batch are alike: a symmetric graph of nearest neighbours."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from analytic_cl.memory import LearnedRows, make_index, nearest
from analytic_cl.quantizers import FixedPoint, Quantizer, resolve_quantizer

Floats = NDArray[np.float64]
Affinity = Literal["knn", "rbf", "linear"]


def unit_integers(rows: NDArray[Any], quantizer: Quantizer) -> tuple[NDArray[Any], Quantizer]:
    """Integer rows at unit length, and what these mean: unit ones of 8 bits as they are, others in 16 bits."""
    if quantizer.rule.norm == "l2" and quantizer.bits == 8:
        return rows, quantizer
    unit = resolve_quantizer(FixedPoint(16, norm="l2"), None, quantizer.width)
    return unit.quantise(quantizer.dequantise(rows)), unit


def neighbours(rows: NDArray[Any], quantizer: Quantizer, k: int) -> tuple[NDArray[np.int64], Floats]:
    """The k rows of least angle to each row, itself left out, and their squared distances at unit length.

    Both of shape (n_rows, k), nearest first; k is below the number of rows.

    Cost: 2 n_rows^2 d operations, in int8 behind an embedding quantizer.

    Exactness: bit for bit, up to which of several identical rows is taken.
    """
    found = LearnedRows(quantizer)
    found.add(rows, np.zeros(len(rows), dtype=np.int64))
    ranked = nearest(found, make_index(found, "auto", "cpu", None), rows, k + 1)
    others = ranked.positions != np.arange(len(rows))[:, None]
    others[others.all(axis=1), -1] = False  # a row that has more than k identical ones
    return ranked.positions[others].reshape(-1, k), ranked.squared()[others].reshape(-1, k)


def affinities(rows: NDArray[Any], quantizer: Quantizer, kind: Affinity, k: int) -> csr_matrix:
    """(W + W^T) / 2 of the k nearest neighbours, shape (n_rows, n_rows), nothing on the diagonal, nothing negative.

    Weights of W: "knn" 1; "rbf" exp(-d^2 / 2 s^2) with s the mean distance to the k-th; "linear" the cosine.

    Cost: that of `neighbours`; memory 24 bytes for each of up to 2 n_rows k weights.
    """
    n = len(rows)
    k = min(k, n - 1)
    positions, squares = neighbours(*unit_integers(rows, quantizer), k)
    if kind == "knn":
        weights = np.ones_like(squares)
    elif kind == "rbf":
        width = float(np.sqrt(squares[:, -1]).mean())
        weights = np.exp(-squares / (2 * width**2)) if width else np.ones_like(squares)
    else:
        weights = np.maximum(1 - squares / 2, 0)
    graph = csr_matrix((weights.ravel(), positions.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    return csr_matrix((graph + graph.T) / 2)
