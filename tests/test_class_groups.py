"""A state that knows which classes came together: its groups follow what is learned, forgotten and merged."""

import numpy as np
import pytest

from analytic_cl import ClassGrams, ClassGroups, Moments, Store, resolve_quantizer
from analytic_cl.baselines import TEENClassifier
from analytic_cl.statistics import EMPTY, state_from_arrays

QUANTIZER = resolve_quantizer("integers", None, n_features=3)
ROWS = np.random.RandomState(0).randint(-127, 128, size=(12, 3)).astype(np.int8)
ORDERS = pytest.mark.parametrize("order", [1, 2])


def learned(*sessions, order=2):
    """Each session is a list of (row, label)."""
    state = ClassGroups(QUANTIZER, order)
    for session in sessions:
        rows, labels = zip(*session, strict=True)
        state.add(ROWS[list(rows)], labels)
    return state


FIRST, SECOND = [(0, "a"), (1, "b"), (2, "b")], [(3, "c"), (4, "a"), (5, "d")]


@ORDERS
def test_later_rows_of_a_class_count_to_the_group_in_which_it_came(order):
    state = learned(FIRST, SECOND, order=order)

    assert state.groups == [["a", "b"], ["c", "d"]]
    assert state.digest() == learned([*FIRST, SECOND[1]], SECOND[::2], order=order).digest()
    assert state.counts.tolist() == [2, 2, 1, 1]


@ORDERS
def test_the_digest_depends_on_order_through_the_groups_alone(order):
    state = learned(FIRST, SECOND, order=order)

    assert state.digest() == learned(FIRST[::-1], SECOND[::-1], order=order).digest()
    assert state.digest() == learned(FIRST, SECOND[:1] + SECOND[2:], SECOND[1:2], order=order).digest()
    assert state.digest() != learned(FIRST + SECOND, order=order).digest()
    assert state.digest() != learned(SECOND, FIRST, order=order).digest()


@ORDERS
def test_an_emptied_group_was_never_there(order):
    state = learned(FIRST, [(6, "e")], SECOND, order=order)
    state.subtract(ROWS[[6]], ["e"])
    assert state.groups == [["a", "b"], ["c", "d"]]
    assert state.digest() == learned(FIRST, SECOND, order=order).digest()

    for label in "ba":
        state.drop_class(label)
    assert state.groups == [["c", "d"]]
    assert state.digest() == learned(SECOND[::2], order=order).digest()
    for label in "cd":
        state.drop_class(label)
    assert state.digest() == EMPTY


def test_a_class_that_left_comes_back_in_a_new_group():
    state = learned(FIRST, SECOND)
    state.drop_class("b")
    state.add(ROWS[[1, 2]], ["b", "b"])

    assert state.groups == [["a"], ["c", "d"], ["b"]]


def test_of_a_class_whose_first_rows_are_gone_it_remains_when_it_came():
    state = learned(FIRST, SECOND)
    state.subtract(ROWS[[0]], ["a"])

    assert state.groups == [["a", "b"], ["c", "d"]]
    assert state.digest() == learned([(1, "b"), (2, "b"), (4, "a")], SECOND[::2]).digest()


@ORDERS
def test_undoing_puts_classes_back_where_they_were(order):
    state = learned(FIRST, SECOND, order=order)
    before = state.digest()

    state.add(ROWS[[6, 7]], ["e", "a"])
    state.undo(ROWS[[6, 7]], ["e", "a"], +1)
    assert state.digest() == before
    gone = ROWS[[0, 4, 3, 1]], ["a", "a", "c", "b"]  # the first group stays, "a" and "c" go
    state.subtract(*gone)
    state.undo(*gone, -1)
    assert state.digest() == before


def test_a_refused_call_changes_nothing():
    state = learned(FIRST)
    before = state.digest()

    for rows, labels, change in (
        (ROWS[:2], ["e", 1], state.add),
        (ROWS[:1], [7], state.add),
        (ROWS[:1], ["never"], state.subtract),
        (ROWS[:2], ["a", "a"], state.subtract),
    ):
        with pytest.raises(ValueError, match=r"labels|class|learned"):
            change(rows, labels)
        assert (state.digest(), state.groups) == (before, [["a", "b"]])


@ORDERS
def test_merging_learns_the_other_groups_after_those_that_are_there(order):
    def parts():
        return [learned(s, order=order) for s in (FIRST, SECOND, [(8, "f"), (9, "d"), (10, "a")])]

    a, b, c = parts()
    left = a.merge(b).merge(c)
    a, b, c = parts()
    right = a.merge(b.merge(c))

    assert left.groups == right.groups == [["a", "b"], ["c", "d"], ["f"]]
    assert left.digest() == right.digest() == left.copy().digest()
    a, b, c = parts()
    assert c.merge(b).merge(a).digest() != left.digest()
    with pytest.raises(ValueError, match="t be merged"):
        left.merge(ClassGroups(QUANTIZER, 3 - order))


@ORDERS
def test_it_comes_back_from_its_arrays_and_refuses_impossible_groups(order):
    state = learned(FIRST, [(6, "e")], SECOND, order=order)
    state.drop_class("e")
    arrays = state.to_arrays()
    assert arrays["groups"].tolist() == [0, 0, 1, 1]

    again = state_from_arrays(QUANTIZER, state.describe(), arrays)
    assert (again.digest(), again.groups) == (state.digest(), state.groups)
    again.add(ROWS[[7]], ["z"])
    assert again.groups[-1] == ["z"]
    for groups in (np.array([0, 0, 2, 2]), np.array([-1, 0, 1, 1]), np.zeros(3, np.int64), np.zeros(4)):
        with pytest.raises(ValueError, match="groups"):
            state_from_arrays(QUANTIZER, state.describe(), arrays | {"groups": groups})


def test_moments_of_some_classes_are_those_of_their_rows():
    for order in (1, 2):
        state, moments = learned(FIRST, SECOND, order=order), Moments(QUANTIZER, order)
        moments.add(ROWS[[0, 4, 5]], ["a", "a", "d"])
        assert state.moments_of(["d", "a"]).digest() == moments.digest()
    grams = ClassGrams(QUANTIZER)
    grams.add(ROWS[[0, 4, 5, 3]], ["a", "a", "d", "c"])
    assert grams.moments_of("a", "d").digest() == moments.digest()


def test_a_store_refuses_heads_that_depend_on_order(tmp_path):
    with pytest.raises(ValueError, match="TEENClassifier depends on the order of sessions"):
        Store.create(tmp_path / "store", TEENClassifier())
    assert not (tmp_path / "store").exists()
