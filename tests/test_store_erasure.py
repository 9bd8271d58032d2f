"""Nothing of what was erased is left in the files of a store."""

import sqlite3

import numpy as np
import pytest
from stores import IDS, X, Y, everything, survivors

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    Store,
)
from analytic_cl.store import (
    RefusedError,
    StoreError,
)

# ---- nothing of what was erased is left in the files


def distinct_slices(rows):
    """16 bytes out of the middle of each row, None where another row has the same."""
    middle = rows.shape[1] // 2
    slices = [row[middle : middle + 16].tobytes() for row in rows]
    counted = {piece: slices.count(piece) for piece in set(slices)} if len(slices) < 2000 else {}
    if not counted:
        for piece in slices:
            counted[piece] = counted.get(piece, 0) + 1
    return [piece if counted[piece] == 1 else None for piece in slices]


@pytest.fixture(scope="module")
def real():
    from analytic_cl.datasets import load_clinc150

    data = load_clinc150()
    return data.X_train, data.classes[data.y_train]


class Erasures:
    """A store of real rows, and what of them must not be found in its files any more."""

    def __init__(self, path, real, seed, n=5000):
        random = self.random = np.random.RandomState(seed)
        picked = random.permutation(15_000)[:n]
        self.X, self.y = real[0][picked], np.array([f"intent:{name}" for name in real[1][picked]])
        if seed % 2:
            self.ids = [f"sample-{random.randint(2**30):08x}-{i:05d}" for i in range(n)]
        else:
            self.ids = (70_000_000_000_000_000 + random.randint(2**40, size=n) * 10_007 + np.arange(n)).tolist()
        self.subjects = [f"subject-{random.randint(n // 5):05d}-zz" for _ in range(n)]
        self.sessions = [f"session-{i // 500}-{seed}-zz" for i in range(n)]
        self.store = Store.create(path, NearestMeanClassifier(quantizer="embedding"))  # its state holds sums, not rows
        for start in range(0, n, 500):
            part = slice(start, start + 500)
            named = dict(sample_id=self.ids[part], subject=self.subjects[part], session=self.sessions[part])
            self.store.learn(self.X[part], self.y[part], **named)
        self.rows = self.store.head.moments_.quantizer.quantise(self.X)
        self.unique = distinct_slices(self.rows)
        self.alive, self.gone, self.texts = random.permutation(n).tolist(), [], []
        self.corrected, self.replacements = [], []

    def forgotten(self, gone, *texts):
        gone = set(gone)
        self.gone += gone
        self.texts += texts
        self.alive = [i for i in self.alive if i not in gone]

    def forget_ids(self, number):
        gone = self.alive[:number]
        self.store.forget_all([{"sample_id": [self.ids[i]]} for i in gone])
        self.forgotten(gone)

    def forget_subjects(self, number):
        subjects = sorted({self.subjects[i] for i in self.alive})
        asked = [subjects[k] for k in self.random.permutation(len(subjects))[:number]]
        self.store.forget_all([{"subject": subject} for subject in asked])
        self.forgotten([i for i in self.alive if self.subjects[i] in set(asked)], *asked)

    def forget_by(self, kind, values):
        value = values[self.alive[0]]
        self.store.forget(**{kind: value})
        self.forgotten([i for i in self.alive if values[i] == value], str(value))

    def rectify(self, number):
        for old, new in zip(self.alive[:number], self.alive[-number:], strict=True):
            self.store.rectify(self.X[[new]], self.y[[new]], sample_id=[self.ids[old]])
            self.corrected.append(old)
            self.replacements.append(new)

    def check(self):
        held = {self.rows[i].tobytes() for i in self.alive if i not in set(self.corrected)}
        held |= {self.rows[i].tobytes() for i in self.replacements}
        dead = [i for i in self.gone + self.corrected if self.rows[i].tobytes() not in held]
        patterns = [self.rows[i].tobytes() for i in dead] + [self.unique[i] for i in dead if self.unique[i]]
        patterns += [str(self.ids[i]).encode() for i in self.gone] + [text.encode() for text in self.texts]
        left = survivors(self.store.path, patterns)
        assert not left, f"{len(left)} of {len(patterns)} strings survive, such as {left[0]}"


@pytest.mark.parametrize("seed", range(2))
def test_no_file_keeps_a_byte_of_what_was_erased(tmp_path, real, seed):
    life = Erasures(tmp_path / "store", real, seed)
    with life.store as store:
        for step in (
            lambda: life.forget_ids(400),
            lambda: life.forget_subjects(200),
            lambda: life.forget_by("session", life.sessions),
            lambda: life.forget_by("label", life.y),
            lambda: life.rectify(20),
            # Most rows, in random order: pages of the B-trees are merged.
            lambda: life.forget_ids(len(life.alive) // 2),
            lambda: life.forget_subjects(200),
            lambda: life.forget_ids(len(life.alive) // 2),
        ):
            step()
            life.check()
        assert store.verify(retrain=True).rows == len(life.alive)
    life.check()


def test_a_reader_in_the_way_of_an_erasure_does_not_keep_the_rows_unnoticed(tmp_path):
    """A reader that stays within one transaction keeps the log from being emptied: the caller must hear of it."""
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        store.parts.database.run("PRAGMA busy_timeout = 200")
        reader = sqlite3.connect(store.path / "store.sqlite", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rows").fetchone()
        try:
            store.forget(sample_id=["visit 7"])
        except StoreError:
            told = True
        except Warning:
            told = True
        else:
            told = False
        left = b'"visit 7"' in everything(store.path)
        reader.execute("ROLLBACK")
        reader.close()
        assert told or not left
        store.learn(X[:1], Y[:1])
        store.forget(sample_id=["visit 8"])
        assert b'"visit 7"' not in everything(store.path)


def test_what_a_refused_request_asked_for_is_in_no_file(store):
    with pytest.raises(RefusedError):
        store.forget(sample_id=["Jane Doe of Springfield"], request_id="r")
    with pytest.raises(RefusedError):
        store.forget(subject="Jane Doe of Springfield", request_id="s")
    assert b"Springfield" not in everything(store.path)
    store.close()
    assert b"Springfield" not in everything(store.path)
