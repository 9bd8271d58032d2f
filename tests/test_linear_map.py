"""Scores of integer rows are exact products of integer weights, and take no more memory than the answer."""

import tracemalloc

import numpy as np
import pytest

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    use_backend,
    use_threads,
)
from analytic_cl._config import native
from analytic_cl.quantizers import LinearMap, resolve_quantizer

exact = pytest.mark.skipif(native is None or native.isas()[0] != "avx512vnni", reason="scores are floats here")


def rows_of(n, d, seed=0):
    return np.random.RandomState(seed).randint(-127, 128, size=(n, d)).astype(np.int8)


def map_of(k, d, seed=0, size=1.0):
    rng = np.random.RandomState(seed)
    centre = rng.randint(-50, 51, d)
    return LinearMap(resolve_quantizer("integers", None, d), centre, size * rng.normal(size=(k, d)), rng.normal(size=k))


@exact
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 2), (9, 130, 16), (70, 63, 17), (300, 300, 100)], ids=str)
def test_a_row_alone_gets_the_bits_of_a_batch_and_of_plain_integers(shape):
    n, d, k = shape
    q, scores = rows_of(n, d), map_of(k, d)
    alone = scores.of(q[:1])  # the first single row takes another way than those that follow
    found = scores.of(q)
    np.testing.assert_array_equal(alone[0], found[0])
    for i in range(min(n, 9)):
        np.testing.assert_array_equal(scores.of(q[i : i + 1])[0], found[i])
    with use_threads(3):
        np.testing.assert_array_equal(scores.of(np.asfortranarray(q)), found)
    with use_backend("numpy"):
        np.testing.assert_array_equal(scores.of(q), found)


@pytest.mark.parametrize("size", [1.0, 1e-300, 1e280, 0.0])
def test_scores_are_those_of_floats(size):
    q, scores = rows_of(50, 700), map_of(7, 700, size=size)
    with use_backend("blas"):
        floats = scores.of(q)
    np.testing.assert_allclose(scores.of(q), floats, rtol=0, atol=1e-12 * np.abs(floats).max())


@exact
def test_infinite_weights_give_a_row_alone_what_they_give_a_batch():
    q = rows_of(3, 20)
    quantizer, weights = resolve_quantizer("integers", None, 20), np.ones((2, 20))
    weights[1, 4] = np.inf
    scores = LinearMap(quantizer, np.zeros(20, dtype=np.int64), weights, np.zeros(2))
    np.testing.assert_array_equal(scores.of(q[:1]), scores.of(q)[:1])


@exact
@pytest.mark.parametrize("isa", native.isas() if native else [])
def test_the_largest_weights_and_rows_fit(isa):
    d = 65_536
    w = np.full((2, d), 2**39, dtype=np.int64)
    w[1] *= -1
    rows, out = np.full((9, d), 127, dtype=np.int8), np.empty((9, 2))
    zeros = np.zeros(2)
    native.score(rows, native.Weights(w, 0, isa), zeros.astype(np.int64), zeros + 1, zeros, out, 1)
    np.testing.assert_array_equal(out, np.tile([127.0 * 2**55, -127.0 * 2**55], (9, 1)))


@exact
def test_digits_of_any_weight_are_its_own():
    w = np.array([[0, 1, -1, 127, 128, -128, -129, 255, 2**46, -(2**46), native.MAX_WEIGHT, -native.MAX_WEIGHT]])
    out = np.empty((12, 1))
    zero = np.zeros(1)
    for isa in native.isas():
        native.score(np.eye(12, dtype=np.int8), native.Weights(w, 0, isa), zero.astype(int), zero + 1, zero, out, 1)
        np.testing.assert_array_equal(out[:, 0], w[0])


@exact
@pytest.mark.parametrize("projection", [None, RandomProjection(150)], ids=str)
@pytest.mark.parametrize(
    "kind", [NearestMeanClassifier, LDAClassifier, RLSClassifier, lambda **p: LDAClassifier(means="plain", **p)]
)
def test_heads_score_a_row_alone_as_in_a_batch(kind, projection):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(200, 300)), np.arange(200) % 5
    head = kind(projection=projection).fit(X, y)
    together = head.decision_function(X)
    rounding = 1e-12 * np.abs(together).max() if getattr(head, "means", None) == "plain" else 0
    for i in range(0, 200, 50):
        np.testing.assert_allclose(head.decision_function(X[i : i + 1])[0], together[i], rtol=0, atol=rounding)


def test_predicting_takes_no_memory_for_all_scores_at_once():
    k = 10_000
    X = np.random.RandomState(0).normal(size=(k, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    head = NearestMeanClassifier(quantizer=FixedPoint(8, norm="l2", scale=100), track="none").fit(X, np.arange(k))
    head.predict(X[:300])
    tracemalloc.start()
    head.predict(X[:4000])  # 320 MB of scores
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
