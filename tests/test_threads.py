"""One model in several threads, and in a process that was forked: right, or refused, and never a wait without end."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_quantization
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    use_threads,
)
from analytic_cl._locks import SharedLock, holding

pytestmark = ignore_quantization

X, Y = blobs(120, 6, 4, seed=2)
LABELS = np.array(["c", "d", "b", "a"])[Y]  # "a" comes and goes: it shifts the places of all others
OLD, NEW = LABELS != "a", LABELS == "a"
SCALER = StandardScaler().fit(X)
MODELS = [
    *HEADS,
    NearestNeighborsClassifier(3, index="flat", quantizer="tabular"),
    NearestNeighborsClassifier(3, index="ivf", n_probes=2, quantizer="tabular"),
    ErrorMemory(LDAClassifier().fit(X[OLD], LABELS[OLD])),
    ContinualPipeline(SCALER, LDAClassifier()),
]


@pytest.fixture(autouse=True)
def often():
    """Let threads take turns as often as Python can, so that a torn state is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def answers(model):
    numbers = [getattr(model, name) for name in ("predict_proba", "decision_function") if hasattr(model, name)]
    return [model.predict(X).tolist(), *(np.round(scores(X[:10]), 6).tolist() for scores in numbers)]


def in_threads(*works):
    """Run them at once; errors of any of them are raised."""
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result(timeout=120)


@pytest.mark.parametrize("model", MODELS, ids=head_name)
def test_a_prediction_while_another_thread_learns_is_of_one_state(model):
    few = clone(model).fit(X[OLD], LABELS[OLD])
    all_of_them = clone(model).fit(X[OLD], LABELS[OLD]).partial_fit(X[NEW], LABELS[NEW])
    possible = [{repr(said) for said in pair} for pair in zip(answers(few), answers(all_of_them), strict=True)]
    digests = {few.state_digest(), all_of_them.state_digest()}
    shared = clone(few).fit(X[OLD], LABELS[OLD])
    stop = threading.Event()
    wrong = []

    def change():
        try:
            for _ in range(25):
                shared.partial_fit(X[NEW], LABELS[NEW])
                shared.forget(X[NEW], LABELS[NEW])
        finally:
            stop.set()

    def ask():
        while not stop.is_set():
            for said, right in zip(answers(shared), possible, strict=True):
                if repr(said) not in right:
                    wrong.append(said)
            if shared.state_digest() not in digests:
                wrong.append("digest")

    with use_threads(1):
        in_threads(change, ask, ask)
    assert not wrong
    assert shared.state_digest() == few.state_digest()


@pytest.mark.parametrize("model", MODELS, ids=head_name)
def test_threads_that_learn_and_forget_lose_nothing(model):
    shared, before = clone(model), np.zeros(0, dtype=int)
    if getattr(model, "depends_on_order", False):  # which class comes first is chance: none comes
        shared, before = shared.fit(X, LABELS), np.arange(120)

    def learn(part):
        for i in range(part, 120, 4):
            shared.partial_fit(X[i : i + 1], LABELS[i : i + 1])
            if i % 3 == 0:
                shared.forget(X[i : i + 1], LABELS[i : i + 1])

    in_threads(*(lambda part=part: learn(part) for part in range(4)))

    left = np.concatenate([before, np.flatnonzero(np.arange(120) % 3)])
    assert shared.state_digest() == clone(model).fit(X[left], LABELS[left]).state_digest()


def test_two_models_that_merge_each_other_at_once_do_not_wait_for_each_other():
    for _ in range(20):
        a, b = (NearestMeanClassifier(track="none").fit(X[i::2], Y[i::2]) for i in range(2))
        in_threads(lambda a=a, b=b: a.merge(b), lambda a=a, b=b: b.merge(a))

        assert sorted([a.state_.n_rows, b.state_.n_rows]) == [120, 180]


