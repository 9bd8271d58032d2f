"""Rows moved back to where the learned rows lie."""

import pickle

import numpy as np
import pytest

from analytic_cl import (
    GaussianClassifier,
    LDAClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    adaptation,
)
from analytic_cl.adaptation import MomentAlignment
from analytic_cl.adaptation.moment_maps import gains, shrunk_shift, transport

WHICH = ("mean", "diagonal", "full")
Y = np.arange(900) % 3
SHIFT, GAIN = np.array([3.0, -2, 0, 0, 1, 0]), np.array([0.3, 4, 1, 3, 1, 0.5])
TURN = np.linalg.qr(np.random.default_rng(9).normal(size=(6, 6)))[0]


def rows(y, seed=0):
    return np.random.default_rng(seed).normal(size=(len(y), 6)) + 3 * np.eye(6)[y]


@pytest.fixture(scope="module")
def head():
    return LDAClassifier().fit(rows(Y), Y)


@pytest.mark.parametrize("which", WHICH)
def test_rows_that_the_head_has_learned_keep_its_answers_bit_for_bit(head, which):
    asked = rows(Y)
    answers = MomentAlignment(head, which).predict_proba(asked)
    if which == "full":  # a map that differs from the identity by rounding moves no row by half a step
        np.testing.assert_allclose(answers, head.predict_proba(asked), atol=0.05)
    else:
        np.testing.assert_array_equal(answers, head.predict_proba(asked))


@pytest.mark.parametrize("which", WHICH)
def test_a_shift_is_taken_back_and_other_class_frequencies_are_not_taken_for_one(head, which):
    y = np.random.default_rng(1).choice(3, size=900, p=[0.85, 0.1, 0.05])
    plain, moved = rows(y, 2), rows(y, 2) + SHIFT
    model = MomentAlignment(head, which, rounds=10)

    assert head.score(moved, y) < 0.9
    assert model.score(moved, y) > head.score(plain, y) - 0.01
    assert np.abs(model.priors_ - [0.85, 0.1, 0.05]).max() < 0.03
    assert model.score(plain, y) > head.score(plain, y) - 0.005
    naive = plain - (plain.mean(axis=0) - rows(Y).mean(axis=0))
    assert head.score(naive, y) < head.score(plain, y) - 0.05  # what the mean alone would do


def test_each_kind_repairs_what_it_is_for(head):
    clean, scaled, turned = rows(Y, 3), rows(Y, 3) * GAIN + SHIFT, rows(Y, 3) @ (np.eye(6) + 0.6 * TURN)
    by = {which: MomentAlignment(head, which) for which in WHICH}

    goal = head.score(clean, Y) - 0.02
    assert by["diagonal"].score(scaled, Y) > goal > by["mean"].score(scaled, Y)
    assert by["full"].score(turned, Y) > head.score(turned, Y)


def test_memory_lets_small_batches_add_up_and_reset_takes_it_back_bit_for_bit(head):
    moved = rows(Y, 4) + SHIFT
    model = MomentAlignment(head, memory=1.0)
    first = model.predict_proba(moved[:8])
    for start in range(8, 200, 8):
        model.predict(moved[start : start + 8])
    parts = [slice(start, start + 8) for start in range(200, 896, 8)]
    right = [model.score(moved[part], Y[part]) for part in parts]

    assert np.mean(right) > np.mean([MomentAlignment(head).score(moved[part], Y[part]) for part in parts]) + 0.02
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict_proba(moved[:1]), model.predict_proba(moved[:1]))
    assert not np.array_equal(model.predict_proba(moved[:1]), head.predict_proba(moved[:1]))
    np.testing.assert_array_equal(model.reset().predict_proba(moved[:8]), first)


@pytest.mark.parametrize("which", WHICH)
def test_a_row_alone_gets_the_heads_answer_bit_for_bit(head, which):
    moved = rows(Y[:5], 5) + SHIFT
    alone = np.concatenate([MomentAlignment(head, which).predict_proba(row) for row in moved[:, None]])
    np.testing.assert_array_equal(alone, np.concatenate([head.predict_proba(row) for row in moved[:, None]]))


