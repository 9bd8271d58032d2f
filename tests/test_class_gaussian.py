"""Gaussian classes with a covariance each: the formula, its limits, and numbers on real features."""

import numpy as np
import pytest
from common import DATA, ignore_quantization, pack
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold

from analytic_cl import GaussianClassifier, LDAClassifier, Moments
from analytic_cl.datasets import load_clinc150
from analytic_cl.solvers import class_gaussian, discriminants


def rows_of(covariances, n=400, seed=0, apart=2.0):
    """Gaussian classes of these covariances around means that differ in every column."""
    random = np.random.RandomState(seed)
    d = len(covariances[0])
    means = apart * random.normal(size=(len(covariances), d))
    X = np.concatenate([random.multivariate_normal(m, c, n) for m, c in zip(means, covariances, strict=True)])
    order = random.permutation(len(X))
    return X[order], np.repeat(np.arange(len(covariances)), n)[order]


WIDE_AND_NARROW = [np.eye(3) * 9, np.eye(3) * 0.1, np.diag([0.1, 9, 0.1])]
SAME_WIDTH = [np.diag(np.roll([0.2] * 4 + [4.0], shift)) for shift in range(5)]


def test_scores_in_discriminant_space_are_log_densities():
    X, y = rows_of(WIDE_AND_NARROW)
    head = GaussianClassifier("class").fit(X, y)
    assert head.covariance_ == "discriminant"
    state, space = head.state_, discriminants(head.state_.moments())
    rows = head.quantizer_.quantise(X)
    coordinates = space.coordinates((rows - space.centre) * head.quantizer_.step)
    r = coordinates.shape[1]
    expected = np.empty((len(X), 3))
    for c, n in enumerate(state.counts):
        b = (n - 1) / (n - 1 + 32)
        a = (1 - b) * np.eye(r) + b * np.cov(coordinates[y == c].T)
        sigma = a + np.diag(space.doubt[c])
        expected[:, c] = multivariate_normal(space.contrasted[c], sigma).logpdf(coordinates) + np.log(n / len(X))
        expected[:, c] += np.linalg.slogdet(sigma)[1] / 2 - np.linalg.slogdet(a)[1] / 2

    got = head.decision_function(X)
    np.testing.assert_allclose(got - got[:, :1], expected - expected[:, :1], rtol=1e-8, atol=1e-8)


def test_scores_in_whitened_space_are_those_of_the_shared_covariance_and_a_correction():
    X, y = rows_of(SAME_WIDTH)
    head, shared = GaussianClassifier("class").fit(X, y), LDAClassifier().fit(X, y)
    assert head.covariance_ == "whitened"
    x = head.quantizer_.offset + head.quantizer_.step * head.quantizer_.quantise(X).astype(np.float64)
    n = len(X)
    means = np.stack([x[y == c].mean(axis=0) for c in range(5)])
    centred = x - means[y]
    sigma = centred.T @ centred / n  # whose off-diagonal is shrunk
    t = shared.shrinkage_
    sigma = (1 - t) * sigma + t * np.diag(np.diagonal(sigma))
    inverse = np.linalg.inv(np.linalg.cholesky(sigma))
    space = discriminants(head.state_.moments())
    middle = x.mean(axis=0)
    means = middle + (sigma @ space.directions @ space.contrasted.T).T
    correction = np.empty((n, 5))
    for c in range(5):
        own = centred[y == c]
        values, vectors = np.linalg.eigh(inverse @ own.T @ own @ inverse.T / (len(own) - 1))
        b = (len(own) - 1) / (len(own) - 1 + 32)
        whole = np.eye(5) + (vectors * b * (values - 1)) @ vectors.T
        u = (x - means[c]) @ inverse.T
        correction[:, c] = 0.5 * ((u**2).sum(axis=1) - np.einsum("ij,jk,ik->i", u, np.linalg.inv(whole), u))

    got = head.decision_function(X) - shared.decision_function(X)
    np.testing.assert_allclose(got, correction, rtol=1e-6, atol=1e-6)


def test_pooled_is_discriminant_analysis_with_shrunk_means():
    X, y = rows_of(WIDE_AND_NARROW)
    pooled, shared = GaussianClassifier("pooled").fit(X, y), LDAClassifier().fit(X, y)

    assert pooled.covariance_ == "pooled"
    np.testing.assert_array_equal(pooled.decision_function(X), shared.decision_function(X))
    assert pooled.shrinkage_ == shared.shrinkage_


@pytest.mark.parametrize("seed", range(3))
def test_auto_leaves_classes_of_one_covariance_pooled(seed):
    X, y = rows_of([np.eye(6)] * 4, n=50, seed=seed)
    assert GaussianClassifier().fit(X, y).covariance_ == "pooled"
    assert GaussianClassifier("class").fit(X, y).covariance_ != "pooled"
    assert GaussianClassifier().fit(*rows_of(WIDE_AND_NARROW, n=50, seed=seed)).covariance_ == "discriminant"


