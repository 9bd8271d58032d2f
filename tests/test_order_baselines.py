"""Baselines that depend on order are what their papers' equations give, computed plainly in float64."""

import numpy as np
import pytest
from common import blobs, ignore_quantization
from scipy.special import softmax

from analytic_cl import NearestMeanClassifier, RandomProjection, RLSClassifier, use_backend
from analytic_cl.baselines import DSALClassifier, FeTrILClassifier, NAPAClassifier, TEENClassifier
from analytic_cl.quantizers import resolve_quantizer

pytestmark = ignore_quantization

X, Y = blobs(180, 12, 9, seed=3)
X = X + 1.5
T = blobs(60, 12, 9, seed=4)[0]
SESSIONS = [[2, 5, 7, 0], [1, 8], [3, 4, 6]]
QUANTIZERS = pytest.mark.parametrize("quantizer", ["embedding", "tabular"])


def streamed(head, sessions=SESSIONS):
    for session in sessions:
        rows = np.isin(Y, session)
        head.partial_fit(X[rows], Y[rows])
    return head


def dequantised(head, rows):
    return head.quantizer_.dequantise(head.quantizer_.quantise(rows))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def class_means(x):
    return np.array([x[c == Y].mean(axis=0) for c in range(9)])


def ridge(x, y, weights, t):
    """Scores of rows t by ridge on weighted rows x: targets +-1, an intercept, penalty of unit rows' spread."""
    targets = 2.0 * (y[:, None] == np.arange(9)) - 1
    m, b = np.average(x, axis=0, weights=weights), np.average(targets, axis=0, weights=weights)
    a = (x - m).T @ ((x - m) * weights[:, None])
    a += np.trace(a) / weights.sum() * np.eye(len(a))
    return (t - m) @ np.linalg.solve(a, (x - m).T @ ((targets - b) * weights[:, None])) + b


@QUANTIZERS
def test_teen_draws_new_prototypes_towards_base_prototypes(quantizer):
    head = streamed(TEENClassifier(0.3, 5.0, quantizer=quantizer))
    p = unit(class_means(dequantised(head, X)))
    base = p[SESSIONS[0]]
    for c in set(range(9)) - set(SESSIONS[0]):
        p[c] = 0.7 * p[c] + 0.3 * unit(softmax(5.0 * base @ p[c]) @ base)

    expected = unit(dequantised(head, T)) @ unit(p).T

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(head.coef_, unit(p), rtol=0, atol=1e-12)


def test_teen_without_calibration_or_later_sessions_is_nearest_mean():
    plain = NearestMeanClassifier("cosine").fit(X, Y).decision_function(T)

    for head in (streamed(TEENClassifier(0.0)), TEENClassifier().fit(X, Y)):
        np.testing.assert_allclose(head.decision_function(T), plain, rtol=0, atol=1e-12)


def test_fetril_is_ridge_on_translated_rows_of_the_last_session():
    head = streamed(FeTrILClassifier(quantizer="embedding"))
    x, last = dequantised(head, X), np.array(SESSIONS[-1])
    means = class_means(x)
    rows, labels = [x[np.isin(Y, last)]], [Y[np.isin(Y, last)]]
    for old in sorted(set(range(9)) - set(last)):
        similar = last[(unit(means[last]) @ unit(means[old])).argmax()]
        rows.append(x[similar == Y] - means[similar] + means[old])
        labels.append(np.full(len(rows[-1]), old))
    rows, labels = np.concatenate(rows), np.concatenate(labels)

    expected = ridge(rows, labels, np.ones(len(rows)), dequantised(head, T))

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("k", [3, 15])
def test_napa_is_ridge_on_the_expectation_of_rows_between_old_means_and_their_neighbours(k):
    head = streamed(NAPAClassifier(k, quantizer="embedding"))
    x, last = dequantised(head, X), SESSIONS[-1]
    means = class_means(x)
    nodes, shares = np.polynomial.legendre.leggauss(3)  # integrates squares exactly
    own = np.isin(Y, last)
    rows, labels, weights = [x[own]], [Y[own]], [np.ones(own.sum())]
    for old in sorted(set(range(9)) - set(last)):
        others = np.setdiff1d(np.arange(9), old)
        near = others[np.argsort(-(unit(means[others]) @ unit(means[old])))][:k]
        for node, share in zip(nodes, shares, strict=True):
            g = 0.75 + node / 4
            rows.append(g * means[old] + (1 - g) * means[near])
            labels.append(np.full(len(near), old))
            weights.append(np.full(len(near), (old == Y).sum() * share / 2 / len(near)))

    expected = ridge(*map(np.concatenate, (rows, labels, weights)), dequantised(head, T))

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-8, atol=1e-10)


