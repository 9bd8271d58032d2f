"""Strengths and temperatures chosen by rows that were held out, by subtraction from the state."""

from importlib import import_module

import numpy as np
import pytest
from common import blobs, ignore_quantization, pack
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import clone

from analytic_cl import GaussianClassifier, LDAClassifier, RLSClassifier
from analytic_cl.heads.calibration import sharpness
from analytic_cl.heads.held_out import Held
from analytic_cl.learner import folds
from analytic_cl.metrics import expected_calibration_error
from analytic_cl.solvers.shrinkage import Correlations, reshrink_correlations, shrink_correlations

CHOOSING = [
    LDAClassifier("folds", track="rows"),
    RLSClassifier("folds", track="rows"),
    GaussianClassifier("class", "folds", track="rows"),
]


def few(name, per_class, seed=0):
    arrays = pack(name)
    random, y = np.random.RandomState(seed), arrays["y_train"]
    keep = np.concatenate([random.permutation(np.flatnonzero(y == c))[:per_class] for c in np.unique(y)])
    return arrays["X_train"][keep].astype(np.float32), y[keep], arrays["X_test"].astype(np.float32), arrays["y_test"]


def noisy(n=120, d=30, n_classes=4, seed=0):
    X, y = blobs(n, d, n_classes, seed)
    return X + 4 * np.random.RandomState(seed).normal(size=X.shape), y


def test_a_fold_is_the_state_of_the_other_rows():
    X, y = noisy()
    head = LDAClassifier(track="rows").fit(X, y)
    rows = head.quantizer_.quantise(X)
    seen = []
    for fold in folds(head.learner_):
        held = [np.flatnonzero((rows == row).all(axis=1)).item() for row in fold.rows]
        rest = np.setdiff1d(np.arange(len(X)), held)
        seen += held
        assert fold.targets.of_rows() == y[held].tolist()
        assert fold.state.digest() == LDAClassifier().fit(X[rest], y[rest]).state_digest()
        assert np.bincount(y[held], minlength=4).tolist() == [6, 6, 6, 6]
    assert sorted(seen) == list(range(len(X)))


def test_folds_do_not_depend_on_the_order_of_rows_or_on_what_was_forgotten():
    X, y = noisy()
    heads = [LDAClassifier(track="rows").fit(X[::-1], y[::-1]), LDAClassifier(track="rows").fit(X[:50], y[:50])]
    heads[1].partial_fit(X, y).forget(X[:50], y[:50])
    expected = [fold.state.digest() for fold in folds(LDAClassifier(track="rows").fit(X, y).learner_)]

    for head in heads:
        assert [fold.state.digest() for fold in folds(head.learner_)] == expected


def test_equal_rows_of_a_class_are_in_one_fold():
    X, y = noisy(40)
    head = LDAClassifier(track="rows").fit(np.repeat(X, 3, axis=0), np.repeat(y, 3))

    for fold in folds(head.learner_):
        assert (np.unique(fold.rows, axis=0, return_counts=True)[1] == 3).all()


def test_of_many_rows_some_are_held_out(monkeypatch):
    monkeypatch.setattr(import_module("analytic_cl.learner.folds"), "MOST", 50)
    X, y = noisy()
    head = LDAClassifier(track="rows").fit(X, y)

    assert sum(len(fold.rows) for fold in folds(head.learner_)) == 50


@pytest.mark.parametrize("head", CHOOSING, ids=repr)
@pytest.mark.parametrize("n_classes", [1, 2, 4])
def test_what_is_chosen_is_a_function_of_the_rows(head, n_classes):
    X, y = noisy(n_classes=n_classes)
    fitted = clone(head).set_params(temperature="folds").fit(X, y)
    other = clone(fitted).fit(X[60:], y[60:])
    other.predict(X)
    other.partial_fit(X[:60], y[:60])

    np.testing.assert_array_equal(other.decision_function(X), fitted.decision_function(X))
    np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)
    assert fitted.state_digest() == clone(head).fit(X, y).state_digest()


@pytest.mark.parametrize("head", CHOOSING, ids=repr)
def test_without_rows_it_says_what_to_do(head):
    X, y = noisy()
    digests = clone(head).set_params(track="auto").fit(X, y)

    with pytest.raises(ValueError, match='keeps 0 of 120: learn with track="rows"'):
        digests.predict(X)
    digests.set_params(track="auto").fit(X, y, sample_id=range(120)).predict(X)


