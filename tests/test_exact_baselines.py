"""Published heads that are functions of class sums and one Gram matrix give what their papers' equations give."""

import numpy as np
import pytest
from common import blobs

from analytic_cl.baselines import KSLDAClassifier


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
