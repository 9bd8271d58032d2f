"""Claim: the key-value bottleneck learns and scores near its floor, the integer product that makes its keys.

50,000 x 1280 rows, 100 classes, 1,024 codebooks of 8 bits. The floor is 5.2e11 multiply-adds for the keys of 50,000
rows (the native kernel runs them alone here, as the product of a random projection to as many features), 5.1e7 counts
to add to, and for 10,000 rows to score 1.0e9 look-ups.
"""

import numpy as np
from _common import generated_rows, race

from analytic_cl import KeyValueBottleneckClassifier, LDAClassifier
from analytic_cl.door import RandomProjection

X, y = generated_rows()
test = X[:10_000]
head = KeyValueBottleneckClassifier().fit(X, y, sample_id=np.arange(len(X)))
door, keys = head.door_, head.moments_.keys
rows = door.quantise(X)
product = RandomProjection(keys.n_codebooks * keys.bits)
turn = iter(range(0, len(X), 10))

race(
    "key-value bottleneck: learn 50,000 x 1280",
    {
        "KeyValueBottleneckClassifier": lambda: KeyValueBottleneckClassifier().fit(X, y),
        "its keys alone": lambda: keys.keys(rows),
        "the integer product alone": lambda: [
            product.project(rows[i : i + 4096], 1024.0) for i in range(0, 50_000, 4096)
        ],
        "LDAClassifier, weights included": lambda: LDAClassifier().fit(X, y)._scores(),
    },
)
race(
    "key-value bottleneck: score 10,000 rows, forget one of 50,000",
    {
        "score 10,000": lambda: head.decision_function(test),
        "their keys alone": lambda: keys.keys(rows[:10_000]),
        "forget one row": lambda: head.forget(sample_id=[next(turn)]),
    },
)
