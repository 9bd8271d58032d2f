"""Published heads that are functions of class sums and one Gram matrix give what their papers' equations give."""

import math

import numpy as np
import pytest
from common import blobs, pack

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RandomProjection
from analytic_cl.baselines import AnaCPClassifier, KSLDAClassifier, TruncatedRidgeClassifier, VonMisesFisherClassifier
from analytic_cl.solvers.truncated import leading_inverse
from analytic_cl.solvers.von_mises_fisher import log_normaliser


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


@pytest.mark.parametrize("gap", [1e-9, 1e-13], ids=["by a filter", "by eigenvectors"])
@pytest.mark.parametrize("power", [1, 2])
def test_small_eigenvalues_are_dropped_however_near_the_next_one_is(gap, power):
    values = np.array([0.1, 0.2, 0.5 - gap, 0.5, 0.8, 1.0])
    right = np.random.RandomState(0).normal(size=(6, 3))
    found, rank = leading_inverse(values, np.zeros(5), 3, 6, power, right)

    assert rank == 3
    np.testing.assert_allclose(found, right * (values >= 0.5)[:, None] / values[:, None] ** power, rtol=0, atol=1e-5)


def test_truncated_ridge_leaves_out_null_directions_and_takes_rows_of_zero():
    X, y = np.zeros((6, 300)), np.arange(6) % 3
    assert TruncatedRidgeClassifier(0).fit(X, y).rank_ == 0
    assert TruncatedRidgeClassifier(0).fit(X + 1, y).rank_ == 1
    with pytest.raises(ValueError, match="below 1"):
        TruncatedRidgeClassifier(1).fit(X, y)


def test_von_mises_fisher_gives_the_scores_of_its_equations(rows):
    X, y, T = rows
    head = VonMisesFisherClassifier(5.0).fit(X, y)
    x, t = dequantised(head, X), dequantised(head, T)
    d, n = 12, 15
    means = class_means(x, y)
    length = np.linalg.norm(means, axis=1)
    spread = n * (1 - length**2) / (n - 1)
    spread = ((n - 1) * spread + 5 * spread.mean()) / (n - 1 + 5)
    rho = np.sqrt(1 - spread)
    kappa = rho * (d - rho**2) / (1 - rho**2)
    log_c = [5 * math.log(k) - 6 * math.log(2 * math.pi) - math.log(bessel(5, k)) for k in kappa]
    expected = t @ (kappa / length * means.T) + log_c + math.log(1 / 4)

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(head.coef_, axis=1), kappa)


def bessel(nu, x):
    """I_nu(x) by its power series."""
    terms = [
        nu * math.log(x / 2) + 2 * k * math.log(x / 2) - math.lgamma(k + 1) - math.lgamma(k + nu + 1)
        for k in range(4000)
    ]
    return math.fsum(map(math.exp, terms))


@pytest.mark.parametrize("d", [1, 2, 3, 40, 42, 130])
def test_the_normaliser_is_right_at_every_width_and_concentration(d):
    kappa = np.array([0.0, 1e-9, 0.3, 7.0, 60.0, 400.0])
    nu = d / 2 - 1
    at_zero = math.lgamma(d / 2) - math.log(2) - d / 2 * math.log(math.pi)  # one over the area of the sphere
    expected = [at_zero, at_zero]
    expected += [nu * math.log(k) - d / 2 * math.log(2 * math.pi) - math.log(bessel(nu, k)) for k in kappa[2:]]

    np.testing.assert_allclose(log_normaliser(d, kappa), expected, atol=2e-8, rtol=0)


def test_the_normaliser_has_no_step_where_another_formula_takes_over():
    below, above = log_normaliser(10, np.array([999_999.0])), log_normaliser(10, np.array([1_000_001.0]))
    np.testing.assert_allclose(above - below, -2 + 4.5e-6 * 2, atol=1e-6)


def test_classes_of_one_row_and_of_equal_rows_have_a_spread_all_the_same():
    X = np.eye(3)[[0, 1, 1, 2]]
    for prior_rows in (0.0, 32.0):
        head = VonMisesFisherClassifier(prior_rows).fit(X, [0, 1, 1, 2])
        assert np.isfinite(head.coef_).all()
        assert head.predict(np.eye(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("given", [{"quantizer": "tabular"}, {"projection": RandomProjection(9), "quantizer": "auto"}])
def test_rows_that_have_no_unit_length_are_refused(rows, given):
    with pytest.raises(ValueError, match="rows of unit length"):
        VonMisesFisherClassifier(**given).fit(*rows[:2])
    assert VonMisesFisherClassifier(quantizer=FixedPoint(16, norm="l2")).fit(*rows[:2]).score(*rows[:2]) > 0.9


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


@pytest.mark.parametrize("targets", ["code", "paper"])
def test_anacp_gives_mean_cosines_to_its_targets(rows, targets):
    X, y, T = rows
    head = AnaCPClassifier(targets, 2, 3.0, projection=RandomProjection(40, keep_input=True)).fit(X, y)
    (x, z), (_, t) = (np.split(dequantised(head, rows), [12], axis=1) for rows in (X, T))
    means, one_hot = class_means(x, y), np.eye(4)[y]
    within = x - means[y]
    values, v = np.linalg.eigh(within.T @ within / len(x) + 1e-4 * np.eye(12))
    narrow, wide = (v * values**-0.5) @ v.T, (v * values**0.5) @ v.T
    middle = means.mean(axis=0)
    u, s, vt = np.linalg.svd((means - middle) @ narrow, full_matrices=False)
    spread = (u[:, :3] * (s[:3] + 1)) @ vt[:3]  # four centred means differ in three directions
    p = unit(spread @ (narrow if targets == "code" else wide) + middle)
    expected = 0
    for branch in (slice(0, 20), slice(20, 40)):
        a, b = z[:, branch], t[:, branch]
        theta = np.linalg.solve(a.T @ a + 3 * np.eye(20), a.T @ one_hot @ p)
        expected = expected + unit(b @ theta) @ p.T / 2

    np.testing.assert_allclose(head.targets_, p, atol=1e-9)
    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "projection",
    [None, RandomProjection(9), RandomProjection(10, keep_input=True), RandomProjection(9, keep_input=True, tanh=True)],
)
def test_anacp_refuses_features_that_it_cannot_cut_into_branches(rows, projection):
    with pytest.raises(ValueError, match="multiple of branches=3"):
        AnaCPClassifier(projection=projection).fit(*rows[:2])
    lda = LDAClassifier(quantizer="embedding").fit(*rows[:2])
    with pytest.raises(ValueError, match="multiple of branches=3"):
        AnaCPClassifier.from_moments(lda.moments_)


def test_published_heads_are_as_good_on_real_sentences_as_their_page_says():
    clinc = pack("clinc150_minilm")
    X, y, T, t = clinc["X_train"], clinc["y_train"], clinc["X_test"], clinc["y_test"]
    keep = np.arange(0, len(y), 5)
    features = RandomProjection(1200, keep_input=True)
    score = {
        type(head): head.fit(X[keep], y[keep]).score(T, t)
        for head in (
            NearestMeanClassifier(),
            KSLDAClassifier(),
            VonMisesFisherClassifier(),
            AnaCPClassifier(branches=1, alpha=10.0, projection=features),
        )
    }

    assert score[KSLDAClassifier] > score[NearestMeanClassifier] + 0.005
    assert score[VonMisesFisherClassifier] > score[NearestMeanClassifier] - 0.005
    assert score[AnaCPClassifier] > score[NearestMeanClassifier]
