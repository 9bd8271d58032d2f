"""What tests of the store share: sixty visits of twelve patients, and what a plain fit on some of them gives."""

import pytest
from common import blobs
from sklearn.base import clone

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    Store,
)
from analytic_cl.store import (
    audit,
    clock,
    keys,
    requests,
    tombstones,
)

X, Y = blobs(60, 5, 3)
IDS = [f"visit {i}" for i in range(60)]
SUBJECTS = [f"patient {i // 5}" for i in range(60)]
SESSIONS = [f"ward {i // 20}" for i in range(60)]

HEADS = [
    NearestMeanClassifier("euclidean", quantizer=FixedPoint(16)),
    LDAClassifier(),
    RLSClassifier(alpha=1.0, quantizer="embedding"),
    RLSClassifier(projection=RandomProjection(20)),
]


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as opened:
        opened.learn(X, Y, sample_id=IDS, subject=SUBJECTS, session=SESSIONS)
        yield opened


def plain(kept, head=None):
    """Digest of a plain fit on some of the rows."""
    kept = list(kept)
    return clone(head or LDAClassifier()).fit(X[kept], Y[kept]).state_digest()


def without(*gone):
    return [i for i in range(60) if i not in gone]


def tables(store):
    """Everything that the database holds."""
    names = ("about", "labels", "rows", "requests", "audit", "tombstones")
    return {name: store.parts.database.run(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}


def reopened(store, **how):
    store.close()
    return Store.open(store.path, **how)


def at(monkeypatch, time):
    """Stop all clocks of the package."""
    for module in (clock, audit, requests, tombstones, keys):
        monkeypatch.setattr(module, "now", lambda: time)
