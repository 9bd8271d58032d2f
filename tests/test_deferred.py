"""Rows that wait for the Gram matrix are part of every answer."""

import copy
import pickle
import threading

import numpy as np
import pytest
from common import blobs, ignore_quantization
from hypothesis import given, settings
from hypothesis import strategies as st

from analytic_cl import LDAClassifier, Moments, resolve_quantizer
from analytic_cl.quantizers import FixedPoint
from analytic_cl.statistics import deferred, gram
from analytic_cl.statistics.deferred import DeferredGram
from analytic_cl.statistics.invariants import gram_diagonal

D = 5


def rows_of(bits, n, seed):
    limit = {8: 127, 16: 32639, 32: 0x7F7F7F7F}[bits]
    return np.random.RandomState(seed).randint(-limit, limit + 1, size=(n, D)).astype(f"int{bits}")


def quantizer_of(bits):
    return resolve_quantizer(FixedPoint(bits, scale=1.0), None, D)


@pytest.mark.parametrize("bits", [8, 16, 32])
@given(
    changes=st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1, -1]), st.booleans()), max_size=12),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_any_changes_few_or_many_give_the_planes_of_all_at_once(bits, changes, seed):
    matrix = DeferredGram(quantizer_of(bits))
    expected = gram.empty_planes(D, bits)
    for place, (n, sign, look) in enumerate(changes):
        rows = rows_of(bits, n, seed + place)
        gram.accumulate(expected, rows, bits, sign)
        matrix.change(rows, sign)
        rows.fill(0)  # the caller may use its memory again
        if look:
            assert list(matrix.diagonal()) == list(gram_diagonal(expected, quantizer_of(bits)))
    for mine, theirs in zip(matrix.planes, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_rows_wait_and_are_overwritten_once_they_have_entered():
    matrix = DeferredGram(quantizer_of(8))
    matrix.change(rows_of(8, 3, 0), 1)
    (waiting,) = matrix._waiting[+1]
    assert not matrix._planes[0].any() and waiting.any()

    assert matrix.planes[0].any()
    assert not waiting.any()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.copy()])
def test_copies_hold_what_waits(copied):
    quantizer = quantizer_of(8)
    moments = Moments(quantizer)
    moments.add(rows_of(8, 3, 1), [0, 1, 1])
    twin = copied(moments)
    moments.subtract(rows_of(8, 3, 1)[:1], [0])
    twin.subtract(rows_of(8, 3, 1)[:1], [0])

    assert twin.digest() == moments.digest()


@ignore_quantization
def test_threads_that_look_at_once_let_rows_enter_once():
    X, y = blobs(300, 60, 3)
    head = LDAClassifier(track="none").fit(X[:200], y[:200])
    for i in range(200, 300):
        head.partial_fit(X[i : i + 1], y[i : i + 1])
        threads = [threading.Thread(target=head.state_digest) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert head.state_digest() == LDAClassifier(track="none").fit(X, y).state_digest()


def test_what_cannot_enter_goes_on_waiting(monkeypatch):
    matrix = DeferredGram(quantizer_of(8))
    matrix.change(rows_of(8, 3, 0), 1)

    def out_of_memory(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(deferred.gram, "accumulate", out_of_memory)
        with pytest.raises(MemoryError):
            matrix.planes  # noqa: B018
    expected = gram.empty_planes(D, 8)
    gram.accumulate(expected, rows_of(8, 3, 0), 8, 1)
    np.testing.assert_array_equal(matrix.planes[0], expected[0])
