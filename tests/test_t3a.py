"""T3A, and which rows may be trusted."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from analytic_cl import FixedPoint, GaussianClassifier, LDAClassifier, NearestMeanClassifier, adaptation
from analytic_cl.adaptation import T3A, trust

CLASSES = 3
MOVED = np.array([[0, 2.5, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])  # each class its own way


def rows(y, seed=0):
    return np.random.default_rng(seed).normal(size=(len(y), 5)) + 3 * np.eye(5)[y]


Y = np.arange(300) % CLASSES
X = rows(Y, 1) + MOVED[Y]


@pytest.fixture(scope="module")
def head():
    y = np.arange(600) % CLASSES
    return LDAClassifier(track="rows").fit(rows(y), y)


@pytest.mark.parametrize("parameters", [{}, {"means": "plain"}, {"temperature": "folds"}], ids=str)
def test_with_nothing_seen_it_is_the_head_bit_for_bit_and_after_reset_again(head, parameters):
    head = clone(head).set_params(**parameters).fit(rows(Y), Y)
    model = T3A(head)
    before = head.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert (model.predict_proba(X) != before).any()
    np.testing.assert_array_equal(model.reset().predict(X), head.predict(X))
    np.testing.assert_array_equal(T3A(head, online=False).predict_proba(X), before)


def test_rows_that_moved_are_named_better_once_others_were_seen(head):
    model = T3A(head).adapt(X)
    other = rows(Y, 2) + MOVED[Y]
    assert model.score(other, Y) > head.score(other, Y) + 0.02
    np.testing.assert_allclose(model.predict_proba(other).sum(axis=1), 1)


def test_an_answer_depends_on_calls_before_and_not_on_the_rest_of_the_batch(head):
    together = T3A(head, online=False).adapt(X[:100]).predict_proba(X[100:])
    model = T3A(head, online=False).adapt(X[:100])
    alone = np.concatenate([model.predict_proba(row) for row in X[100:, None]])
    np.testing.assert_allclose(together, alone, atol=1e-12)
    np.testing.assert_array_equal(model.predict_proba(X[100:]), together)  # asking changed nothing


def test_online_answers_come_before_the_rows_are_remembered(head):
    online, offline = T3A(head), T3A(head, online=False)
    for part in np.split(X, 6):
        np.testing.assert_array_equal(online.predict_proba(part), offline.predict_proba(part))
        offline.adapt(part)
    assert online.n_supports_.tolist() == offline.n_supports_.tolist()
    assert 250 < online.n_supports_.sum() <= len(X)  # 100 a class, at most


def test_the_surest_rows_of_each_class_are_kept_whatever_the_batches(head):
    model = T3A(head, n_supports=7)
    for part in np.array_split(X, 11):
        model.adapt(part)
    logs = head.predict_log_proba(X)
    named, entropy = logs.argmax(axis=1), -(np.exp(logs) * logs).sum(axis=1)
    expected = np.sort(
        np.concatenate([np.flatnonzero(named == c)[np.argsort(entropy[named == c])][:7] for c in range(3)])
    )

    assert model.n_supports_.tolist() == [7, 7, 7]
    once = T3A(head, n_supports=1000).adapt(X[expected])
    np.testing.assert_allclose(model.reset().adapt(X).predict_proba(X[:9]), once.predict_proba(X[:9]), atol=1e-12)


def test_a_class_without_supports_keeps_its_score(head):
    model = T3A(head, online=False).adapt(rows(np.zeros(50, int), 3) + 3 * np.eye(5)[0])
    assert model.n_supports_.tolist() == [50, 0, 0]
    before, after = head.predict_log_proba(X), np.log(model.predict_proba(X))
    np.testing.assert_allclose(after[:, 1] - after[:, 2], before[:, 1] - before[:, 2], atol=1e-6)


def test_supports_follow_the_head_as_it_learns_and_are_refused_under_other_classes(head):
    grows = clone(head).fit(rows(Y), Y)
    model = T3A(grows, online=False).adapt(X)
    first = model.predict_proba(X)
    grows.partial_fit(rows(Y, 7), Y)
    again = model.predict_proba(X)
    assert (again != first).any()
    np.testing.assert_allclose(T3A(grows, online=False).adapt(X).predict_proba(X), again, atol=0.05)
    grows.partial_fit(rows(np.full(9, 4)), np.full(9, 4))
    with pytest.raises(ValueError, match=r"other classes than when rows were remembered.*reset"):
        model.predict(X)
    np.testing.assert_array_equal(model.reset().predict_proba(X), grows.predict_proba(X))
    grows.set_params(quantizer=FixedPoint(16)).fit(rows(Y), Y)
    model.adapt(X)
    grows.set_params(quantizer="tabular").fit(rows(Y), Y)
    with pytest.raises(ValueError, match=r"another quantizer.*reset"):
        model.predict(X)


def test_asking_again_remembers_nothing_more(head):
    model = T3A(head)
    model.predict(np.concatenate([X, X[:50]]))
    counts, first = model.n_supports_, model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), first)
    assert model.n_supports_.tolist() == counts.tolist()
    assert T3A(head).adapt(np.tile(X[:1], (30, 1))).n_supports_.sum() == 1


def test_what_all_classes_moved_by_turns_none(head):
    moved = rows(np.arange(3000) % CLASSES, 9) + np.array([0, 0, 0, 2, -1])
    before = head.predict_proba(moved)
    assert np.abs(T3A(head).adapt(moved).predict_proba(moved) - before).mean() < 0.01


def test_two_classes_declared_ones_and_single_rows(head):
    two = clone(head).partial_fit(rows(Y % 2), Y % 2, classes=[0, 1, 2])
    model = T3A(two)
    for row in X[:20, None]:
        model.predict(row)
    proba = model.predict_proba(X)
    assert not proba[:, 2].any()
    assert model.n_supports_[2] == 0
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(restored.predict_proba(X), model.predict_proba(X), atol=1e-12)


def test_rows_that_are_not_trusted_are_not_remembered(head):
    def sure(adapted, source):
        assert adapted.shape == source.shape == (len(X), CLASSES)
        return trust.reliable(source, 0.001)

    model = T3A(head, trust=sure).adapt(X)
    assert model.n_supports_.sum() == trust.reliable(head.predict_proba(X), 0.001).sum() < len(X)
    with pytest.raises(ValueError, match="trust must give a bool for each of 300 rows"):
        T3A(head, trust=lambda adapted, source: adapted).adapt(X)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda head: T3A(head, n_supports=-1), ValueError, "n_supports must be an integer of at least 1"),
        (lambda head: T3A(head, online=1), ValueError, "online must be True or False"),
        (lambda head: T3A(LDAClassifier()), ValueError, "not fitted"),
        (lambda head: T3A(NearestMeanClassifier()), ValueError, "no predict_proba"),
        (lambda head: T3A(GaussianClassifier().fit(rows(Y), Y)), TypeError, "class means of an LDAClassifier"),
        (lambda head: T3A(LDAClassifier().fit(rows(Y * 0), Y * 0)), ValueError, "two classes"),
    ],
)
def test_bad_input_is_refused(head, make, error, message):
    with pytest.raises(error, match=message):
        make(head).predict(X)


# ---- trust


def test_entropies_and_weights_are_the_formula_and_certainty_is_no_trouble():
    p = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]])
    np.testing.assert_allclose(trust.entropies(p), [0, np.log(4), -0.7 * np.log(0.7) - 0.3 * np.log(0.1)])
    np.testing.assert_allclose(trust.entropy_weights(p), np.exp(0.4 * np.log(4) - trust.entropies(p)))
    assert (trust.reliable(p) == (trust.entropy_weights(p) > 1)).all()


def test_rows_like_the_mean_are_redundant_and_the_mean_runs():
    p = np.eye(100)[[0, 1, 1, 1]]
    assert trust.not_redundant(p, None).all()
    mean = trust.running_mean(None, p)
    np.testing.assert_allclose(mean[:2], [0.25, 0.75])
    assert trust.not_redundant(p, mean, eps=5).tolist() == [True, False, False, False]
    np.testing.assert_allclose(trust.running_mean(mean, np.eye(100)[[2]])[:3], [0.225, 0.675, 0.1])
    np.testing.assert_array_equal(trust.running_mean(mean, np.empty((0, 100))), mean)
    assert trust.running_mean(None, []) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trust.reliable([0.5, 0.5]), "shape"),
        (lambda: trust.reliable([[0.5, 0.5], [0.9, 0.9]]), "not so in row 1"),
        (lambda: trust.reliable([[np.nan, 0.5]]), "not so in row 0"),
        (lambda: trust.not_redundant([[0.5, 0.5]], [1.0]), "mean has shape"),
        (lambda: trust.still_favoured([[0.5, 0.5]], [[1.0]]), "adapted has shape"),
    ],
)
def test_what_are_no_posteriors_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_name_is_exported():
    assert {"LAME", "T3A", "trust"} <= set(dir(adaptation))
