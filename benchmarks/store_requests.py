"""Claim: a store of a million rows opens in under two seconds, and a request costs what its state costs to write,
however many rows there are.

One request for one row among 10,000, 100,000 and a million, in turns, beside what it can't do without: to write the
state and to flush files to disk. 100,000 rows of 384 features, 1,000 requests for one row each, one after another, with
certificates, next to training again; requests sent together; one request by the size of the state; and a million small
rows, in processes of their own, with the most memory that each took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import REPEATS, generated_rows, store, timed

from analytic_cl import LDAClassifier, RandomProjection, RLSClassifier, Store

ROWS, MANY, MILLION = 100_000, 1000, 1_000_000


def peak_memory():
    lines = Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else []
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")), float("nan"))


def learned(path, head, n, d, batch=100_000, low=-100, high=100):
    """A store of n rows, five a subject, the last of a million without."""
    random = np.random.default_rng(0)
    opened = Store.create(path, head)
    for start in range(0, n, batch):
        count = min(batch, n - start)
        X, names = random.integers(low, high, (count, d)), range(start, start + count)
        opened.learn(
            X,
            np.arange(count) % 100,
            sample_id=names,
            subject=[f"subject {i // 5}" for i in names] if start < 900_000 else None,
            session=f"{start}",
        )
    return opened


def one_by_one(folder):
    X, y = generated_rows(ROWS, 384, 100)
    with Store.create(folder / "stream", LDAClassifier()) as opened:
        learning = timed(lambda: opened.learn(X, y, sample_id=range(ROWS)))
        gone = iter(np.random.RandomState(0).permutation(ROWS).tolist())
        seconds = [timed(lambda: opened.forget(sample_id=[next(gone)])) for _ in range(MANY)]
        p99 = float(np.quantile(seconds, 0.99))
        together = [timed(lambda: opened.forget_all([{"sample_id": [next(gone)]} for _ in range(100)])) / 100]
        together += [timed(lambda: opened.forget_all([{"sample_id": [next(gone)]} for _ in range(100)])) / 100]
        dry = [timed(lambda: opened.forget(sample_id=[next(gone)], dry_run=True)) for _ in range(REPEATS)]
        kept = list(gone)
        many = timed(lambda: opened.forget(sample_id=kept[:10_000]))
        kept = kept[10_000:]
    retrain = [timed(lambda: LDAClassifier().fit(X[kept], y[kept])) for _ in range(REPEATS)]
    note = (
        f"{MANY / sum(seconds):.0f} requests a second, p99 {p99 * 1e3:.0f} ms, certificates included; {ROWS:,} rows "
        f"were learned in {learning:.1f} s, 10,000 of them forgotten by one request in {many:.1f} s."
    )
    print(note)
    store(
        f"store: requests for one of {ROWS:,} rows, 384 features",
        {
            "one request": seconds,
            "100 together, each": together,
            "dry run": dry,
            "training again, without solving or certificate": retrain,
        },
        note,
    )


def flushes(folder, n_bytes):
    """Write this much to a new file and flush it and its folder, as a snapshot does; flush one page in place."""
    path = folder / "floor"

    def write():
        with path.open("wb") as file:
            file.write(os.urandom(n_bytes))
            file.flush()
            os.fsync(file.fileno())
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    def flush():
        with path.open("rb+") as file:
            file.write(os.urandom(4096))
            file.flush()
            os.fdatasync(file.fileno())

    return write, flush


def by_rows(folder, d=128, requests=200, sizes=(10_000, 100_000, MILLION)):
    """One request for one row, by the rows that the store holds: `requests` of each store, in turns."""
    stores = {n: learned(folder / f"rows {n}", LDAClassifier(quantizer="integers"), n, d, 50_000) for n in sizes}
    gone = {n: iter(np.random.RandomState(0).permutation(n).tolist()) for n in sizes}
    for opened in stores.values():
        opened.snapshot()
    snapshot = next((stores[sizes[1]].path / "snapshots").iterdir()).stat().st_size
    write, flush = flushes(folder, snapshot)
    seconds = {f"one of {n:,}": [] for n in sizes} | {f"write and flush the state, {snapshot:,} bytes": []}
    seconds |= {"flush a page to disk": []}
    for _ in range(requests):
        for n, opened in stores.items():
            seconds[f"one of {n:,}"].append(timed(lambda: opened.forget(sample_id=[next(gone[n])])))  # noqa: B023
        for name, floor in zip(list(seconds)[-2:], (write, flush), strict=True):
            seconds[name].append(timed(floor))
    for opened in stores.values():
        assert opened.verify(deep=True).searched
        opened.close()
    X, y = np.random.default_rng(0).integers(-100, 100, (sizes[1], d)), np.arange(sizes[1]) % 100
    seconds[f"training on {sizes[1]:,}"] = [
        timed(lambda: LDAClassifier(quantizer="integers").fit(X, y)) for _ in range(REPEATS)
    ]
    p99 = ", ".join(f"{name}: {np.quantile(each, 0.99) * 1e3:.0f} ms" for name, each in seconds.items())
    middle = {name: float(np.median(each)) for name, each in seconds.items()}
    first, hundred, million, *_ = middle.values()
    note = (
        f"Certificates and flushes included. p99: {p99}. A million rows take {million / hundred:.2f} times the time of "
        f"{sizes[1]:,}, which take {hundred / first:.2f} times that of {sizes[0]:,}."
    )
    print(note)
    store(f"store: one request for one row of {d} features, by the rows in the store", seconds, note)


def by_size(folder):
    seconds = {}
    for d in (384, 1280, 4096):
        projection = RandomProjection(d) if d == 4096 else None
        X, y = generated_rows(5000, min(d, 1280), 100)
        with Store.create(folder / f"size {d}", RLSClassifier(projection=projection)) as opened:
            opened.learn(X, y, sample_id=range(5000))
            opened.forget(sample_id=[4999])
            seconds[f"{d} features"] = [timed(lambda: opened.forget(sample_id=[k])) for k in range(2 * REPEATS)]  # noqa: B023
    store("store: one request by the size of the state", seconds)


# What a process of its own does with the store of a million rows; it prints seconds and megabytes.
STEPS = {
    "open, a million rows": "opened = Store.open(path)",
    "open to read, a million rows": "opened = Store.open(path, read_only=True); opened.state_digest()",
    "forget one of a million": "opened.forget(sample_id=[17])",
    "forget a subject of a million": "opened.forget(subject='subject 77')",
    "dry run, one of a million": "opened.forget(sample_id=[18], dry_run=True)",
    "learn one beside a million": "opened.learn([[1] * 16], [1], sample_id=[-1])",
    "forget 100,000 of a million": "opened.forget_all([{'session': '100000'}])",
    "forget 100,000 of a million, by their ids": "opened.forget(sample_id=range(900_000, 1_000_000))",
    "learn one, 110,000 tombstones": "opened.learn([[1] * 16], [1], sample_id=[-2])",
    "forget one, 110,000 tombstones": "opened.forget(sample_id=[19])",
    "verify": "opened.verify()",
    "verify, retrained": "opened.verify(retrain=True)",
}

CHILD = """
import sys, time
sys.path.insert(0, sys.argv[3])
from store_requests import peak_memory
from analytic_cl import Store
path, step = sys.argv[1], sys.argv[2]
prelude = "" if step.startswith("opened =") else "opened = Store.open(path)"
exec(prelude)
start = time.perf_counter()
exec(step)
seconds = time.perf_counter() - start
memory = peak_memory()
opened.close()
import json
print(json.dumps([seconds, memory]))
"""


def million(folder):
    path = folder / "million"
    start = time.perf_counter()
    head = LDAClassifier(quantizer="integers")
    opened = learned(path, head, MILLION, 16)
    learning = time.perf_counter() - start
    opened.close()
    size = sum(file.stat().st_size for file in path.rglob("*")) / 1e6
    seconds, memory = {}, {}
    for name, step in STEPS.items():
        command = [sys.executable, "-c", CHILD, path, step, str(Path(__file__).parent)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        took, peak = json.loads(run.stdout)
        seconds[name], memory[name] = [took], peak
        print(f"{name}: {took:.3f} s, {peak:.0f} MB", flush=True)
    note = f"Learned in {learning:.0f} s, {size:.0f} MB on disk. Most memory, MB: " + ", ".join(
        f"{name}: {peak:.0f}" for name, peak in memory.items()
    )
    store("store: a million rows of 16 features", seconds, note)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for measure in (by_rows, million, one_by_one, by_size):
            measure(Path(folder))
