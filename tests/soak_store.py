"""A long life of a store as a list of operations, the same in a process that is killed and in the one that looks on."""

import random

import numpy as np

from analytic_cl import LDAClassifier


def data(number):
    random_ = np.random.RandomState(number)
    return random_.normal(size=(8, 6)) * 40, random_.randint(0, 4, 8)


def life(n):
    """Operations, each with the rows that are in the store after it, by id."""
    held, operations = {}, []
    for k in range(n):
        random_ = random.Random(k)
        if len(held) < 24 or (k % 3 == 0 and len(held) < 120):
            X, y = data(k)
            operations.append(("learn", k))
            held = {**held, **{f"row {k} {i}": (X[i], y[i]) for i in range(8)}}
        elif k % 7 == 1:
            operations.append(("snapshot",))
        elif k % 7 == 4:
            X, y = data(k)
            names = random_.sample(sorted(held), 5)
            operations.append(("rectify", k, names))
            held = {**held, **{name: (X[i], y[i]) for i, name in enumerate(names)}}
        else:
            names = random_.sample(sorted(held), 7)
            operations.append(("forget", k, names))
            held = {name: row for name, row in held.items() if name not in names}
        yield operations[-1], held


def carry_out(store, operation):
    kind, *about = operation
    if kind == "learn":
        X, y = data(about[0])
        store.learn(X, y, sample_id=[f"row {about[0]} {i}" for i in range(8)])
    elif kind == "snapshot":
        store.snapshot()
    elif kind == "rectify":
        X, y = data(about[0])
        store.rectify(X[:5], y[:5], sample_id=about[1], request_id=str(about[0]))
    else:
        store.forget(sample_id=about[1], request_id=str(about[0]))


def digest_of(held):
    """Digest of a plain fit on the rows that are in the store."""
    if not held:
        return LDAClassifier().state_digest()
    return LDAClassifier().fit(*map(np.array, zip(*held.values(), strict=True))).state_digest()
