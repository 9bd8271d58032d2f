"""What the ledger costs within learning, by what it keeps, on generated rows and on real ones."""

import numpy as np
from _common import race, row_sets

from analytic_cl import LDAClassifier


def by_track(title, X, y):
    ids = np.arange(len(X))
    race(
        f"learn {title} by track, without solving",
        {
            "track='none'": lambda: LDAClassifier(track="none").fit(X, y),
            "track='auto', no ids: digests": lambda: LDAClassifier().fit(X, y),
            "track='auto', with ids: rows": lambda: LDAClassifier().fit(X, y, sample_id=ids),
            "track='digest', with ids": lambda: LDAClassifier(track="digest").fit(X, y, sample_id=ids),
        },
    )


for each in row_sets():
    by_track(*each)