def test_a_covariance_of_their_own_tells_classes_apart_that_have_one_mean():
    X, y = rows_of([np.diag([9.0, 0.1, 1, 1, 1, 1]), np.diag([0.1, 9.0, 1, 1, 1, 1]), np.eye(6)], n=500, apart=0.5)
    lda, own = (
        head.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) for head in (LDAClassifier(), GaussianClassifier())
    )
    assert own > lda + 0.1


def test_what_is_derived_does_not_tell_a_forgotten_row_from_one_never_learned():
    X, y = rows_of(SAME_WIDTH, n=60)
    head, never = GaussianClassifier().fit(X, y), GaussianClassifier().fit(X[:200], y[:200])
    head.forget(X[200:], y[200:])  # from matrices; the other has rows that wait
    assert head.state_digest() == never.state_digest()
    np.testing.assert_array_equal(head.decision_function(X), never.decision_function(X))


def test_a_class_is_forgotten_without_its_rows():
    X, y = rows_of(WIDE_AND_NARROW)
    head = GaussianClassifier(track="none").fit(X, y)
    receipt = head.forget_class(1, digests=True)
    assert receipt.removed == 400
    assert head.state_digest() == GaussianClassifier().fit(X[y != 1], y[y != 1]).state_digest()


@pytest.mark.parametrize("k", [2, 12])
def test_rows_alone_and_in_a_batch_have_the_same_scores(k):
    random = np.random.RandomState(0)
    X, y = rows_of([np.diag(random.uniform(0.2, 4, size=8)) for _ in range(k)], n=40)
    head = GaussianClassifier("class").fit(X, y)
    together = head.decision_function(X)
    alone = np.concatenate([head.decision_function(X[i : i + 1]) for i in range(0, len(X), 7)])
    np.testing.assert_allclose(alone, together[::7], rtol=0, atol=1e-12 * np.abs(together).max())
    assert together.shape == ((len(X),) if k == 2 else (len(X), k))


def test_large_classes_get_no_more_of_their_own_covariance_than_small_ones_allow_in_whitened_space():
    X, y = rows_of(SAME_WIDTH)
    few = np.concatenate([np.flatnonzero(y < 3), *(np.flatnonzero(y == c)[:5] for c in (3, 4))])
    all_rows, some = GaussianClassifier("class").fit(X, y), GaussianClassifier("class").fit(X[few], y[few])
    assert all_rows.covariance_ == some.covariance_ == "whitened"
    weights = [class_gaussian(head.state_, "class").classes[0].weights.max() for head in (all_rows, some)]
    assert weights[1] < 0.6 * weights[0]


@ignore_quantization
@pytest.mark.parametrize("n", [1, 2, 3])
def test_classes_of_few_rows_are_served(n):
    random = np.random.RandomState(0)
    X, y = random.normal(size=(4 * n, 300)), np.repeat(np.arange(4), n)
    for covariance in ("auto", "class"):
        head = GaussianClassifier(covariance).fit(X, y)
        assert np.isfinite(head.decision_function(X)).all()
        assert head.score(X, y) == 1.0


def test_moments_of_all_classes_are_refused_with_a_reason():
    head = LDAClassifier().fit(*rows_of(WIDE_AND_NARROW))
    assert isinstance(head.moments_, Moments)
    with pytest.raises(TypeError, match="Gram matrix of each class"):
        GaussianClassifier.from_moments(head.moments_)
    with pytest.raises(ValueError, match="Gram matrix of each class"):
        GaussianClassifier().adopt(head.learner_)
    with pytest.raises(ValueError, match="covariance must be"):
        GaussianClassifier("full").fit(*rows_of(WIDE_AND_NARROW))


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
def test_small_sets_lose_no_more_than_a_hundredth(load):
    X, y = load(return_X_y=True)
    scores = {GaussianClassifier: [], LDAClassifier: []}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        for head, found in scores.items():
            found.append(head().fit(X[train], y[train]).score(X[test], y[test]))
    assert np.mean(scores[GaussianClassifier]) > np.mean(scores[LDAClassifier]) - 0.01


def test_accuracy_on_sentences():
    data = load_clinc150()
    head = GaussianClassifier().fit(data.X_train, data.y_train)
    assert head.covariance_ == "discriminant"
    assert head.score(data.X_test, data.y_test) == pytest.approx(0.9500, abs=0.002)  # LDA: .9302


@ignore_quantization
@pytest.mark.skipif(not (DATA / "cifar100_mnv2.npz").exists(), reason="no shared features")
def test_accuracy_on_images_of_twenty_classes():
    data = pack("cifar100_mnv2")
    train, test = data["y_train"] < 20, data["y_test"] < 20
    X, y = data["X_train"][train].astype(np.float32)[:4000], data["y_train"][train][:4000]
    T, t = data["X_test"][test].astype(np.float32), data["y_test"][test]
    head, lda = GaussianClassifier().fit(X, y), LDAClassifier().fit(X, y)
    print(head.score(T, t), lda.score(T, t), head.covariance_)
    assert head.covariance_ == "whitened"
    assert head.score(T, t) > lda.score(T, t) + 0.01
