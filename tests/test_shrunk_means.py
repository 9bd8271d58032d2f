"""Class means shrunk in discriminant space: the formula, its limits, and what it is worth where classes are small."""

import numpy as np
import pytest
from common import blobs, ignore_quantization
from scipy.linalg import LinAlgWarning, cholesky, solve_triangular

from analytic_cl import LDAClassifier, NearestMeanClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.solvers import discriminants, shrunk_means_lda
from analytic_cl.solvers.shrinkage import Correlations
from analytic_cl.solvers.spd import whitener
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.solvers.within import within_covariance


def long_tail(y, most, least):
    """Places of rows, so that classes go from `most` rows down to `least` by one ratio."""
    classes = np.unique(y)
    sizes = np.round(most * (least / most) ** (np.arange(len(classes)) / (len(classes) - 1))).astype(int)
    return np.concatenate([np.flatnonzero(y == c)[:n] for c, n in zip(classes, sizes, strict=True)])


def uneven(n=400, d=12, n_classes=5, seed=0):
    X, y = blobs(n, d, n_classes, seed)
    keep = long_tail(y, n // n_classes, 2)
    return X[keep], y[keep]


def densities(X, y, rows, shrinkage):
    """Log densities by the formula, in plain float64, class by class, with the d by d matrices written out."""
    n, k, d = len(y), int(y.max()) + 1, X.shape[1]
    counts = np.bincount(y)
    means = np.stack([X[y == c].mean(axis=0) for c in range(k)])
    scatter = (X - means[y]).T @ (X - means[y])
    covariance = (1 - shrinkage) * scatter / n + shrinkage * np.trace(scatter) / n / d * np.eye(d)
    lower = cholesky(covariance, lower=True)
    u, u_rows = (solve_triangular(lower, (part - X.mean(axis=0)).T, lower=True).T for part in (means, rows))
    white = solve_triangular(lower, solve_triangular(lower, scatter / (n - k), lower=True).T, lower=True)
    axes, singular, _ = np.linalg.svd((np.sqrt(counts)[:, None] * u).T, full_matrices=False)
    r = min(k - 1, d)
    axes, singular = axes[:, :r], singular[:r]
    psi = np.maximum(0, singular**2 - np.trace(white) * (k - 1) / r) / (n - (counts**2).sum() / n)
    out = []
    for c in range(k):
        n_most = counts.max()
        known = counts[c] * (n_most * psi + 1) / (n_most * (counts[c] * psi + 1))  # over that of the largest class
        variance = np.eye(d) + axes @ np.diag(psi / (counts[c] * psi + 1)) @ axes.T
        off = u_rows - axes @ (known * (axes.T @ u[c]))
        off -= off @ (np.eye(d) - axes @ axes.T)  # the rest is the same for all classes
        distance = np.einsum("ij,jk,ik->i", off, np.linalg.inv(variance), off)
        out.append(np.log(counts[c] / n) - (distance + np.linalg.slogdet(variance)[1]) / 2)
    return np.stack(out, axis=1)


@pytest.mark.parametrize("shrinkage", [1e-6, 0.1, 0.9, 1.0])
@pytest.mark.parametrize(("d", "n_classes"), [(12, 5), (12, 2), (3, 9)])
def test_scores_are_log_densities_with_the_class_mean_integrated_out(shrinkage, d, n_classes):
    X, y = uneven(d=d, n_classes=n_classes)
    head = LDAClassifier(shrinkage, quantizer="tabular").fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))

    expected = densities(Z, y, Z, shrinkage)
    got = head.decision_function(X)

    difference = lambda scores: scores - scores[:, :1]  # noqa: E731  (scores leave out what all classes share)
    got = np.stack([np.zeros(len(X)), got], axis=1) if n_classes == 2 else got
    np.testing.assert_allclose(difference(got), difference(expected), rtol=1e-7, atol=1e-7)


def test_two_classes_of_noise_are_one_class():
    X = np.random.RandomState(0).normal(size=(4000, 6))
    y = (np.arange(4000) % 40 == 0).astype(int)
    space = discriminants(LDAClassifier().fit(X, y).moments_)
    plain = LDAClassifier(means="plain").fit(X, y).decision_function(X)

    assert space.between.tolist() == [0.0]
    assert LDAClassifier().fit(X, y).decision_function(X).std() < plain.std() / 15
    assert plain.std() > 0.1


def test_classes_of_one_size_keep_their_means_in_directions_weaker_than_the_noise():
    X = np.random.RandomState(0).normal(size=(120, 8))
    y = np.arange(120) % 4
    X[:, 0] += 0.8 * (y == 1)
    space = discriminants(LDAClassifier().fit(X, y).moments_)

    assert (space.between == 0).any()
    np.testing.assert_allclose(space.contrasted, space.means)
    same = LDAClassifier().fit(X, y).predict(X) == LDAClassifier(means="plain").fit(X, y).predict(X)
    assert same.mean() > 0.97


