"""The state with a Gram matrix a class equals sums over Python integers, whatever way it was reached."""

import signal
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytic_cl import ClassGrams, FixedPoint, LDAClassifier, Moments, RLSClassifier, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.solvers import lda
from analytic_cl.statistics import EMPTY, class_gram, class_grams, gram, state_from_arrays
from analytic_cl.statistics.gram import PLANE_SHIFTS

D = 3
BITS = (8, 16, 32)
all_bits = pytest.mark.parametrize("bits", BITS)


def quantizer_of(bits, d=D):
    return resolve_quantizer(FixedPoint(bits, scale=1), None, d)


def random_rows(bits, n, d=D, seed=0):
    quantizer, random = quantizer_of(bits, d), np.random.RandomState(seed)
    return random.randint(-quantizer.limit, quantizer.limit + 1, size=(n, d)).astype(quantizer.dtype), random.randint(
        0, 3, size=n
    )


def learned(bits, rows, labels):
    state = ClassGrams(quantizer_of(bits, rows.shape[1]))
    state.add(rows, labels)
    return state


def full(planes, bits, d=D):
    out = np.zeros((d, d), dtype=object)
    for plane, shift in zip(planes, PLANE_SHIFTS[bits], strict=True):
        out[np.triu_indices(d)] += plane.astype(object) << shift
    return out


def assert_holds(state, rows, labels):
    """The state is that of these rows, by sums over Python integers."""
    bits = state.quantizer.bits
    assert state.labels == sorted(set(labels.tolist()))
    for label, count, total in zip(state.labels, state.counts, state.sums, strict=True):
        own = rows[labels == label].astype(object)
        assert count == len(own)
        np.testing.assert_array_equal(total, own.sum(axis=0))
        np.testing.assert_array_equal(full(state.moments_of(label).planes, bits), np.triu(own.T @ own))
    whole = rows.astype(object)
    np.testing.assert_array_equal(full(state.planes, bits), np.triu(whole.T @ whole) if len(rows) else 0)


@all_bits
@given(data=st.data())
def test_any_sequence_leaves_the_state_of_the_rows_that_are_left(bits, data):
    # of 3 columns, 8 rows a class wait behind an 8-bit quantizer: most sequences cross from rows to a matrix
    rows, labels = random_rows(bits, 40)
    rows[20:30], labels[20:30] = rows[:10], labels[:10]
    state, held = ClassGrams(quantizer_of(bits)), []
    for _ in range(data.draw(st.integers(1, 8))):
        batch = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=20))
        action = data.draw(st.sampled_from(["add", "merge", "subtract", "add and undo", "drop", "file"]))
        if action == "add":
            state.add(rows[batch], labels[batch])
            held += batch
        elif action == "merge":
            state.merge(learned(bits, rows[batch], labels[batch]))
            held += batch
        elif action == "add and undo":
            state.add(rows[batch], labels[batch])
            state.undo(rows[batch], labels[batch], +1)
        elif action == "file":
            state = state_from_arrays(state.quantizer, state.describe(), state.to_arrays())
        elif held and action == "subtract":
            out = [held.pop(data.draw(st.integers(0, len(held) - 1))) for _ in range(min(len(batch), len(held)))]
            state.subtract(rows[out], labels[out])
        elif held and action == "drop":
            state.drop_class(labels[held[0]].item())
            held = [i for i in held if labels[i] != labels[held[0]]]

    assert_holds(state, rows[held], labels[held])
    assert state.digest() == (learned(bits, rows[held], labels[held]).digest() if held else EMPTY)


@pytest.mark.parametrize("backend", BACKENDS)
@all_bits
def test_matrices_are_exact_at_the_limits_of_the_quantizer(bits, backend):
    rows = np.full((2500, D), quantizer_of(bits).limit, dtype=quantizer_of(bits).dtype)
    rows[::3, 1] *= -1
    with use_backend(backend):
        state = learned(bits, rows, np.arange(2500) % 2)
        assert_holds(state, rows, np.arange(2500) % 2)


