"""The SQLite file of a store: rows, requests, log. One writer, readers beside it.

Write-ahead logging with full synchronisation: what was committed survives a power cut, what was not never happened.
Deleted content is overwritten with zeros (``secure_delete``), and the write-ahead log is emptied after an erasure.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analytic_cl.store.errors import StoreError

FORMAT_VERSION = 1

_APPLICATION = 0x414E434C  # "ANCL", in the header of the file

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE labels (code INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY, sample TEXT, subject TEXT, session TEXT, label INTEGER NOT NULL,
    restricted INTEGER NOT NULL DEFAULT 0, learned INTEGER NOT NULL, time TEXT NOT NULL, integers BLOB NOT NULL
);
CREATE UNIQUE INDEX row_of_sample ON rows (sample) WHERE sample IS NOT NULL;
CREATE INDEX rows_of_subject ON rows (subject) WHERE subject IS NOT NULL;
CREATE INDEX rows_of_session ON rows (session) WHERE session IS NOT NULL;
CREATE INDEX rows_of_label ON rows (label);
CREATE INDEX rows_learned ON rows (learned);
CREATE TABLE requests (
    request TEXT PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL, status TEXT NOT NULL, received TEXT NOT NULL,
    finished TEXT, reason TEXT, receipt TEXT, certificate TEXT
) WITHOUT ROWID;
CREATE TABLE audit (number INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE tombstones (hash TEXT PRIMARY KEY, expires TEXT) WITHOUT ROWID;
"""


class Database:
    """A connection with transactions that are whole or not at all."""

    def __init__(self, path: Path, *, read_only: bool, create: bool = False) -> None:
        if not create and not path.is_file():
            raise StoreError(f"{path.parent} is not a store: it has no {path.name}")
        self._path = path
        self._mutex = threading.Lock()  # threads take turns
        mode = "ro" if read_only else "rwc" if create else "rw"
        try:
            self._sql = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=30,
                check_same_thread=False,
            )
            if create:
                self._sql.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._sql.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            self._check_version(path)
            if not read_only:
                self._sql.execute("PRAGMA journal_mode = WAL")
                self._sql.execute("PRAGMA synchronous = FULL")
                self._sql.execute("PRAGMA secure_delete = ON")
            self._sql.execute("PRAGMA temp_store = MEMORY")  # what is selected for erasure never reaches the disk
            if create:
                with self.transaction():
                    for statement in SCHEMA.split(";\n"):
                        self._sql.execute(statement)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} can't be opened: {error}") from error

    def _check_version(self, path: Path) -> None:
        application, version = (self.one(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if application != _APPLICATION:
            raise StoreError(f"{path} is an SQLite file, but not of a store of analytic-cl")
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{path.parent} is a store of format {version}, this analytic-cl reads format {FORMAT_VERSION}: use "
                "the version of analytic-cl that made it"
            )

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All of the body, or nothing; "DEFERRED" for a consistent view while reading."""
        with self._mutex:
            self._sql.execute(f"BEGIN {kind}")
            try:
                yield
                self._sql.execute("COMMIT")
            except BaseException as error:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):  # a full disk, a file that can't be written
                    raise StoreError(f"{self._path}: {error}; nothing was changed") from error
                raise

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._sql.execute(statement, values)

    def run_many(self, statement: str, values: Iterator[Any]) -> None:
        self._sql.executemany(statement, values)

    def one(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._sql.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def about(self, name: str) -> Any:
        text = self.one("SELECT value FROM about WHERE name = ?", name)
        return None if text is None else json.loads(text)

    def set_about(self, name: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO about VALUES (?, ?)", name, json.dumps(value))

    def empty_log(self) -> bool:
        """Move the write-ahead log into the file and cut it to nothing; False while a reader stands in the way."""
        return bool(self._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    def close(self) -> None:
        self._sql.close()
