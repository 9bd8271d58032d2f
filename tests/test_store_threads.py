"""A store that several threads share does what one thread after the other would do; a forked process is refused."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from common import blobs
from stores import ROUNDS, together

from analytic_cl import LDAClassifier, Store
from analytic_cl.store import RefusedError, StoreError, StoreLockedError

X, Y = blobs(400, 4, 3)


def plain(rows):
    rows = list(rows)
    return LDAClassifier().fit(X[rows], Y[rows]).state_digest() if rows else LDAClassifier().state_digest()


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as opened:
        opened.learn(X[:200], Y[:200], sample_id=range(200), subject=[f"patient {i // 2}" for i in range(200)])
        yield opened


def test_eight_threads_that_forget_predict_access_and_learn_leave_the_state_of_the_rows_that_stay(store):
    """`make soak` does it a thousand times each."""
    held = {i: i for i in range(200)}  # id -> row

    def person(number):
        def live():
            mine = list(range(25 * number, 25 * number + 25))
            for round_ in range(ROUNDS):
                gone = mine.pop(0)
                assert store.forget(sample_id=[gone]).removed == 1
                held.pop(gone)
                assert store.predict(X[:3]).shape == (3,)
                new, row = 1000 + 8 * round_ + number, 200 + (8 * round_ + number) % 200
                assert store.learn(X[row : row + 1], Y[row : row + 1], sample_id=[new], subject=f"{number}") == 1
                held[new] = row
                mine.append(new)
                assert new in [found["sample_id"] for found in store.access(f"{number}")["rows"]]
                with pytest.raises(RefusedError):
                    store.forget(sample_id=[gone])

        return live

    assert together(*map(person, range(8))) == []
    assert store.state_digest() == plain(held.values())
    found = store.verify(retrain=True)
    assert (found.rows, found.requests) == (200, 8 * ROUNDS)
    store.close()
    with Store.open(store.path) as again:
        assert again.verify(retrain=True).rows == 200


def test_every_operation_may_run_beside_every_other(store, tmp_path):
    with Store.create(tmp_path / "other", LDAClassifier()) as other:
        other.learn(X[300:310], Y[300:310], sample_id=range(300, 310))
        operations = [
            lambda: store.learn(X[200:220], Y[200:220], sample_id=range(200, 220)),
            lambda: store.forget_all([{"sample_id": [i], "request_id": str(i)} for i in range(4)]),
            lambda: store.rectify(X[310:312], Y[310:312], sample_id=[10, 11]),
            lambda: (store.restrict(subject="patient 10"), store.unrestrict(subject="patient 10")),
            lambda: store.merge(other),
            lambda: other.merge(LDAClassifier()),
            lambda: [store.snapshot() for _ in range(3)],
            lambda: store.rotate_key("ledger"),
            lambda: [store.verify(retrain=True) for _ in range(3)],
            lambda: [(store.status(), store.audit(), store.requests(), store.receipt("1")) for _ in range(3)],
            lambda: [(store.state_digest(), store.n_rows, store.audit_head, store.head) for _ in range(9)],
            lambda: [store.decision_function(X[:9]) for _ in range(9)],
            lambda: (store.public_keys(), store.certificate_keys(), store.export_tombstones()),
            lambda: store.replay_tombstones(),
        ]
        assert together(*operations) == []
    assert store.state_digest() == plain([*range(4, 10), 310, 311, *range(12, 220), *range(300, 310)])
    assert store.verify(retrain=True).rows == 226


def test_one_request_from_many_threads_is_carried_out_once(store):
    receipts = []

    assert together(*[lambda: receipts.append(store.forget(subject="patient 3", request_id="r"))] * 8) == []
    assert receipts == [receipts[0]] * 8
    assert [entry["event"] for entry in store.audit()] == ["create", "learn", "forget"]


def test_after_an_error_in_one_thread_the_others_go_on_from_what_the_disk_holds(store, monkeypatch):
    write, failures = (
        store.parts.model.__class__.write_snapshot,
        iter([True, False, True, False, True, True] + [False] * 99),
    )

    def sometimes(model):
        if next(failures):
            raise OSError("the disk is full")
        return write(model)

    monkeypatch.setattr(store.parts.model.__class__, "write_snapshot", sometimes)
    left = set(range(200))

    def forget(i):
        def work():
            try:
                store.forget(sample_id=[i])
            except OSError:
                store.predict(X[:1])
            else:
                left.remove(i)

        return work

    assert together(*map(forget, range(12))) == []
    assert len(left) == 200 - 12 + 4
    assert store.state_digest() == plain(sorted(left))
    assert store.verify(retrain=True).rows == len(left)


def test_two_stores_that_merge_each_other_do_not_wait_for_each_other(tmp_path):
    with Store.create(tmp_path / "a", LDAClassifier()) as a, Store.create(tmp_path / "b", LDAClassifier()) as b:
        a.learn(X[:10], Y[:10])
        b.learn(X[10:20], Y[10:20])
        assert together(*[lambda: a.merge(b), lambda: b.merge(a)] * 2) == []
        for store in (a, b):
            store.verify(retrain=True)
            with pytest.raises(ValueError, match="its own rows already"):
                store.merge(store)


@pytest.mark.filterwarnings("ignore::analytic_cl.store.LeftoverWarning")  # readers are in the way: that is the point
def test_readers_in_several_threads_see_whole_states_while_a_writer_goes_on(store):
    states = {plain(range(i, 200)) for i in range(11)}
    with Store.open(store.path, read_only=True) as reader:

        def read():
            for _ in range(10):
                assert reader.state_digest() in states
                assert reader.predict(X[:2]).shape == (2,)
                reader.verify(retrain=True)
                reader.status()

        assert together(read, read, read, lambda: [store.forget(sample_id=[i]) for i in range(10)]) == []
        assert reader.state_digest() == plain(range(10, 200))


@pytest.mark.parametrize("retrain", [False, True])
def test_a_reader_verifies_one_moment_though_a_writer_commits_before_each_of_its_statements(store, retrain):
    """What can happen between two reads does happen here: rows that come and go, and keys that are replaced."""
    failures, done = [], []

    def meanwhile(statement):
        i = len(done)
        done.append(statement)
        try:
            store.learn(X[200 + i : 201 + i], Y[200 + i : 201 + i], sample_id=[200 + i])
            if statement.startswith("BEGIN"):  # a reader that is in a transaction would make erasures wait
                for kind in ("ledger", "certificate", "signing"):
                    store.rotate_key(kind)
                store.forget(sample_id=[i])
        except BaseException as error:
            failures.append(error)

    with Store.open(store.path, read_only=True) as reader:
        sql = reader.parts.database._sql
        sql.set_trace_callback(meanwhile)
        found = reader.verify(retrain=retrain)
        sql.set_trace_callback(None)
        assert failures == []
        assert len(done) > 20
        assert found.rows in range(200, 240)
        assert reader.verify(retrain=retrain).rows == store.n_rows


def test_a_store_that_is_closed_under_other_threads_says_so(store):
    seen = []

    def ask():
        try:
            for _ in range(1000):
                store.predict(X[:1])
        except StoreError as error:
            seen.append(str(error))

    assert together(ask, ask, store.close) == []
    assert len(seen) == 2
    assert all("is closed" in words for words in seen)


def test_asyncio_to_thread_may_share_a_store(store):
    async def serve():
        forget = [asyncio.to_thread(store.forget, sample_id=[i]) for i in range(6)]
        look = [asyncio.to_thread(store.predict, X[:2]) for _ in range(6)]
        return await asyncio.gather(*forget, *look)

    assert [receipt.removed for receipt in asyncio.run(serve())[:6]] == [1] * 6
    assert store.verify(retrain=True).rows == 194


PRESSED = """
import os, signal, sys, threading
import numpy as np
from analytic_cl import LDAClassifier, Store

signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = np.random.RandomState(0).normal(size=(400, 4)), np.arange(400) % 3
store = Store.create(sys.argv[1], LDAClassifier())
store.learn(X, y, sample_id=range(400))
left, over = set(range(400)), threading.Event()

def forget():
    for i in range(0, 400, 2):
        if over.is_set():
            return
        store.forget(sample_id=[i])
        left.remove(i)

worker = threading.Thread(target=forget)
worker.start()
pressed, i = 0, 1
while pressed < 5:
    threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
    try:
        while True:
            store.forget(sample_id=[i], request_id=f"main {i}")
            left.discard(i)
            i += 2
    except KeyboardInterrupt:
        pressed += 1
        if store.receipt(f"main {i}"):
            left.discard(i)
            i += 2
over.set()
worker.join(60)
assert not worker.is_alive()
rows = sorted(left)
assert store.state_digest() == LDAClassifier().fit(X[rows], y[rows]).state_digest()
print(store.verify(retrain=True).rows == len(rows))
"""


def test_ctrl_c_while_another_thread_works_leaves_the_store_usable(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PRESSED, tmp_path / "store"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.stdout.split() == ["True"], run.stderr


# ---- fork

FORKED = """
import os, sys, threading, warnings
import numpy as np
from analytic_cl import LDAClassifier, Store
from analytic_cl.store import StoreError

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons say that threads and fork don't mix
X, y = np.random.RandomState(0).normal(size=(60, 4)), np.arange(60) % 3
store = Store.create(sys.argv[1], LDAClassifier())
store.learn(X, y, sample_id=range(60), subject="Ann")
reader = Store.open(sys.argv[1], read_only=True)
in_turn, go = threading.Event(), threading.Event()

