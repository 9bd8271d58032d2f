"""Rows of all classes wait in one array, which stays small and holds nothing that was forgotten."""

import numpy as np
import pytest

from analytic_cl import ClassGrams, FixedPoint, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.quantizers import resolve_quantizer


def learned(rows, labels):
    state = ClassGrams(resolve_quantizer(FixedPoint(8, scale=1), None, rows.shape[1]))
    state.add(rows, labels)
    return state


def drawn(n, d=40):
    return np.random.RandomState(0).randint(-127, 128, size=(n, d)).astype(np.int8)


def held(state):
    buffer = state._grams.rows.buffer
    return buffer, {row.tobytes() for row in buffer if row.any()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_few_rows_let_many_that_wait_enter_the_matrix(backend):
    rows, labels = drawn(200), np.arange(200) % 3
    labels[:75] = 0  # as many as may wait; the other classes never have as many
    with use_backend(backend):
        state = learned(rows[:75], labels[:75])
        state.add(rows[75:], labels[75:])
        assert state._grams.entered.tolist()[0] == (labels == 0).sum()
        assert state.digest() == learned(rows, labels).digest()
        state.subtract(rows[60:], labels[60:])
        assert state.digest() == learned(rows[:60], labels[:60]).digest()


def test_what_leaves_is_overwritten_whoever_is_left():
    rows, labels = drawn(300), np.arange(300) % 10
    state = learned(rows, labels)
    before, _ = held(state)
    state.subtract(rows[::3], labels[::3])
    stays = {row.tobytes() for i, row in enumerate(rows) if i % 3}
    assert held(state)[1] == stays
    state.drop_class(0)
    assert held(state)[1] == {row.tobytes() for i, row in enumerate(rows) if i % 3 and labels[i]}
    many = [i for i in range(300) if i % 3 and labels[i] > 1]
    state.subtract(rows[many], labels[many])
    small, kept = held(state)
    assert len(small) < 100 and not before.any()  # memory is given back, without its rows
    assert kept == {row.tobytes() for i, row in enumerate(rows) if i % 3 and labels[i] == 1}


def test_a_class_keeps_its_rows_when_another_leaves_its_place():
    rows, labels = drawn(90), np.arange(90) % 3
    state = learned(rows, labels)
    state.drop_class(0)
    assert state.digest() == learned(rows[labels > 0], labels[labels > 0]).digest()
    with pytest.raises(ValueError, match="never all learned"):
        state.subtract(rows[labels == 1][:1], [2])
    state.subtract(rows[labels == 2], [2] * 30)
    assert state.digest() == learned(rows[labels == 1], [1] * 30).digest()
