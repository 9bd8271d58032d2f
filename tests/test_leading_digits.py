"""Where the leading digits of the weights decide, they name the class that all digits would name; else they don't."""

import numpy as np
import pytest
from common import blobs, head_name
from sklearn.base import clone

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    use_backend,
    use_threads,
)
from analytic_cl._config import native
from analytic_cl.heads.leading_digits import Rough, decided_places
from analytic_cl.heads.linear import LinearHead
from analytic_cl.quantizers import LinearMap, resolve_quantizer
from analytic_cl.solvers import LinearScores

pytestmark = pytest.mark.skipif(native is None or native.isas()[0] != "avx512vnni", reason="scores are floats here")

MOST, LEAST = 0x7F7F7F, -0x808080  # of three balanced digits
UNIT = 2**45  # of weights up to which one of these is a step of 1, for at most 512 columns


@pytest.fixture(autouse=True)
def few_rows_are_worth_it(monkeypatch):
    monkeypatch.setattr("analytic_cl.quantizers.linear_map._WORTH_HALF", 0)


def random_rows(n, d):
    return np.random.RandomState(0).randint(-127, 128, size=(n, d)).astype(np.int8)


def misleading_weights(k, d, random):
    """Integers whose leading digits are nearly the same for all classes, and what is left out as large as can be."""
    rest = random.choice([MOST, LEAST, MOST - 1, LEAST + 1, 0, 12345], size=(k, d))
    return UNIT + 2**25 + 2**24 * random.integers(-1, 2, size=(k, d)) + rest


class Given(LinearHead):
    """A head with weights that were given."""

    needs = RLSClassifier.needs

    def __init__(self, weights=None, bias=None, *, quantizer="integers", projection=None, track="none"):
        self.weights, self.bias = weights, bias
        self.quantizer, self.projection, self.track = quantizer, projection, track

    def _solve(self, moments):
        weights, bias = np.asarray(self.weights, dtype=np.float64), np.asarray(self.bias, dtype=np.float64)
        origin = np.zeros(weights.shape[1], dtype=np.int64)
        return LinearScores(origin, weights, bias, weights, bias).of_second_class()


class Upside(NearestMeanClassifier):
    """A head of another package that changes scores, and has never heard of leading digits."""

    def _compare_rows(self, rows, scores):
        return -super()._compare_rows(rows, scores)


def named_by_scores(head, X):
    scores = head.decision_function(X)
    return head.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


def undecided(head, q):
    """How many rows need all digits; None where the head has no use for leading ones."""
    rough = head._roughly(q, head.prepare())
    return rough and len(decided_places(rough)[1])


@pytest.mark.parametrize(("n", "d", "k"), [(50, 400, 5), (41, 3000, 30), (9, 301, 1)], ids=str)
def test_no_product_is_farther_off_than_is_said(n, d, k):
    random = np.random.default_rng(0)
    weights = misleading_weights(k, d, random).astype(np.float64)
    weights[0] = UNIT + 2**25 + LEAST
    centre, bias = random.integers(-50, 51, d), UNIT * random.normal(size=k)
    q = random_rows(n, d)
    q[0] = 127
    products = LinearMap(resolve_quantizer("integers", None, d), centre, weights, bias)
    found = products.leading(q)
    np.testing.assert_array_equal(found.sizes, np.abs(q.astype(int)).sum(axis=1))
    off, said = np.abs(found.products - products.of(q)), found.sizes[:, None] * found.by_size + found.always
    assert (off <= said).all()
    if d <= 512:  # nothing tighter would do
        assert off[0, 0] > (1 - 1e-6) * said[0, 0]
    with use_threads(3):
        again = products.leading(np.asfortranarray(q))
        np.testing.assert_array_equal(again.products, found.products)
    with use_backend("numpy"):
        twin = products.leading(q)
    np.testing.assert_array_equal(twin.products, found.products)
    np.testing.assert_array_equal(twin.sizes, found.sizes)


