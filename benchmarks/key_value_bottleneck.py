"""Claim: the key-value bottleneck learns and scores near its floor, the integer product that makes its keys.

50,000 x 1280 rows, 100 classes, 1,024 codebooks of 8 bits. The floor is 5.2e11 multiply-adds for the keys of 50,000
rows (the native kernel runs them alone here, as the product of a random projection to as many features; at the 1.7e12
operations a second of the fastest int8 product that we know of on two such cores they take 0.62 s), 5.1e7 counts to add
to, and for 10,000 rows to score 1.0e9 look-ups. Nearest centres take 9.2e11 multiply-adds for their coordinates and
1.8e11 for distances, in int32. A row alone reads the signs once, 10 MB, instead of unpacking them in every call.
"""

import numpy as np
from _common import generated_rows, race

from analytic_cl import KeyValueBottleneckClassifier, LDAClassifier, NearestKeys
from analytic_cl._config import native
from analytic_cl.quantizers import RandomProjection
from analytic_cl.quantizers.sign_keys import _plus_bits

X, y = generated_rows()
test = X[:10_000]
head = KeyValueBottleneckClassifier().fit(X, y, sample_id=np.arange(len(X)))
quantizer, keys = head.quantizer_, head.state_.keys
rows = quantizer.quantise(X)
product = RandomProjection(keys.n_codebooks * keys.bits)
turn = iter(range(0, len(X), 10))
nearest = NearestKeys.from_rows(X[:4096])
by_centres = KeyValueBottleneckClassifier(keys=nearest).fit(X[:10_000], y[:10_000])
signs = np.empty((1, product.n_components), dtype=np.int8)


def unpack_and_project(row):
    """What a row cost before signs were kept unpacked."""
    kept = native.Signs(_plus_bits(0, product.n_components, X.shape[1]), X.shape[1], "")
    native.project(row, kept, 0, signs, 2)


race(
    "key-value bottleneck: learn 50,000 x 1280",
    {
        "KeyValueBottleneckClassifier": lambda: KeyValueBottleneckClassifier().fit(X, y),
        "its keys alone": lambda: keys.keys(rows),
        "the integer product alone": lambda: [
            product.project(rows[i : i + 4096], 1024.0) for i in range(0, 50_000, 4096)
        ],
        "the same with nearest centres": lambda: KeyValueBottleneckClassifier(keys=nearest).fit(X, y),
        "their keys alone": lambda: nearest.keys(rows),
        "LDAClassifier, weights included": lambda: LDAClassifier().fit(X, y).prepare(),
    },
)
race(
    "key-value bottleneck: score 10,000 rows, forget one of 50,000",
    {
        "score 10,000": lambda: head.decision_function(test),
        "their keys alone": lambda: keys.keys(rows[:10_000]),
        "score 10,000, nearest centres": lambda: by_centres.decision_function(test),
        "forget one row": lambda: head.forget(sample_id=[next(turn)]),
    },
)
race(
    "key-value bottleneck: 100 rows, one at a time",
    {
        "score": lambda: [head.decision_function(X[i : i + 1]) for i in range(100)],
        "their keys alone": lambda: [keys.keys(rows[i : i + 1]) for i in range(100)],
        "score, nearest centres": lambda: [by_centres.decision_function(X[i : i + 1]) for i in range(100)],
        **(
            {"unpacking signs in every call": lambda: [unpack_and_project(rows[i : i + 1]) for i in range(100)]}
            if native
            else {}
        ),
    },
)