def test_many_rows_a_class_leave_means_as_they_are():
    X, y = blobs(3000, 8, 3)
    space = discriminants(LDAClassifier().fit(X, y).moments_)

    np.testing.assert_allclose(space.believed, space.means, rtol=1e-3)
    assert (space.doubt < 2e-3).all()
    np.testing.assert_array_equal(
        LDAClassifier().fit(X, y).predict(X), LDAClassifier(means="plain").fit(X, y).predict(X)
    )


def test_classes_of_one_size_have_scores_that_are_linear_in_the_row():
    X, y = blobs(300, 8, 3)
    X = np.round(64 * X) / 64  # so that means of two rows have integers too
    score = LDAClassifier().fit(X, y).decision_function
    a, b = X[:50], X[50:100]

    assert LDAClassifier().fit(X, y)._prepared().square is None
    np.testing.assert_allclose(score(a / 2 + b / 2), score(a) / 2 + score(b) / 2, atol=1e-6)


def test_smaller_classes_are_drawn_nearer_to_the_middle():
    X, y = uneven()
    space = discriminants(LDAClassifier().fit(X, y).moments_)

    assert (np.diff(space.counts) < 0).all()
    for means in (space.believed, space.contrasted):
        share = np.linalg.norm(means, axis=1) / np.linalg.norm(space.means, axis=1)
        assert (np.diff(share) < 0).all()
    np.testing.assert_allclose(space.contrasted[0], space.means[0])


def test_weights_exist_with_plain_means_only_and_the_state_is_the_same():
    X, y = blobs()
    head, plain = LDAClassifier().fit(X, y), LDAClassifier(means="plain").fit(X, y)

    assert head.state_digest() == plain.state_digest()
    assert not hasattr(head, "coef_") and not hasattr(head, "intercept_")
    with pytest.raises(AttributeError, match='coef_ exists with means="plain" only'):
        _ = head.coef_
    head.means = "plain"
    np.testing.assert_array_equal(head.coef_, plain.coef_)
    assert head.set_params(means="shrunk").shrinkage_ == plain.shrinkage_


