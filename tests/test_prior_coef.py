"""Ridge towards given weights: the equation, its limits, and weights that survive copies, files and new classes."""

import numpy as np
import pytest
from common import blobs
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import analytic_cl
from analytic_cl import RandomProjection, RLSClassifier, Store


def given(n_classes, d, seed=1):
    weights = np.random.default_rng(seed).normal(size=(n_classes, d))
    return dict(enumerate(weights)), weights


def dequantised(head, X):
    return head.quantizer_.dequantise(head.quantizer_.quantise(X))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("alpha", [0.1, 50.0])
def test_weights_solve_the_equation(fit_intercept, n_classes, alpha):
    X, y = blobs(80, 6, n_classes)
    prior, w0 = given(n_classes, 6)
    head = RLSClassifier(alpha, fit_intercept, prior_coef=prior).fit(X, y)
    Z, targets = dequantised(head, X), 2.0 * (y[:, None] == np.arange(n_classes)) - 1
    if fit_intercept:
        Z, targets = Z - Z.mean(axis=0), targets - targets.mean(axis=0)
    expected = np.linalg.solve(Z.T @ Z + alpha * np.eye(6), Z.T @ targets + alpha * w0.T).T
    if n_classes == 2:
        expected = (expected[1:] - expected[:1]) / 2
    intercept = 2 * np.bincount(y) / 80 - 1 - expected @ dequantised(head, X).mean(axis=0) if fit_intercept else 0

    np.testing.assert_allclose(head.coef_, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(head.intercept_, np.broadcast_to(intercept, n_classes)[-len(expected) :], atol=1e-9)


@pytest.mark.parametrize("alpha", ["auto", "oas", "gcv", "folds", 3.0])
@pytest.mark.parametrize("balance", [0.0, 0.7])
def test_what_explains_the_targets_already_is_kept_and_no_prior_is_a_prior_of_zero(alpha, balance):
    X, y = blobs(90, 5, 3)
    head = RLSClassifier(alpha, balance=balance, track="rows").fit(X, y)
    best = RLSClassifier(0.0, balance=balance).fit(X, y).coef_
    zero = clone(head).set_params(prior_coef={0: np.zeros(5)}).fit(X, y)
    kept = clone(head).set_params(prior_coef=dict(enumerate(best))).fit(X, y)

    np.testing.assert_allclose(zero.coef_, head.coef_, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(kept.coef_, best, rtol=1e-7, atol=1e-10)
    assert np.abs(head.coef_ - best).max() > 1e-6


def test_strong_regularisation_gives_the_given_weights_and_weak_the_data_alone():
    X, y = blobs(90, 5, 3)
    prior, w0 = given(3, 5)

    np.testing.assert_allclose(RLSClassifier(1e12, prior_coef=prior).fit(X, y).coef_, w0, atol=1e-6)
    np.testing.assert_allclose(
        RLSClassifier(1e-9, prior_coef=prior).fit(X, y).coef_, RLSClassifier(1e-9).fit(X, y).coef_, atol=1e-6
    )


def test_gcv_sees_what_the_given_weights_leave_of_the_targets():
    X, y = blobs(60, 5, 3)
    best = dict(enumerate(RLSClassifier(0.0).fit(X, y).coef_))

    assert RLSClassifier("gcv", prior_coef=best).fit(X, y).alpha_ > 100 * RLSClassifier("gcv").fit(X, y).alpha_


def test_classes_may_come_later_and_those_without_weights_are_pulled_to_zero():
    X, y = blobs(80, 5, 4)
    prior, w0 = given(4, 5)
    some = {label: prior[label] for label in (1, 3)}
    head = RLSClassifier(1e12, prior_coef=some).fit(X[y < 3], y[y < 3])
    digest = RLSClassifier().fit(X, y).state_digest()

    np.testing.assert_allclose(head.coef_, [0 * w0[0], w0[1], 0 * w0[2]], atol=1e-6)
    head.partial_fit(X[y == 3], y[y == 3])
    np.testing.assert_allclose(head.coef_, [0 * w0[0], w0[1], 0 * w0[2], w0[3]], atol=1e-6)
    assert head.state_digest() == digest
    merged = RLSClassifier(1.0, prior_coef=prior).fit(X[::2], y[::2]).merge(RLSClassifier(1.0).fit(X[1::2], y[1::2]))
    np.testing.assert_array_equal(merged.coef_, RLSClassifier(1.0, prior_coef=prior).fit(X, y).coef_)


def test_given_weights_go_through_copies_files_and_stores(tmp_path):
    X, y = blobs(60, 5, 3)
    names = np.array(["ape", "bee", "cat"])
    prior = {"cat": np.arange(5), "ape": np.linspace(0, 1, 5, dtype=np.float32)}
    head = RLSClassifier(2.0, prior_coef=prior).fit(X, names[y])
    head.save(tmp_path / "head")
    loaded = analytic_cl.load(tmp_path / "head")
    with Store.create(tmp_path / "store", clone(head)) as store:
        store.learn(X, names[y])
        scores = store.head.decision_function(X)

    assert "ape" in repr(head)
    assert list(loaded.prior_coef) == ["cat", "ape"]
    for other in (loaded.decision_function(X), clone(head).fit(X, names[y]).decision_function(X), scores):
        np.testing.assert_array_equal(other, head.decision_function(X))
    before = head.coef_
    prior["cat"][:] = 0  # in place: weights are by value
    assert np.abs(head.coef_ - before).max() > 0.01


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (np.ones((3, 5)), "prior_coef must be a mapping of labels to vectors, or None; got ndarray"),
        ({}, "prior_coef holds no class"),
        ({0: 1.0}, r"prior_coef\[0\] must be a vector of numbers"),
        ({0: np.ones((1, 5))}, r"prior_coef\[0\] must be a vector of numbers"),
        ({0: ["a"] * 5}, r"prior_coef\[0\] must be a vector of numbers"),
        ({0: [1, 2, np.nan, 4, 5]}, r"prior_coef\[0\] holds NaN or infinity"),
        ({0: np.ones(5), 1: np.ones(4)}, "of 0 has 5 numbers, of 1 4"),
        ({0: np.ones(4)}, "vectors of prior_coef have 4 numbers, and rows 5"),
        ({0: np.ones(5), "a": np.ones(5)}, "mixed types"),
        ({0.5: np.ones(5)}, "Unknown label type"),
    ],
)
def test_weights_that_make_no_sense_are_refused_before_anything_is_learned(prior, message):
    X, y = blobs(30, 5, 3)
    head = RLSClassifier(prior_coef=prior)
    with pytest.raises((ValueError, TypeError), match=message):
        head.fit(X, y)
    with pytest.raises(NotFittedError):
        head.predict(X)


def test_labels_of_another_kind_and_the_recursive_solver_are_refused():
    X, y = blobs(30, 5, 3)
    with pytest.raises(ValueError, match="mixed types"):
        RLSClassifier(prior_coef={"a": np.ones(5)}).fit(X, y).predict(X)
    with pytest.raises(ValueError, match="needs prior_coef=None"):
        RLSClassifier(1.0, solver="recursive", prior_coef={0: np.ones(5)}).fit(X, y)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    behind = RLSClassifier(1e12, projection=RandomProjection(9), prior_coef={0: np.ones(9)}).fit(unit, y)
    np.testing.assert_allclose(behind.coef_[0], 1, atol=1e-6)
