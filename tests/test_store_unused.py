"""What no row uses in a store's file is zero at all times, so nothing has to be searched for after an erasure."""

import os
import random
import sqlite3
from io import FileIO

import numpy as np
import pytest
from stores import SESSIONS, SUBJECTS, X, Y, everything

from analytic_cl import NearestMeanClassifier, Store
from analytic_cl.store import VerificationError
from analytic_cl.store.unused import pages_with_leftovers, zero_unused

ERASURES = int(os.environ.get("ANALYTIC_CL_ERASURES", "200"))  # 10,000 in `make soak`


class Life:
    """A store of random rows under random names that are learned and erased in turn, one request at a time."""

    def __init__(self, path, width, seed):
        self.random, self.numbers, self.width = random.Random(seed), np.random.default_rng(seed), width
        self.store = Store.create(path, NearestMeanClassifier(quantizer="integers"))
        self.held = {}
        self.file = FileIO(path / "store.sqlite")  # closing it would drop SQLite's locks

    def learn(self, n):
        rows = self.numbers.integers(-127, 128, (n, self.width))
        # Long and short names, so that pages split in many ways.
        ids = [f"{self.random.getrandbits(60):015x}{'-' * self.random.randrange(40)}" for _ in range(n)]
        subjects = [f"subject {self.random.getrandbits(50):013x}" for _ in range(n)]
        self.store.learn(rows, [0, 1] * (n // 2), sample_id=ids, subject=subjects)
        self.held |= {
            name: (row.astype(np.int8).tobytes(), subject)
            for name, row, subject in zip(ids, rows, subjects, strict=True)
        }

    def erase(self):
        """Erase or correct a row in one of several ways; byte strings that must not be found any more."""
        name = self.random.choice(list(self.held))
        row, subject = self.held.pop(name)
        patterns = [row[at : at + 16] for at in {0, len(row) // 3, len(row) // 2, len(row) - 16}]
        how = self.random.randrange(10)
        if how == 0:
            new = self.numbers.integers(-127, 128, (1, self.width))
            self.store.rectify(new, [self.random.randrange(2)], sample_id=[name])
            self.held[name] = new.astype(np.int8).tobytes(), subject
            return patterns
        if how < 4:
            self.store.forget(subject=subject)
        else:
            self.store.forget(sample_id=[name])
        return [*patterns, name.encode(), subject.encode()]

    def content(self):
        self.file.seek(0)
        return self.file.readall() + (self.store.path / "store.sqlite-wal").read_bytes()


@pytest.mark.parametrize(("width", "share"), [(24, 10), (400, 7), (9000, 1)])  # the last on pages of overflow
def test_the_whole_file_has_nothing_of_what_was_erased_after_each_of_many_random_erasures(tmp_path, width, share):
    life = Life(tmp_path / "store", width, seed=width)
    with life.store as store:
        for number in range(max(10, ERASURES * share // 18)):
            if number % 40 == 0 or len(life.held) < 50:
                life.learn(life.random.choice([2, 100, 600]) if width < 1000 else 40)
            patterns = life.erase()
            content = life.content()
            left = [pattern for pattern in patterns if pattern in content]
            assert not left, f"erasure {number}: {left[0]!r} is left"
            if number % 50 == 0:
                assert store.verify(deep=True).searched
        last = life.erase()
        assert store.verify(retrain=True, deep=True).rows == len(life.held)
    life.file.close()
    assert not [pattern for pattern in last if pattern in everything(store.path)]


@pytest.fixture
def left_over(tmp_path):
    """A store with bytes of somebody in a page that its row has left."""
    with Store.create(tmp_path / "store", NearestMeanClassifier(quantizer="integers")) as store:
        store.learn(np.arange(4000).reshape(100, 40) % 100, np.arange(100) % 2, sample_id=range(100))
    with (store.path / "store.sqlite").open("r+b") as file:
        content = file.read()
        place = max((at for at in range(0, len(content), 4096) if content[at] == 13), key=lambda at: _gap(content, at))
        file.seek(place + 8 + 2 * int.from_bytes(content[place + 3 : place + 5], "big") + 10)
        file.write(b"Jane Doe")
    return store.path


def _gap(content, at):
    return int.from_bytes(content[at + 5 : at + 7], "big") - 2 * int.from_bytes(content[at + 3 : at + 5], "big")


def test_a_deep_verification_finds_a_leftover_and_a_snapshot_removes_it(left_over):
    with Store.open(left_over, read_only=True) as store:
        store.verify()
        with pytest.raises(VerificationError, match="1 pages, such as"):
            store.verify(deep=True)
    with Store.open(left_over) as store:
        store.snapshot()
        assert store.verify(deep=True).searched
    assert b"Jane Doe" not in everything(left_over)


def test_a_store_of_an_earlier_version_is_looked_through_when_it_is_opened(left_over):
    with Store.open(left_over) as store, store.parts.database.transaction():
        store.parts.database.run("DELETE FROM about WHERE name = 'unused'")
    assert b"Jane Doe" in everything(left_over)
    Store.open(left_over).close()
    assert b"Jane Doe" not in everything(left_over)


@pytest.mark.parametrize("page_size", [512, 4096, 65_536])
def test_zeroing_what_is_unused_leaves_everything_else_as_it_was(tmp_path, page_size):
    random_, path = random.Random(page_size), tmp_path / "any.sqlite"
    sql = sqlite3.connect(path)
    sql.execute(f"PRAGMA page_size = {page_size}")
    sql.execute("PRAGMA secure_delete = OFF")
    sql.execute("CREATE TABLE t (name TEXT PRIMARY KEY, other BLOB) WITHOUT ROWID")
    sql.execute("CREATE TABLE u (number INTEGER PRIMARY KEY, name TEXT)")
    sql.execute("CREATE INDEX of_name ON u (name)")
    names = [f"{random_.getrandbits(60):015x}" for _ in range(900)]
    for start in range(0, 900, 150):
        part = names[start : start + 150]
        sql.executemany("INSERT INTO t VALUES (?, ?)", ((n, random_.randbytes(random_.randrange(2000))) for n in part))
        sql.executemany("INSERT INTO u (name) VALUES (?)", ((n,) for n in part))
        gone = random_.sample(names[: start + 150], 60)
        for table in ("t", "u"):
            sql.executemany(f"DELETE FROM {table} WHERE name = ?", ((n,) for n in gone))
    sql.commit()
    before = list(sql.iterdump())
    sql.close()
    with FileIO(path, "r+") as file:
        found = pages_with_leftovers(file)
        zero_unused(file)
        assert len(pages_with_leftovers(file)) < len(found)  # free pages stay: `secure_delete` was off
    sql = sqlite3.connect(path)
    assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert list(sql.iterdump()) == before
    sql.execute("PRAGMA secure_delete = ON")
    sql.execute("VACUUM")
    sql.close()
    with FileIO(path, "r+") as file:
        zero_unused(file)
        assert not pages_with_leftovers(file)
        file.seek(0)
        content = file.readall()
    held = {name for (name,) in sqlite3.connect(path).execute("SELECT name FROM t")}
    left = {name for name in names if name.encode() in content}
    assert left <= held | {name for (name,) in sqlite3.connect(path).execute("SELECT name FROM u")}


@pytest.mark.parametrize("asked", [{"sample_id": [7]}, {"subject": "patient 3"}, {"session": "ward 1"}, {"label": 2}])
def test_no_statement_of_a_request_reads_all_of_a_table_that_grows(tmp_path, asked):
    with Store.create(tmp_path / "store", NearestMeanClassifier()) as store:
        store.learn(X, Y, sample_id=range(60), subject=SUBJECTS, session=SESSIONS)
        statements = []
        sql = store.parts.database._sql
        sql.set_trace_callback(statements.append)
        store.forget(**asked)
        sql.set_trace_callback(None)
        looked = 0
        for statement in statements:
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                looked += 1
                for *_, step in sql.execute(f"EXPLAIN QUERY PLAN {statement}"):
                    grows = step.split()[:2] in (["SCAN", name] for name in ("rows", "requests", "audit", "tombstones"))
                    assert not grows or "LIMIT 1" in statement, f"{statement}: {step}"
        assert looked > 20
