"""What the ledger costs within a fit of 50,000 x 1280 rows, by what it keeps."""

import numpy as np
from _common import generated_rows, race

from analytic_cl import LDAClassifier

X, y = generated_rows()
ids = np.arange(len(X))

race(
    "learn 50,000 x 1280 by track, without solving",
    {
        "track='none'": lambda: LDAClassifier(track="none").fit(X, y),
        "track='auto', no ids: digests": lambda: LDAClassifier().fit(X, y),
        "track='auto', with ids: rows": lambda: LDAClassifier().fit(X, y, sample_id=ids),
        "track='digest', with ids": lambda: LDAClassifier(track="digest").fit(X, y, sample_id=ids),
    },
)
