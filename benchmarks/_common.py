"""Side-by-side timing: every claim is a ratio within one run, with the machine on record."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analytic_cl import show_config
from analytic_cl.datasets import load_clinc150

BESIDE = "beside_neighbours"  # results of runs with busy processes beside them, see _run.py
RESULTS = Path(__file__).parent / "results" / (BESIDE if int(os.environ.get("NEIGHBOURS", "0")) else "")
REPEATS = 5


def machine():
    cpu = (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name"))
    return {**show_config(), "cpu": next(cpu, platform.processor())}


def _lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def race(
    title: str,
    contestants: dict[str, Callable[[], object]],
    note: str = "",
    once: dict[str, Callable[[], object]] | None = None,
) -> dict[str, float]:
    """Time all contestants in turn, REPEATS rounds after a warm-up, and slow ones once; print and store medians."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(REPEATS):
        for name, run in contestants.items():
            times[name].append(timed(run))
    for name, run in (once or {}).items():
        times[f"{name} (once)"] = [timed(run)]
    return store(title, times, note)


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def store(title: str, times: dict[str, list[float]], note: str = "") -> dict[str, float]:
    """Print and write down times of one run; returns their medians."""
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    first = next(iter(medians))
    print(f"\n{title}")
    for name, seconds in times.items():
        spread = f"{min(seconds):.4f} to {max(seconds):.4f}"
        print(f"  {name:45s} {medians[name]:9.4f} s  ({spread})  {medians[name] / medians[first]:7.2f} x")
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"title": title, "note": note, "seconds": times, "machine": machine()}
    name = "".join(c if c.isalnum() else "_" for c in title.lower())[:60]
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1))
    return medians


def generated_rows(n=50_000, d=1280, n_classes=100, seed=0):
    """Non-negative rows like those of a convolutional network, with class structure."""
    random = np.random.default_rng(seed)
    y = random.integers(0, n_classes, n)
    means = 0.1 * random.standard_normal((n_classes, d), dtype=np.float32)
    return np.maximum(random.standard_normal((n, d), dtype=np.float32) + means[y], 0), y


def real_rows():
    """Name, rows and labels: CIFAR-100 features of MobileNetV2 where ANALYTIC_CL_DATA has them, of whose values 0.2 %
    clip, else the packaged CLINC150.
    """
    pack = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data")) / "cifar100_mnv2.npz"
    if pack.exists():
        with np.load(pack, allow_pickle=False) as stored:
            return "CIFAR-100", stored["X_train"].astype(np.float32), stored["y_train"]
    packaged = load_clinc150()
    return "CLINC150", packaged.X_train, packaged.y_train


def real_row_sets():
    """Name, rows and labels of all real rows at hand: the packaged CLINC150, and CIFAR-100 where it is."""
    packaged = load_clinc150()
    yield "CLINC150", packaged.X_train, packaged.y_train
    if (found := real_rows())[0] != "CLINC150":
        yield found


def row_sets():
    """Generated rows, under an empty name, and real ones: as text for titles, rows, and labels."""
    for name, X, y in (("", *generated_rows()), real_rows()):
        yield f"{f'{name}, ' if name else ''}{len(X):,} x {X.shape[1]}", X, y
