"""A memory that grows by machine-labelled rows, and erasures that take along what depends on them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from analytic_cl import LDAClassifier, NearestNeighborsClassifier, RLSClassifier, adaptation
from analytic_cl.adaptation import GrowingMemory

CLASSES = 4


def rows(y, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(len(y), 6)) + 3 * np.eye(6)[y] + shift


Y = np.arange(200) % CLASSES
X = rows(Y)


def fitted(**parameters):
    head = LDAClassifier(track="rows").fit(X, Y, sample_id=[f"row {i}" for i in range(200)])
    return GrowingMemory(head, **parameters)


def digests(model):
    return model.head.state_digest(), model.memory_.state_digest() if model.provenance_ else None


def test_with_nothing_remembered_the_answers_are_the_heads_and_reset_brings_them_back_bit_for_bit():
    model, asked = fitted(), rows(Y, 1)
    first = model.predict_proba(asked)
    second = model.predict_proba(asked)

    np.testing.assert_array_equal(first, model.head.predict_proba(asked))
    assert not np.array_equal(second, first)
    assert len(model.provenance_) > 200
    np.testing.assert_array_equal(model.reset().predict_proba(asked), first)


def test_a_call_answers_with_what_was_remembered_before_it_and_not_with_its_own_batch():
    model = fitted(online=False)
    model.adapt(rows(Y, 1))
    asked = rows(Y, 2)
    whole = model.predict_proba(asked)

    np.testing.assert_allclose(np.concatenate([model.predict_proba(row) for row in asked[:, None]]), whole, atol=1e-12)
    assert len({record.order for record in model.provenance_}) == 1


def test_every_row_says_which_model_labelled_it_how_surely_and_in_which_session():
    model = fitted(confidence=0.8, online=False)
    one = model.head.state_digest()
    n = model.adapt(rows(Y, 1), session="Monday")
    model.partial_fit(rows(Y, 2), Y, sample_id=range(200))
    m = model.adapt(rows(Y[:50], 3), session="Tuesday", sample_id=[f"visitor {i}" for i in range(50)])

    first, last = model.provenance_[0], model.provenance_[-1]
    assert (len(model.provenance_), n > 100, m > 20) == (n + m, True, True)
    assert (first.session, first.order, first.model) == ("Monday", 1, model.keyed_digest(one))
    assert (last.session, last.order, last.model) == ("Tuesday", 2, model.keyed_digest(model.head.state_digest()))
    assert last.sample_id.startswith("visitor ")
    assert all(record.confidence >= 0.8 and record.label in range(CLASSES) for record in model.provenance_)
    assert model.memory_.state_.n_rows == n + m
    assert one not in {record.model for record in model.provenance_}


def test_after_a_cascade_head_and_memory_are_those_of_a_history_without_the_erased_rows():
    def history(model, with_late_rows):
        model.adapt(rows(Y, 1))
        if with_late_rows:
            model.partial_fit(rows(Y[:20], 2, 1.0), Y[:20], sample_id=range(20))
            model.adapt(rows(Y, 3), sample_id=[f"late {i}" for i in range(200)])
            model.predict(rows(Y, 4))
        return model

    model, other = history(fitted(), True), history(fitted(), False)
    assert digests(model) != digests(other)
    n = len(model.provenance_)
    receipt = model.forget(sample_id=[*range(20), "late 0"])

    assert digests(model) == digests(other)
    assert (receipt.head.removed, receipt.machine_rows, receipt.dependent, receipt.since) == (20, 1, 0, 1)
    assert receipt.cascaded == n - 1 - len(other.provenance_)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_an_erased_machine_row_takes_later_ones_along_and_those_of_its_own_call_stay():
    model = fitted(online=False)
    model.adapt(rows(Y, 1))
    n = model.adapt(rows(Y, 2))
    late = model.adapt(rows(Y, 3))
    mine = [record.sample_id for record in model.provenance_ if record.order == 2]
    receipt = model.forget(sample_id=mine[3])

    assert (receipt.head, receipt.machine_rows, receipt.cascaded) == (None, 1, late)
    assert [record.sample_id for record in model.provenance_ if record.order == 2] == mine[:3] + mine[4:]
    assert n == len(mine)


@pytest.mark.parametrize("how", ["learned before", "learned by the head alone", "by values"])
def test_rows_of_which_it_is_not_known_when_they_came_take_all_machine_rows_along(how):
    model = fitted(online=False)
    n = model.adapt(rows(Y, 1))
    model.head.partial_fit(rows(Y[:5], 2), Y[:5], sample_id=range(5))
    model.head.partial_fit(rows(Y[:5], 3), Y[:5])
    n += model.adapt(rows(Y, 4))
    asked = {"learned before": dict(sample_id=["row 7"]), "learned by the head alone": dict(sample_id=[3])}
    receipt = model.forget(**asked.get(how, dict(X=rows(Y[:5], 3), y=Y[:5])))

    assert (receipt.cascaded, model.provenance_) == (n, [])
    np.testing.assert_array_equal(model.predict_proba(X), model.head.predict_proba(X))


def test_without_a_cascade_dependent_rows_stay_and_are_counted():
    model = fitted(online=False)
    n = model.adapt(rows(Y, 1))
    receipt = model.forget(sample_id="row 7", cascade=False)

    assert (receipt.cascaded, receipt.dependent, len(model.provenance_)) == (0, n, n)
    assert receipt.as_dict()["head"]["removed"] == 1


def test_a_forget_that_is_refused_changes_nothing():
    model = fitted()
    model.adapt(rows(Y, 1))
    before, known = digests(model), model.provenance_
    for asked in (["row 1", "nobody"], ["row 1", known[0].sample_id, "nobody"]):
        with pytest.raises(ValueError, match="nobody"):
            model.forget(sample_id=asked)
        assert (digests(model), model.provenance_) == (before, known)


def test_rows_of_a_stream_that_moved_are_answered_better_with_the_memory():
    moved = [rows(Y, seed, 0.15 * seed * np.array([1, -1, 1, -1, 1, -1])) for seed in range(1, 9)]
    model = fitted(confidence=0.7)
    head = np.mean([model.head.score(X, Y) for X in moved])
    assert np.mean([model.score(X, Y) for X in moved]) > head


def test_classes_may_come_and_one_that_went_while_its_rows_are_remembered_is_refused_until_reset():
    model = fitted(online=False)
    model.adapt(rows(Y, 1))
    model.partial_fit(rows(np.full(30, 5), 2), np.full(30, 5))
    assert model.predict_proba(X).shape == (200, 5)
    model.head.forget(sample_id=[f"row {i}" for i in range(200) if Y[i] == 0])
    with pytest.raises(ValueError, match=r"classes that the head has lost, \[0\].*reset"):
        model.predict(X)
    assert model.reset().predict_proba(X).shape == (200, 4)


def test_a_head_without_rows_grows_from_nothing_and_says_that_it_is_not_calibrated():
    head = LDAClassifier(track="none").fit(X, Y)
    model = GrowingMemory(head, NearestNeighborsClassifier(n_neighbors=3), online=False)
    with pytest.warns(adaptation.UncalibratedWarning):
        n = model.adapt(rows(Y, 1))
    before = model.head.predict_proba(X)
    near = model.predict_proba(X)
    assert np.abs(near - before).max() <= 0.5 * n / (n + 200) + 1e-12
    assert model.memory_.n_neighbors == 3


def test_copies_and_pickles_remember_and_clones_do_not():
    model = fitted(online=False)
    model.adapt(rows(Y, 1))
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.provenance_ == model.provenance_
    assert clone(model).provenance_ == []


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GrowingMemory(RLSClassifier().fit(X, Y)), ValueError, "has no predict_proba"),
        (lambda: GrowingMemory(LDAClassifier()), ValueError, "not fitted"),
        (lambda: fitted(confidence=1.5), ValueError, "confidence must be"),
        (lambda: fitted(weight=True), ValueError, "weight must be"),
        (lambda: fitted(memory=LDAClassifier()), TypeError, "memory must be a NearestNeighborsClassifier"),
    ],
)
def test_what_can_not_work_is_refused(make, error, message):
    model = make()
    for ask in (model.predict, model.adapt):
        with pytest.raises(error, match=message):
            ask(X)


def test_ids_that_are_taken_are_refused():
    model = fitted(online=False)
    model.adapt(rows(Y, 1), sample_id=range(200))
    for taken in (["row 3"], [model.provenance_[0].sample_id]):
        with pytest.raises(ValueError, match=str(taken[0])):
            model.adapt(X[:1], sample_id=taken)
