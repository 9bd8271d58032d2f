"""Claim: where a batch holds few of the classes, or rows have changed, LAME gains points; else it costs some."""

import warnings

import numpy as np
from _shifted_rows import SEEDS, along, digits, pack, show, turned

from analytic_cl import LDAClassifier
from analytic_cl.adaptation import LAME, LabelShift
from analytic_cl.scenarios import correlated


def streams(y, concentration, batch, n, seed):
    """The first batches of a stream of neighbouring times, or, without a concentration, of rows at random."""
    if concentration is None:
        return np.array_split(np.random.default_rng(seed).permutation(len(y))[: n * batch], n)
    return correlated(y, batch_size=batch, concentration=concentration, seed=seed)[:n]


def lame(seeds: int = SEEDS) -> None:
    """Accuracies along streams, over calibrated posteriors and those that the head has."""
    for name, (X, y, T, t) in (
        ("MNIST, 10,000 rows, turned by 30 degrees", digits(turned)),
        ("CLINC150", pack("clinc150_minilm")),
        ("CIFAR-100, 10,000 rows", pack("cifar100_mnv2", 10_000)),
    ):
        head = LDAClassifier(track="rows").fit(X, y)
        contestants = {
            "LDA": head,
            "LAME": LAME(head),
            'LAME, affinity="rbf"': LAME(head, "rbf"),
            'LAME, affinity="linear"': LAME(head, "linear"),
            "LAME, weight=0.3": LAME(head, weight=0.3),
            "LAME, calibrate=False": LAME(head, calibrate=False),
            "LabelShift": LabelShift(head),
        }
        for what, concentration, batch, n in (
            ("neighbouring times, batches of 64", 0.01, 64, 15),
            ("neighbouring times, batches of 16", 0.01, 16, 40),
            ("rows at random, batches of 64", None, 64, 15),
            ("rows at random, batches of 1,000", None, 1000, 1),
        ):
            found = {title: [] for title in contestants}
            for seed in range(seeds):
                batches = streams(t, concentration, batch, n, seed)
                for title, model in contestants.items():
                    found[title].append(along(model, T, t, batches))
            show(f"{name}, {what}", found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    lame()