def test_digest_contains_the_one_of_moments():
    rows, labels = random_rows(8, 60)
    moments = Moments(quantizer_of(8))
    moments.add(rows, labels)
    state = learned(8, rows, labels)

    assert state.moments().digest() == moments.digest()
    # the same moments, divided otherwise among the classes
    swapped = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.int8)
    a, b = learned(8, swapped, [0, 0, 1, 1]), learned(8, swapped, [1, 1, 0, 0])
    assert a.moments().digest() == b.moments().digest()
    assert a.digest() != b.digest()


def test_digest_does_not_tell_rows_that_wait_from_rows_in_a_matrix():
    rows, labels = random_rows(8, 60)
    state = learned(8, rows, labels)
    assert all(f"gram_{place}_0" in state.to_arrays() for place in range(3))
    state.subtract(rows[6:], labels[6:])

    assert state.digest() == learned(8, rows[:6], labels[:6]).digest()


def test_planes_are_int32_until_an_entry_could_overflow():
    quantizer = quantizer_of(8)
    assert (
        class_gram.plane_type(quantizer, 133_144) == np.int32 and class_gram.plane_type(quantizer, 133_145) == np.int64
    )
    assert class_gram.plane_type(quantizer_of(16), 1) == np.int64

    rows = np.full((70_000, D), -127, dtype=np.int8)
    state = learned(8, rows, np.zeros(70_000, dtype=int))
    assert state.nbytes == 6 * 4
    state.add(rows, np.zeros(70_000, dtype=int))
    assert state.nbytes == 6 * 8
    assert full(state.planes, 8)[0, 2] == 140_000 * 127**2
    state.subtract(rows, np.zeros(70_000, dtype=int))
    assert state.digest() == learned(8, rows, np.zeros(70_000, dtype=int)).digest()


@pytest.mark.parametrize("n", [5, 60])
def test_rows_that_were_never_learned_are_refused_and_nothing_changes(n):
    rows, labels = random_rows(8, n)
    state = learned(8, rows, labels)
    before = state.digest()
    other = np.where(rows[:1] > 0, rows[:1] - 1, rows[:1] + 1).astype(np.int8)
    label = labels[:1]
    for wrong, of, words in (
        (other, label, "never all learned")
        if n == 5
        else (np.full((15, D), 127, dtype=np.int8), label.repeat(15), "never all"),
        (rows[:1], [7], "no rows of class 7"),
        (np.repeat(rows[:1], n + 1, axis=0), label.repeat(n + 1), "only"),
    ):
        with pytest.raises(ValueError, match=words):
            state.subtract(wrong, of)
        assert state.digest() == before
        assert_holds(state, rows, labels)


@all_bits
def test_as_many_rows_as_were_learned_but_other_ones_are_refused(bits):
    dtype = quantizer_of(bits).dtype
    rows = np.array([[1, 1, 0], [-1, -1, 0]] * 20, dtype=dtype)
    false = np.array([[1, -1, 0], [-1, 1, 0]] * 20, dtype=dtype)  # the same sums, and the same diagonal
    state = learned(bits, rows, [0] * 40)
    with pytest.raises(ValueError, match="never all learned"):
        state.subtract(false, [0] * 40)
    assert_holds(state, rows, np.zeros(40, dtype=int))


def test_a_state_past_the_limit_is_refused_before_anything_is_written(monkeypatch):
    rows, labels = random_rows(8, 60)
    state = learned(8, rows, labels)
    before, size = state.digest(), state.nbytes
    learned_elsewhere = learned(8, rows[:4], [8, 9, 8, 9])
    monkeypatch.setattr(class_grams, "MEMORY_LIMIT", size + 8)

    for change in (
        lambda: state.add(rows, labels + 3),
        lambda: state.check_learnable(rows, labels + 3),
        lambda: state.merge(learned_elsewhere),
    ):
        with pytest.raises(ValueError, match="GiB, more than"):
            change()
        assert state.digest() == before
    state.add(rows[:1], labels[:1])  # a little is left


