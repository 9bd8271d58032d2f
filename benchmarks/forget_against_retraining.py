"""Claim: forgetting rows, new weights included, is faster than fitting without them; the state is the same bits."""

import numpy as np
from _common import race
from sklearn.base import clone

from analytic_cl import LDAClassifier, RandomProjection, RLSClassifier
from analytic_cl.datasets import load_clinc150

data = load_clinc150()
X, y, ids = data.X_train, data.y_train, np.arange(15_000)

for title, head in (
    ("LDA, 384 features", LDAClassifier()),
    ("ridge behind 2,048 random features", RLSClassifier(projection=RandomProjection(2048))),
):
    head.fit(X, y, sample_id=ids)
    other = clone(head)
    gone, forgotten = iter(np.random.RandomState(0).permutation(ids).reshape(-1, 100)), []

    def forget(n, head=head, gone=gone, forgotten=forgotten):
        forgotten += next(gone)[:n].tolist()
        head.forget(sample_id=forgotten[-n:])
        head.decision_function(X[:1])

    def retrain(other=other):
        other.fit(X[100:], y[100:], sample_id=ids[100:]).decision_function(X[:1])

    race(
        f"forget from 15,000 rows of CLINC150: {title}",
        {
            "forget 1 row": lambda: forget(1),
            "forget 100 rows": lambda: forget(100),
            "retrain without 100 rows": retrain,
        },
    )
    left = np.delete(ids, forgotten)
    assert head.state_digest() == other.fit(X[left], y[left]).state_digest()
