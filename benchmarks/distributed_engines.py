"""One fit by every engine against one process: the same digest, how many seconds, and what the engine costs.

Rows are made chunk by chunk where they are learned, from small integers, so that nothing waits for a disk or a network.
An engine is a function from `Made` to `Outcome`; those that are not installed are left out, with a word.

    ROWS=200000 FEATURES=1024 WORKERS=1,2,7 python benchmarks/distributed_engines.py
"""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _common import RESULTS, machine

from analytic_cl import LDAClassifier, distributed, use_threads
from analytic_cl._config import get_threads

ROWS = int(os.environ.get("ROWS", "200000"))
FEATURES = int(os.environ.get("FEATURES", "1024"))
WORKERS = [int(number) for number in os.environ.get("WORKERS", "1,2,7").split(",")]
CLASSES = 100


class Made(NamedTuple):
    """Rows in chunks of random sizes, a function of the chunk's number alone."""

    sizes: tuple[int, ...]
    n_features: int

    def X(self, number):
        values = np.random.default_rng([number, 0]).integers(-127, 128, (self.sizes[number], self.n_features), np.int8)
        return values.astype(np.float32)

    def y(self, number):
        return np.random.default_rng([number, 1]).integers(0, CLASSES, self.sizes[number])


class Outcome(NamedTuple):
    """Of a fit: its seconds, those until the engine was ready, and the digest of what was learned."""

    seconds: float
    start: float
    digest: str
    note: str = ""


def made(n, n_features):
    rng, sizes = np.random.default_rng(0), []
    while sum(sizes) < n:
        sizes.append(min(int(rng.integers(2_000, 14_000)), n - sum(sizes)))
    return Made(tuple(sizes), n_features)


# ---- one process


def in_memory(rows):
    numbers = range(len(rows.sizes))
    X, y = np.concatenate([*map(rows.X, numbers)]), np.concatenate([*map(rows.y, numbers)])
    start = time.perf_counter()
    head = LDAClassifier().fit(X, y)
    return Outcome(time.perf_counter() - start, 0.0, head.state_digest(), "without making the rows")


def in_a_loop(rows, threads):
    start = time.perf_counter()
    head = LDAClassifier()
    with use_threads(threads):
        for number in range(len(rows.sizes)):
            head.partial_fit(rows.X(number), rows.y(number))
    return Outcome(time.perf_counter() - start, 0.0, head.state_digest(), f"{threads} threads")


# ---- Dask


def with_dask(rows, workers, killed=False):
    import dask.array as da
    from distributed import Client, LocalCluster, SchedulerPlugin

    class Counting(SchedulerPlugin):
        name = "counting"
        now = most = 0

        def transition(self, key, start, finish, *args, **kwargs):
            if str(key).startswith(("learn-", "combine-")):
                self.now += (finish == "memory") - (start == "memory")
                self.most = max(self.most, self.now)

    def arrays(rows, mark=None):
        def X(block_info):
            number = block_info[None]["chunk-location"][0]
            if mark is not None and number == len(rows.sizes) // 2 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return rows.X(number)

        def y(block_info):
            return rows.y(block_info[None]["chunk-location"][0])

        chunks = rows.sizes, (rows.n_features,)
        return da.map_blocks(X, chunks=chunks, dtype=np.float32), da.map_blocks(y, chunks=chunks[:1], dtype=np.int64)

    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        distributed.fit(LDAClassifier(), *arrays(Made((300,) * 4 * workers, rows.n_features)))  # imports, kernels
        client.register_plugin(Counting())
        start = time.perf_counter()
        X, y = arrays(rows, Path(folder) / "killed" if killed else None)
        head = distributed.fit(LDAClassifier(), X, y)
        seconds = time.perf_counter() - start
        most = cluster.scheduler.plugins["counting"].most
    return Outcome(seconds, start - begun, head.state_digest(), f"at most {most} states waited on all workers")


ENGINES: dict[str, tuple[str, Callable[[Made], Outcome]]] = {
    "one process, all rows in memory": ("numpy", in_memory),
    "one process, a loop over chunks": ("numpy", partial(in_a_loop, threads=get_threads())),
    "one process, one thread, a loop over chunks": ("numpy", partial(in_a_loop, threads=1)),
    **{f"Dask, {n} processes": ("distributed", partial(with_dask, workers=n)) for n in WORKERS},
    "Dask, 2 processes, one killed": ("distributed", partial(with_dask, workers=2, killed=True)),
}


def main():
    rows, cores = made(ROWS, FEATURES), get_threads()
    print(f"{ROWS} rows of {FEATURES} features in {len(rows.sizes)} chunks, {cores} cores\n")
    print(f"{'':45s} {'fit':>8s} {'start':>8s} {'x bare':>8s} {'efficiency':>10s}")
    found: dict[str, dict] = {}
    for name, (module, run) in ENGINES.items():
        if find_spec(module) is None:
            print(f"{name:45s} left out: {module} is not installed")
            continue
        outcome = run(rows)
        loop = found.get("one process, a loop over chunks", outcome._asdict())["seconds"]
        one = found.get("one process, one thread, a loop over chunks", {}).get("seconds")
        workers = min(cores, int(name.split(", ")[1].split()[0])) if one else None
        ratios = {
            "overhead": outcome.seconds / loop,  # against one process with all cores
            "efficiency": one / workers / outcome.seconds if workers else None,  # of each core, against one alone
        }
        found[name] = outcome._asdict() | ratios
        share = f"{ratios['efficiency']:10.2f}" if workers else f"{'':10s}"
        print(
            f"{name:45s} {outcome.seconds:8.2f} {outcome.start:8.2f} {ratios['overhead']:8.2f} {share}  {outcome.note}"
        )
    digests = {outcome["digest"] for outcome in found.values()}
    print(f"\n{'one digest' if len(digests) == 1 else 'DIGESTS DIFFER'}: {' '.join(sorted(digests))}")
    RESULTS.mkdir(exist_ok=True)
    seconds = {name: [outcome["seconds"]] for name, outcome in found.items()}
    record = {"title": __doc__.splitlines()[0], "note": f"{ROWS} rows, {FEATURES} features", "seconds": seconds}
    record |= {"runs": found, "chunks": rows.sizes, "machine": machine()}
    (RESULTS / "distributed_engines.json").write_text(json.dumps(record, indent=1))
    assert len(digests) == 1


if __name__ == "__main__":
    main()
