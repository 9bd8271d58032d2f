"""Heads in float64, written plainly: what quantised ones are measured against. Unit rows in, predicted places out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def nearest_mean(x: Floats, places: Places, test: Floats) -> NDArray[np.intp]:
    """The class mean of largest cosine."""
    means = _targets(places).T @ x
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray((test @ means.T).argmax(axis=1))


def lda(x: Floats, places: Places, test: Floats) -> NDArray[np.intp]:
    """Shared-covariance Gaussians, correlations shrunk by the oracle approximating formula, less with many rows."""
    y = _targets(places)
    counts = y.sum(axis=0)
    means = (y.T @ x) / counts[:, None]
    centred = x - means[places]
    w = _solve_shrunk(centred.T @ centred / len(x), len(x) - len(counts), means.T, many=3)
    bias = np.log(counts / len(x)) - 0.5 * np.einsum("ij,ji->i", means, w)
    return np.asarray((test @ w + bias).argmax(axis=1))


def ridge(x: Floats, places: Places, test: Floats) -> NDArray[np.intp]:
    """Least squares on targets of +-1, correlations shrunk by the oracle approximating formula."""
    y = 2 * _targets(places) - 1
    mean, target_mean = x.mean(axis=0), y.mean(axis=0)
    centred = x - mean
    w = _solve_shrunk(centred.T @ centred / len(x), len(x), centred.T @ (y - target_mean) / len(x))
    return np.asarray(((test - mean) @ w + target_mean).argmax(axis=1))


def neighbours(x: Floats, places: Places, test: Floats, k: int = 20, temperature: float = 0.1) -> NDArray[np.intp]:
    """Votes of the nearest rows, weighted by exp(cosine / temperature)."""
    cosines = test @ x.T
    k = min(k, len(x))
    near = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    weights = np.exp(np.take_along_axis(cosines, near, axis=1) / temperature)
    votes = np.zeros((len(test), places.max() + 1))
    np.add.at(votes, (np.arange(len(test))[:, None], places[near]), weights)
    return np.asarray(votes.argmax(axis=1))


TWINS = {"nearest mean": nearest_mean, "LDA": lda, "ridge": ridge, "neighbours": neighbours}


def _targets(places: Places) -> Floats:
    return np.asarray(np.eye(places.max() + 1)[places])


def _solve_shrunk(covariance: Floats, n: int, right: Floats, many: float = np.inf) -> Floats:
    """Solve with (1 - r) C + r I on correlation scale. Columns without variance get r as theirs.

    r = (mean c^2 + (trace / d)^2) / ((n + 1) (mean c^2 - (trace / d)^2 / d)), at most 1 (Chen et al., 2010), times
    many d / n where that is below 1.
    """
    variances = covariance.diagonal()
    live = variances > 0
    scale = np.sqrt(np.where(live, variances, 1))[:, None]
    c = covariance / (scale * scale.T)
    square = float((c[np.ix_(live, live)] ** 2).mean())
    gap = (n + 1) * (square - 1 / live.sum())
    r = (1.0 if gap <= 0 else min(1.0, (square + 1) / gap)) * min(1.0, many * live.sum() / n)
    return np.asarray(solve((1 - r) * c + r * np.eye(len(c)), right / scale, assume_a="pos") / scale)
