"""What tests of pipelines share: rows, and an extractor that counts what it is asked for."""

import sqlite3

import numpy as np
from common import blobs
from sklearn.preprocessing import StandardScaler

from analytic_cl.extractors import CallableExtractor

X, Y = blobs(60, 5, 3)
IDS = np.arange(60)
SCALER = StandardScaler().fit(X)
TEXTS = [f"{'play' if i % 2 else 'book'} {'song' if i % 2 else 'flight'} number {i}" for i in range(40)]
INTENTS = ["music" if i % 2 else "travel" for i in range(40)]


class Counting(CallableExtractor):
    """The rows themselves, and how many batches and rows were asked for."""

    def __init__(self, name="rows", noise=0.0, fails_after=None):
        super().__init__(self.rows, name)
        self.batches, self.noise, self.fails_after = [], noise, fails_after

    def rows(self, batch):
        if self.fails_after is not None and len(self.batches) >= self.fails_after:
            raise RuntimeError("the network is down")
        self.batches.append(len(batch))
        return np.asarray(batch, dtype=np.float32) * (1 + self.noise * len(self.batches))


def lengths(batch):
    return [[len(str(value)), np.asarray(value).size] for value in batch]


def contents(folder):
    """What a cache holds: (content, bytes of the row) pairs, and (id, content) pairs."""
    if not (folder / "features.sqlite").exists():
        return []
    sql = sqlite3.connect(folder / "features.sqlite")
    try:
        rows = sql.execute("SELECT content, row FROM features").fetchall()
        return sorted(rows) + sorted(sql.execute("SELECT sample, content FROM names").fetchall())
    finally:
        sql.close()
