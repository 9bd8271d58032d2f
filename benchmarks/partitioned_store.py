"""Claim: a request about a person costs a store of many parts what it costs one part, and killed workers cost nothing.

The same rows and requests in one `Store`, in `PartitionedStore`s of 1, 4 and 16 parts in this process, and in one whose
parts are worked on by two processes. Afterwards a process is killed in the middle of a request, and the bits compared.
ROWS=100000 FEATURES=384 REQUESTS=50 by default are 20,000, 256 and 20.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from _common import generated_rows, store, timed

from analytic_cl import LDAClassifier, Store
from analytic_cl.distributed import PartitionedStore

ROWS, FEATURES = int(os.environ.get("ROWS", "20000")), int(os.environ.get("FEATURES", "256"))
REQUESTS, BATCH = int(os.environ.get("REQUESTS", "20")), 5000
PERSON = 10  # rows of one


def live(opened, X, y):
    """Seconds to learn all rows, to forget people one by one, to forget as many together, and to predict afterwards."""
    people = [f"person {i // PERSON}" for i in range(ROWS)]
    start = time.perf_counter()
    for first in range(0, ROWS, BATCH):
        part = slice(first, first + BATCH)
        opened.learn(X[part], y[part], sample_id=range(first, min(first + BATCH, ROWS)), subject=people[part])
    learning = time.perf_counter() - start
    singly = [timed(lambda k=k: opened.forget(subject=f"person {k}")) for k in range(REQUESTS)]
    together = timed(lambda: opened.forget_all([{"subject": f"person {REQUESTS + k}"} for k in range(REQUESTS)]))
    return {"learn": [learning], "one request": singly, "requests together, each": [together / REQUESTS]}


def pool():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def survives_a_kill(path, left):
    """Kill a worker while a request is carried out; whether the bits are those of training on what is left."""
    X, y = left
    with warnings.catch_warnings(), pool() as workers, PartitionedStore.open(path, executor=workers) as opened:
        warnings.simplefilter("ignore")
        list(workers.map(abs, range(2)))
        victim = next(iter(workers._processes))
        threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
        opened.forget_all([{"subject": f"person {2 * REQUESTS + k}"} for k in range(REQUESTS)])
        opened.verify()
        return opened.state_digest() == LDAClassifier().fit(X, y).state_digest()


def warm(_=None):
    """Load and compile what all of them use."""
    with tempfile.TemporaryDirectory() as name, Store.create(f"{name}/warm", LDAClassifier()) as opened:
        opened.learn(*generated_rows(200, FEATURES, 5), sample_id=range(200))
        opened.forget(sample_id=[1, 2, 3])


def main():
    X, y = generated_rows(ROWS, FEATURES, 50)
    times = {}
    warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.create(folder / "one", LDAClassifier()) as opened:
            times["Store"] = live(opened, X, y)
        for n_parts in (1, 4, 16):
            with PartitionedStore.create(folder / f"{n_parts}", LDAClassifier(), n_parts=n_parts) as opened:
                times[f"{n_parts} parts"] = live(opened, X, y)
        with (
            pool() as workers,
            PartitionedStore.create(folder / "pool", LDAClassifier(), n_parts=4, executor=workers) as opened,
        ):
            list(workers.map(warm, range(4)))
            times["4 parts, 2 processes"] = live(opened, X, y)
        gone = 3 * REQUESTS * PERSON
        same = survives_a_kill(folder / "pool", (X[gone:], y[gone:]))
    note = f"{ROWS:,} rows of {FEATURES} features, {PERSON} a person; after a killed worker the same bits: {same}"
    for what in ("learn", "one request", "requests together, each"):
        store(f"Partitioned store, {what}", {name: each[what] for name, each in times.items()}, note)
    print(f"\n{note}")
    if not same:
        raise SystemExit("a killed worker changed the bits")


if __name__ == "__main__":
    main()