@QUANTIZERS
@pytest.mark.parametrize("n_classes", [1, 2, 9])
@pytest.mark.parametrize("kind", [FeTrILClassifier, NAPAClassifier])
def test_with_one_session_made_up_classes_are_none_and_ridge_is_left(kind, n_classes, quantizer):
    some = n_classes > Y
    head, plain = (each(quantizer=quantizer).fit(X[some], Y[some]) for each in (kind, RLSClassifier))

    np.testing.assert_allclose(head.decision_function(T), plain.decision_function(T), rtol=1e-8, atol=1e-9)


def test_scores_of_raw_columns_do_not_depend_on_their_units():
    grid, units = np.round(64 * X) / 64, 2.0 ** (np.arange(12) % 5)
    heads = [FeTrILClassifier(quantizer="tabular") for _ in range(2)]
    for head, factor in zip(heads, (np.ones(12), units), strict=True):
        for session in (Y != 8, Y == 8):  # one class to borrow from: which is similar does depend on units
            head.partial_fit(grid[session] * factor, Y[session])

    plain, scaled = (head.decision_function(grid * factor) for head, factor in zip(heads, (1, units), strict=True))

    np.testing.assert_allclose(scaled, plain, rtol=1e-8, atol=1e-9)


def test_ds_al_is_the_recursion_of_the_paper():
    head = streamed(DSALClassifier(0.6, 0.2, n_components=30, random_state=1))
    features, t = dequantised(head, X), dequantised(head, T)
    h, c = features[:, :30], features[:, 30:]
    assert h.min() == 0 and c.min() < -0.5
    first, second = (np.eye(30) / 0.2, np.zeros((30, 9))), (np.eye(30) / 0.2, np.zeros((30, 9)))

    def updated(inverse, weights, x, targets):
        gain = np.linalg.inv(np.eye(len(x)) + x @ inverse @ x.T)
        inverse = inverse - inverse @ x.T @ gain @ x @ inverse
        return inverse, weights + inverse @ x.T @ (targets - x @ weights)

    for session in SESSIONS:
        rows = np.isin(Y, session)
        targets = np.eye(9)[Y[rows]]
        first = updated(*first, h[rows], targets)
        left = targets - h[rows] @ first[1]
        left[:, np.setdiff1d(np.arange(9), session)] = 0
        second = updated(*second, c[rows], left)
    w, v = first[1], second[1]

    expected = t[:, :30] @ w + 0.6 * t[:, 30:] @ v

    np.testing.assert_allclose(head.decision_function(T), expected, rtol=1e-8, atol=1e-9)


def test_tangents_are_those_of_the_sums_in_front_of_relu_on_every_backend():
    rows = np.random.RandomState(5).normal(size=(20, 100))
    plain, both = (resolve_quantizer("auto", RandomProjection(40, 2, tanh=t), 100) for t in (False, True))
    q = both.quantise(rows)

    for backend in ("numpy", "blas"):
        with use_backend(backend):
            np.testing.assert_array_equal(both.quantise(rows), q)
    np.testing.assert_array_equal(q[:, :40], plain.quantise(rows))
    features = both.dequantise(q)
    negative = plain.dequantise(plain.quantise(-rows))
    np.testing.assert_allclose(features[:, 40:], np.tanh(features[:, :40] - negative), rtol=0, atol=0.5 / 127 + 1e-12)
    assert type(both).from_spec(both.spec()) == both != plain
    steps = 2.0 ** -np.arange(8)[:, None] * np.arange(128)
    assert np.abs(127 * np.tanh(steps) % 1 - 0.5).min() > 1e-3  # no tie that machines could round either way


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (TEENClassifier(1.5), "calibration must be"),
        (TEENClassifier(sharpness=-1), "sharpness must be"),
        (NAPAClassifier(0), "n_neighbors"),
        (DSALClassifier(alpha=0), "alpha must be above 0"),
        (DSALClassifier(compensation="much"), "compensation must be"),
        (DSALClassifier(n_components=0), "n_components"),
        (DSALClassifier(quantizer="tabular"), "quantizer"),
    ],
)
def test_parameters_out_of_range_are_refused(head, message):
    with pytest.raises(ValueError, match=message):
        head.fit(X, Y)


def test_moments_are_refused_with_a_reason():
    with pytest.raises(TypeError, match="which classes came together"):
        TEENClassifier.from_moments(NearestMeanClassifier().fit(X, Y).moments_)
