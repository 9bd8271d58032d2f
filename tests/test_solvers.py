"""Weights agree with scikit-learn's on the dequantised rows, with exact arithmetic, and with each other."""

import numpy as np
import pytest
from common import blobs, ignore_quantization
from scipy.linalg import LinAlgWarning
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.neighbors import NearestCentroid

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RLSClassifier
from analytic_cl.solvers.shrinkage import oas_intensity, shrink_correlations
from analytic_cl.solvers.spd import solve_spd, tridiagonal

pytestmark = ignore_quantization  # few columns behind the embedding quantizer

CASES = {
    "tabular quantizer": (0, 1, "tabular"),
    "embedding quantizer": (0, 1, "embedding"),
    "bounds": (0, 1, FixedPoint(16, bounds=(-30, 30))),
    "means of 30,000 behind 16 bits": (30_000, 2, FixedPoint(16, scale=1)),
}


def rows_and_quantizer(case, n_classes, n=400, d=12):
    shift, spread, quantizer = CASES[case]
    X, y = blobs(n, d, n_classes)
    return shift + spread * X, y, quantizer


def assert_close(got, expected, tolerance=1e-8):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()


every_case = pytest.mark.parametrize("case", CASES)
two_or_more = pytest.mark.parametrize("n_classes", [2, 5])


@every_case
@two_or_more
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("strength", [1e-6, 1e-2, 1.0])
def test_ridge_is_scikit_learns(case, n_classes, fit_intercept, strength):
    X, y, quantizer = rows_and_quantizer(case, n_classes)
    head = RLSClassifier(fit_intercept=fit_intercept, quantizer=quantizer).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    centred = Z - Z.mean(axis=0) * fit_intercept
    head.alpha = alpha = strength * (centred**2).sum(axis=0).mean()
    peer = RidgeClassifier(alpha=alpha, fit_intercept=fit_intercept).fit(Z, y)

    assert_close(head.coef_, np.atleast_2d(peer.coef_))  # one row for two classes, in every scikit-learn
    assert_close(head.decision_function(X), peer.decision_function(Z))
    if fit_intercept:
        assert_close(head.intercept_, peer.intercept_)


@every_case
@two_or_more
@pytest.mark.parametrize("shrinkage", [1e-6, 1e-2, 0.5, 1.0])
def test_lda_is_scikit_learns(case, n_classes, shrinkage):
    X, y, quantizer = rows_and_quantizer(case, n_classes)
    head = LDAClassifier(shrinkage, quantizer=quantizer).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(Z, y)

    assert_close(head.coef_, peer.coef_)
    assert_close(head.intercept_, peer.intercept_)
    np.testing.assert_allclose(head.predict_proba(X), peer.predict_proba(Z), atol=1e-7)
    np.testing.assert_allclose(np.exp(head.predict_log_proba(X)), head.predict_proba(X), atol=1e-12)


@every_case
@two_or_more
def test_euclidean_nearest_mean_is_nearest_centroid(case, n_classes):
    X, y, quantizer = rows_and_quantizer(case, n_classes)
    head = NearestMeanClassifier("euclidean", quantizer=quantizer).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    peer = NearestCentroid().fit(Z, y)

    assert_close(head.centroids_, peer.centroids_, 1e-12)
    np.testing.assert_array_equal(head.predict(X), peer.predict(Z))


def test_cosine_scores_are_cosines():
    X, y = blobs(60, 5, 4)
    head = NearestMeanClassifier("cosine", quantizer="tabular").fit(X, y)
    means = np.stack([X[y == c].mean(axis=0) for c in range(4)])
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (X, means)]

    np.testing.assert_allclose(head.decision_function(X), unit[0] @ unit[1].T, atol=1e-3)
    assert not head.decision_function(np.zeros((1, 5))).any()


def test_oas_intensity_is_scikit_learns():
    X = np.random.RandomState(0).normal(size=(30, 8))
    covariance = X.T @ X / 30
    _, expected = oas(X, assume_centered=True)

    got = oas_intensity(covariance.trace(), (covariance**2).sum(), 8, 30)

    assert got == pytest.approx(expected, rel=1e-12)


def test_shrinking_correlations_is_blind_to_units_and_keeps_variances():
    X = np.random.RandomState(0).normal(size=(40, 6))
    units = np.array([1, 1e-6, 1e3, 1, 1e6, 0.1])
    plain, scaled = np.cov(X.T), np.cov((X * units).T)
    variances = plain.diagonal().copy()
    _, expected = oas((X - X.mean(axis=0)) / X.std(axis=0), assume_centered=True)

    intensity = shrink_correlations(plain, 40)

    assert intensity == pytest.approx(expected, rel=1e-9)
    assert shrink_correlations(scaled, 40) == pytest.approx(intensity, rel=1e-9)
    np.testing.assert_allclose(scaled / np.outer(units, units), plain, rtol=1e-9)
    np.testing.assert_array_equal(plain.diagonal(), variances)


