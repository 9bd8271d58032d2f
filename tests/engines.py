"""What the tests of Spark and Ray share: rows, and the packs that are to give one digest."""

import numpy as np
from common import pack

from analytic_cl import LDAClassifier

FEATURES = [f"f.{number}" for number in range(6)]  # a dot means something in Spark


def random_rows(n=1200):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, len(FEATURES))).astype(np.float32)
    return X, np.array(["ant", "bee", "cow"])[rng.integers(0, 3, n)], np.arange(n)


def clinc():
    rows = pack("clinc150_minilm")
    X, y = rows["X_train"].astype(np.float32), rows["y_train"]
    return X, y, np.array([f"row {number}" for number in range(len(X))])


def whole(rows):
    X, y, ids = rows
    return LDAClassifier().fit(X, y, sample_id=ids)


def check_learned_and_forgets_by_id(head, rows):
    """The head has the digest of one process, before and after a third of the rows is forgotten."""
    X, y, ids = rows
    assert head.state_digest() == whole(rows).state_digest()
    head.forget(sample_id=ids[::3])
    kept = np.delete(np.arange(len(X)), slice(None, None, 3))
    assert head.state_digest() == LDAClassifier().fit(X[kept], y[kept]).state_digest()


def table_of(rows, named=False):
    """Rows as an Arrow table: one column of arrays `x`, or `FEATURES`; `label`, `sid`."""
    import pyarrow as pa

    X, y, ids = rows
    columns = dict(zip(FEATURES, X.T, strict=True)) if named else {"x": pa.array(list(X))}
    return pa.table({**columns, "label": y, "sid": ids})
