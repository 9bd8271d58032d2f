"""Ridge with weights of classes: plain at 0, as if classes were of one size at 1."""

import numpy as np
import pytest
from common import blobs
from test_shrunk_means import long_tail

from analytic_cl import RLSClassifier
from analytic_cl.datasets import load_clinc150


def uneven(n_classes, centred=True):
    X, y = blobs(400, 8, n_classes)
    keep = long_tail(y, 400 // n_classes, 5)
    return X[keep] + 3 * (not centred), y[keep]


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("quantizer", ["tabular", "embedding"])
@pytest.mark.parametrize("alpha", ["auto", "oas", "gcv", 1e-3, 10.0])
def test_almost_no_balance_is_plain_ridge(n_classes, fit_intercept, quantizer, alpha):
    X, y = uneven(n_classes, fit_intercept)
    plain, almost = (
        RLSClassifier(alpha, fit_intercept, balance=b, quantizer=quantizer).fit(X, y) for b in (0.0, 1e-12)
    )

    np.testing.assert_allclose(almost.coef_, plain.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(almost.decision_function(X), plain.decision_function(X), rtol=1e-7, atol=1e-8)
    assert almost.alpha_ == pytest.approx(plain.alpha_)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_it_is_weighted_least_squares_with_the_shared_scatter(n_classes, fit_intercept, balance):
    X, y = uneven(n_classes)
    head = RLSClassifier(0.7, fit_intercept, balance=balance).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    counts = np.bincount(y)
    v = counts ** (1 - balance) * len(y) / (counts ** (1 - balance)).sum()
    means = np.stack([Z[y == c].mean(axis=0) for c in range(n_classes)])
    scatter = (Z - means[y]).T @ (Z - means[y])
    targets = 2 * np.eye(n_classes) - 1
    m, t = (v @ part / v.sum() * fit_intercept for part in (means, targets))
    a = scatter + (means - m).T @ np.diag(v) @ (means - m) + 0.7 * np.eye(8)
    w = np.linalg.solve(a, (means - m).T @ np.diag(v) @ (targets - t)).T
    scores = (Z - m) @ w.T + t

    expected = scores[:, 1] if n_classes == 2 else scores
    np.testing.assert_allclose(head.decision_function(X), expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(Z @ head.coef_.T + head.intercept_, expected.reshape(len(Z), -1), rtol=1e-8, atol=1e-9)


def test_balanced_classes_stay_as_they_are():
    X, y = blobs(300, 8, 3)
    plain, balanced = (RLSClassifier(balance=b).fit(X, y).decision_function(X) for b in (0, 1))

    np.testing.assert_allclose(balanced, plain, atol=1e-9)


def test_what_balance_can_be_is_checked():
    X, y = blobs()
    for balance in (-0.1, 1.1, "auto", True):
        with pytest.raises(ValueError, match="balance must be a number from 0 to 1"):
            RLSClassifier(balance=balance).fit(X, y)
    with pytest.raises(ValueError, match='solver="recursive" needs balance=0'):
        RLSClassifier(1.0, balance=0.5, solver="recursive").fit(X, y)
    assert RLSClassifier(balance=1).fit(X, y).state_digest() == RLSClassifier().fit(X, y).state_digest()
    assert RLSClassifier(balance=1).fit(X[:4], [0] * 4).predict(X).tolist() == [0] * 60


def test_long_tails_gain_on_clinc150():
    clinc = load_clinc150()
    keep = long_tail(clinc.y_train, 100, 2)

    known = (("oas", 0, 0.633), ("oas", 0.5, 0.777), ("oas", 1, 0.854), ("auto", 0, 0.606), ("auto", 1, 0.853))
    for alpha, balance, expected in known:
        head = RLSClassifier(alpha, balance=balance).fit(clinc.X_train[keep], clinc.y_train[keep])
        assert head.score(clinc.X_test, clinc.y_test) == pytest.approx(expected, abs=0.004)
