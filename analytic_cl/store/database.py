"""The SQLite file of a store: rows, requests, log. One writer, readers beside it.

Write-ahead logging with full synchronisation: what was committed survives a power cut, what was not never happened.
Deleted content is overwritten with zeros (``secure_delete``), and the write-ahead log is emptied after an erasure.

Pages come from the log into the file in one place, `_copy_log`, and there what they don't use is set to zero: see
`unused`. The log is cut only afterwards, so a kill between leaves it to say which pages came.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.store import beside
from analytic_cl.store.connection import check_schema, checksum_of, connect
from analytic_cl.store.errors import DamagedError, StoreError
from analytic_cl.store.turns import identity_of, keep_from_children, leave, let_go, refuse_inherited
from analytic_cl.store.unused import MOST_PAGES, pages_in_log, pages_with_leftovers, zero_unused

FORMAT_VERSION = 2

_IN_MEMORY = 2**26  # bytes of a file that is written anew in memory
_LONG_LOG = 2**22  # bytes of the write-ahead log from which a commit copies it, if no reader is in the way
_SETTLED = 5  # looks at a file before something in it that should be zero counts: a writer may be about to do it

_APPLICATION = 0x414E434C  # "ANCL", in the header of the file

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE labels (code INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY, sample TEXT, subject TEXT, session TEXT, label INTEGER NOT NULL,
    restricted INTEGER NOT NULL DEFAULT 0, learned INTEGER NOT NULL, time TEXT NOT NULL, integers BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE UNIQUE INDEX row_of_sample ON rows (sample) WHERE sample IS NOT NULL;
CREATE INDEX rows_of_subject ON rows (subject) WHERE subject IS NOT NULL;
CREATE INDEX rows_of_session ON rows (session) WHERE session IS NOT NULL;
CREATE INDEX rows_of_label ON rows (label);
CREATE INDEX rows_learned ON rows (learned);
CREATE TABLE requests (
    request TEXT PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL, status TEXT NOT NULL, received TEXT NOT NULL,
    finished TEXT, reason TEXT, receipt TEXT
) WITHOUT ROWID;
CREATE TABLE audit (number INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE tombstones (hash TEXT PRIMARY KEY, expires TEXT) WITHOUT ROWID;
"""

# What is looked for among ever more rows: entries that tell of rows that a model labelled, and restricted rows.
_INDEXES = (
    """CREATE INDEX IF NOT EXISTS entries_of_machines ON audit (number) WHERE instr(entry, '"confidence"')""",
    "CREATE INDEX IF NOT EXISTS restricted_rows ON rows (restricted) WHERE restricted <> 0",
)


