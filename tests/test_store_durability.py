"""Whatever breaks off an operation, the store opens in the state before it or after it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from common import blobs
from soak_store import carry_out, digest_of, life
from stores import NURSERY

from analytic_cl import LDAClassifier, Store
from analytic_cl.store import StoreError
from analytic_cl.store.model import Model

KILLS = int(os.environ.get("ANALYTIC_CL_KILLS", "20"))
INTERRUPTS = int(os.environ.get("ANALYTIC_CL_KILLS", "20")) * 2
X, Y = blobs(60, 5, 3)
IDS = list(range(60))
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# What children begin with.
LIFE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from soak_store import carry_out, digest_of, life
"""

# Forks a child for each line "first operation, event to be killed at, or 0"; the child says what it has done in a file.
CHILD = (
    LIFE
    + """
import os, signal, tempfile
from analytic_cl import LDAClassifier, Store

with tempfile.TemporaryDirectory() as folder, Store.create(folder + "/warm", LDAClassifier()) as store:
    for operation, _ in life(12):
        carry_out(store, operation)
path, log, operations = sys.argv[1], sys.argv[2], [step for step, _ in life(int(sys.argv[3]))]

def child(first, event):
    acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def die(*_):
        nonlocal event
        event -= 1
        if event == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if event:
        sys.setprofile(die)
    store = Store.open(path)
    for k in range(first, len(operations)):
        carry_out(store, operations[k])
        os.write(acknowledged, b"%d\\n" % k)
    os._exit(0)
"""
)


def test_killed_at_any_moment_the_store_opens_before_or_after_the_operation(tmp_path):
    path, log, chance = tmp_path / "store", tmp_path / "log", random.Random(KILLS)
    steps = list(life(40 * KILLS + 200))
    Store.create(path, LDAClassifier()).close()
    command = [sys.executable, "-c", CHILD + NURSERY, path, log, str(len(steps))]
    done, kills, after_all = -1, 0, 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        assert nursery.stdout.readline() == "ready\n"
        while kills < KILLS:
            log.write_text("")
            by_time = kills % 2
            print(done + 1, 0 if by_time else chance.randint(1, 40_000), file=nursery.stdin, flush=True)
            pid = int(nursery.stdout.readline())
            if by_time:
                time.sleep(chance.uniform(0, 0.25))
                os.kill(pid, signal.SIGKILL)
            status = int(nursery.stdout.readline())
            assert status == signal.SIGKILL, f"the child ended with {status}"
            kills += 1
            acknowledged = [int(line) for line in log.read_text().split()]
            done = acknowledged[-1] if acknowledged else done
            with Store.open(path) as store:
                expected = [digest_of(steps[k][1] if k >= 0 else {}) for k in (done, done + 1)]
                found = store.state_digest()
                assert found in expected, f"after kill {kills}, within operation {done + 1}: {steps[done + 1][0]}"
                held = store.verify(retrain=True, deep=True)
                assert [file.name for file in (path / "snapshots").iterdir()] == [
                    store.parts.database.about("snapshot")["name"]
                ]
                if found == expected[1] != expected[0]:
                    done, after_all = done + 1, after_all + 1
                assert held.rows == len(steps[done][1] if done >= 0 else {})
            assert sorted(file.name for file in path.iterdir()) == [
                "keys.json",
                "snapshots",
                "store.sqlite",
                "writer.lock",
            ]
            assert done < len(steps) - 50
        nursery.stdin.close()
    assert done > KILLS
    with Store.open(path) as store:  # a request that was killed is carried out, once, when it is sent again
        for k in range(done + 1, done + 12):
            carry_out(store, steps[k][0])
            if steps[k][0][0] in ("forget", "rectify"):
                carry_out(store, steps[k][0])
            assert store.state_digest() == digest_of(steps[k][1])


