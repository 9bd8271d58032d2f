"""Heads that learn any number of labels a row: whatever happens to them, they are a fit on what is left."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from common import ignore_quantization
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score

import analytic_cl
from analytic_cl import LabelSetMoments, LDAClassifier, NotLearnedError, RLSClassifier
from analytic_cl.statistics import EMPTY

pytestmark = ignore_quantization
X, Y = make_multilabel_classification(80, 6, n_classes=5, random_state=3)
SETS = [set(np.flatnonzero(row).tolist()) for row in Y]
HEADS = [
    RLSClassifier(),
    LDAClassifier(),
    LDAClassifier(0.2, quantizer="embedding"),
    RLSClassifier(1.0, temperature=0.3),
]

POOL = np.concatenate([X[:20], X[:6]])  # identical rows of different people are normal
NAMES = ["red", "round", "ripe", "rare"]
picks = st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8)
label_sets = st.lists(st.sets(st.sampled_from(NAMES)), min_size=8, max_size=8)
some = st.integers(0, 2**30)


class Life(RuleBasedStateMachine):
    """Holds a head and, beside it, the plain list of (pool row, set, id) that should be in it."""

    template: analytic_cl.Head

    @initialize()
    def start(self):
        self.head, self.held, self.next_id = clone(self.template), [], 0

    def learn_into(self, head, rows, sets, with_ids):
        sets = [frozenset(each) for each in sets[: len(rows)]]
        ids = list(range(self.next_id, self.next_id + len(rows)))
        self.next_id += len(rows)
        head.partial_fit(POOL[rows], sets, **({"sample_id": ids} if with_ids else {}))
        return [(row % 20, held, name if with_ids else None) for row, held, name in zip(rows, sets, ids, strict=True)]

    def chosen(self, seed, named):
        entries = [entry for entry in self.held if (entry[2] is not None) == named]
        return [entries[at] for at in np.random.RandomState(seed).permutation(len(entries))[: 1 + seed % 4]]

    def swap(self, old, sets):
        for entry, labels in zip(old, sets, strict=True):
            self.held.remove(entry)
            self.held.append((entry[0], labels, entry[2]))

    @rule(rows=picks, sets=label_sets, with_ids=st.booleans())
    def learn(self, rows, sets, with_ids):
        self.held += self.learn_into(self.head, rows, sets, with_ids)

    @rule(rows=picks, sets=label_sets, with_ids=st.booleans(), back=st.booleans())
    def merge(self, rows, sets, with_ids, back):
        other = clone(self.template)
        entries = self.learn_into(other, rows, sets, with_ids)
        self.head.merge(other)
        if back:
            self.head.unmerge(other)
        else:
            self.held += entries

    @precondition(lambda self: any(name is None for *_, name in self.held))
    @rule(seed=some)
    def forget_by_rows(self, seed):
        gone = self.chosen(seed, named=False)
        self.head.forget(POOL[[row for row, *_ in gone]], [labels for _, labels, _ in gone])
        for entry in gone:
            self.held.remove(entry)

    @precondition(lambda self: any(name is not None for *_, name in self.held))
    @rule(seed=some)
    def forget_by_id(self, seed):
        gone = self.chosen(seed, named=True)
        self.head.forget(sample_id=[name for *_, name in gone])
        for entry in gone:
            self.held.remove(entry)

    @precondition(lambda self: any(name is not None for *_, name in self.held))
    @rule(seed=some, sets=label_sets)
    def rectify(self, seed, sets):
        old = self.chosen(seed, named=True)
        sets = [frozenset(each) for each in sets[: len(old)]]
        self.head.rectify(POOL[[row for row, *_ in old]], sets, sample_id=[name for *_, name in old])
        self.swap(old, sets)

    @precondition(lambda self: any(name is not None for *_, name in self.held))
    @rule(seed=some, label=st.sampled_from(NAMES), add=st.booleans())
    def change_one_label(self, seed, label, add):
        old = self.chosen(seed, named=True)
        ids = [name for *_, name in old]
        change = self.head.add_label if add else self.head.withdraw_label
        if any((label in labels) == add for _, labels, _ in old):
            with pytest.raises(NotLearnedError):
                change(label, sample_id=ids)
            return
        assert change(label, sample_id=ids).removed == len(ids)
        self.swap(old, [labels | {label} if add else labels - {label} for _, labels, _ in old])

    @precondition(lambda self: any(labels for _, labels, _ in self.held))
    @rule(seed=some, whole_rows=st.booleans())
    def take_a_label_out(self, seed, whole_rows):
        there = sorted({label for _, labels, _ in self.held for label in labels})
        label = there[seed % len(there)]
        have = [entry for entry in self.held if label in entry[1]]
        take_out = self.head.forget_class if whole_rows else self.head.withdraw_label
        if self.template.track != "rows" and any(name is None for *_, name in have):
            with pytest.raises(ValueError, match="the ledger keeps"):
                take_out(label)
            return
        receipt = take_out(label)
        assert (receipt.removed, label in receipt.classes_emptied) == (len(have), True)
        self.swap(have, [labels - {label} for _, labels, _ in have])
        if whole_rows:
            for row, labels, name in have:
                self.held.remove((row, labels - {label}, name))

    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            self.head.save(Path(folder) / "head")
            self.head = analytic_cl.load(Path(folder) / "head")

    @invariant()
    def state_and_weights_are_those_of_a_plain_fit(self):
        if not self.held:
            assert self.head.state_digest() == EMPTY
            return
        plain = clone(self.template).fit(POOL[[row for row, *_ in self.held]], [labels for _, labels, _ in self.held])
        assert self.head.state_digest() == plain.state_digest()
        assert self.head.classes_.tolist() == plain.classes_.tolist()
        np.testing.assert_array_equal(self.head.decision_function(POOL), plain.decision_function(POOL))
        assert self.head.learner_.ledger.n_rows == len(self.held)


@pytest.mark.parametrize(
    "head", [RLSClassifier(alpha=1.0), LDAClassifier(track="rows", quantizer="embedding")], ids=str
)
def test_any_life_of_a_head_with_label_sets_ends_in_the_state_of_a_plain_fit(head):
    machine = type("LifeOfOne", (Life,), {"template": head})
    run_state_machine_as_test(machine, settings=settings(max_examples=6, stateful_step_count=15))


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_all_spellings_of_the_same_labels_are_one_state(head):
    digest = clone(head).fit(X, Y).state_digest()

    for y in (SETS, sparse.csr_array(Y), sparse.coo_matrix(Y), Y.tolist(), list(Y), Y.astype(bool), Y.astype(float)):
        assert clone(head).fit(X, y).state_digest() == digest
    order = np.random.default_rng(0).permutation(len(X))
    streamed = clone(head).partial_fit_stream((X[part], Y[part]) for part in np.split(order, [7, 30, 31]))
    assert streamed.state_digest() == digest
    names = np.array(["e", "d", "c", "b", "a"])
    named = clone(head).fit(X, [[str(name) for name in names[row == 1]] for row in Y])
    assert named.classes_.tolist() == list("abcde")
    np.testing.assert_allclose(named.decision_function(X)[:, ::-1], clone(head).fit(X, Y).decision_function(X))


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_columns_without_rows_are_labels_that_no_row_is_given(head, tmp_path):
    wide = np.hstack([Y, np.zeros((len(Y), 2), dtype=int)])
    learned = clone(head).fit(X, wide)
    learned.save(tmp_path / "head")

    for model in (learned, analytic_cl.load(tmp_path / "head")):
        assert model.classes_.tolist() == list(range(7))
        assert model.state_digest() == clone(head).fit(X, Y).state_digest()
        assert (model.decision_function(X)[:, 5:] == -1e30).all()
        assert not model.predict(X)[:, 5:].any()
        assert model.coef_.shape == (5, 6)
        if hasattr(model, "predict_proba"):
            assert not model.predict_proba(X)[:, 5:].any()
    model.partial_fit(X[:1], [[0] * 7 + [1]])
    assert model.classes_.tolist() == list(range(8))
    with pytest.raises(ValueError, match="y has 7 columns, and this model has the label 7"):
        model.partial_fit(X, wide)


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_labels_that_all_or_no_rows_have_are_certain(head):
    everywhere = Y.copy()
    everywhere[:, 2] = 1
    learned = clone(head).fit(X, everywhere)

    assert learned.predict(X)[:, 2].all()
    assert np.isfinite(learned.decision_function(X)).all()
    without = clone(head).fit(X, [set() for _ in X])
    assert (without.classes_.size, without.predict(X).shape, without.decision_function(X).shape) == (
        0,
        (80, 0),
        (80, 0),
    )
    without.merge(clone(head).fit(X, SETS))
    assert without.classes_.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("head", [RLSClassifier(track="rows"), LDAClassifier(track="rows")], ids=str)
def test_labels_may_all_be_without_rows(head):
    never = clone(head).fit(X, np.zeros_like(Y))
    withdrawn = clone(head).fit(X, Y)
    for label in range(5):
        withdrawn.withdraw_label(label)

    assert withdrawn.state_digest() == never.state_digest()
    for each in never, withdrawn:
        assert not each.predict(X).any()
        np.testing.assert_array_equal(each.decision_function(X), np.full(Y.shape, -1e30))


def test_what_labels_that_overlap_have_no_answer_to_says_so():
    lda, ridge = LDAClassifier().fit(X, Y), RLSClassifier(track="rows").fit(X, Y)
    for head, name in (lda, "covariance_"), (ridge, "calibration_"), (ridge, "temperature_"), (ridge, "predict_proba"):
        assert not hasattr(head, name)
    with pytest.raises(AttributeError, match="labels that overlap are no classes"):
        lda.covariance_  # noqa: B018
    with pytest.raises(AttributeError, match="need a number as temperature"):
        ridge.temperature_  # noqa: B018
    with pytest.raises(ValueError, match="reject is of rows with one label each"):
        lda.predict(X, reject=0.0)


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_score_is_the_share_of_rows_whose_whole_set_is_right(head):
    learned = clone(head).fit(X, Y)

    assert learned.score(X, Y) == accuracy_score(Y, learned.predict(X)) == learned.score(X, SETS)
    assert learned.score(X, [*SETS[:-1], {99}]) <= learned.score(X, SETS)
    assert cross_val_score(head, X, Y, cv=2, scoring="f1_micro").min() > 0.4
    weights = np.arange(80)
    assert learned.score(X, Y, weights) == pytest.approx(accuracy_score(Y, learned.predict(X), sample_weight=weights))


def test_probabilities_are_of_each_label_by_itself():
    lda, ridge = LDAClassifier(temperature=2.0).fit(X, Y), RLSClassifier(temperature=0.5).fit(X, Y)

    for head, temperature in ((lda, 2.0), (ridge, 0.5)):
        expected = 1 / (1 + np.exp(-head.decision_function(X) / temperature))
        np.testing.assert_allclose(head.predict_proba(X), expected)
        np.testing.assert_allclose(np.exp(head.predict_log_proba(X)), head.predict_proba(X))
    assert not hasattr(RLSClassifier().fit(X, Y), "predict_proba")


def test_the_digest_knows_labels_by_their_values_and_the_rows_without_any():
    digests = {
        RLSClassifier().fit(X, sets).state_digest()
        for sets in (
            SETS,
            [{str(label) for label in labels} for labels in SETS],
            [labels | {7} for labels in SETS],
            [set() for _ in SETS],
        )
    }
    digests.add(RLSClassifier().fit(X[:-1], [set() for _ in SETS[:-1]]).state_digest())
    digests.add(RLSClassifier().fit(X, np.zeros(len(X), dtype=int)).state_digest())

    assert len(digests) == 6


def test_a_state_refuses_rows_that_its_integers_disprove():
    head = RLSClassifier(track="none", quantizer="integers").fit([[1.0], [2.0], [100.0]], [{"a"}, {"a", "b"}, set()])
    digest = head.state_digest()

    for row, labels in (([[100.0]], [{"b"}]), ([[1.0]], [{"c"}]), ([[1.0]] * 3, [{"a"}] * 3), ([[-127.0]], [set()])):
        with pytest.raises(ValueError, match="learned"):
            head.forget(row, labels)
    assert head.state_digest() == digest
    head.forget([[100.0]], [set()])
    assert (head.state_.n_rows, head.state_.counts.tolist()) == (2, [2, 1])


def test_a_file_of_an_impossible_state_is_refused():
    state = RLSClassifier(quantizer="integers").fit([[1.0], [2.0]], [{"a"}, set()]).state_
    arrays = state.to_arrays()

    again = LabelSetMoments.from_arrays(state.quantizer, state.describe(), arrays)
    assert again.digest() == state.digest()
    for name, wrong in (("counts", [3]), ("sums", [[500]]), ("counts", [0]), ("all_counts", [0])):
        changed = arrays | {name: np.array(wrong, dtype=np.int64)}
        with pytest.raises(ValueError, match="not a possible state"):
            LabelSetMoments.from_arrays(state.quantizer, state.describe(), changed)


@pytest.mark.parametrize("head", [RLSClassifier(), LDAClassifier()], ids=str)
def test_weights_and_sparse_rows_are_those_of_repeated_dense_rows(head):
    weights, without = np.arange(80) % 4, Y * (np.arange(5) != 0)
    weighted = clone(head).fit(X, Y, sample_weight=weights, sample_id=range(80))
    repeated = clone(head).fit(X.repeat(weights, axis=0), Y.repeat(weights, axis=0))

    assert weighted.state_digest() == repeated.state_digest()
    assert weighted.withdraw_label(0).removed == (weights * Y[:, 0]).sum()
    withdrawn = clone(head).fit(X.repeat(weights, axis=0), without.repeat(weights, axis=0))
    assert weighted.state_digest() == withdrawn.state_digest()
    thin = clone(head).fit(sparse.csr_array(X), sparse.csr_array(Y))
    assert thin.state_digest() == clone(head).fit(X, Y).state_digest()
    np.testing.assert_array_equal(thin.predict(sparse.csr_array(X)), thin.predict(X))
