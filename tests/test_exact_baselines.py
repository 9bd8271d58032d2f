"""Published heads that are functions of class sums and one Gram matrix give what their papers' equations give."""

import numpy as np
import pytest
from common import blobs

from analytic_cl import RandomProjection
from analytic_cl.baselines import KSLDAClassifier, TruncatedRidgeClassifier


@pytest.fixture(scope="module")
def rows():
    """Dequantised unit rows as heads see them, labels, and raw test rows."""
    X, y = blobs(60, 12, 4, seed=3)
    return X, y, blobs(20, 12, 4, seed=3)[0] + 0.5


def dequantised(head, X):
    return head.quantizer_.dequantise(head.quantizer_.quantise(X))


def class_means(x, y):
    return np.stack([x[y == c].mean(axis=0) for c in np.unique(y)])


def test_ks_lda_gives_the_scores_of_its_equations(rows):
    X, y, T = rows
    head = KSLDAClassifier(quantizer="embedding").fit(X, y)
    x, t = dequantised(head, X), dequantised(head, T)
    (n, d), k, means = x.shape, 4, class_means(x, y)
    within = x - means[y]
    s = np.cov(within.T)
    precision = d * np.linalg.inv((n - 1) * s + np.trace(s) * np.eye(d))
    w = means @ precision
    b = np.log(1 / k) - 0.5 * np.einsum("ij,ij->i", w, means)
    scale = d * (n - 1) / (n * (n - 1 + d))

    np.testing.assert_allclose(
        scale * (head.decision_function(T) - np.log(1 / k)), t @ w.T + b - np.log(1 / k), rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(head.shrinkage_, d / (n - 1 + d))


@pytest.mark.parametrize("n", [60, 20], ids=["more rows than features", "fewer rows"])
def test_truncated_ridge_is_least_squares_in_the_leading_directions_of_the_rows(rows, n):
    X, y, T = rows
    X, y = X[:n], y[:n]
    head = TruncatedRidgeClassifier(0.3, projection=RandomProjection(32)).fit(X, y)
    x, t = dequantised(head, X), dequantised(head, T)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    r = round(0.7 * min(x.shape))
    expected = t @ (vt[:r].T / s[:r]) @ u[:, :r].T @ np.eye(4)[y]

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-8, atol=1e-10)
    assert head.rank_ == r


def test_truncated_ridge_leaves_out_null_directions_and_takes_rows_of_zero():
    X, y = np.zeros((6, 300)), np.arange(6) % 3
    assert TruncatedRidgeClassifier(0).fit(X, y).rank_ == 0
    assert TruncatedRidgeClassifier(0).fit(X + 1, y).rank_ == 1
    with pytest.raises(ValueError, match="below 1"):
        TruncatedRidgeClassifier(1).fit(X, y)
