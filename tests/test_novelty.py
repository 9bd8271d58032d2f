"""Rows unlike those learned: scores, thresholds with a guarantee, rejected labels and sets of labels."""

import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_quantization, pack
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from analytic_cl import (
    GaussianClassifier,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    conformal_threshold,
    prediction_sets,
)
from analytic_cl.solvers import discriminants

SCORING = [head for head in HEADS if hasattr(head, "score_samples")]


@ignore_quantization
@pytest.mark.parametrize("head", SCORING, ids=head_name)
def test_far_rows_are_less_normal_and_a_row_alone_scores_as_in_a_batch(head):
    X, y = blobs(200, 6, 4)
    fitted = clone(head).fit(X, y)
    turned = np.roll(X, 3, axis=1) * -1
    scores = fitted.score_samples(X)

    assert scores.shape == (200,) and np.isfinite(scores).all()
    assert scores.mean() > fitted.score_samples(turned).mean()
    alone = np.concatenate([fitted.score_samples(row[None]) for row in X[:20]])
    assert np.abs(alone - scores[:20]).max() <= 1e-11 * np.abs(scores).max()
    fitted.forget(X[:50], y[:50])
    np.testing.assert_array_equal(fitted.score_samples(X), clone(head).fit(X[50:], y[50:]).score_samples(X))


def test_lda_gives_the_odds_of_known_classes_against_one_never_seen():
    X, y = blobs(120, 6, 4)
    X, y = X[:100], y[:100] % 3
    head = LDAClassifier().fit(X, y)
    space = discriminants(head.moments_)
    at = space.coordinates(head._deviations(head.quantizer_.quantise(X), space.centre))
    known = [multivariate_normal(m, np.diag(1 + v)).pdf(at) for m, v in zip(space.believed, space.doubt, strict=True)]
    never = multivariate_normal(np.zeros(2), np.diag(1 + space.between)).pdf(at)

    np.testing.assert_allclose(head.score_samples(X), np.log(np.mean(known, axis=0) / never), rtol=1e-8, atol=1e-9)
    plain = LDAClassifier(means="plain").fit(X, y)
    np.testing.assert_array_equal(plain.score_samples(X), head.score_samples(X))
    with pytest.raises(ValueError, match="two classes"):
        LDAClassifier().fit(X, y * 0).score_samples(X)
    assert np.isfinite(LDAClassifier().fit(X[:3], [0, 1, 2]).score_samples(X)).all()


def test_gaussian_classes_give_the_odds_of_their_own_covariances():
    X, y = blobs(120, 6, 4)
    X, y = X[:100] * np.where(y[:100, None] % 3 == 1, 2.0, 1.0), y[:100] % 3
    head = GaussianClassifier("class", priors=[0.6, 0.3, 0.1]).fit(X, y)
    assert head.covariance_ == "discriminant"
    space = discriminants(head.state_.moments())
    at = space.coordinates(head._deviations(head.quantizer_.quantise(X), space.centre))
    known = []
    for c, (mean, doubt) in enumerate(zip(space.believed, space.doubt, strict=True)):
        b = (np.sum(y == c) - 1) / (np.sum(y == c) - 1 + 32)
        spread = (1 - b) * np.eye(2) + b * np.cov(at[y == c].T)
        difference = at - mean  # the determinant is of the covariance, without the doubt about the mean
        distance = np.einsum("ij,jk,ik->i", difference, np.linalg.inv(spread + np.diag(doubt)), difference)
        known.append(np.exp(-distance / 2) / (2 * np.pi * np.sqrt(np.linalg.det(spread))))
    never = multivariate_normal(np.zeros(2), np.diag(1 + space.between)).pdf(at)

    np.testing.assert_allclose(head.score_samples(X), np.log(np.mean(known, axis=0) / never), rtol=1e-7, atol=1e-8)
    pooled = GaussianClassifier("pooled").fit(X, y)
    np.testing.assert_array_equal(pooled.score_samples(X), LDAClassifier().fit(X, y).score_samples(X))
    with pytest.raises(ValueError, match="two classes"):
        GaussianClassifier().fit(X, y * 0).score_samples(X)


@pytest.mark.parametrize("alpha", [0.5, "oas", "gcv"])
def test_ridge_gives_minus_the_leverage(alpha):
    X, y = blobs(60, 5, 3)
    head = RLSClassifier(alpha).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    centred = Z - Z.mean(axis=0)
    scatter = centred.T @ centred
    if alpha == "oas":
        a = scatter * (1 - head.alpha_)
        np.fill_diagonal(a, scatter.diagonal())
    else:
        a = scatter + head.alpha_ * np.eye(5)

    np.testing.assert_allclose(
        head.score_samples(X), -np.einsum("ij,ij->i", centred, np.linalg.solve(a, centred.T).T), rtol=1e-8
    )


