"""An operation happens whole or not at all, also under Ctrl-C and when memory runs out."""

import gc
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from common import blobs

from analytic_cl import LDAClassifier, Moments, use_backend
from analytic_cl import _interrupts as interrupts
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.ledger.table import Table
from analytic_cl.statistics import gram

X, Y = blobs(300, 4, 3)


@pytest.fixture(autouse=True)
def small_blocks_and_pythons_own_handler(monkeypatch):
    monkeypatch.setattr(gram, "_BLOCK_ROWS", {8: 10, 16: 10, 32: 10})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores SIGINT
    with use_backend("blas"):  # many small steps to be interrupted between
        yield
    signal.signal(signal.SIGINT, before)


def in_block(monkeypatch, action):
    """Run `action(n)` within the n-th product of a block, be it of the operation or of its rollback."""
    original, calls = gram._BlasBlock.multiply, []

    def multiply(self, rows):
        calls.append(rows)
        action(len(calls))
        return original(self, rows)

    monkeypatch.setattr(gram._BlasBlock, "multiply", multiply)
    return calls


def fails_in_block(monkeypatch, number, action):
    return in_block(monkeypatch, lambda n: action() if n == number else None)


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def run_out_of_memory():
    raise MemoryError


OPERATIONS = {
    "partial_fit": lambda head: head.partial_fit(X[150:], Y[150:]),
    "partial_fit with weights": lambda head: head.partial_fit(X[150:], Y[150:], sample_weight=np.arange(150) + 1),
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
    before, recorded = head.state_digest(), head.learner_.ledger.n_rows
    fails_in_block(monkeypatch, block, action)

    with pytest.raises(error):
        OPERATIONS[operation](head)

    assert head.state_digest() == before
    assert head.learner_.ledger.n_rows == recorded
    OPERATIONS[operation](head)
    assert head.state_digest() != before


def test_rectify_broken_off_in_its_second_half_takes_back_the_first(monkeypatch):
    head = learned()
    before = head.state_digest()
    fails_in_block(monkeypatch, 15, run_out_of_memory)

    with pytest.raises(MemoryError):
        head.rectify(X[200:] + 1, Y[200:], sample_id=range(100))
    assert head.state_digest() == before


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("from_block", [1, 5, 12])
def test_ctrl_c_again_and_again_stops_no_rollback(monkeypatch, operation, from_block):
    head = learned()
    before, recorded = head.state_digest(), head.learner_.ledger.n_rows
    in_block(monkeypatch, lambda n: press_ctrl_c() if n >= from_block else None)

    try:
        OPERATIONS[operation](head)
    except KeyboardInterrupt:
        assert head.state_digest() == before
        assert head.learner_.ledger.n_rows == recorded
    else:
        assert from_block == 12


def test_a_product_takes_no_memory_once_it_has_begun(monkeypatch):
    """So that taking it back can't run out of memory either."""
    random = np.random.RandomState(0)
    for bits, dtype in ((8, np.int8), (16, np.int16), (32, np.int32)):
        rows = random.randint(-100, 100, size=(400, 300)).astype(dtype)
        planes = gram.empty_planes(300, bits)
        monkeypatch.setattr(gram, "_BLOCK_ROWS", {8: 400, 16: 400, 32: 400})
        block = gram._BlasBlock(400, 300, bits)
        block.multiply(rows)
        block.add_to(planes, 1)
        tracemalloc.start()
        block.multiply(rows)
        block.add_to(planes, 1)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000  # the casting buffers of NumPy; a block or a product is 480,000 or more


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_ledger_that_fails_takes_the_state_back(monkeypatch, error):
    head = learned()
    before = head.state_digest()

    def fail(*arguments):
        raise error

    monkeypatch.setattr(Table, "append", fail)
    with pytest.raises(error):
        head.partial_fit(X[150:], Y[150:])
    with pytest.raises(error):
        head.merge(LDAClassifier(track="none").fit(X, Y).merge(head))
    monkeypatch.undo()
    assert head.state_digest() == before
    assert head.learner_.ledger.n_rows == 250


@pytest.mark.parametrize("track", ["auto", "rows"])
def test_a_ledger_that_fails_half_way_leaves_the_rows_that_are_to_be_taken_back(monkeypatch, track):
    head = LDAClassifier(track="none").fit(X[:150], Y[:150])
    head.learner_.ledger.track = track  # nothing is kept yet: the first batch of rows is adopted
    before = head.state_digest()

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(Table, "_count", fail)
    with pytest.raises(MemoryError):
        head.partial_fit(X[150:], Y[150:] + 10, sample_id=range(150))
    monkeypatch.undo()
    assert head.state_digest() == before
    assert head.learner_.ledger.n_rows == 150
    assert not head.learner_.ledger.to_arrays()[0]["targets"]
    assert head.partial_fit(X[150:], Y[150:], sample_id=range(150)).forget(sample_id=range(150)).removed == 150


def test_a_merge_that_fails_leaves_no_rows_in_the_ledger(monkeypatch):
    head, other = learned(), LDAClassifier().fit(X, Y).partial_fit(X[:5], Y[:5], sample_id=list("abcde"))
    before = head.state_digest()

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(Moments, "merge", fail)
    with pytest.raises(MemoryError):
        head.merge(other)
    monkeypatch.undo()
    assert head.state_digest() == before
    assert head.learner_.ledger.n_rows == 250
    assert head.merge(other).learner_.ledger.n_rows == 555


def test_a_handler_of_the_users_own_is_called_and_may_go_on():
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    with deferred_interrupts() as guard:
        press_ctrl_c()
        assert not seen
        guard.check()
        assert seen == [signal.SIGINT]
    assert seen == [signal.SIGINT]


def test_ctrl_c_on_the_way_in_leaves_no_trace(monkeypatch):
    """signal.signal delivers what is pending before it installs a handler."""
    original = signal.signal

    def interrupted(*arguments):
        monkeypatch.setattr(signal, "signal", original)
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "signal", interrupted)
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        pass
    assert interrupts._active is None
    with deferred_interrupts():
        assert interrupts._active is not None
    assert interrupts._active is None