def test_bytes_are_those_of_rows_while_they_are_fewer():
    rows, _ = random_rows(8, 100, d=40)
    state = learned(8, rows[:50], [0] * 50)
    assert state.nbytes == 50 * 40
    state.add(rows[50:], [0] * 50)
    assert state.nbytes == 40 * 41 // 2 * 4


def test_ctrl_c_leaves_the_state_as_it_was(monkeypatch):
    rows, labels = random_rows(8, 300)
    state = learned(8, rows, labels)
    before, accumulate, calls = state.digest(), gram.accumulate, Counter()

    def interrupted(*arguments, **more):
        calls["made"] += 1
        signal.raise_signal(signal.SIGINT)
        accumulate(*arguments, **more)

    monkeypatch.setattr(gram, "accumulate", interrupted)
    for change in (state.add, state.subtract):
        with pytest.raises(KeyboardInterrupt):
            change(rows, labels)
    assert calls["made"]
    few = learned(8, rows[:3], [0, 0, 0])
    few.add(rows[3:4], [0])  # which leaves room for two more
    with pytest.raises(KeyboardInterrupt):
        few.add(rows[:40], [0] + [1] * 39)
    held = few._grams[0]._buffer
    assert len(held) > 4 and not held[4:].any()  # rows that were refused are nowhere
    monkeypatch.undo()
    assert state.digest() == before
    assert_holds(state, rows, labels)


def test_a_forgotten_row_is_nowhere_in_memory():
    rows, _ = random_rows(8, 6, d=40)
    state = learned(8, rows, [0] * 6)
    held = state._grams[0]._buffer
    state.subtract(rows[2:4], [0, 0])
    assert not held[4:].any()
    assert {row.tobytes() for row in held[:4]} == {row.tobytes() for row in rows[[0, 1, 4, 5]]}


@pytest.mark.parametrize("n", [5, 60])
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("counts", lambda a: a.__setitem__(0, -1), "not a possible state"),
        ("sums", lambda a: a.__setitem__((0, 0), a[0, 0] + 1), "not a possible state"),
        ("sums", lambda a: a.__setitem__((0, 0), 10**6), "not a possible state"),
        ("gram_0_0", lambda a: a.__setitem__(0, -1), "not a possible state"),
        ("gram_0_0", lambda a: a.__setitem__(1, 2**30), "not a possible state"),
        ("rows_0", lambda a: a.__setitem__((0, 0), -128), "not a possible state"),
    ],
)
def test_arrays_that_no_rows_can_have_are_refused(n, name, change, words):
    state = learned(8, *random_rows(8, n))
    arrays = {key: array.copy() for key, array in state.to_arrays().items()}
    if name not in arrays:
        pytest.skip("the other form")
    change(arrays[name])
    with pytest.raises(ValueError, match=words):
        state_from_arrays(state.quantizer, state.describe(), arrays)
    del arrays[name]
    with pytest.raises(ValueError, match=f"{name}.*missing"):
        state_from_arrays(state.quantizer, state.describe(), arrays)


@pytest.mark.parametrize(
    "head", [LDAClassifier(quantizer="tabular"), RLSClassifier(1.0, quantizer="tabular")], ids=repr
)
def test_solvers_of_moments_run_on_it(head):
    random = np.random.RandomState(0)
    X, y = random.normal(size=(90, 4)), np.arange(90) % 3
    head.fit(X, y)
    state = ClassGrams(head.quantizer_)
    state.add(head.quantizer_.quantise(X), y)

    again = type(head).from_moments(state.moments())
    np.testing.assert_array_equal(again.decision_function(X), type(head)().fit(X, y).decision_function(X))
    assert lda(state).weights.tobytes() == lda(state.moments()).weights.tobytes()