def test_a_save_while_another_thread_learns_is_of_one_state(tmp_path):
    shared = LDAClassifier(track="rows").fit(X[OLD], LABELS[OLD])

    def change():
        for _ in range(40):
            shared.partial_fit(X[NEW], LABELS[NEW])
            shared.forget(X[NEW], LABELS[NEW])

    def save(name):
        for _ in range(20):
            shared.save(tmp_path / name)
            LDAClassifier.load(tmp_path / name)  # which compares counts, ledger and digest

    in_threads(change, lambda: save("a"), lambda: save("b"))


def test_neither_readers_nor_changes_are_kept_waiting_for_ever():
    lock, owner, counts, stop = SharedLock(), None, [0, 0], threading.Event()

    class Thing:
        _lock = lock

    def take(change):
        nonlocal owner
        while not stop.is_set():
            with holding(**{"changed" if change else "read": (Thing,)}):
                assert owner is None or not change
                counts[change] += 1
                stop.set() if min(counts) > 300 else None

    watch = threading.Timer(60, stop.set)
    watch.start()
    in_threads(*[lambda: take(False)] * 3, *[lambda: take(True)] * 3)
    watch.cancel()

    assert min(counts) > 300


def test_a_signal_handler_that_learns_during_a_prediction_is_refused():
    head = LDAClassifier().fit(X, Y)

    with holding(read=(head,)), pytest.raises(RuntimeError, match="within its own prediction"):
        head.partial_fit(X, Y)
    assert head.partial_fit(X, Y).state_.n_rows == 240


# ---- fork

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


def in_child(work):
    """What `work` returns in a forked child, as text; a child that hangs is an error."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, str(said).encode())
        os._exit(0)
    os.close(write)
    for _ in range(600):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        return "hangs"
    with os.fdopen(read) as answer:
        return answer.read()


def learn_and_say(model, rows, labels):
    model.partial_fit(rows, labels)
    model.forget(rows[:5], labels[:5])
    return model.state_digest() + repr(model.predict(rows[:50]).tolist())


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("model", MODELS, ids=head_name)
def test_a_child_forked_after_threads_ran_works(model):
    rows, labels = blobs(6000, 300, 4)  # enough for threads of BLAS, the native kernels, FAISS and our own
    if isinstance(model, ErrorMemory | ContinualPipeline) or getattr(model, "quantizer", "auto") == "tabular":
        rows = rows[:, :6].copy()
    if isinstance(model, NearestNeighborsClassifier | ErrorMemory):
        rows, labels = rows[:1500], labels[:1500]
    names = np.array(["c", "d", "b", "a"])[labels]
    with use_threads(3):
        model = clone(model).fit(rows, names)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda part: model.predict(rows[part]), [slice(0, 300), slice(300, 600)]))
        said = in_child(lambda: learn_and_say(model, rows, names))

        assert said == learn_and_say(model, rows, names)


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("changes", [False, True])
def test_a_child_forked_while_a_thread_uses_a_model_works_or_is_refused(changes):
    head = RLSClassifier(alpha=1.0, solver="recursive").fit(X, Y)
    digest = head.state_digest()
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with holding(**{"changed" if changes else "read": (head,)}):
            entered.set()
            leave.wait(60)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(hold)
        entered.wait(60)
        said = in_child(lambda: learn_and_say(head, X, Y))
        again = in_child(lambda: head.predict(X))
        leave.set()
        done.result()

    if changes:
        assert said.startswith("RuntimeError: this process was forked while another thread changed this model")
        assert again == said
    else:
        assert said == learn_and_say(clone(head).fit(X, Y), X, Y)
    assert head.state_digest() == digest


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("solver", ["cholesky", "recursive"])
def test_a_child_forked_within_a_lock_of_the_state_or_of_a_cache_does_not_wait(solver):
    head = RLSClassifier(alpha=1.0, solver=solver).fit(X, Y)
    head.predict(X)
    lock = head.state_._gram._lock if solver == "cholesky" else head._solved["recursive"]._lock
    with lock:
        said = in_child(lambda: learn_and_say(head, X, Y))

    if solver == "cholesky":
        assert "forked while another thread" in said
    else:
        assert said == learn_and_say(head, X, Y)