def test_degenerate_rows_have_a_choice():
    for X, y in ((np.eye(3), [0, 0, 0]), (np.eye(3), [0, 1, 2]), (np.eye(2), [0, 1]), (np.ones((1, 3)), [5])):
        for head in CHOOSING:
            fitted = clone(head).set_params(temperature="folds").fit(X, y)
            assert np.isfinite(fitted.predict_proba(X)).all()


def test_ridge_has_probabilities_where_there_is_a_temperature():
    X, y = noisy()

    assert not hasattr(RLSClassifier(), "predict_proba") and not hasattr(RLSClassifier().fit(X, y), "predict_proba")
    with pytest.raises(AttributeError) as refused:
        RLSClassifier().fit(X, y).predict_proba(X)
    assert "need a temperature: a number, or rows" in str(refused.value.__cause__)
    assert RLSClassifier().fit(X, y, sample_id=range(120)).predict_proba(X).shape == (120, 4)
    sharp, soft = (RLSClassifier(temperature=t).fit(X, y).predict_proba(X) for t in (0.1, 10.0))
    assert sharp.max() > 0.99 and soft.max() < 0.35


@pytest.mark.parametrize("kind", [LDAClassifier, RLSClassifier, GaussianClassifier])
@pytest.mark.parametrize("value", [0, -1, "auto", True, np.nan])
def test_temperatures_are_checked(kind, value):
    with pytest.raises(ValueError, match="temperature must be"):
        kind(temperature=value).fit(*noisy())


@pytest.mark.parametrize("kind", [LDAClassifier, GaussianClassifier])
def test_probabilities_follow_the_temperature(kind):
    X, y = noisy()
    head = kind(temperature=2.5).fit(X, y)

    np.testing.assert_allclose(
        head.predict_log_proba(X), log_softmax(head.decision_function(X) / 2.5, axis=1), atol=1e-9
    )
    np.testing.assert_allclose(np.exp(head.predict_log_proba(X)), head.predict_proba(X), atol=1e-12)
    assert head.temperature_ == 2.5


def test_sharpness_is_where_the_likelihood_is_greatest():
    random = np.random.RandomState(0)
    scores, places = random.normal(size=(300, 5)) * 7, random.randint(5, size=300)
    scores[np.arange(300), places] += 9
    own = np.arange(300), places
    best = minimize_scalar(lambda s: -log_softmax(s * scores, axis=1)[own].mean(), bounds=(0, 3), method="bounded").x

    assert sharpness([Held(scores[:100], places[:100]), Held(scores[100:], places[100:])]) == pytest.approx(
        best, rel=0.05
    )
    certain = sharpness([Held(np.eye(5) * 3, np.arange(5))])
    assert 1 < certain < 5
    assert sharpness([]) == 1.0


def test_correlations_are_shrunk_anew_to_what_they_would_have_been():
    random = np.random.RandomState(0)
    a = np.cov((random.normal(size=(40, 6)) @ random.normal(size=(6, 6))).T)
    wanted = 0.35 * a
    np.fill_diagonal(wanted, a.diagonal())
    intensity = shrink_correlations(a, 40)

    assert reshrink_correlations(a, intensity, 0.65) == 0.65
    np.testing.assert_allclose(a, wanted)
    assert reshrink_correlations(a, 1.0, 0.5) == 1.0
    assert Correlations(0.5) == Correlations(0.5)


@ignore_quantization
def test_with_few_rows_folds_classify_better_and_probabilities_are_right():
    X, y, test, truth = few("cifar100_mnv2", 10)
    formula = LDAClassifier(track="rows").fit(X, y)
    chosen = LDAClassifier("folds", temperature="folds", track="rows").fit(X, y)
    proba = chosen.predict_proba(test)

    assert chosen.shrinkage_ >= 0.5
    assert (proba.argmax(axis=1) == truth).mean() > formula.score(test, truth) + 0.02
    assert expected_calibration_error(truth, proba, chosen.classes_) < 0.12
    assert expected_calibration_error(truth, formula.predict_proba(test), formula.classes_) > 0.4
