"""Claim: a Gram matrix for every class costs at most 1.5 times the one for all, but for many matrices of few columns.

20,000 rows of 100 classes, sorted by class; 2,000 are forgotten, a tenth of each class. 64 columns, where every class
has a matrix; 384 and 1280, where the rows of a class wait as they are; the same rows as two classes, with matrices
again; and 20 rows of each of 100 classes. Then what a solver waits for after a change: the matrix of all classes, which
is made afresh. In one run.
"""

import time

import numpy as np
from _common import REPEATS

from analytic_cl import ClassGrams, FixedPoint, Moments
from analytic_cl.quantizers import resolve_quantizer

N = 20_000


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
    random = np.random.RandomState(0)
    for d, classes, n in ((64, 100, N), (384, 100, N), (1280, 100, N), (384, 2, N), (1280, 2, N), (64, 100, 2000)):
        labels = np.sort(np.arange(n) % classes)
        rows = random.randint(-127, 128, size=(n, d)).astype(np.int8)
        times = {kind: np.full(3, np.inf) for kind in (Moments, ClassGrams)}
        for _ in range(REPEATS):
            for kind, best in times.items():
                np.minimum(best, seconds(kind, rows, labels, np.arange(0, n, 10)), out=best)
        one, many = times[Moments], times[ClassGrams]
        print(f"{n} rows of {d} columns, {classes} classes: one matrix, then one a class, seconds")
        for name, a, b in zip(("learn", "forget", "matrix of all"), one, many, strict=True):
            print(f"    {name:14s}{a:9.4f}{b:9.4f}   ratio {b / max(a, 1e-6):.2f}")
