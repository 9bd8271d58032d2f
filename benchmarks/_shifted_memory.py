"""Claim: neighbours among the learned rows and a memory of confident test rows read moved rows better than the head
alone. Most of it is the neighbours' doing; what grows adds to it on a stream that moves by and by, and costs where
nothing moves and few rows are learned.
"""

import time
import warnings
from collections import defaultdict

import numpy as np
from _moved_rows import drawn, mnist, other_gains, streamed, table
from _shifted_rows import SEEDS, pack

from analytic_cl import LDAClassifier, OrientedGradients, QuantizationWarning
from analytic_cl.adaptation import GrowingMemory, UncalibratedWarning

SIZE, N = 100, 2000


def models(head):
    yield "head", head, None
    yield "memory of the first batch alone", GrowingMemory(head, online=False), "first"
    yield "memory that grows", GrowingMemory(head), None
    yield "memory that grows, confidence 0.5", GrowingMemory(head, confidence=0.5), None
    yield "the vote alone, as published", GrowingMemory(head, weight=1.0), None
    yield "memory that grows, without learned rows", GrowingMemory(head, source_rows=False), None


def accuracies(head, cases, t):
    """Over a stream of batches of each case, and the share of wrong labels among those that were remembered."""
    found, labels = defaultdict(dict), defaultdict(lambda: [0, 0])
    for case, (T, how) in cases.items():
        for seed in range(SEEDS):
            at = drawn(t, N, seed, how)
            for name, model, fed in models(head):
                if fed == "first":
                    model.adapt(T[at[:SIZE]])
                found[name].setdefault(case, []).append(streamed(model, T[at], t[at], SIZE))
                if name == "memory that grows":
                    labels[case][0] += len(model.provenance_)
                    labels[case][1] += wrong(model, T[at], t[at])
    for case, (n, bad) in labels.items():
        print(
            f"{case}: {n / SEEDS:.0f} of {N} rows remembered, {100 * bad / max(1, n):.1f} % of them under a wrong label"
        )
    return found


def by_and_by(n_train):
    """A stream of MNIST images under ever more noise, and one as learned, for heads of few rows."""
    X, y, T, t = pack("mnist_pixels")
    extractor, found = OrientedGradients(grid=4, shape=(28, 28)), defaultdict(dict)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        some, at = rng.permutation(len(X))[:n_train], rng.permutation(len(T))[:N]
        head = LDAClassifier(track="rows").fit(extractor.transform(X[some]), y[some])
        noise = rng.normal(size=(N, 784)) * np.linspace(0, 0.4 * 255, N)[:, None]
        for case, pixels in (("as learned", T[at]), ("ever more noise", np.clip(T[at] + noise, 0, 255).round())):
            rows = extractor.transform(pixels.astype(np.uint8))
            for name, model, fed in list(models(head))[:3]:
                if fed == "first":
                    model.adapt(rows[:SIZE])
                found[name].setdefault(case, []).append(streamed(model, rows, t[at], SIZE))
    table(f"MNIST, {n_train} learned, a stream of {N}", found)


def wrong(model, X, y):
    """How many remembered rows have a wrong label: each is found as its own nearest neighbour."""
    remembered = model.memory_.neighbors(X, k=1) if model.provenance_ else None
    return (
        0 if remembered is None else int(((remembered.distances[:, 0] < 1e-4) & (remembered.labels[:, 0] != y)).sum())
    )


def main():
    warnings.simplefilter("ignore", QuantizationWarning)
    warnings.simplefilter("ignore", UncalibratedWarning)
    X, y, tests, t = mnist()
    head = LDAClassifier(track="rows").fit(X, y)
    cases = {kind: (T, "uniform") for kind, T in tests.items()} | {"noise, sorted": (tests["noise"], "sorted")}
    table("MNIST, oriented gradients, 5,000 learned, a stream of 2,000", accuracies(head, cases, t))
    by_and_by(100)
    by_and_by(1000)
    X, y, T, t = pack("cifar100_mnv2")
    head = LDAClassifier(track="rows").fit(X[:5000], y[:5000])
    cases = {"as learned": (T, "uniform"), "other gains": (other_gains(X, T), "uniform")}
    table("CIFAR-100 by MobileNetV2, 5,000 learned, a stream of 2,000", accuracies(head, cases, t))
    model = GrowingMemory(head, online=False)
    model.adapt(T[:2000])
    for name, asked in (("head", head), ("memory", model)):
        asked.predict(T[:1000])
        start = time.perf_counter()
        asked.predict(T[:1000])
        print(f"{name}: {time.perf_counter() - start:.3f} s for 1,000 rows")


if __name__ == "__main__":
    main()
