"""Claim: where the rows of each class have moved, T3A takes back a part; where none have, it costs a little."""

import warnings

import numpy as np
from _shifted_rows import SEEDS, along, digits, moved, pack, show, turned

from analytic_cl import LDAClassifier
from analytic_cl.adaptation import T3A, trust
from analytic_cl.scenarios import corrupt


def blurred(images):
    return corrupt(images, "blur", 4)


def noisy(images):
    return corrupt(images, "noise", 1)


def reliable(adapted, source):
    return trust.reliable(source)


def t3a(seeds: int = SEEDS) -> None:
    """Accuracies along streams of 2,000 test rows in batches of 50."""
    settings = [
        *(
            (f"MNIST, 10,000 rows, {what}", digits(change))
            for what, change in (
                ("turned by 30 degrees", turned),
                ("moved by 3 pixels each way", moved),
                ("blurred", blurred),
                ("noise", noisy),
                ("as it is", None),
            )
        ),
        ("CIFAR-100, 10,000 rows, all test rows moved alike", alike(*pack("cifar100_mnv2", 10_000))),
        ("CLINC150 as it is", pack("clinc150_minilm")),
        ("CIFAR-100, 10,000 rows, as it is", pack("cifar100_mnv2", 10_000)),
        ("CIFAR-100, 5 rows a class, as it is", few(*pack("cifar100_mnv2", 10_000))),
    ]
    for name, (X, y, T, t) in settings:
        head = LDAClassifier().fit(X, y)
        contestants = {
            "LDA": lambda head=head: head,
            "T3A": lambda head=head: T3A(head),
            "T3A, n_supports=20": lambda head=head: T3A(head, 20),
            "T3A, n_supports=5": lambda head=head: T3A(head, 5),
            "T3A, trust=reliable": lambda head=head: T3A(head, trust=reliable),
            "T3A, trust=still_favoured": lambda head=head: T3A(head, trust=trust.still_favoured),
        }
        found = {title: [] for title in contestants}
        for seed in range(seeds):
            batches = np.array_split(np.random.default_rng(seed).permutation(len(t))[:2000], 40)
            for title, make in contestants.items():
                found[title].append(along(make(), T, t, batches))
        show(name, found)


def alike(X, y, T, t):
    """A vector in a random direction, half as long as a row, added to all test rows."""
    way = np.random.default_rng(0).normal(size=X.shape[1])
    return X, y, T + 0.5 * np.linalg.norm(T, axis=1).mean() * way / np.linalg.norm(way), t


def few(X, y, T, t):
    keep = np.concatenate([np.flatnonzero(y == label)[:5] for label in np.unique(y)])
    return X[keep], y[keep], T, t


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    t3a()