def test_one_row_a_class_makes_lda_the_nearest_mean_of_standardised_columns():
    X, _ = blobs(6, 4, 6)
    lda = LDAClassifier().fit(X * [1, 100, 0.01, 1], np.arange(6))
    nearest = NearestMeanClassifier("euclidean").fit(X / X.std(axis=0), np.arange(6))
    Z = blobs(50, 4, 6, seed=1)[0]

    assert lda.shrinkage_ == 1.0
    np.testing.assert_array_equal(lda.predict(Z * [1, 100, 0.01, 1]), nearest.predict(Z / X.std(axis=0)))


def test_columns_without_variance_are_left_alone():
    X, y = blobs(200, 5, 3)
    X[:, 2] = 7.0
    X[:, 4] = 0.0
    others = [0, 1, 3]
    for head in (
        LDAClassifier(quantizer="tabular"),
        RLSClassifier(quantizer="tabular"),
        RLSClassifier("gcv", quantizer="tabular"),
    ):
        with_them = head.fit(X, y).predict(X)
        np.testing.assert_array_equal(with_them, head.fit(X[:, others], y).predict(X[:, others]))


def test_priors_enter_the_intercepts_only():
    X, y = blobs(90, 4, 3)
    plain, skewed = LDAClassifier().fit(X, y), LDAClassifier(priors=[0.7, 0.2, 0.1]).fit(X, y)

    np.testing.assert_array_equal(plain.coef_, skewed.coef_)
    np.testing.assert_allclose(skewed.intercept_ - plain.intercept_, np.log([2.1, 0.6, 0.3]), rtol=1e-9)
    with pytest.raises(ValueError, match="3 priors for 2 classes"):
        skewed.fit(X[y < 2], y[y < 2]).predict(X)


@two_or_more
def test_gcv_finds_the_alpha_of_least_leave_one_out_error_formula(n_classes):
    X, y = blobs(60, 20, n_classes)
    X += np.random.RandomState(3).normal(size=X.shape) * 4
    head = RLSClassifier("gcv").fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    targets = np.where(y[:, None] == np.unique(y), 1.0, -1.0)[:, 1 if n_classes == 2 else 0 :]
    centred = Z - Z.mean(axis=0)

    def gcv(alpha):
        hat = centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(20), centred.T) + 1 / 60
        return ((targets - hat @ targets) ** 2).sum() / (60 - hat.trace()) ** 2

    errors = [gcv(alpha) for alpha in head.alpha_ * np.logspace(-3, 3, 31)]

    assert int(np.argmin(errors)) == 15
    assert RidgeCV(alphas=[head.alpha_]).fit(Z, targets).score(Z, targets) > 0


def test_singular_systems_are_solved_out_loud_by_least_squares():
    X, y = blobs(100, 4, 3)
    X = np.hstack([X, X[:, :1], np.zeros((100, 1))])
    head = RLSClassifier(alpha=0).fit(X, y)

    with pytest.warns(LinAlgWarning, match="singular"):
        scores = head.decision_function(X)

    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    centred, targets = Z - Z.mean(axis=0), np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    fitted = centred @ np.linalg.lstsq(centred, targets - targets.mean(axis=0))[0] + targets.mean(axis=0)
    np.testing.assert_allclose(scores, fitted, atol=1e-8)


def test_fallback_agrees_with_cholesky_where_both_apply():
    random = np.random.RandomState(0)
    a = random.normal(size=(20, 15))
    a, right = a.T @ a, random.normal(size=(15, 3))
    expected = np.linalg.solve(a, right)

    np.testing.assert_allclose(solve_spd(a.copy(), right, a.copy), expected, rtol=1e-8)
    singular = np.pad(a, ((0, 1), (0, 1)))
    with pytest.warns(LinAlgWarning):
        padded = solve_spd(singular.copy(), np.pad(right, ((0, 1), (0, 0))), singular.copy)
    np.testing.assert_allclose(padded[:-1], expected, rtol=1e-8)
    assert not padded[-1].any()


@pytest.mark.parametrize(
    "head", [RLSClassifier(1.0), RLSClassifier(), LDAClassifier(), NearestMeanClassifier()], ids=repr
)
def test_one_class_alone_is_legal(head):
    X, _ = blobs(10, 3)
    head.fit(X, ["only"] * 10)

    assert head.predict(X).tolist() == ["only"] * 10
    assert head.decision_function(X).shape == (10, 1)
    head.partial_fit(X + 9, ["other"] * 10)
    assert head.decision_function(X).shape == (10,)


