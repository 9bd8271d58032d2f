"""Extracted features on disk, in one SQLite file, so that an input is extracted once.

It holds personal data: features, and which sample id had which content. Deleted entries are overwritten with zeros
(``secure_delete``); the file is readable by its owner only; a damaged one is made again, because it is only a cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._warnings import warn
from analytic_cl.ledger import SampleId

FILE = "features.sqlite"

_APPLICATION = 0x414E4346  # "ANCF", in the header of the file
_FORMAT = 1

# What says that the file can't be used now, rather than that it is damaged.
_NOT_DAMAGED = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)

_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_FORMAT}",
    "CREATE TABLE IF NOT EXISTS features (content BLOB NOT NULL, extractor TEXT NOT NULL, dtype TEXT NOT NULL, "
    "hash BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (content, extractor)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS names (sample TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (sample, content)) "
    "WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS names_of_content ON names (content)",
)


class CacheWarning(UserWarning):
    """A cache of features was damaged and is made again, or could not be written."""


class _DamagedError(Exception):
    """The file is not a cache that this version reads."""


class FeatureCache:
    """Features by extractor and content of the input, in ``features.sqlite`` of a folder.

    Parameters
    ----------
    folder : path
        Made if missing.

    Notes
    -----
    Exactness: bit for bit the features that were put in; an entry that fails its checksum counts as missing.

    Cost: the bytes of the features and some 150 an entry; tens of microseconds to read one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / FILE

    def find(self, extractor: str, contents: Iterable[bytes]) -> dict[bytes, NDArray[Any]]:
        """Features of those inputs that are there, read-only."""
        if not self.path.exists():
            return {}
        ask = "SELECT CAST(dtype AS BLOB), hash, CAST(row AS BLOB) FROM features WHERE content = ? AND extractor = ?"

        def read(sql: sqlite3.Connection) -> dict[bytes, NDArray[Any]]:
            rows = ((content, sql.execute(ask, (content, extractor)).fetchone()) for content in contents)
            return {
                content: np.frombuffer(row[2], dtype=row[0].decode())
                for content, row in rows
                if row is not None and row[1] == _checksum(content, extractor, row[0], row[2])
            }

        found: dict[bytes, NDArray[Any]] = self._run(read)
        return found

    def put(
        self, extractor: str, rows: Mapping[bytes, NDArray[Any]], names: Iterable[tuple[SampleId, bytes]] = ()
    ) -> None:
        """Keep features, and which sample ids had which contents; all or nothing."""
        entries = []
        for content, row in rows.items():
            dtype = row.dtype.newbyteorder("<")
            packed = row.astype(dtype, copy=False).tobytes()
            checksum = _checksum(content, extractor, dtype.str.encode(), packed)
            entries.append((content, extractor, dtype.str, checksum, packed))
        named = [(json.dumps(name), content) for name, content in names]

        def write(sql: sqlite3.Connection) -> None:
            sql.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?)", entries)
            sql.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", named)

        self._run(write)

    def remove(self, names: Iterable[SampleId], contents: Sequence[bytes] = ()) -> None:
        """Erase what is there of these contents, and of all contents that these sample ids had."""
        texts = [(json.dumps(name),) for name in names]

        def write(sql: sqlite3.Connection) -> None:
            ask = "SELECT content FROM names WHERE sample = ?"
            gone = {(content,) for content in contents} | {row for text in texts for row in sql.execute(ask, text)}
            sql.executemany("DELETE FROM features WHERE content = ?", gone)
            sql.executemany("DELETE FROM names WHERE content = ?", gone)

        if self.path.exists():
            self._run(write)

    def purge(self) -> None:
        """Erase everything."""

        def write(sql: sqlite3.Connection) -> None:
            sql.execute("DELETE FROM features")
            sql.execute("DELETE FROM names")

        if self.path.exists():
            self._run(write)

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do the work in a transaction; where the file turns out to be damaged, once more on a new one."""
        for last in (False, True):
            try:
                with closing(self._opened()) as sql:
                    found = work(sql)
                    sql.execute("COMMIT")
                    return found
            except (_DamagedError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if last or getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGED:
                    raise OSError(f"{self.path}: {error}") from error
                self.path.unlink(missing_ok=True)
                warn(f"{self.path} was damaged ({error}) and is made again", CacheWarning)
        raise AssertionError("unreachable")

    def _opened(self) -> sqlite3.Connection:
        """A connection within a transaction."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if not self.path.is_file():  # a pipe would be waited on for ever, a dangling link lead to a new file elsewhere
            raise OSError(f"{self.path} is not a file: choose another folder for the cache")
        sql = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        try:
            sql.execute("PRAGMA secure_delete = ON")
            sql.execute("BEGIN IMMEDIATE")
            application, version, tables = (
                sql.execute(ask).fetchone()[0]
                for ask in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            )
            if application != _APPLICATION and tables:
                raise OSError(f"{self.path} is a database of something else: choose another folder for the cache")
            if tables and version != _FORMAT:
                raise _DamagedError(f"format {version}")
            for statement in _SCHEMA if not tables else ():
                sql.execute(statement)
        except BaseException:
            sql.close()
            raise
        return sql


def _checksum(content: bytes, extractor: str, dtype: bytes, row: bytes) -> bytes:
    return hashlib.blake2b(b"\0".join((content, extractor.encode(), dtype, row)), digest_size=16).digest()