def stay():  # a thread that the child does not have holds the lock while the process forks
    with store.turns.mine():
        in_turn.set()
        go.wait(60)

thread = threading.Thread(target=stay)
thread.start()
in_turn.wait(60)
pid = os.fork()
if pid == 0:
    refused = 0
    for use in (
        lambda: store.predict(X[:1]), lambda: store.learn(X, y), lambda: store.forget(sample_id=[1]),
        lambda: store.access("Ann"), lambda: store.n_rows, lambda: store.status(), lambda: store.verify(),
        lambda: store.head, lambda: store.audit_head, lambda: store.snapshot(), lambda: reader.predict(X[:1]),
        lambda: store.forget_all([]), lambda: store.merge(reader), lambda: store.replay_tombstones(),
    ):
        try:
            use()
        except StoreError as error:
            refused += "forked" in str(error)
    store.close()
    reader.close()
    with store:
        pass
    assert refused == 14, refused
    for how in ({}, {"read_only": True}):
        try:
            Store.open(sys.argv[1], **how)
        except StoreError as error:
            refused += "forked" in str(error) or "being written to" in str(error)
    assert refused == 16, refused
    with Store.create(sys.argv[1] + " of the child", LDAClassifier()) as own:
        own.learn(X, y)
        assert own.verify(retrain=True).rows == 60
    del store, reader  # freed, and later the interpreter ends: the parent's files must not feel it
    sys.exit(7)
go.set()
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
store.forget(sample_id=[0])
store.learn(X[:1], y[:1], sample_id=[100])
assert reader.n_rows == 60 and store.verify(retrain=True).rows == 60
try:
    Store.open(sys.argv[1])
except StoreError as error:
    assert str(os.getpid()) in str(error), error  # the lock is there, with its holder's name
else:
    raise AssertionError("two writers")
hear, tell = os.pipe()
pid = os.fork()
if pid == 0:
    os.read(hear, 1)  # until the parent has closed
    try:
        Store.open(sys.argv[1], read_only=True)  # SQLite would hold on to what its parent's connection saw
    except StoreError as error:
        os._exit(8 if "can't be opened in it" in str(error) else 1)
    os._exit(0)
store.close()
reader.close()
with Store.open(sys.argv[1]) as again:  # although the child is there still
    assert again.verify(retrain=True).rows == 60
    os.write(tell, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8
pid = os.fork()  # of a process that has closed the store
if pid == 0:
    with Store.open(sys.argv[1]) as own:
        own.forget(sample_id=[100])
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
print("right")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_is_refused_and_does_not_disturb_its_parent(tmp_path):
    command = [sys.executable, "-c", FORKED, tmp_path / "store"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.stdout.split() == ["right"], run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_killed_writer_leaves_no_lock_to_its_children(tmp_path):
    code = (
        "import os, sys, time\n"
        "from analytic_cl import LDAClassifier, Store\n"
        "store = Store.create(sys.argv[1], LDAClassifier())\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.close(1), time.sleep(60), os._exit(0)\n"
        "print(pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "store"], stdout=subprocess.PIPE, check=False)
    child = int(run.stdout)
    try:
        with Store.open(tmp_path / "store") as store:
            assert store.n_rows == 0
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_second_writer_in_the_same_process_is_refused_as_ever(store):
    with pytest.raises(StoreLockedError):
        Store.open(Path(store.path))
    assert np.array_equal(store.predict(X[:5]), LDAClassifier().fit(X[:200], Y[:200]).predict(X[:5]))
