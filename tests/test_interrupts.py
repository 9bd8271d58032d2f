"""An operation happens whole or not at all, also under Ctrl-C and when memory runs out."""

import signal
import threading

import numpy as np
import pytest
from common import blobs

from analytic_cl import LDAClassifier
from analytic_cl.ledger import Ledger
from analytic_cl.statistics import gram
from analytic_cl.statistics.interrupts import deferred_interrupts

X, Y = blobs(300, 4, 3)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(gram, "_BLOCK_ROWS", {8: 10, 16: 10, 32: 10})


def fails_in_block(monkeypatch, number, action):
    """Run `action` within the product of one block, which may also be one of the rollback."""
    original, calls = gram._products, []

    def products(rows, bits):
        calls.append(rows)
        if len(calls) == number:
            action()
        return original(rows, bits)

    monkeypatch.setattr(gram, "_products", products)
    return calls


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def run_out_of_memory():
    raise MemoryError


OPERATIONS = {
    "partial_fit": lambda head: head.partial_fit(X[150:], Y[150:]),
    "forget": lambda head: head.forget(X[:150], Y[:150]),
    "forget by id": lambda head: head.forget(sample_id=range(100)),
    "rectify": lambda head: head.rectify(X[200:] + 1, Y[200:], sample_id=range(100)),
    "fit": lambda head: head.fit(X, Y),
}


def learned(head=None):
    head = head or LDAClassifier().fit(X[:150], Y[:150])
    return head.partial_fit(X[200:], Y[200:], sample_id=range(100))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("block", [1, 2, 5, 10])
@pytest.mark.parametrize(("action", "error"), [(press_ctrl_c, KeyboardInterrupt), (run_out_of_memory, MemoryError)])
def test_a_product_that_is_broken_off_is_taken_back(monkeypatch, operation, block, action, error):
    head = learned()
    before, recorded = head.state_digest(), head._ledger.n_rows
    fails_in_block(monkeypatch, block, action)

    with pytest.raises(error):
        OPERATIONS[operation](head)

    assert head.state_digest() == before
    assert head._ledger.n_rows == recorded
    OPERATIONS[operation](head)
    assert head.state_digest() != before


def test_rectify_broken_off_in_its_second_half_takes_back_the_first(monkeypatch):
    head = learned()
    before = head.state_digest()
    fails_in_block(monkeypatch, 15, run_out_of_memory)

    with pytest.raises(MemoryError):
        head.rectify(X[200:] + 1, Y[200:], sample_id=range(100))
    assert head.state_digest() == before


def test_ctrl_c_during_rollback_does_not_stop_it(monkeypatch):
    head = learned()
    before = head.state_digest()
    original, calls = gram._products, []

    def products(rows, bits):
        calls.append(rows)
        if len(calls) >= 5:
            press_ctrl_c()
        return original(rows, bits)

    monkeypatch.setattr(gram, "_products", products)
    with pytest.raises(KeyboardInterrupt):
        head.partial_fit(X[150:], Y[150:])
    assert len(calls) == 10
    assert head.state_digest() == before


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_ledger_that_fails_takes_the_state_back(monkeypatch, error):
    head = learned()
    before = head.state_digest()

    def record(*arguments):
        raise error

    monkeypatch.setattr(Ledger, "record", record)
    with pytest.raises(error):
        head.partial_fit(X[150:], Y[150:])
    assert head.state_digest() == before


def test_ctrl_c_outside_of_steps_arrives_once_and_the_handler_is_put_back():
    handler = signal.getsignal(signal.SIGINT)
    reached = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():  # noqa: PT012
        press_ctrl_c()
        with deferred_interrupts() as inner:
            press_ctrl_c()
            reached.append("inner")
            assert inner.pending
        reached.append("outer")
    assert reached == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is handler
    with deferred_interrupts() as guard:
        guard.check()


def test_other_threads_learn_without_touching_signals():
    digests = []

    def work():
        digests.append(LDAClassifier().fit(X, Y).state_digest())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert digests == [LDAClassifier().fit(X, Y).state_digest()] * 4


def test_failed_first_fit_leaves_an_unfitted_head(monkeypatch):
    fails_in_block(monkeypatch, 3, press_ctrl_c)
    head = LDAClassifier()

    with pytest.raises(KeyboardInterrupt):
        head.fit(X, Y)
    assert not head.__sklearn_is_fitted__()
    assert not hasattr(head, "n_features_in_")


def test_read_only_input_is_enough():
    frozen = X.copy()
    frozen.flags.writeable = False
    labels = Y.copy()
    labels.flags.writeable = False
    head = LDAClassifier(track="rows").fit(frozen, labels)
    head.forget(frozen[:3], labels[:3])

    np.testing.assert_array_equal(frozen, X)
    assert head.state_digest() == LDAClassifier().fit(X[3:], Y[3:]).state_digest()
