"""Some rows of a comparison's features, where all would take too long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analytic_cl.comparison.features import Features


def drawn(features: Features, n_train: int, n_test: int, seed: int = 0) -> Features:
    """At most `n_train` and `n_test` random rows; no test rows of classes without training rows.

    Raises ValueError where fewer than two classes or no test rows are left.
    """
    random = np.random.default_rng(seed)
    train = np.sort(random.permutation(len(features.y_train))[:n_train])
    known = np.unique(features.y_train[train])
    test = np.sort(random.permutation(np.flatnonzero(np.isin(features.y_test, known)))[:n_test])
    if len(known) < 2 or not test.size:
        raise ValueError(f"{train.size} training rows of {len(known)} classes and {test.size} test rows: take more")
    return replace(
        features,
        X_train=features.X_train[train],
        y_train=features.y_train[train],
        X_test=features.X_test[test],
        y_test=features.y_test[test],
        domains_train=None,
        domains_test=None,
        subjects_train=None,
        times_train=None,
    )
