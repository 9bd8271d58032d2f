"""Claim: a Gram matrix for every class costs at most 1.5 times the one for all, but for many matrices of few columns.

Real rows: CIFAR-100 features where ANALYTIC_CL_DATA has them, and the packaged CLINC150, by class, and as two classes.
Then 20,000 generated rows of 100 classes: 64 columns, where every class has a matrix; 384 and 1280, where the rows of a
class wait as they are; the same rows as two classes, with matrices again; and 20 rows of each of 100 classes. All are
sorted by class, and a tenth is forgotten. Last what a solver waits for after a change: the matrix of all classes, which
is made afresh.
"""

import time

import numpy as np
from _common import REPEATS, real_row_sets, store

from analytic_cl import ClassGrams, FixedPoint, Moments
from analytic_cl.quantizers import resolve_quantizer

N = 20_000
KINDS = {"a matrix a class": ClassGrams, "one matrix": Moments}


def cases():
    """What they are, integer rows sorted by class, and codes of classes."""
    for name, X, y in real_row_sets():
        codes = np.unique(y, return_inverse=True)[1]
        rows = resolve_quantizer("embedding", None, X.shape[1]).quantise(X)
        for labels in (codes, codes % 2):
            order = np.argsort(labels, kind="stable")
            yield f"{name}, {len(X):,} x {X.shape[1]}", rows[order], labels[order]
    random = np.random.RandomState(0)
    for d, classes, n in ((64, 100, N), (384, 100, N), (1280, 100, N), (384, 2, N), (1280, 2, N), (64, 100, 2000)):
        rows = random.randint(-127, 128, size=(n, d)).astype(np.int8)
        yield f"{n:,} x {d}", rows, np.sort(np.arange(n) % classes)


def seconds(kind, rows, labels, forgotten):
    """Seconds to learn all rows, to forget some, and to have the matrix of all classes then."""
    state = kind(resolve_quantizer(FixedPoint(8, scale=1), None, rows.shape[1]))
    times = [time.perf_counter()]
    state.add(rows, labels, from_quantizer=True)
    times.append(time.perf_counter())
    state.subtract(rows[forgotten], labels[forgotten])
    times.append(time.perf_counter())
    _ = state.planes
    times.append(time.perf_counter())
    return np.diff(times)


if __name__ == "__main__":
    for name, rows, labels in cases():
        steps = ("learn", "forget a tenth", "matrix of all")
        times = {f"{step}, {kind}": [] for step in steps for kind in KINDS}
        for turn in range(-1, REPEATS):
            for kind, state in KINDS.items():
                found = seconds(state, rows, labels, np.arange(0, len(rows), 10))
                for step, took in zip(steps, found, strict=True):
                    times[f"{step}, {kind}"] += [took] if turn >= 0 else []
        title = f"class Grams of {name}, {labels[-1] + 1} classes"
        middle = store(title, times, f"{len(rows) * rows.shape[1] ** 2 / 2:.2g} multiply-adds.")
        for step in steps:
            one, many = (middle[f"{step}, {kind}"] for kind in ("one matrix", "a matrix a class"))
            print(f"    {step:14s} ratio {many / max(one, 1e-6):.2f}")
