"""What tests of the store share: sixty visits of twelve patients, and what a plain fit on some of them gives."""

import os
import subprocess
import threading
import traceback

import numpy as np
import pytest
from common import blobs
from sklearn.base import clone

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    Store,
)
from analytic_cl.store import (
    audit,
    clock,
    keys,
    requests,
    tombstones,
)

ROUNDS = int(os.environ.get("ANALYTIC_CL_THREAD_ROUNDS", "4"))
WAIT = 60 + 5 * ROUNDS  # seconds after which a thread counts as one that waits for ever

X, Y = blobs(60, 5, 3)
IDS = [f"visit {i}" for i in range(60)]
SUBJECTS = [f"patient {i // 5}" for i in range(60)]
SESSIONS = [f"ward {i // 20}" for i in range(60)]

HEADS = [
    NearestMeanClassifier("euclidean", quantizer=FixedPoint(16)),
    LDAClassifier(),
    RLSClassifier(alpha=1.0, quantizer="embedding"),
    RLSClassifier(projection=RandomProjection(20)),
]

# The end of a program that forks a `child(first, event)` for each line "first operation, event to be killed at, or 0".
NURSERY = """
print("ready", flush=True)
for line in sys.stdin:
    first, event = map(int, line.split())
    pid = os.fork()
    if pid == 0:
        try:
            child(first, event)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as opened:
        opened.learn(X, Y, sample_id=IDS, subject=SUBJECTS, session=SESSIONS)
        yield opened


def plain(kept, head=None):
    """Digest of a plain fit on some of the rows."""
    kept = list(kept)
    return clone(head or LDAClassifier()).fit(X[kept], Y[kept]).state_digest()


def without(*gone):
    return [i for i in range(60) if i not in gone]


def tables(store):
    """Everything that the database holds."""
    names = ("about", "labels", "rows", "requests", "audit", "tombstones")
    return {name: store.parts.database.run(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}


def reopened(store, **how):
    store.close()
    return Store.open(store.path, **how)


def at(monkeypatch, time):
    """Stop all clocks of the package."""
    for module in (clock, audit, requests, tombstones, keys):
        monkeypatch.setattr(module, "now", lambda: time)


def everything(path):
    """All bytes of a directory, read by another process: closing a file drops this one's locks on it."""
    listed = subprocess.run(["find", path, "-type", "f", "-exec", "cat", "{}", "+"], capture_output=True, check=True)
    return listed.stdout


def survivors(path, patterns):
    """Which of these byte strings occur in the directory, found by their first three bytes, then looked at."""
    data = everything(path)
    content = np.frombuffer(data, np.uint8).astype(np.uint32)
    threes = content[:-2] | content[1:-1] << 8 | content[2:] << 16
    firsts, starts = {}, np.zeros(2**24, bool)
    for pattern in patterns:
        firsts.setdefault(pattern[:6], []).append(pattern)
        starts[int.from_bytes(pattern[:3], "little")] = True
    places = np.flatnonzero(starts[threes]).tolist()
    return sorted({p for at in places for p in firsts.get(data[at : at + 6], ()) if data.startswith(p, at)})


def together(*works):
    """Run all of these at once, each in a thread of its own; what they raised."""
    errors, start = [], threading.Barrier(len(works))

    def run(work):
        try:
            start.wait(WAIT)
            work()
        except BaseException:
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return errors
