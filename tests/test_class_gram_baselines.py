"""Published heads over a Gram matrix a class: the formulas, scikit-learn's numbers, and what happens at the edges."""

import numpy as np
import pytest
from common import blobs
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import normalize

from analytic_cl import RandomProjection, RLSClassifier
from analytic_cl.baselines import AIRClassifier, FeCAMClassifier, NaiveBayesClassifier, QDAClassifier


def learned(head, n=120, d=5, n_classes=3):
    """A head that has learned rows of classes of different widths, in two parts and after some came and went; the
    dequantised rows, their labels and others.
    """
    X, y = blobs(n, d, n_classes)
    X = X * (1 + y[:, None] / 2) + 3
    head.fit(X[: n // 2], y[: n // 2]).partial_fit(X[n // 3 :], y[n // 3 :]).forget(
        X[n // 3 : n // 2], y[n // 3 : n // 2]
    )
    values = [head.quantizer_.dequantise(head.quantizer_.quantise(rows)) for rows in (X, X[::-1] * 1.5 - 1)]
    return head, values[0], y, values[1]


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("reg_param", [0.0, 0.3])
def test_qda_is_scikit_learns(reg_param, n_classes):
    head, X, y, T = learned(QDAClassifier(reg_param), n_classes=n_classes)
    theirs = QuadraticDiscriminantAnalysis(reg_param=reg_param)
    if not hasattr(theirs, "solver"):
        pytest.skip("scikit-learn before 1.8 divides by n_c - 1")
    assert_close(head.decision_function(T), theirs.fit(X, y).decision_function(T))
    assert_close(head.predict_proba(T), theirs.predict_proba(T))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_naive_bayes_is_scikit_learns(n_classes):
    priors = np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum()
    for parameters in ({}, {"var_smoothing": 0.1, "priors": priors}):
        head, X, y, T = learned(NaiveBayesClassifier(**parameters), n_classes=n_classes)
        theirs = GaussianNB(**parameters).fit(X, y)
        joint = theirs.predict_joint_log_proba(T)
        assert_close(head.decision_function(T), joint if n_classes == 3 else joint[:, 1] - joint[:, 0])
        assert_close(head.predict_log_proba(T), theirs.predict_log_proba(T))
        for name in ("theta_", "var_", "epsilon_"):
            assert_close(getattr(head, name), getattr(theirs, name))


@pytest.mark.parametrize("gammas", [(1.0, 1.0), (1.0, 0.0), (0.2, 0.1)])
def test_fecam_is_the_papers_distance(gammas):
    head, X, y, T = learned(FeCAMClassifier(*gammas))
    expected = []
    for c in range(3):
        s = np.cov(X[y == c].T)
        off = ~np.eye(5, dtype=bool)
        s = s + gammas[0] * np.diag(s).mean() * np.eye(5) + gammas[1] * s[off].mean() * off
        correlations = s / np.sqrt(np.outer(np.diag(s), np.diag(s)))
        apart = normalize(T) - normalize(X[y == c].mean(axis=0)[None])
        expected.append(-0.5 * np.einsum("ij,jk,ik->i", apart, np.linalg.inv(correlations), apart))
    assert_close(head.decision_function(T), np.transpose(expected))


def test_air_counts_every_class_alike():
    random = np.random.RandomState(0)
    y = np.repeat(np.arange(3), [60, 20, 5])
    X = random.normal(size=(85, 4)) + 2 * np.eye(4)[y]
    head = AIRClassifier(0.5).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    weights = 1 / np.bincount(y)
    weights *= 3 / weights.sum()
    G = sum(w * Z[y == c].T @ Z[y == c] for c, w in enumerate(weights))
    cross = (Z * weights[y][:, None]).T @ np.where(y[:, None] == np.arange(3), 1, -1)
    assert_close(head.coef_.T, np.linalg.solve(G + 0.5 * np.eye(4), cross))
    assert not head.intercept_.any() and head.moments_.n_rows == 85


@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_air_of_classes_of_one_size_is_ridge(n_classes):
    X, y = blobs(60, 5, n_classes)
    for parameters in ({}, {"projection": RandomProjection(20)}):
        ridge = RLSClassifier(1.0, fit_intercept=False, **parameters).fit(X, y)
        assert_close(AIRClassifier(1.0, **parameters).fit(X, y).decision_function(X), ridge.decision_function(X))


def test_a_singular_class_is_named_and_the_head_still_learns():
    X, y = blobs(60, 5, 3)
    head = QDAClassifier().fit(X, y)
    head.partial_fit(X[:3] + 1, [7] * 3)
    with pytest.raises(np.linalg.LinAlgError, match="class 7, of 3 rows, is singular in 5 columns: use a larger reg"):
        head.predict(X)
    assert head.forget_class(7).removed == 3
    np.testing.assert_array_equal(head.predict(X), QDAClassifier().fit(X, y).predict(X))
    assert np.isfinite(QDAClassifier(0.1).fit(X[:3], [0, 1, 2]).decision_function(X)).all()


def test_classes_of_one_row_and_constant_columns_have_finite_scores():
    X = np.array([[1.0, 2.0, 5.0], [3.0, 2.0, 5.0], [2.0, 4.0, 5.0]])
    for head in (FeCAMClassifier(), NaiveBayesClassifier(), AIRClassifier()):
        for rows, y in ((X, [0, 1, 2]), (X[:1], [0]), (X[[0, 0]], [0, 1])):
            assert np.isfinite(head.fit(rows, y).decision_function(X)).all()
        assert head.fit(X, [0, 1, 2]).predict(X).tolist() == [0, 1, 2] or isinstance(head, AIRClassifier)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (QDAClassifier(1.5), "reg_param must be"),
        (QDAClassifier(priors=[1, 1, 1]), "priors must be"),
        (NaiveBayesClassifier(0), "var_smoothing must be above 0"),
        (NaiveBayesClassifier(-1), "var_smoothing must be"),
        (FeCAMClassifier(gamma2=-1), "gamma2 must be"),
        (FeCAMClassifier(gamma1="oas"), "gamma1 must be"),
        (AIRClassifier(-1), "alpha must be"),
    ],
    ids=repr,
)
def test_parameters_are_checked(head, word):
    with pytest.raises(ValueError, match=word):
        head.fit(*blobs())


def test_one_state_serves_them_all():
    X, y = blobs()
    digests = {kind().fit(X, y).state_digest() for kind in (QDAClassifier, NaiveBayesClassifier, FeCAMClassifier)}
    assert digests == {AIRClassifier().fit(X, y).state_digest()}
    merged = FeCAMClassifier().fit(X[:30], y[:30]).merge(QDAClassifier().fit(X[30:], y[30:]))
    np.testing.assert_array_equal(merged.decision_function(X), FeCAMClassifier().fit(X, y).decision_function(X))
