"""Ray beside other engines: see distributed_engines.py."""

import logging
import os
import signal
import time
from pathlib import Path

from analytic_cl import LDAClassifier, distributed


def start_ray(workers):
    """Ray on this machine, with as many CPUs as workers."""
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    return ray


def dataset_of(ray, rows, mark=None):
    """Rows that are made in the tasks. With `mark`, a file, the worker of the middle chunk is killed the first time."""

    def make(batch):
        number = int(batch["id"][0])
        if mark is not None and number == len(rows.sizes) // 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"x": rows.X(number), "y": rows.y(number)}

    chunks = len(rows.sizes)
    return ray.data.range(chunks, override_num_blocks=chunks).map_batches(make, batch_size=1, batch_format="numpy")


def with_ray(rows, workers, killed=None):
    """Seconds of a fit, seconds until Ray and its processes were ready, the digest, and a note."""
    begun = time.perf_counter()
    ray = start_ray(workers)
    try:
        few = rows._replace(sizes=(300,) * 2 * workers)
        distributed.fit_ray(LDAClassifier(), dataset_of(ray, few), features="x", label="y")  # imports, kernels
        start = time.perf_counter()
        dataset = dataset_of(ray, rows, None if killed is None else Path(killed) / "killed")
        head = distributed.fit_ray(LDAClassifier(), dataset, features="x", label="y")
        seconds = time.perf_counter() - start
    finally:
        ray.shutdown()
    return seconds, start - begun, head.state_digest(), f"{len(rows.sizes)} blocks"