@pytest.mark.parametrize("k", [2, 3, 24])
@pytest.mark.parametrize("kind", ["misleading", "equal", "near"])
def test_ties_and_near_ties_have_the_class_of_all_digits(k, kind):
    random, d, n = np.random.default_rng(1), 64, 2000
    if kind == "misleading":
        weights = misleading_weights(k, d, random)
    else:
        weights = np.tile(UNIT + random.integers(0, UNIT, d // 2), (k, 2))
        if kind == "near":
            weights[np.arange(k), random.integers(0, d, k)] += 1
    if k == 2:
        weights[0] = 0  # so that the difference is the second's
    else:
        weights[-1, : d // 2] -= UNIT // 8  # the last class is sure of the rows that begin with low values
    half = random_rows(n, d // 2)
    X = np.hstack([half, -half])  # what all columns' weights share has no part in a score
    head = Given(weights, np.zeros(k)).fit(X[: 2 * k], np.arange(2 * k) % k)
    assert undecided(head, X) > n / 10
    assert undecided(head, X) < n or k == 2
    expected = named_by_scores(head, X)
    assert len(np.unique(expected)) > 1 or kind == "equal"
    np.testing.assert_array_equal(head.predict(X), expected)
    with use_threads(2):
        np.testing.assert_array_equal(head.predict(X), expected)


@pytest.mark.parametrize("k", [2, 40])
@pytest.mark.parametrize(
    "head", [NearestMeanClassifier(), LDAClassifier(), LDAClassifier(means="plain"), RLSClassifier()], ids=head_name
)
def test_heads_predict_the_class_of_their_scores(head, k):
    X, y = blobs(201, 100, k)  # classes of different sizes
    head = clone(head).set_params(projection=RandomProjection(200)).fit(X, y)
    random, n = np.random.RandomState(3), 300
    mixed = random.uniform(size=(n, 1))  # rows between two others: some of them nearly tie
    T = mixed * X[random.randint(0, 200, n)] + (1 - mixed) * X[random.randint(0, 200, n)]
    q, expected = head.quantizer_.quantise(T), named_by_scores(head, T)
    assert undecided(head, q) < n / 2
    for backend in ("native", "numpy", "blas"):
        with use_backend(backend):
            np.testing.assert_array_equal(head.predict(T), expected)
    with use_backend("blas"):
        assert undecided(head, q) is None


def test_weights_that_follow_row_by_row_are_no_integers():
    X, y = blobs(100, 30, 4)
    head = RLSClassifier(1.0, solver="recursive", projection=RandomProjection(20)).fit(X, y)
    assert undecided(head, head.quantizer_.quantise(X)) is None


def test_coordinates_that_are_off_move_scores_by_what_is_said_at_most():
    random = np.random.default_rng(4)
    X, y = random.normal(size=(307, 600)), np.arange(307) % 30  # classes that hardly differ, of ten rows and eleven
    head = LDAClassifier(quantizer="embedding").fit(X, y)
    scores, q = head.prepare(), head.quantizer_.quantise(X)
    products = LinearMap(head.quantizer_, *scores.linear_part)
    found = products.leading(q)
    off = np.ldexp(found.sizes[:, None] * found.by_size, 12)  # as if there were fewer digits
    moved = found.products + random.uniform(-1, 1, off.shape) * off
    rough, said = scores.of_leading(type(found)(moved, found.sizes, np.ldexp(found.by_size, 12), found.always))
    assert (np.abs(rough - head.scores_of(q)).max(axis=1) <= said).all()


def test_a_head_that_changes_scores_alone_is_scored_in_full():
    X, y = blobs(100, 30, 20)
    head = Upside(projection=RandomProjection(50), track="none").fit(X, y)
    np.testing.assert_array_equal(head.predict(X), named_by_scores(head, X))


def test_infinite_scores_decide_nothing():
    scores = np.array([[np.inf, 1.0, 0.0], [np.inf, np.inf, 0.0], [np.nan, 1.0, 0.0], [3.0, 1.0, 0.0], [3.0, 2.0, 3.0]])
    places, rest = decided_places(Rough(scores.copy(), np.full(5, 0.5)))
    assert rest.tolist() == [0, 1, 2, 4]
    assert places[3] == 0
    places, rest = decided_places(Rough(np.array([0.5, -0.6, 0.0, np.inf, np.nan]), np.full(5, 0.5)))
    assert rest.tolist() == [0, 2, 3, 4]
    assert places[1] == 0
