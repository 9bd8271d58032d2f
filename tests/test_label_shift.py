"""Class frequencies of unlabelled rows, and predictions that follow them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from analytic_cl import (
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    adaptation,
    load_clinc150,
)
from analytic_cl.adaptation import priors
from analytic_cl.adaptation.log_posteriors import calibrated, log_posteriors

CLASSES = 4


def rows(y, seed=0):
    return np.random.default_rng(seed).normal(size=(len(y), 6)) + 1.5 * np.eye(6)[y]


def drawn(shares, n=800, seed=1):
    return np.random.default_rng(seed).choice(len(shares), size=n, p=shares)


@pytest.fixture(scope="module")
def head():
    y = np.arange(800) % CLASSES
    return LDAClassifier(track="rows").fit(rows(y), y)


SKEWED = np.array([0.7, 0.2, 0.08, 0.02])


@pytest.mark.parametrize("method", ["em", "bbse", "rlls"])
def test_every_method_finds_the_frequencies_of_shifted_rows(head, method):
    y = drawn(SKEWED, n=3000)
    found = adaptation.estimate_priors(head, rows(y, 2), method)

    assert found.shape == (CLASSES,)
    assert found.sum() == pytest.approx(1)
    assert np.abs(found - SKEWED).sum() < 0.1


@pytest.mark.parametrize("method", ["em", "bbse", "rlls"])
def test_rows_that_did_not_shift_change_little(head, method):
    y = np.arange(2000) % CLASSES
    assert np.abs(adaptation.estimate_priors(head, rows(y, 3), method) - 1 / CLASSES).max() < 0.04


@pytest.mark.parametrize("pseudo", [0.0, 2.5])
def test_the_likelihood_of_em_never_falls(pseudo):
    rng = np.random.default_rng(0)
    for _ in range(20):
        n, k = rng.integers(1, 40), rng.integers(2, 9)
        logs = np.log(rng.dirichlet(np.full(k, 0.2), size=n) + 1e-300)
        source = rng.dirichlet(np.ones(k))
        found, rounds = priors.em(logs, source, pseudo * source)
        assert np.diff(rounds).min(initial=0) >= -1e-9 * abs(rounds[0])
        assert found.min() >= 0
        assert found.sum() == pytest.approx(1)


def test_posteriors_of_exactly_0_and_1_are_no_trouble():
    logs = np.where(np.eye(3, dtype=bool)[[0, 0, 0, 1]], 0.0, -1e30)
    found, _ = priors.em(logs, np.full(3, 1 / 3))

    np.testing.assert_allclose(found, [0.75, 0.25, 0], atol=1e-6)


def test_em_takes_back_most_of_what_a_strong_shift_costs_on_real_rows():
    data = load_clinc150()
    head = LDAClassifier(track="rows").fit(data.X_train[:6000], data.y_train[:6000])
    known, logs = calibrated(head), log_posteriors(head, data.X_test)
    logs = known.of(logs)
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        true = rng.dirichlet(np.full(150, 0.1))
        y = rng.choice(150, size=1000, p=true)
        at = np.array([rng.choice(np.flatnonzero(data.y_test == label)) for label in y])
        found = priors.em(logs[at], known.source)[0]

        def right(shares, at=at, y=y):
            weighed = logs[at] + np.log(np.maximum(shares, 1e-300)) - np.log(known.source)
            return float((weighed.argmax(axis=1) == y).mean())

        base = head.score(data.X_test[at], y)
        gains.append((right(found) - base) / (right(true) - base))
    assert min(gains) > 0.5


def test_frequencies_of_a_state_without_rows_are_found_with_labelled_rows_and_else_said_to_be_rough():
    y = np.arange(800) % CLASSES
    head = LDAClassifier().fit(rows(y), y)
    shifted = rows(drawn(SKEWED, n=2000), 2)

    found = adaptation.estimate_priors(head, shifted, labelled=(rows(y, 5), y))
    assert np.abs(found - SKEWED).sum() < 0.1
    with pytest.warns(adaptation.UncalibratedWarning, match="track"):
        rough = adaptation.estimate_priors(head, shifted)
    assert rough.argmax() == 0
    for method in ("bbse", "rlls"):
        with (
            pytest.warns(adaptation.UncalibratedWarning),
            pytest.raises(ValueError, match="needs the confusions of rows"),
        ):
            adaptation.estimate_priors(head, shifted, method)


@pytest.mark.parametrize("kind", [GaussianClassifier, NearestNeighborsClassifier], ids=lambda kind: kind.__name__)
def test_other_heads_with_probabilities_are_corrected_too(kind):
    y = np.arange(800) % CLASSES
    head = kind(track="rows").fit(rows(y), y)
    asked = drawn(SKEWED, n=1000)

    model = adaptation.LabelShift(head)
    assert model.score(rows(asked, 2), asked) > head.score(rows(asked, 2), asked)
    assert model.priors_.argmax() == 0


def test_strings_and_declared_classes_without_rows_keep_their_places():
    y = np.array(["b", "d", "a"])[np.arange(300) % 3]
    X = rows(np.arange(300) % 3)
    head = LDAClassifier(track="rows").partial_fit(X, y, classes=["a", "b", "c", "d"])
    found = adaptation.estimate_priors(head, X[y != "a"])

    assert found[2] == 0
    assert found[0] < 0.1
    model = adaptation.LabelShift(head)
    assert set(model.predict(X)) == {"a", "b", "d"}
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


# ---- the wrapper


def test_a_wrapper_changes_nothing_of_the_head_and_follows_what_the_head_learns(head):
    before = head.state_digest()
    model = adaptation.LabelShift(head)
    y = drawn(SKEWED)
    first = model.predict_proba(rows(y, 2))
    assert head.state_digest() == before
    np.testing.assert_array_equal(model.predict_proba(rows(y, 2)), first)

    other = clone(head).fit(rows(np.arange(400) % 5, 4), np.arange(400) % 5)
    model.head = other
    assert model.predict_proba(rows(y, 2)).shape == (800, 5)
    other.partial_fit(rows(np.full(50, 5), 6), np.full(50, 5))
    assert model.predict_proba(rows(y, 2)).shape == (800, 6)


def test_memory_lets_small_batches_add_up_and_reset_takes_it_back_bit_for_bit(head):
    y = drawn(SKEWED, n=600)
    X = rows(y, 2)
    model = adaptation.LabelShift(head, memory=1.0)
    before = model.predict_proba(X[:1])
    model.reset()
    right = [bool(model.predict(row)[0] == label) for row, label in zip(X[:, None], y, strict=True)]

    assert np.mean(right[300:]) > head.score(X[300:], y[300:])
    assert model.priors_.argmax() == 0
    np.testing.assert_array_equal(model.reset().predict_proba(X[:1]), before)
    assert pickle.loads(pickle.dumps(model)).predict(X[:5]).tolist() == model.predict(X[:5]).tolist()


def test_rows_remembered_under_other_classes_are_refused_until_reset(head):
    grows = clone(head).fit(rows(np.arange(400) % 3), np.arange(400) % 3)
    model = adaptation.LabelShift(grows, memory=0.5)
    model.predict(rows(np.zeros(10, int)))
    grows.partial_fit(rows(np.full(20, 3)), np.full(20, 3))

    with pytest.raises(ValueError, match=r"other classes than when rows were remembered.*reset"):
        model.predict(rows(np.zeros(10, int)))
    assert model.reset().predict_proba(rows(np.zeros(10, int))).shape == (10, 4)


def test_a_single_row_stays_near_what_the_head_says(head):
    X = rows(np.arange(40) % CLASSES, 7)
    alone = np.concatenate([adaptation.LabelShift(head).predict(row) for row in X[:, None]])
    assert (alone == head.predict(X)).mean() > 0.9


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: adaptation.LabelShift(RLSClassifier()), ValueError, "has no predict_proba"),
        (lambda: adaptation.LabelShift(NearestMeanClassifier()), ValueError, "has no predict_proba"),
        (lambda: adaptation.LabelShift(LogisticRegression()), TypeError, "a fitted head"),
        (lambda: adaptation.LabelShift(LDAClassifier()), ValueError, "not fitted"),
    ],
)
def test_a_base_that_can_not_be_corrected_is_refused(make, error, message):
    model = make()
    for ask in (model.predict, model.predict_proba):
        with pytest.raises(error, match=message):
            ask(np.zeros((3, 6)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(method="map"), "method must be one of"),
        (dict(pseudo_rows=-1), "pseudo_rows"),
        (dict(pseudo_rows=True), "pseudo_rows"),
        (dict(memory=1.5), "memory must be"),
        (dict(memory=0.5, method="bbse"), "memory goes with"),
        (dict(labelled=(np.zeros((2, 6)), [0, 9])), "classes that the head has not learned: 9"),
        (dict(labelled=(np.zeros((3, 6)), [0, 1])), "3 rows and 2 labels"),
    ],
)
def test_bad_arguments_are_refused(head, arguments, message):
    with pytest.raises(ValueError, match=message):
        adaptation.LabelShift(head, **arguments).predict(np.zeros((3, 6)))
