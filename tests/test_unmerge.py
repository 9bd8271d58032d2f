"""Taking a merged state out again leaves the state of never having merged it; what was not merged is refused."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analytic_cl
from analytic_cl import ClassGrams, FixedPoint, LDAClassifier, Moments, NearestNeighborsClassifier, RLSClassifier
from analytic_cl.baselines import FeTrILClassifier
from analytic_cl.ledger import NotLearnedError
from analytic_cl.memory import LearnedRows
from analytic_cl.quantizers import SignKeys, resolve_quantizer
from analytic_cl.statistics import EMPTY, ClassGroups, KeyCounts, state_from_arrays

D, N = 3, 40


def quantizer_of(bits):
    return resolve_quantizer(FixedPoint(bits, scale=1), None, D)


def rows_of(bits, seed=0):
    quantizer, random = quantizer_of(bits), np.random.RandomState(seed)
    rows = random.randint(-quantizer.limit, quantizer.limit + 1, size=(N, D)).astype(quantizer.dtype)
    return rows, random.randint(0, 3, size=N)


KINDS = {
    "order 1": lambda bits: Moments(quantizer_of(bits), 1),
    "order 2": lambda bits: Moments(quantizer_of(bits)),
    "class grams": lambda bits: ClassGrams(quantizer_of(bits)),
    "key counts": lambda bits: KeyCounts(quantizer_of(bits), SignKeys(4, 2, 0)),
    "learned rows": lambda bits: LearnedRows(quantizer_of(bits)),
}


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_sequence_of_merges_and_unmerges_leaves_the_state_of_the_rows_that_are_left(kind, bits, data):
    rows, labels = rows_of(bits)

    def learned(batch):
        state = KINDS[kind](bits)
        state.add(rows[batch], labels[batch])
        return state

    state, held, merged = KINDS[kind](bits), [], []
    for _ in range(data.draw(st.integers(1, 8))):
        batch = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=30))
        action = data.draw(st.sampled_from(["add", "merge", "unmerge", "unmerge", "subtract", "file", "itself"]))
        if action == "add":
            state.add(rows[batch], labels[batch])
            held += batch
        elif action == "merge":
            merged.append((learned(batch), batch))
            state.merge(merged[-1][0])
            held += batch
        elif action == "file":
            state = state_from_arrays(state.quantizer, state.describe(), state.to_arrays())
        elif action == "itself" and not data.draw(st.integers(0, 3)):
            state.unmerge(state)
            held = []
        elif held and action == "subtract":
            out = [held.pop(data.draw(st.integers(0, len(held) - 1))) for _ in range(min(len(batch), len(held)))]
            state.subtract(rows[out], labels[out])
        elif merged and action == "unmerge":
            other, out = merged.pop(data.draw(st.integers(0, len(merged) - 1)))
            if not Counter(out) - Counter(held):
                before = other.digest()
                state.unmerge(other)
                held = list((Counter(held) - Counter(out)).elements())
                assert other.digest() == before

    assert state.digest() == (learned(held).digest() if held else EMPTY)


def changed_rows(state, rows, labels, how):
    """What is to be refused: states of these rows with something about them changed."""
    other = state.empty()
    rows, labels = rows.copy(), labels.copy()
    if how == "a class too much":
        labels[0] = 9
    elif how == "a row too much":
        rows, labels = np.concatenate([rows, rows[:1]]), np.append(labels, labels[0])
    elif how == "another row":
        rows[0] = -rows[0]
    other.add(rows, labels)
    return other


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["a class too much", "a row too much", "another row"])
def test_a_state_refuses_what_it_proves_was_never_merged_and_stays_as_it_was(kind, bits, how):
    rows, labels = rows_of(bits)
    state = KINDS[kind](bits)
    state.add(rows, labels)
    before = state.digest()
    with pytest.raises(ValueError, match=r"never all learned|were learned|not on record here"):
        state.unmerge(changed_rows(state, rows, labels, how))
    assert state.digest() == before
    state.subtract(rows, labels)
    assert state.digest() == EMPTY


def test_a_class_whose_rows_wait_here_and_are_in_a_matrix_there_is_taken_out():
    rows, _ = rows_of(8)
    here, there = ClassGrams(quantizer_of(8)), ClassGrams(quantizer_of(8))
    there.add(rows[:3], [0, 0, 1])
    here.add(rows[3:5], [0, 1])
    plain = here.digest()
    here.merge(there)
    there.add(rows[5:], np.zeros(N - 5, dtype=int))
    there.subtract(rows[5:], np.zeros(N - 5, dtype=int))
    assert any(name.startswith("gram_0") for name in there.to_arrays())
    assert not any(name.startswith("gram_0") for name in here.to_arrays())
    assert here.unmerge(there).digest() == plain
    here.subtract(rows[3:5], [0, 1])
    assert here.digest() == EMPTY


def test_rows_that_wait_beside_a_matrix_enter_when_a_matrix_is_taken_out():
    rows, _ = rows_of(8)
    here, there = ClassGrams(quantizer_of(8)), ClassGrams(quantizer_of(8))
    there.add(rows[:20], np.zeros(20, dtype=int))
    here.merge(there)
    here.add(rows[20:25], np.zeros(5, dtype=int))
    here.unmerge(there)
    assert (here._grams.waiting[0], here._grams.entered[0]) == (0, 5)
    here.subtract(rows[20:25], np.zeros(5, dtype=int))
    assert here.digest() == EMPTY


@pytest.mark.parametrize("kind", ["order 2", "class grams"])
def test_as_many_rows_of_the_same_sums_and_squares_are_not_the_same_rows(kind):
    rows = np.array([[1, 1, 0], [-1, -1, 0]], dtype=np.int8)
    state, other = KINDS[kind](8), KINDS[kind](8)
    state.add(rows, [0, 0])
    other.add(rows * np.array([1, -1, 1], dtype=np.int8), [0, 0])
    with pytest.raises(ValueError, match=r"never all learned|not the same rows"):
        state.unmerge(other)
    state.subtract(rows, [0, 0])


X, Y = np.random.RandomState(0).normal(size=(60, 5)), np.arange(60) % 3


def two(**parameters):
    """A head of 40 rows, and one of the other 20, without ids."""
    return LDAClassifier(**parameters).fit(X[:40], Y[:40]), LDAClassifier(**parameters).fit(X[40:], Y[40:])


def refused(head, other, error, words):
    before, ledger = head.state_digest(), head.learner_.ledger.n_rows
    with pytest.raises(error, match=words):
        head.unmerge(other)
    assert (head.state_digest(), head.learner_.ledger.n_rows) == (before, ledger)


@pytest.mark.parametrize("ids", [None, [f"person {i}" for i in range(20)]])
@pytest.mark.parametrize("track", ["auto", "digest", "rows"])
def test_a_head_from_its_file_is_taken_out_with_a_receipt_and_can_be_merged_anew(track, ids, tmp_path):
    one, two = LDAClassifier(track=track).fit(X[:40], Y[:40]), LDAClassifier(track=track)
    two.fit(X[40:], Y[40:], sample_id=ids).save(tmp_path / "two")
    plain, loaded = one.state_digest(), analytic_cl.load(tmp_path / "two")
    whole = one.merge(two).state_digest()

    trial = one.unmerge(loaded, dry_run=True, digests=True)
    assert (trial.dry_run, trial.digest_before, trial.digest_after, one.state_digest()) == (True, whole, plain, whole)
    receipt = one.unmerge(loaded, digests=True)
    assert (receipt.removed, receipt.digest_after, one.state_digest()) == (20, plain, plain)
    assert one.learner_.ledger.n_rows == 40
    refused(one, loaded, NotLearnedError, "not on record here|forgotten already")
    assert one.merge(loaded).state_digest() == whole
    one.forget(X[40:41], Y[40:41]) if ids is None else one.forget(sample_id=ids[:1], **proof(track))
    refused(one, loaded, NotLearnedError, "not on record here|forgotten already")


def proof(track):
    return {"X": X[40:41], "y": Y[40:41]} if track == "digest" else {}


def test_rows_that_were_learned_again_under_another_key_are_refused_and_their_bare_state_too():
    one, other = two()
    one.merge(other)
    again = LDAClassifier().fit(X[40:], Y[40:])
    refused(one, again, NotLearnedError, "20 rows of the other model are on record as digests under a key")
    bare = LDAClassifier.from_moments(again.moments_)
    refused(one, bare, NotLearnedError, "without a record, and only 0 here")
    one.merge(LDAClassifier.from_moments(LDAClassifier().fit(X[:5], Y[:5]).moments_))
    smaller = LDAClassifier.from_moments(LDAClassifier().fit(X[:5], Y[:5]).moments_)
    refused(one, smaller, NotLearnedError, "that are on record here may be these")


def test_rows_without_a_record_go_by_their_state_where_nothing_else_is_on_record_of_their_classes():
    one, other = (LDAClassifier.from_moments(head.moments_) for head in two())
    plain = one.state_digest()
    assert one.merge(other).unmerge(other).removed == 20
    assert one.state_digest() == plain
    refused(one, two()[1], NotLearnedError, "under a key that is not here")
    refused(one, LDAClassifier(track="rows").fit(X[40:], Y[40:]), NotLearnedError, "20 rows .* not on record here")
    named = (
        LDAClassifier()
        .fit(X[:9], ["a"] * 9)
        .merge(LDAClassifier.from_moments(LDAClassifier().fit(X[9:12], ["b"] * 3).moments_))
    )
    assert named.unmerge(LDAClassifier.from_moments(LDAClassifier().fit(X[9:12], ["b"] * 3).moments_)).removed == 3
    assert named.classes_.tolist() == ["a"]


def test_a_row_that_was_rectified_here_is_not_the_one_that_was_merged():
    one = LDAClassifier().fit(X[:40], Y[:40])
    other = LDAClassifier().fit(X[40:], Y[40:], sample_id=range(20))
    one.merge(other).rectify(X[:2], Y[:2], sample_id=[3, 7])
    refused(one, other, NotLearnedError, "sample ids 3, 7 stand here for other rows")


def test_rows_of_persons_are_not_taken_for_equal_ones_of_nobody():
    one, other = two(track="rows")
    one.merge(other).forget(X[40:], Y[40:])
    one.partial_fit(X[40:], Y[40:], sample_id=range(20))
    refused(one, other, NotLearnedError, "20 rows that the other model learned without an id")
    other.forget(X[40:], Y[40:])
    other.partial_fit(X[40:], Y[40:] + 1, sample_id=range(20))
    refused(one, other, NotLearnedError, "stand here for other rows or labels")


def test_what_can_not_be_taken_out_is_refused():
    one, other = two()
    one.merge(other)
    refused(one, "a head", TypeError, "unmerge needs another head")
    refused(one, LDAClassifier(quantizer=FixedPoint(16)).fit(X, Y), ValueError, "different quantizers")
    refused(one, NearestNeighborsClassifier().fit(X, Y), ValueError, "of kind 'moments' can't be merged")
    refused(one, LDAClassifier(track="none").fit(X[:5], Y[:5]), NotLearnedError, "5 rows were learned there without")
    ordered = FeTrILClassifier().fit(X[:40], Y[:40]).merge(FeTrILClassifier().fit(X[40:], Y[40:]))
    refused(ordered, FeTrILClassifier().fit(X[40:], Y[40:]), ValueError, "as a whole: forget its rows, or its classes")
    assert not ClassGroups(quantizer_of(8)).can_unmerge
    with pytest.raises(ValueError, match="learned nothing yet"):
        LDAClassifier().unmerge(one)


def test_nothing_is_taken_out_with_an_unfitted_head_and_everything_with_the_head_itself():
    one, _ = two()
    assert one.unmerge(LDAClassifier()).removed == 0
    assert one.unmerge(one).removed == 40
    assert not one.__sklearn_is_fitted__()


def test_recursive_weights_follow():
    one = RLSClassifier(1.0, solver="recursive").fit(X[:40], Y[:40])
    other = RLSClassifier(1.0, solver="recursive").fit(X[40:], Y[40:])
    before = one.decision_function(X)
    one.merge(other).decision_function(X)
    one.unmerge(other)
    np.testing.assert_allclose(one.decision_function(X), before, rtol=0, atol=1e-8)
