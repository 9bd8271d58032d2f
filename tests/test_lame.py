"""LAME: answers that agree with those of neighbours in the batch."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    adaptation,
    load_clinc150,
    use_backend,
)
from analytic_cl.adaptation import affinity
from analytic_cl.adaptation.lame import agreed
from analytic_cl.scenarios import correlated

CLASSES = 4


def rows(y, seed=0, width=6):
    return np.random.default_rng(seed).normal(size=(len(y), width)) + 1.5 * np.eye(width)[y]


@pytest.fixture(scope="module")
def head():
    y = np.arange(400) % CLASSES
    return LDAClassifier(track="rows").fit(rows(y), y)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(2, 6), st.floats(0.01, 50), st.floats(0.1, 1), st.integers(0, 2**32 - 1))
def test_the_objective_never_rises_and_is_least_in_the_round_it_ends(n, k, weight, share, seed):
    rng = np.random.default_rng(seed)
    half = rng.random((n, n)) * (rng.random((n, n)) < share)  # far from positive semi-definite: nothing on the diagonal
    np.fill_diagonal(half, 0)
    logs = np.log(rng.dirichlet(np.full(k, 0.3), size=n) + 1e-300)
    z, values = agreed(logs, csr_matrix(weight * (half + half.T) / 2))

    assert np.diff(values).max(initial=0) <= 1e-12 * max(n, np.abs(values).max())
    np.testing.assert_allclose(z.sum(axis=1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(z > 0, z * (np.log(z) - logs), 0).sum()
    own = distance - np.einsum("ij,ij->", z, weight * (half + half.T) / 2 @ z) / 2  # the same z on both sides
    assert values[-1] == pytest.approx(own, rel=1e-6, abs=1e-6)


def test_whole_steps_over_the_same_ties_would_raise_the_objective():
    """Two rows tied to each other swap their answers forever where steps are not held back."""
    ties, logs = csr_matrix(np.array([[0.0, 50.0], [50.0, 0.0]])), np.log([[0.6, 0.4], [0.35, 0.65]])
    z, values = agreed(logs, ties)
    assert np.diff(values).max() <= 1e-12
    assert z.argmax(axis=1).tolist() in ([0, 0], [1, 1])


@pytest.mark.parametrize("kind", ["knn", "rbf", "linear"])
def test_affinities_are_symmetric_without_a_diagonal_and_those_of_plain_numpy(kind):
    X = rows(np.arange(30) % 3, 5, width=40)
    head = NearestMeanClassifier(quantizer="embedding").fit(X, np.arange(30) % 3)
    quantizer = head.quantizer_
    q = quantizer.quantise(X)
    found = affinity.affinities(q, quantizer, kind, 4).toarray()

    unit = quantizer.dequantise(q)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    squares = np.maximum(0, 2 - 2 * unit @ unit.T)
    np.fill_diagonal(squares, np.inf)
    nearest = np.argsort(squares, axis=1)[:, :4]
    reach = np.take_along_axis(squares, nearest, axis=1)
    weights = {
        "knn": np.ones_like(reach),
        "rbf": np.exp(-reach / (2 * np.sqrt(reach[:, -1]).mean() ** 2)),
        "linear": np.maximum(1 - reach / 2, 0),
    }[kind]
    expected = np.zeros((30, 30))
    np.put_along_axis(expected, nearest, weights, axis=1)
    np.testing.assert_allclose(found, (expected + expected.T) / 2, atol=1e-6)


def test_rows_that_are_all_the_same_are_tied_to_each_other_and_not_to_themselves():
    X = np.tile(rows(np.zeros(1, int)), (9, 1))
    head = LDAClassifier(track="rows").fit(rows(np.arange(60) % 3), np.arange(60) % 3)
    for kind in ("knn", "rbf", "linear"):
        ties = affinity.affinities(head.quantizer_.quantise(X), head.quantizer_, kind, 3)
        assert not ties.diagonal().any()
        assert ties.sum() == pytest.approx(9 * 3)
        assert len(set(adaptation.LAME(head, kind).predict(X))) == 1


def test_neighbours_are_the_same_without_compiled_code(head):
    q = head.quantizer_.quantise(rows(np.arange(25) % 4, 3))
    with_kernels = affinity.affinities(q, head.quantizer_, "rbf", 5).toarray()
    with use_backend("numpy"):
        np.testing.assert_array_equal(affinity.affinities(q, head.quantizer_, "rbf", 5).toarray(), with_kernels)


@pytest.mark.parametrize("kind", ["knn", "rbf", "linear"])
def test_a_weight_of_zero_and_a_batch_of_one_row_give_the_head_bit_for_bit(head, kind):
    X = rows(np.arange(20) % CLASSES, 4)
    np.testing.assert_array_equal(adaptation.LAME(head, kind, weight=0).predict_proba(X), head.predict_proba(X))
    alone = adaptation.LAME(head, kind)
    np.testing.assert_array_equal(alone.predict_proba(X[:1]), head.predict_proba(X[:1]))
    assert (alone.objective_, alone.n_iter_) == (0.0, 0)
    assert adaptation.LAME(head, kind).predict_proba(X[:2]).shape == (2, CLASSES)  # fewer than n_neighbors


def test_batches_of_few_classes_gain_on_real_rows_and_calibration_is_most_of_it():
    data = load_clinc150()
    head = LDAClassifier(track="rows").fit(data.X_train[:3000], data.y_train[:3000])
    batches = correlated(data.y_test, batch_size=60, concentration=0.01)[:12]

    def right(model):
        return np.mean(np.concatenate([model.predict(data.X_test[at]) == data.y_test[at] for at in batches]))

    gain = right(adaptation.LAME(head)) - right(head)
    assert gain > 0.02
    assert gain > 2 * (right(adaptation.LAME(head, calibrate=False)) - right(head))


def test_nothing_of_the_head_changes_and_reset_and_pickles_give_the_same_answers(head):
    before, model, X = head.state_digest(), adaptation.LAME(head), rows(np.zeros(40, int), 8)
    first = model.predict_proba(X)
    assert head.state_digest() == before
    assert model.n_iter_ > 0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), first)
    np.testing.assert_array_equal(model.reset().predict_proba(X), first)
    assert not hasattr(model.reset(), "objective_")


def test_posteriors_of_exactly_0_and_1_and_classes_without_rows_stay_finite(head):
    y = np.repeat([0, 1], 30)
    grown = clone(head).partial_fit(rows(y) * 50, y, classes=[0, 1, 2])  # so far apart that posteriors are 0 and 1
    proba = adaptation.LAME(grown).predict_proba(rows(y, 2) * 50)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert not proba[:, 2].any()
    neighbours = NearestNeighborsClassifier(track="rows").fit(rows(y) * 50, y)
    assert np.isfinite(adaptation.LAME(neighbours).predict_proba(rows(y, 2))).all()


def test_a_head_without_its_rows_is_used_as_it_is_with_a_warning():
    y = np.arange(200) % 3
    head = LDAClassifier(track="none").fit(rows(y), y)
    with pytest.warns(adaptation.UncalibratedWarning):
        adaptation.LAME(head).predict(rows(y, 2))
    adaptation.LAME(head, calibrate=False).predict(rows(y, 2))
    adaptation.LAME(head, labelled=(rows(y, 3), y)).predict(rows(y, 2))


def test_rounds_that_run_out_are_said():
    ties = csr_matrix(np.array([[0.0, 3.0], [3.0, 0.0]]))
    with pytest.warns(ConvergenceWarning, match="not settled after 1 rounds"):
        agreed(np.log([[0.6, 0.4], [0.35, 0.65]]), ties, rounds=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(affinity="cosine"), "affinity must be one of 'knn', 'rbf', 'linear'"),
        (dict(n_neighbors=0), "n_neighbors must be an integer of at least 1"),
        (dict(weight=-1), "weight must be a number, 0 or more"),
        (dict(weight=np.nan), "weight must be"),
        (dict(weight=True), "weight must be"),
        (dict(calibrate=1), "calibrate must be True or False"),
    ],
)
def test_bad_arguments_are_refused(head, arguments, message):
    with pytest.raises(ValueError, match=message):
        adaptation.LAME(head, **arguments).predict(np.zeros((3, 6)))


@pytest.mark.parametrize(
    ("base", "message"),
    [(LDAClassifier(), "not fitted"), (NearestMeanClassifier(), "no predict_proba")],
)
def test_a_base_without_probabilities_is_refused(base, message):
    with pytest.raises(ValueError, match=message):
        adaptation.LAME(base).predict(np.zeros((3, 6)))