class Database:
    """A connection with transactions that are whole or not at all."""

    def __init__(self, path: Path, *, read_only: bool, create: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._pending: set[int] = set()  # pages that may have come into the file and were not looked at
        refuse_inherited(path)
        mode = "ro" if read_only else "rwc" if create else "rw"
        try:
            self._sql = self._connection(f"mode={mode}")
            self._identity = identity_of(path)
            keep_from_children(self)
            if create:
                self._sql.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._sql.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            try:
                self._check_version(path)
            except sqlite3.OperationalError:
                # SQLite wants to write beside a write-ahead log. Where it may not, and there is no log, nobody writes.
                log = path.with_name(path.name + "-wal")
                if not read_only or (log.exists() and log.stat().st_size):
                    raise
                self._sql.close()
                self._sql = self._connection("mode=ro&immutable=1")
                self._check_version(path)
            check_schema(self._sql, path)
            if not read_only:
                if self.one("PRAGMA journal_mode = WAL") != "wal":  # what another journal leaves can't be erased
                    raise StoreError(f"{path} can't have a write-ahead log: put the store on a disk of this machine")
                self._sql.execute("PRAGMA synchronous = FULL")
                self._sql.execute("PRAGMA secure_delete = ON")
                self._sql.execute(f"PRAGMA max_page_count = {MOST_PAGES}")
            self._sql.execute("PRAGMA temp_store = MEMORY")  # what is selected for erasure never reaches the disk
            if create:
                with self.transaction():
                    for statement in SCHEMA.split(";\n"):
                        self._sql.execute(statement)
                    self.set_about("unused", "zero")
            if not read_only:
                for statement in _INDEXES:
                    self._sql.execute(statement)
            beside.enter(self._identity)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} can't be opened: {error}") from error

    def _connection(self, how: str) -> sqlite3.Connection:
        return connect(self.path, how)  # threads of a store take turns: see `turns`

    def _check_version(self, path: Path) -> None:
        application, version = (self.one(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if application != _APPLICATION:
            raise StoreError(f"{path} is an SQLite file, but not of a store of analytic-cl")
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{path.parent} is a store of format {version}, this analytic-cl reads format {FORMAT_VERSION}: "
                "stores of 0.1, which was never published, are not read; learn the rows into a new store"
            )

    def transaction(self, kind: str = "IMMEDIATE", *, flushed: bool = True) -> Transaction:
        """All of the body, or nothing; "DEFERRED" for a consistent view while reading.

        What is not `flushed` survives a kill, and a power cut once the next transaction has been committed.
        """
        return Transaction(self, kind, flushed)

    @property
    def in_transaction(self) -> bool:
        return self._sql.in_transaction

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._sql.execute(statement, values)

    def run_many(self, statement: str, values: Iterator[Any]) -> None:
        self._sql.executemany(statement, values)

    def one(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._sql.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def about(self, name: str) -> Any:
        row = self._sql.execute("SELECT value, checksum FROM about WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        if checksum_of(name, row[0]) != row[1]:
            raise DamagedError(f"{self.path} is damaged, in what it says of {name}: restore the store from a backup")
        return json.loads(row[0])

    def set_about(self, name: str, value: Any) -> None:
        text = json.dumps(value)
        self.run("INSERT OR REPLACE INTO about VALUES (?, ?, ?)", name, text, checksum_of(name, text))

    def check_whole(self) -> None:
        """Have SQLite compare all pages, rows and indexes with each other. Raises StoreError."""
        found = self.one("PRAGMA integrity_check(1)")
        if found != "ok":
            raise DamagedError(f"{self.path} is damaged ({found}): restore the store from a backup")

    def vacuum(self) -> None:
        """Write the file anew. What is left of a large one passes through an unnamed temporary file of SQLite's."""
        other = self._connection("mode=rw")  # changing where temporary tables are would drop ours
        try:
            if self.path.stat().st_size <= _IN_MEMORY:
                other.execute("PRAGMA temp_store = MEMORY")
            other.execute("PRAGMA synchronous = FULL")
            other.execute("VACUUM")
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}; erased bytes may be left in the file until it succeeds") from error
        finally:
            other.close()

    # ---- from the write-ahead log into the file

    @property
    def _log(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def empty_log(self, *, everything: bool = False) -> bool:
        """Move the log into the file, leave nothing in pages that they don't use, and cut the log to nothing.

        False while a reader stands in the way. With `everything`, all pages are looked at, not only those that come.
        """
        try:
            if not everything and not self._pending and not self._log_bytes():
                return True
            return self._copy_log("FULL", everything) and self._checkpoint("TRUNCATE")
        except (OSError, sqlite3.OperationalError):  # a full disk, or a lock that does not go away
            return False

    def shorten_log(self) -> None:
        """After a commit: have a long log begin anew, where that is possible at once."""
        if self._log_bytes() > _LONG_LOG:
            with suppress(OSError, sqlite3.OperationalError):
                self._copy_log("PASSIVE")

    def _checkpoint(self, how: str) -> bool:
        busy, in_log, copied = self._sql.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        return bool(busy == 0 and in_log == copied)

    def _copy_log(self, how: str, everything: bool = False) -> bool:
        """Whether all of the log is in the file now, and nothing in the pages that came but what they use."""
        self._pending |= pages_in_log(self._log)
        if not self._checkpoint(how):
            return False
        self._zero(None if everything else self._pending)
        self._pending = set()
        return True

    def _zero(self, pages: set[int] | None) -> None:
        with beside.opened(self.path, self._identity, "r+") as file:
            zero_unused(file, pages)

    def leftovers(self) -> list[int]:
        """Pages of the file that hold more than what they use; none where a writer that is at work sees to it."""
        with beside.opened(self.path, self._identity, "r") as file:
            found = pages_with_leftovers(file)
            for _ in range(_SETTLED):
                if not found:
                    break
                time.sleep(0.1)
                found &= pages_with_leftovers(file)
        return sorted(found)

    def close(self) -> None:
        if not self._read_only:
            with suppress(OSError, StoreError, sqlite3.Error):
                self._copy_log("PASSIVE")
        self._sql.close()
        with suppress(OSError):
            if self._pending and not self._log_bytes():  # a reader that was in the way has gone: SQLite did it
                self._zero(self._pending)
        beside.leave(self._identity)
        let_go(self)

    def leave_to_parent(self) -> None:
        leave(self._sql, self._identity)


def parsed(text: str) -> Any:
    """JSON that a store wrote. Raises DamagedError where it is none any more."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedError(f"the store's database is damaged ({error}): restore the store from a backup") from error


class Transaction:
    """A transaction of a database, with Ctrl-C held back until it is over.

    A class, because a generator can itself be interrupted on its way in or out.
    """

    def __init__(self, database: Database, kind: str, flushed: bool) -> None:
        self._db = database
        self._kind = kind
        self._flushed = flushed
        self._guard = deferred_interrupts()

    def __enter__(self) -> None:
        self._guard.__enter__()
        try:
            if not self._flushed:
                self._db.run("PRAGMA synchronous = NORMAL")
            self._db.run(f"BEGIN {self._kind}")
        except BaseException as error:
            self._guard.__exit__()
            raise self._explained(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                if error is None:
                    self._db.run("COMMIT")
                    self._db.shorten_log()
            except BaseException as late:
                error = late
                raise
            finally:
                if self._db.in_transaction:
                    self._db.run("ROLLBACK")
                if not self._flushed:
                    self._db.run("PRAGMA synchronous = FULL")
        except sqlite3.OperationalError as late:
            raise self._explained(late) from late
        finally:
            self._guard.__exit__()
        if isinstance(error, sqlite3.OperationalError):
            raise self._explained(error) from error

    def _explained(self, error: BaseException) -> BaseException:
        """A full disk, a file that can't be written or a writer in the way, as what it means for the store."""
        if isinstance(error, sqlite3.OperationalError):
            return StoreError(f"{self._db.path}: {error}; nothing was changed")
        return error