def test_what_the_head_learns_and_forgets_counts_at_once(head):
    grows = LDAClassifier(track="rows").fit(rows(Y), Y)
    model = MomentAlignment(grows)
    moved = rows(Y, 6) + SHIFT
    before = model.predict_proba(moved)
    grows.partial_fit(rows(Y[:90], 7) + 1, Y[:90])
    assert not np.array_equal(model.predict_proba(moved), before)
    grows.forget(rows(Y[:90], 7) + 1, Y[:90])
    np.testing.assert_array_equal(model.predict_proba(moved), before)


def test_heads_behind_projections_and_with_matrices_of_each_class_are_aligned_too():
    X = np.abs(rows(Y))
    for head in (LDAClassifier(projection=RandomProjection(40)).fit(X, Y), GaussianClassifier().fit(X, Y)):
        found = MomentAlignment(head, "full").predict_proba(np.abs(rows(Y, 8)) * GAIN)
        assert found.shape == (900, 3)
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_declared_classes_and_constant_columns_are_no_trouble():
    X = np.hstack([rows(Y), np.ones((900, 1))])
    head = LDAClassifier().partial_fit(X, Y, classes=[0, 1, 2, 3])
    for which in WHICH:
        model = MomentAlignment(head, which)
        assert model.predict_proba(X + 1)[:, 3].tolist() == [0.0] * 900
        assert model.score(X + 1, Y) > 0.95
        assert model.priors_[3] == 0


def test_the_map_of_covariances_maps_one_to_the_other_and_is_the_identity_where_they_are_equal():
    rng = np.random.default_rng(0)
    a, b = (40 * rng.normal(size=(6, 6)) for _ in range(2))
    found, goal, n = a @ a.T, b @ b.T, 10_000_000
    made = transport(n * found, goal, n)

    np.testing.assert_allclose(made @ found @ made, goal, rtol=1e-2, atol=1e-2 * np.abs(goal).max())
    np.testing.assert_allclose(made, made.T)
    np.testing.assert_allclose(transport(n * goal, goal, n), np.eye(6), atol=1e-9)


def test_what_chance_explains_is_shrunk_to_nothing():
    assert not shrunk_shift(np.full(50, 0.1), np.ones(50), 90).any()  # a tenth is a standard error of 100 rows
    np.testing.assert_allclose(shrunk_shift(np.full(50, 1.0), np.ones(50), 1000), 0.999)
    assert (gains(np.full(50, 1.05), np.ones(50), 100) == 1).all()
    np.testing.assert_allclose(gains(np.full(50, 4.0), np.ones(50), 10_000), 0.5, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda head: MomentAlignment(LDAClassifier()), "not fitted"),
        (lambda head: MomentAlignment(RLSClassifier().fit(rows(Y), Y)), "has no predict_proba"),
        (lambda head: MomentAlignment(NearestNeighborsClassifier().fit(rows(Y), Y)), "keeps no Gram matrix"),
        (lambda head: MomentAlignment(head, "median"), "moments must be one of"),
        (lambda head: MomentAlignment(head, rounds=0), "rounds"),
        (lambda head: MomentAlignment(head, memory=2), "memory must be"),
    ],
)
def test_what_can_not_be_aligned_is_refused(head, make, message):
    with pytest.raises(ValueError, match=message):
        make(head).predict(rows(Y))


def test_batches_remembered_under_other_classes_are_refused_until_reset(head):
    grows = LDAClassifier().fit(rows(Y), Y)
    model = MomentAlignment(grows, memory=0.5)
    model.predict(rows(Y, 1))
    grows.partial_fit(rows(np.full(20, 4)), np.full(20, 4))
    with pytest.raises(ValueError, match=r"other classes than when rows were remembered.*reset"):
        model.predict(rows(Y, 1))
    assert adaptation.MomentAlignment(grows).predict_proba(rows(Y, 1)).shape == (900, 4)