INTERRUPTED = (
    LIFE
    + """
import random, signal, tempfile
from analytic_cl import LDAClassifier, Store
from analytic_cl import _interrupts as interrupts

signal.signal(signal.SIGINT, signal.default_int_handler)
chance, wanted = random.Random(1), int(sys.argv[1])
store = Store.create(tempfile.mkdtemp(dir=sys.argv[2]) + "/store", LDAClassifier())
events = 0

def press(*_):
    global events
    events -= 1
    if events == 0:
        signal.raise_signal(signal.SIGINT)

before, hit, survived = digest_of({}), 0, 0
for operation, held in life(10 * wanted + 100):
    after = digest_of(held)
    if hit < wanted and len(held) > 30:
        events = chance.randint(1, {"learn": 1800, "snapshot": 2100}.get(operation[0], 7000))  # calls that it takes
        try:
            sys.setprofile(press)
            carry_out(store, operation)
            sys.setprofile(None)
        except KeyboardInterrupt:
            sys.setprofile(None)
            hit += 1
            assert not store.turns._lock._is_owned(), ("locked for ever", operation, hit)
            assert not store.parts.database._sql.in_transaction, ("in a transaction for ever", operation, hit)
            assert interrupts._active is None
        finally:
            sys.setprofile(None)
            events = 0
        state = store.state_digest()
        assert state in (before, after), (operation, hit)
        store.verify(retrain=True)
        if state == before != after:
            carry_out(store, operation)
    else:
        carry_out(store, operation)
    assert store.state_digest() == after, operation
    before = after
    if hit == wanted:
        break
store.close()
print(hit)
"""
)


def test_ctrl_c_at_any_call_leaves_the_store_usable_before_or_after_the_operation(tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, str(INTERRUPTS), tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + 2 * INTERRUPTS)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == INTERRUPTS


# ---- disks that are full, slow, or not to be written to

FULL_DISK = """
import os, resource, signal, sqlite3, sys
import numpy as np
from analytic_cl import LDAClassifier, Store
from analytic_cl.store import StoreError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, sizes = sys.argv[1], [int(size) for size in sys.argv[2:]]
random = np.random.RandomState(0)
X, y = random.normal(size=(3000, 40)), np.arange(3000) % 3
subjects = [f"subject {i // 10}" for i in range(3000)]

def fit(rows):
    return LDAClassifier().fit(X[list(rows)], y[list(rows)]).state_digest()

def steps():
    yield "learn", lambda: store.learn(X[1000:], y[1000:], subject=subjects[1000:]), range(3000)
    yield "forget", lambda: store.forget(subject="subject 7"), [i for i in range(3000) if not 70 <= i < 80]
    yield "snapshot", lambda: store.snapshot(), [i for i in range(3000) if not 70 <= i < 80]

failed = 0
for size in sizes:
    folder = f"{path}/{size}"
    store = Store.create(folder, LDAClassifier())
    store.learn(X[:1000], y[:1000], subject=subjects[:1000])
    before = fit(range(1000))
    for name, step, rows in steps():
        after = fit(rows)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            step()
        except (OSError, StoreError, sqlite3.Error) as error:
            failed += 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            state = store.state_digest()
            assert state in (before, after), (size, name, repr(error))
            assert state == before or name != "learn", (size, name, "learned, and said that it had not", repr(error))
            store.verify(retrain=True)
            store.parts.models.loaded = None
            store.close()
            store = Store.open(folder)
            assert store.state_digest() == state, (size, name)
            if state == before != after:
                step()
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert store.state_digest() == after, (size, name)
        before = after
    store.verify(retrain=True)
    store.close()
print(failed)
"""


