"""One fit by every engine against one process: the same digest, how many seconds, and what the engine costs.

Rows are made chunk by chunk where they are learned, from small integers, so that nothing waits for a disk or a network.
An engine is a function from `Made` to `Outcome`; those that are not installed are left out, with a word. Overhead is
against one process with all cores that makes and learns the same chunks in a loop, efficiency that of each core against
such a loop on one.

    ROWS=200000 FEATURES=1024 WORKERS=1,2,7 python benchmarks/distributed_engines.py
"""

import json
import logging
import math
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
from _ray import with_ray
from _spark import with_spark

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


class Engine(NamedTuple):
    """What fits, what must be installed for it, and how many of its workers learn at a time."""

    run: Callable[[Made], "Outcome"]
    module: str = "numpy"
    workers: int | None = None


class Outcome(NamedTuple):
    """Of a fit: its seconds, those until the engine was ready, the digest of what was learned, processor seconds."""

    seconds: float
    start: float
    digest: str
    cpu: float | None = None  # of all processes that learn; a busy machine stretches the others
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
    start, cpu = time.perf_counter(), time.process_time()
    head = LDAClassifier().fit(X, y)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Outcome(seconds, 0.0, head.state_digest(), cpu, "without making the rows")


def in_a_loop(rows, threads):
    start, cpu = time.perf_counter(), time.process_time()
    head = LDAClassifier()
    with use_threads(threads):
        for number in range(len(rows.sizes)):
            head.partial_fit(rows.X(number), rows.y(number))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Outcome(seconds, 0.0, head.state_digest(), cpu, f"{threads} threads")


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

    begun, quiet = time.perf_counter(), {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, **quiet) as cluster,
        Client(cluster) as client,
    ):
        distributed.fit(LDAClassifier(), *arrays(Made((300,) * 4 * workers, rows.n_features)))  # imports, kernels
        client.register_plugin(Counting())
        start, before = time.perf_counter(), client.run(time.process_time)
        X, y = arrays(rows, Path(folder) / "killed" if killed else None)
        head = distributed.fit(LDAClassifier(), X, y)
        seconds = time.perf_counter() - start
        cpu = None if killed else sum(client.run(time.process_time).values()) - sum(before.values())
        most = cluster.scheduler.plugins["counting"].most
    return Outcome(seconds, start - begun, head.state_digest(), cpu, f"at most {most} states on all workers")


# ---- Spark and Ray: _spark.py, _ray.py


def of_another(engine, rows, workers):
    seconds, start, digest, note = engine(rows, workers)
    return Outcome(seconds, start, digest, None, note)


LOOP, ALONE = "one process, a loop over chunks", "one process, one thread, a loop over chunks"
ENGINES = {
    "one process, all rows in memory": Engine(in_memory),
    LOOP: Engine(partial(in_a_loop, threads=get_threads())),
    ALONE: Engine(partial(in_a_loop, threads=1)),
    **{f"Dask, {n} processes": Engine(partial(with_dask, workers=n), "distributed", n) for n in WORKERS},
    "Dask, 2 processes, one killed": Engine(partial(with_dask, workers=2, killed=True), "distributed", 2),
    "Spark, local[2]": Engine(partial(of_another, with_spark, workers=2), "pyspark", 2),
    "Ray, 2 CPUs": Engine(partial(of_another, with_ray, workers=2), "ray", 2),
}


def main():
    rows, cores = made(ROWS, FEATURES), get_threads()
    print(f"{ROWS} rows of {FEATURES} features in {len(rows.sizes)} chunks, {cores} cores\n")
    print(f"{'seconds':45s} {'fit':>8s} {'start':>8s} {'cpu':>8s} {'overhead':>8s} {'efficiency':>10s}")
    found: dict[str, dict] = {}
    for name, engine in ENGINES.items():
        if find_spec(engine.module) is None:
            print(f"{name:45s} left out: {engine.module} is not installed")
            continue
        outcome = engine.run(rows)
        found[name] = outcome._asdict() | {"overhead": None, "efficiency": None}
        print(f"{name:45s} {outcome.seconds:8.2f} {outcome.start:8.2f} {outcome.cpu or math.nan:8.2f}", end=" ")
        if engine.workers:
            overhead = outcome.seconds / found[LOOP]["seconds"]
            efficiency = found[ALONE]["seconds"] / min(cores, engine.workers) / outcome.seconds
            found[name] |= {"overhead": overhead, "efficiency": efficiency}
            print(f"{overhead:8.2f} {efficiency:10.2f}", end=" ")
        print(f" {outcome.note}", flush=True)
    digests = {outcome["digest"] for outcome in found.values()}
    print(f"\n{'one digest' if len(digests) == 1 else 'DIGESTS DIFFER'}: {' '.join(sorted(digests))}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    seconds = {name: [outcome["seconds"]] for name, outcome in found.items()}
    record = {"title": __doc__.splitlines()[0], "note": f"{ROWS} rows, {FEATURES} features", "seconds": seconds}
    record |= {"runs": found, "chunks": rows.sizes, "machine": machine()}
    (RESULTS / "distributed_engines.json").write_text(json.dumps(record, indent=1))
    assert len(digests) == 1


if __name__ == "__main__":
    main()
