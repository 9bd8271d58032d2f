"""Claim: rows under other conditions are read better once their mean and spread are those of the learned rows, class
frequencies apart; where nothing has moved it costs nothing, and batches that hold few classes are misread.
"""

import time
import warnings
from collections import defaultdict

from _moved_rows import drawn, mnist, other_gains, streamed, table
from _shifted_rows import SEEDS, pack

from analytic_cl import LDAClassifier, QuantizationWarning
from analytic_cl.adaptation import MomentAlignment

WHICH = ("mean", "diagonal", "full")


def accuracies(head, cases, t, size, n=1000, which=WHICH):
    """Of head and wrappers, over batches of each case."""
    found = defaultdict(dict)
    for name, (T, how) in cases.items():
        for seed in range(SEEDS):
            at = drawn(t, n, seed, how)
            for kind in ("head", *which):
                model = head if kind == "head" else MomentAlignment(head, kind)
                found[kind].setdefault(name, []).append(streamed(model, T[at], t[at], size))
    return found


def main():
    warnings.simplefilter("ignore", QuantizationWarning)
    X, y, tests, t = mnist()
    head = LDAClassifier().fit(X, y)
    cases = {kind: (T, "uniform") for kind, T in tests.items()}
    cases |= {
        "noise, label shift": (tests["noise"], "label shift"),
        "clean, label shift": (tests["clean"], "label shift"),
    }
    for size in (1000, 100):
        table(f"MNIST, oriented gradients, 5,000 learned, batches of {size}", accuracies(head, cases, t, size))
    cases = {"clean, sorted by class": (tests["clean"], "sorted"), "noise, sorted by class": (tests["noise"], "sorted")}
    table("MNIST, batches of 50 rows in order of their classes", accuracies(head, cases, t, 50, 500))

    for name, learned in (("cifar100_mnv2", 10_000), ("clinc150_minilm", None)):
        X, y, T, t = pack(name)
        head = LDAClassifier().fit(X[:learned], y[:learned])
        cases = {"as learned": (T, "uniform"), "other gains": (other_gains(X, T), "uniform")}
        table(f"{name}, batches of 500", accuracies(head, cases, t, 500, which=WHICH[:2]))

    seconds = {}
    for kind in ("head", *WHICH):
        model = head if kind == "head" else MomentAlignment(head, kind)
        model.predict(T[:1000])
        start = time.perf_counter()
        model.predict(T[:1000])
        seconds[kind] = time.perf_counter() - start
    print("\nseconds for 1,000 rows of CLINC150:", {kind: round(value, 3) for kind, value in seconds.items()})


if __name__ == "__main__":
    main()
