"""Claim: looking for losses at the quantizer adds at most 3 % to learning.

Real rows (CIFAR-100 features of MobileNetV2 where ANALYTIC_CL_DATA has them, of whose values 0.2 % clip, else the
packaged CLINC150) and 50,000 x 1,280 generated ReLU features, half of whose values are zero; and a stream of one-row
`partial_fit`. Each fit is timed with and without, in turn, in one run; ratios are of the fastest rounds, since others
waited for the machine.
"""

from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
from _common import real_rows, store, timed

from analytic_cl import LDAClassifier, NearestMeanClassifier, NearestNeighborsClassifier
from analytic_cl.quantizers import Losses

ROUNDS = 9
N, D, CLASSES = 50_000, 1280, 100

random = np.random.default_rng(0)
y = random.integers(0, CLASSES, N)
relu = np.maximum(random.normal(size=(N, D), scale=random.uniform(0.2, 2, D)) + random.normal(size=(CLASSES, D))[y], 0)
SETS = {"ReLU features": (relu.astype(np.float32), y)}
real_name, *real = real_rows()
SETS[f"{real_name} features"] = tuple(real)


def compare(title, run):
    """Times of a call with and without looking for losses."""
    ways = {"with": nullcontext, "without": lambda: patch.object(Losses, "saw", lambda *_: None)}
    times = {way: [] for way in ways}
    run()
    for _ in range(ROUNDS):
        for way, context in ways.items():
            with context():
                times[way].append(timed(run))
    store(title, times)
    print(f"  with / without, fastest rounds: {min(times['with']) / min(times['without']):.3f}")


def stream(X, y):
    head = NearestMeanClassifier()
    for i in range(5000):
        head.partial_fit(X[i : i + 1], y[i : i + 1])


for name, (X, labels) in SETS.items():
    for head in (NearestMeanClassifier(), NearestNeighborsClassifier(), LDAClassifier()):
        compare(f"{type(head).__name__}.fit with diagnostics, {name}", lambda: head.fit(X, labels))  # noqa: B023
    compare(f"5,000 one-row partial_fit with diagnostics, {name}", lambda: stream(X, labels))  # noqa: B023