@ignore_quantization
@pytest.mark.parametrize("means", ["shrunk", "plain"])
def test_degenerate_states_have_finite_scores(means):
    random = np.random.RandomState(0)
    X, y = blobs(40, 6, 4)
    constant = np.where(np.arange(6) % 2, X, 7.0)
    inside = np.where(np.arange(6) % 2, X, y[:, None])  # constant within each class
    cases = [
        (X[:10], np.zeros(10, int)),
        (X[:4], y[:4]),
        (X[:2], [0, 1]),
        (X[:1], [0]),
        (random.normal(size=(60, 2)), np.arange(60) // 2),
        (constant, y),
        (inside, y),
        (np.repeat(X[:4], 3, axis=0), np.repeat(y[:4], 3)),
        (np.zeros((6, 3)), [0, 0, 1, 1, 2, 2]),
    ]
    for rows, labels in cases:
        head = LDAClassifier(means=means, quantizer="tabular").fit(rows, labels)
        scores = head.decision_function(rows)
        assert np.isfinite(scores).all()
        assert scores.shape == ((len(rows),) if len(head.classes_) == 2 else (len(rows), len(head.classes_)))
        np.testing.assert_allclose(head.predict_proba(rows).sum(axis=1), 1)


def test_one_row_a_class_is_the_nearest_mean_in_units_of_the_columns():
    X, _ = blobs(6, 4, 6)
    Z = blobs(50, 4, 6, seed=1)[0]
    unit = X.std(axis=0)
    nearest = NearestMeanClassifier("euclidean").fit(X / unit, np.arange(6))

    np.testing.assert_array_equal(LDAClassifier().fit(X, np.arange(6)).predict(Z), nearest.predict(Z / unit))


@pytest.mark.parametrize("columns", ["all vary", "constant within classes", "constant"])
@pytest.mark.parametrize("shrinkage", ["oas", 0.3, 1.0, Correlations(0.8)])
def test_the_noise_that_is_taken_off_is_that_of_the_scatter_within_classes(columns, shrinkage):
    X, y = uneven(n=200, d=6)
    more = {"all vary": X[:, :0], "constant within classes": np.stack([y, y == 1], axis=1), "constant": y[:, None] * 0}
    moments = LDAClassifier(quantizer="tabular").fit(np.hstack([X, more[columns]]), y).moments_
    n, k, counts = moments.n_rows, 5, moments.counts
    square = lambda upper: np.triu(upper) + np.triu(upper, 1).T  # noqa: E731
    sigma = square(within_covariance(moments, shrinkage).covariance)
    precision = np.linalg.pinv(sigma, hermitian=True)
    noise = np.trace(precision @ square(scatter_matrix(moments, "class means", 1 / (n - k))))
    away = class_means(moments) - counts @ class_means(moments) / n
    squares = np.linalg.eigvals((away.T * counts) @ away @ precision).real
    seen = np.sort(squares)[::-1][: k - 1]

    expected = np.maximum(0, seen - noise * (k - 1) / len(seen)) / (n - (counts**2).sum() / n)
    np.testing.assert_allclose(discriminants(moments, shrinkage).between, expected, rtol=1e-6, atol=1e-9)


def test_units_of_columns_make_no_difference():
    X, y = uneven()
    X = np.round(64 * X) / 64
    units = np.array([1, 2.0**-5, 2.0**9] * 4)
    plain, scaled = (LDAClassifier(quantizer="tabular").fit(X * u, y).decision_function(X * u) for u in (1.0, units))

    np.testing.assert_allclose(scaled, plain, rtol=1e-5, atol=1e-5)


def test_singular_covariances_are_whitened_out_loud():
    X, y = blobs(100, 4, 3)
    X = np.hstack([X, X[:, :1], np.zeros((100, 1))])
    head, without = LDAClassifier(0.0).fit(X, y), LDAClassifier(0.0).fit(X[:, :4], y)

    with pytest.warns(LinAlgWarning, match="singular"):
        scores = head.decision_function(X)

    np.testing.assert_allclose(scores, without.decision_function(X[:, :4]), rtol=1e-6, atol=1e-6)


def test_whitener_whitens():
    x = np.random.RandomState(0).normal(size=(40, 15))
    a = x.T @ x
    inverse = whitener(a.copy(), a.copy)
    singular = np.pad(a, ((0, 2), (0, 2)))
    with pytest.warns(LinAlgWarning):
        rest = whitener(singular.copy(), singular.copy)

    np.testing.assert_allclose(inverse @ a @ inverse.T, np.eye(15), atol=1e-10)
    np.testing.assert_allclose(inverse.T @ inverse, np.linalg.inv(a), rtol=1e-8)
    assert rest.shape == (15, 17)
    np.testing.assert_allclose(rest.T @ rest, np.pad(np.linalg.inv(a), ((0, 2), (0, 2))), atol=1e-12)


def test_forgetting_gives_the_scores_of_a_model_that_never_saw_the_rows():
    X, y = uneven()
    head = LDAClassifier().fit(X, y)
    head.forget(X[::3], y[::3])
    rest = np.arange(len(X)) % 3 > 0

    np.testing.assert_array_equal(head.decision_function(X), LDAClassifier().fit(X[rest], y[rest]).decision_function(X))


@pytest.mark.parametrize(
    ("name", "plain", "shrunk"), [("full", 0.9304, 0.9304), ("long tail", 0.8549, 0.8869), ("new", 0.8789, 0.9018)]
)
def test_small_classes_gain_and_balanced_ones_stay_on_clinc150(name, plain, shrunk):
    clinc = load_clinc150()
    y = clinc.y_train
    keep = {"full": np.arange(len(y)), "long tail": long_tail(y, 100, 2)}.get(name)
    if keep is None:
        keep = np.concatenate([np.flatnonzero(y == c)[: 100 if c < 100 else 5] for c in range(150)])

    for means, expected in (("plain", plain), ("shrunk", shrunk)):
        head = LDAClassifier(means=means).fit(clinc.X_train[keep], y[keep])
        assert head.score(clinc.X_test, clinc.y_test) == pytest.approx(expected, abs=0.003)


def test_scores_are_the_same_bits_term_by_term_where_classes_share_widths_and_for_a_row_alone():
    X, y = uneven(n_classes=5)
    X, y = np.concatenate([X, X[y == 3], X[y == 1] + 1]), np.concatenate([y, y[y == 3] + 2, y[y == 1] + 5])
    scores = shrunk_means_lda(LDAClassifier(quantizer="tabular").fit(X, y).moments_)
    rows = np.random.default_rng(0).normal(size=(7, scores.linear.shape[1]))
    widths, expected = np.zeros((7, 7)), np.tile(scores.bias, (7, 1))
    for j, t in enumerate(rows.T[:, :, None]):
        expected += t * scores.linear[:, j]
        widths += t * t * scores.square[:, j]
    assert len(np.unique(scores.space.counts)) == 5
    assert np.array_equal(scores.of_coordinates(rows), expected - widths)
    assert np.array_equal(scores.of_coordinates(rows[3:4]), (expected - widths)[3:4])


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classes_of_equal_size_have_scores_linear_in_the_row(n_classes):
    X, y = blobs(20 * n_classes, 12, n_classes)
    scores = shrunk_means_lda(LDAClassifier(quantizer="tabular").fit(X, y).moments_)
    deviations = np.random.default_rng(0).normal(size=(9, 12))
    by_coordinates = scores.of_coordinates(scores.space.coordinates(deviations), two_as_one=True)
    assert scores.is_linear
    np.testing.assert_allclose(scores.of(deviations), by_coordinates, rtol=1e-9)