def test_an_old_exception_that_is_let_go_changes_nothing(monkeypatch):
    head = LDAClassifier().fit(X[:50], Y[:50])
    fails_in_block(monkeypatch, 3, press_ctrl_c)
    kept = []
    try:
        head.fit(X, Y)
    except KeyboardInterrupt as error:
        kept.append(error)
    monkeypatch.undo()
    head.fit(X[100:], Y[100:])

    kept.clear()
    gc.collect()
    assert head.state_digest() == LDAClassifier().fit(X[100:], Y[100:]).state_digest()


RANDOM_INTERRUPTS = """
import random, signal, sys
import numpy as np
from analytic_cl import LDAClassifier
from analytic_cl import _interrupts as interrupts

random.seed(int(sys.argv[1]))
X, y = np.random.RandomState(0).normal(size=(400, 30)), np.arange(400) % 5
def fresh():
    return LDAClassifier().fit(X[:200], y[:200], sample_id=range(200))
other = LDAClassifier().fit(X[200:], y[200:])
steps = {
    "learn": lambda head: head.partial_fit(X[200:], y[200:]),
    "learn with weights": lambda head: head.partial_fit(X[200:], y[200:], sample_weight=np.arange(200) + 1),
    "forget": lambda head: head.forget(sample_id=range(0, 200, 2)),
    "rectify": lambda head: head.rectify(X[200:300], y[200:300], sample_id=range(100)),
    "merge": lambda head: head.merge(other),
    "fit": lambda head: head.fit(X, y),
}
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
hit = 0
for round in range(300):
    name, step = random.choice(list(steps.items()))
    head, done = fresh(), fresh()
    before = head.state_digest(), head.learner_.ledger.n_rows
    step(done)
    after = done.state_digest(), done.learner_.ledger.n_rows
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 4e-3))
        step(head)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hit += 1
    state = head.state_digest(), head.learner_.ledger.n_rows
    assert state in (before, after), (name, state, before, after)
    assert interrupts._active is None
print(hit)
"""


def test_ctrl_c_at_random_moments_leaves_the_state_before_or_after():
    run = subprocess.run([sys.executable, "-c", RANDOM_INTERRUPTS, "1"], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 10


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