def test_all_heads_come_from_one_state_without_touching_the_rows():
    X, y = blobs(80, 6, 4)
    state = LDAClassifier().fit(X, y).state_

    for kind in (NearestMeanClassifier, LDAClassifier, RLSClassifier):
        fitted, derived = kind().fit(X, y), kind.from_moments(state)
        np.testing.assert_array_equal(derived.decision_function(X), fitted.decision_function(X))
        assert derived.state_digest() == fitted.state_digest()
        assert derived.get_params() == fitted.get_params()
        derived.forget(X[:3], y[:3])
        assert derived.state_digest() == kind().fit(X[3:], y[3:]).state_digest()
    assert state.digest() == LDAClassifier().fit(X, y).state_digest()
    with pytest.raises(ValueError, match="LDAClassifier needs Gram matrix"):
        LDAClassifier.from_moments(NearestMeanClassifier().fit(X, y).state_)
    with pytest.raises(TypeError, match="quantizer comes with the moments"):
        LDAClassifier.from_moments(state, quantizer="tabular")


def test_classes_far_from_the_origin_are_told_apart():
    """Scores are taken from the mean, so that large numbers need not cancel."""
    X, y = blobs(300, 5, 3)
    far = 500_000 + np.round(4 * X) / 4096
    near = np.round(4 * X) / 4096

    for head in (LDAClassifier(0.1), NearestMeanClassifier("euclidean"), RLSClassifier(1e-6), LDAClassifier()):
        np.testing.assert_array_equal(head.fit(far, y).predict(far), head.fit(near, y).predict(near))


def test_decision_function_is_that_of_the_public_weights():
    X, y = blobs(200, 6, 4)
    for head in (
        LDAClassifier(),
        RLSClassifier(),
        NearestMeanClassifier("euclidean"),
        RLSClassifier(fit_intercept=False),
    ):
        for labels in (y, y % 2):
            head.fit(X, labels)
            Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
            shown = (Z @ head.coef_.T + head.intercept_).squeeze()
            np.testing.assert_allclose(head.decision_function(X), shown, rtol=1e-9, atol=1e-9)


def test_a_row_alone_scores_as_in_a_batch():
    X, y = blobs(300, 40, 5)
    for head in (LDAClassifier(), RLSClassifier(), NearestMeanClassifier()):
        together = head.fit(X, y).decision_function(X)
        alone = np.concatenate([head.decision_function(row[None]) for row in X])
        assert np.abs(together - alone).max() <= 1e-12 * np.abs(together).max()


def test_bad_rows_are_named_by_their_place_among_all_rows():
    X, y = blobs(30, 5000, 2)
    head = NearestMeanClassifier().fit(X, y)
    many = np.tile(X, (200, 1))
    many[5678, 9] = np.nan

    with pytest.raises(ValueError, match="NaN in row 5678"):
        head.predict(many)


def test_weights_follow_every_digit_of_the_parameters():
    n = 1500
    X, y = np.repeat(np.arange(n), 2)[:, None] + np.tile([[0.0], [0.5]], (n, 1)), np.repeat(np.arange(n), 2)
    even = np.full(n, 1 / n)
    uneven = even.copy()
    uneven[700:702] *= 1.9, 0.1
    head = LDAClassifier(priors=even).fit(X, y)
    before = head.intercept_

    head.set_params(priors=uneven)

    np.testing.assert_allclose((head.intercept_ - before)[700:702], np.log([1.9, 0.1]), rtol=1e-6)


def test_weights_are_solved_once_per_change(monkeypatch):
    X, y = blobs()
    solved = []
    original = LDAClassifier._solve
    monkeypatch.setattr(LDAClassifier, "_solve", lambda self, moments: solved.append(1) or original(self, moments))
    head = LDAClassifier().fit(X, y)
    assert not solved

    for change, expected in (
        (lambda: head.predict(X), 1),
        (lambda: head.predict(X), 1),
        (lambda: head.partial_fit(X[:1], y[:1]), 2),
        (lambda: head.forget(X[:1], y[:1]), 3),
        (lambda: head.set_params(shrinkage=0.5), 4),
    ):
        change()
        head.predict(X)
        assert len(solved) == expected


@pytest.mark.parametrize("d", [1, 2, 3, 50])
def test_reduction_to_tridiagonal_form_is_an_orthogonal_one(d):
    random = np.random.RandomState(d)
    x, c = random.normal(size=(2 * d + 3, d)), random.normal(size=(d, 4))
    a = x.T @ x
    diagonal, beside, rotate = tridiagonal(a.copy())
    t = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)

    np.testing.assert_allclose(rotate(rotate(c, True), False), c, atol=1e-13)
    np.testing.assert_allclose(rotate(t @ rotate(c, True), False), a @ c, atol=1e-12 * np.abs(a).sum())
