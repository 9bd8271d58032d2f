"""The state equals sums over Python integers, whatever way it was reached."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytic_cl import FixedPoint, Moments, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.statistics import EMPTY, scatter
from analytic_cl.statistics.gram import PLANE_SHIFTS
from analytic_cl.statistics.labelled_state import MAX_ROWS

BITS = (8, 16, 32)
all_bits = pytest.mark.parametrize("bits", BITS)


def quantizer_of(bits, d=6):
    return resolve_quantizer(FixedPoint(bits, scale=1), None, d)


def extreme_rows(bits, n=40, d=6, seed=0):
    quantizer = quantizer_of(bits, d)
    random = np.random.RandomState(seed)
    rows = random.randint(-quantizer.limit, quantizer.limit + 1, size=(n, d)).astype(quantizer.dtype)
    rows[: n // 4] = quantizer.limit
    rows[n // 4 : n // 3] = -quantizer.limit
    return rows, random.randint(0, 4, size=n)


def learned(bits, rows, labels, order=2):
    moments = Moments(quantizer_of(bits, rows.shape[1]), order)
    moments.add(rows, labels)
    return moments


def gram_of(moments):
    d = moments.quantizer.width
    full = np.zeros((d, d), dtype=object)
    for plane, shift in zip(moments.planes, PLANE_SHIFTS[moments.quantizer.bits], strict=True):
        full[np.triu_indices(d)] += plane.astype(object) << shift
    return full


@all_bits
@pytest.mark.parametrize("backend", BACKENDS)
def test_statistics_equal_python_integers_at_the_limits_of_the_quantizer(bits, backend):
    rows, labels = extreme_rows(bits, n=2500)
    with use_backend(backend):
        moments = learned(bits, rows, labels)
    exact = rows.astype(object)

    np.testing.assert_array_equal(gram_of(moments), np.triu(exact.T @ exact))
    for place, label in enumerate(moments.labels):
        assert moments.counts[place] == (labels == label).sum()
        np.testing.assert_array_equal(moments.sums[place], exact[labels == label].sum(axis=0))


@all_bits
@given(data=st.data())
def test_any_sequence_of_add_subtract_and_merge_leaves_the_state_of_the_rows_that_are_left(bits, data):
    rows, labels = extreme_rows(bits, n=24)
    state, held = Moments(quantizer_of(bits)), []
    for _ in range(data.draw(st.integers(1, 8))):
        batch = data.draw(st.lists(st.integers(0, 23), min_size=1, max_size=8))
        action = data.draw(st.sampled_from(["add", "merge", "subtract"]))
        if action == "add":
            state.add(rows[batch], labels[batch])
            held += batch
        elif action == "merge":
            state.merge(learned(bits, rows[batch], labels[batch]))
            held += batch
        elif held:
            out = [held.pop(data.draw(st.integers(0, len(held) - 1))) for _ in range(min(len(batch), len(held)))]
            state.subtract(rows[out], labels[out])

    expected = learned(bits, rows[held], labels[held]) if held else Moments(quantizer_of(bits))

    assert state.digest() == expected.digest()
    assert state.labels == expected.labels
    np.testing.assert_array_equal(gram_of(state), gram_of(expected))


@all_bits
@pytest.mark.parametrize("about", ["origin", "mean", "class means"])
@pytest.mark.parametrize("kind", ["extreme", "far from the origin", "constant"])
def test_scatter_is_the_exact_value_rounded(bits, about, kind):
    rows, labels = extreme_rows(bits)
    limit = quantizer_of(bits).limit
    if kind == "far from the origin":
        rows = (limit - np.random.RandomState(1).randint(0, 4, size=rows.shape)).astype(rows.dtype)
        rows[labels == 1] *= -1
    elif kind == "constant":
        rows[:] = limit
    got = scatter(learned(bits, rows, labels), about)
    exact = rows.astype(object)
    groups = {"origin": [], "mean": [np.ones(len(rows), bool)], "class means": [labels == c for c in range(4)]}[about]
    expected = (exact.T @ exact).astype(object)
    for group in groups:
        s = exact[group].sum(axis=0)
        expected = expected - np.array([[Fraction(int(a) * int(b), int(group.sum())) for b in s] for a in s])

    expected = expected.astype(np.float64)

    np.testing.assert_allclose(got, expected, rtol=4e-16, atol=1e-15 * len(rows))
    np.testing.assert_array_equal(got, got.T)


def test_scatter_is_the_same_across_panels():
    random = np.random.RandomState(0)
    rows = random.randint(-127, 128, size=(300, 1100)).astype(np.int8)
    moments = learned(8, rows, random.randint(0, 3, size=300))
    centred = rows - rows.mean(axis=0)

    np.testing.assert_allclose(scatter(moments, "mean"), centred.T @ centred, rtol=1e-9, atol=1e-6)
    for about in ("origin", "mean", "class means"):
        with use_backend("numpy"):
            expected = scatter(moments, about)
        np.testing.assert_array_equal(scatter(moments, about), expected)
        np.testing.assert_array_equal(expected, expected.T)


@all_bits
def test_more_rows_than_can_be_summed_exactly_are_refused(bits):
    state = learned(bits, *extreme_rows(bits, n=4))
    while state.n_rows * 2 <= MAX_ROWS[bits]:
        state.merge(state)
    before = state.digest()

    with pytest.raises(ValueError, match="holds at most"):
        state.merge(state)
    assert state.digest() == before
    assert (gram_of(state).diagonal() > 0).all()
    for about in ("mean", "class means"):
        few = scatter(learned(bits, *extreme_rows(bits, n=4)), about)
        np.testing.assert_allclose(scatter(state, about), few * (state.n_rows / 4))


@pytest.mark.parametrize(
    ("rows", "labels", "words"),
    [
        ([[1, 2]], [7], "no rows of class 7"),
        ([[1, 2]] * 3, [0] * 3, "3 rows of class 0 to forget, but only 2"),
        ([[100, 100]], [1], "class sum is out of range"),
        ([[1, 3]], [0], "modulo|diagonal"),
        ([[3, 1]], [0], "diagonal"),
    ],
)
def test_rows_that_can_not_have_been_learned_are_refused_with_nothing_changed(rows, labels, words):
    state = learned(8, np.array([[1, 2], [2, 1], [0, 1]], dtype=np.int8), [0, 0, 1])
    before = state.digest()

    with pytest.raises(ValueError, match=words):
        state.subtract(np.array(rows, dtype=np.int8), labels)
    assert state.digest() == before


def test_as_many_rows_but_not_the_same_rows_are_refused():
    state = learned(8, np.array([[1, 2], [3, 4]], dtype=np.int8), [0, 0])
    before = state.digest()

    with pytest.raises(ValueError, match="not the same rows"):
        state.subtract(np.array([[3, 2], [1, 4]], dtype=np.int8), [0, 0])
    assert state.digest() == before


def test_emptied_classes_leave_no_name_behind():
    rows, labels = extreme_rows(8)
    state = learned(8, rows, labels)

    for label in (2, 0, 3, 1):
        state.subtract(rows[labels == label], labels[labels == label])
        assert state.count(label) == 0
        assert label not in state.labels
    assert state.digest() == EMPTY == Moments(quantizer_of(8)).digest()
    assert not state._counts.any() and not state._sums.any() and not state.planes[0].any()


def test_several_classes_may_empty_at_once():
    rows, labels = extreme_rows(8)
    state = learned(8, rows, labels)
    out = labels != 2

    state.subtract(rows[out], labels[out])

    assert state.labels == [2]
    assert state.digest() == learned(8, rows[~out], labels[~out]).digest()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: learned(16, *extreme_rows(16)), "different quantizers"),
        (lambda: learned(8, *extreme_rows(8), order=1), "order"),
        (lambda: learned(8, extreme_rows(8)[0][:1], ["a"]), "mixed types"),
        (lambda: learned(8, extreme_rows(8)[0][:1], [True]), "mixed types"),
    ],
)
def test_states_that_do_not_belong_together_are_not_merged(other, words):
    state = learned(8, *extreme_rows(8))
    before = state.digest()

    with pytest.raises(ValueError, match=words):
        state.merge(other())
    assert state.digest() == before


def test_a_lower_order_is_a_projection_of_the_state():
    rows, labels = extreme_rows(8)

    assert learned(8, rows, labels).of_order(1).digest() == learned(8, rows, labels, order=1).digest()
    with pytest.raises(ValueError, match="order 1 can't serve"):
        learned(8, rows, labels, order=1).of_order(2)


@all_bits
def test_arrays_round_trip_and_broken_ones_are_refused(bits):
    state = learned(bits, *extreme_rows(bits))
    arrays = state.to_arrays()

    assert Moments.from_arrays(state.quantizer, state.describe(), arrays).digest() == state.digest()
    broken = {
        "missing": {"counts": arrays["counts"]},
        "dtype": arrays | {"counts": arrays["counts"].astype(np.int32)},
        "shape": arrays | {"sums": arrays["sums"][:, :-1]},
        "counts": arrays | {"counts": -arrays["counts"]},
        "sums": arrays | {"sums": arrays["sums"] + 2**40},
        "diagonal": arrays | {name: plane - 1 for name, plane in arrays.items() if name.startswith("gram")},
    }
    for arrays_of in broken.values():
        with pytest.raises(ValueError, match=r"array|possible"):
            Moments.from_arrays(state.quantizer, state.describe(), arrays_of)


def test_rows_of_the_wrong_kind_are_refused():
    state = Moments(quantizer_of(8))

    for rows in (np.zeros((2, 6)), np.zeros((2, 5), np.int8), np.zeros(6, np.int8), np.zeros((2, 6), np.int16)):
        with pytest.raises(ValueError, match="rows must be int8"):
            state.add(rows, [0, 1])
    with pytest.raises(ValueError, match="2 rows but 3 labels"):
        state.add(np.zeros((2, 6), np.int8), [0, 1, 2])