def test_a_write_that_fails_leaves_the_state_before_or_after(tmp_path):
    pytest.importorskip("resource")
    sizes = [1_000, 20_000, 33_000, 60_000, 90_000, 120_000, 200_000, 400_000]
    command = [sys.executable, "-c", FULL_DISK, tmp_path, *map(str, sizes)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 8


@pytest.fixture
def full_disk(tmp_path):
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_on_a_full_disk_learning_and_erasing_fail_whole_and_succeed_when_there_is_room_again(full_disk):
    filler = full_disk / "filler"
    filler.write_bytes(bytes(3_000_000))
    learned = 60
    with Store.create(full_disk / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        with pytest.raises((OSError, StoreError)):  # noqa: PT012
            for start in range(1000, 100_000, 500):
                store.learn(np.resize(X, (500, 5)), np.resize(Y, 500), sample_id=range(start, start + 500))
                learned += 500
        assert store.n_rows == learned
        assert store.verify(retrain=True).rows == learned
        with pytest.raises((OSError, StoreError)):
            store.forget(sample_id=[7], request_id="r")
        assert store.verify(retrain=True).rows in (learned, learned - 1)
        filler.unlink()
        assert store.forget(sample_id=[7], request_id="r").removed == 1
        assert store.verify(retrain=True).rows == learned - 1
    with Store.open(full_disk / "store") as store:
        assert store.verify(retrain=True).rows == learned - 1
        assert not store.status()["cleaning_due"]


def test_a_request_that_failed_left_nothing_in_memory_and_is_carried_out_once_when_sent_again(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        before = store.state_digest()
        for request in (
            lambda: store.forget(sample_id=[7], request_id="a"),
            lambda: store.rectify(X[:2], Y[:2], sample_id=[8, 9], request_id="b"),
            lambda: store.restrict(sample_id=[10], request_id="c"),
        ):
            monkeypatch.setattr(LDAClassifier, "save", fail)
            with pytest.raises((OSError, StoreError)):
                request()
            monkeypatch.undo()
            assert store.state_digest() == before
            assert store.verify(retrain=True)
            request()
            assert store.verify(retrain=True)
            before = store.state_digest()
        kept = [i for i in IDS if i not in (7, 8, 9, 10)]
        assert before == LDAClassifier().fit(X[[0, 1, *kept]], Y[[0, 1, *kept]]).state_digest()


def test_learning_that_was_committed_does_not_fail_for_a_snapshot_that_could_not_be_written(tmp_path, monkeypatch):
    """Else the caller learns the same rows again."""
    from analytic_cl.store import learning as module

    monkeypatch.setattr(module, "SNAPSHOT_EVERY", 10)
    with Store.create(tmp_path / "store", LDAClassifier()) as store:

        def fail(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(LDAClassifier, "save", fail)
        assert store.learn(X, Y) == 60
        monkeypatch.undo()
        assert store.n_rows == 60


def test_a_request_whose_cleaning_failed_is_cleaned_up_when_it_is_sent_again(tmp_path, monkeypatch):
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=[f"visit {i}" for i in IDS])

        def fail(*arguments, **options):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Model, "remove_other_snapshots", fail)
        with pytest.raises((OSError, StoreError)):
            store.forget(sample_id=["visit 7"], request_id="r")
        monkeypatch.undo()
        assert store.forget(sample_id=["visit 7"], request_id="r").removed == 1
        assert len(list((store.path / "snapshots").iterdir())) == 1
        assert (store.path / "store.sqlite-wal").stat().st_size == 0


def as_nobody(path, code):
    """Run code as a user who may read the directory, but not write to it."""
    prelude = "import os, sys\nfrom analytic_cl import LDAClassifier, Store\nimport analytic_cl.store\n"
    drop = "os.setgid(65534)\nos.setuid(65534)\n" if os.geteuid() == 0 else ""
    for place in [path, *path.rglob("*")]:
        place.chmod(0o555 if place.is_dir() else 0o444)
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
    command = [sys.executable, "-c", prelude + drop + code, path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    for place in [path, *path.rglob("*")]:
        place.chmod(0o755 if place.is_dir() else 0o644)
    return run


def test_a_directory_that_may_not_be_written_to_is_read(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        digest = store.state_digest()
    looked = as_nobody(
        store.path,
        "store = Store.open(sys.argv[1], read_only=True)\n"
        "print(store.state_digest(), store.n_rows, store.verify(retrain=True).rows)\n",
    )
    assert looked.stdout.split() == [digest, "60", "60"], looked.stderr
    wrote = as_nobody(store.path, "Store.open(sys.argv[1])")
    assert "StoreError" in wrote.stderr.splitlines()[-1]
    assert "read_only=True" in wrote.stderr
    with Store.open(store.path) as store:
        assert store.state_digest() == digest


def test_open_for_reading_refuses_all_that_writes(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        with Store.open(store.path, read_only=True) as reader:
            for write in (
                lambda: reader.learn(X, Y),
                lambda: reader.forget(sample_id=[1]),
                lambda: reader.forget_all([{"sample_id": [1]}]),
                lambda: reader.rectify(X[:1], Y[:1], sample_id=[1]),
                lambda: reader.restrict(sample_id=[1]),
                lambda: reader.unrestrict(sample_id=[1]),
                lambda: reader.merge(store),
                lambda: reader.snapshot(),
                lambda: reader.rotate_key("ledger"),
                lambda: reader.replay_tombstones(),
            ):
                with pytest.raises(StoreError, match="reading only"):
                    write()
        assert store.verify(retrain=True).rows == 60
    with pytest.raises(StoreError, match="closed"):
        store.forget(sample_id=[1])
    with pytest.raises(StoreError, match="closed"):
        store.predict(X)