def test_nearest_mean_and_neighbours_give_closeness():
    X, y = blobs(60, 5, 2)
    near = NearestMeanClassifier("euclidean").fit(X, y)
    Z = near.quantizer_.dequantise(near.quantizer_.quantise(X))
    expected = -np.linalg.norm(Z[:, None] - near.centroids_, axis=2).min(axis=1)
    neighbours = NearestNeighborsClassifier(1).fit(X, y)

    np.testing.assert_allclose(near.score_samples(X), expected, rtol=1e-9)
    np.testing.assert_allclose(NearestMeanClassifier("cosine").fit(X, y).score_samples(near.centroids_), 1, atol=1e-6)
    unit = NearestMeanClassifier(quantizer="embedding").fit(X, y)  # by angle, because rows have unit length
    np.testing.assert_allclose(unit.score_samples(unit.centroids_), 1, atol=1e-3)
    assert not neighbours.score_samples(X).any()
    np.testing.assert_allclose(neighbours.score_samples(X + np.eye(5)[2] / 64), -1 / 64, atol=1e-3)


@pytest.mark.parametrize("n", [9, 99, 100, 237])
@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.25])
def test_thresholds_keep_their_promise(n, alpha):
    random = np.random.RandomState(n)
    below = [random.normal() < conformal_threshold(random.normal(size=n), alpha) for _ in range(4000)]

    expected = np.floor(alpha * (n + 1) + 1e-9) / (n + 1)
    assert expected <= alpha
    assert np.mean(below) == pytest.approx(expected, abs=0.022)


def test_thresholds_of_too_few_rows_reject_nothing_and_bad_ones_are_refused():
    assert conformal_threshold([1.0, 2.0], 0.1) == -np.inf
    for scores, alpha in (([], 0.1), ([[1.0]], 0.1), ([np.nan], 0.1), ([1.0], 0), ([1.0], 1), ([1.0], np.nan)):
        with pytest.raises(ValueError, match="must be"):
            conformal_threshold(scores, alpha)


@pytest.mark.parametrize("names", [np.arange(3), np.array(["ape", "b", "c"])])
def test_rejected_rows_have_a_label_of_their_own(names):
    X, y = blobs(90, 5, 3)
    head = LDAClassifier().fit(X, names[y])
    scores = head.score_samples(X)
    middle = float(np.median(scores))
    labels = head.predict(X, reject=middle)

    rejected = "" if names.dtype.kind == "U" else -1
    np.testing.assert_array_equal(labels == rejected, scores < middle)
    np.testing.assert_array_equal(labels[scores >= middle], head.predict(X)[scores >= middle])
    np.testing.assert_array_equal(head.predict(X, reject=-np.inf), head.predict(X))


def test_no_class_is_taken_for_a_rejected_row():
    X, y = blobs(90, 5, 3)

    with pytest.raises(ValueError, match="-1 is to stand for rejected rows"):
        LDAClassifier().fit(X, y - 1).predict(X, reject=0.0)
    with pytest.raises(ValueError, match="no boolean for rejected"):
        LDAClassifier().fit(X, y > 0).predict(X, reject=0.0)
    with pytest.raises(ValueError, match="no score_samples"):
        KeyValueBottleneckClassifier(8, 4).fit(X, y).predict(X, reject=0.0)


def test_rows_out_of_scope_are_told_and_sets_cover_on_clinc150():
    clinc = pack("clinc150_minilm")
    X, held, test, outside = (clinc[name].astype(np.float32) for name in ("X_train", "X_val", "X_test", "X_oos_test"))
    head = LDAClassifier(temperature=14.0).fit(X, clinc["y_train"])
    for scored, least in ((head, 0.972), (GaussianClassifier().fit(X, clinc["y_train"]), 0.978)):
        inside, out = scored.score_samples(test), scored.score_samples(outside)
        assert roc_auc_score(np.r_[np.ones(len(inside)), np.zeros(len(out))], np.r_[inside, out]) > least
    labels = head.predict(test, reject=conformal_threshold(head.score_samples(held), 0.05))
    assert (labels == -1).mean() == pytest.approx(0.05, abs=0.015)
    of_own = head.predict_proba(held)[np.arange(len(held)), clinc["y_val"]]
    sets = prediction_sets(head.predict_proba(test), conformal_threshold(of_own, 0.05))
    assert sets[np.arange(len(test)), clinc["y_test"]].mean() == pytest.approx(0.95, abs=0.01)
    assert sets.sum(axis=1).mean() < 2
