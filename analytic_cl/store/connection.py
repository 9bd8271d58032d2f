"""Connections to SQLite that say of a damaged file that it is damaged, and that trust nothing in its schema."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from analytic_cl.store.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator


def connect(path: Path, how: str) -> sqlite3.Connection:
    """Open a database; `how` is the query of its address, such as "mode=ro"."""
    address = f"{path.absolute().as_uri()}?{how}"
    sql = sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=30, check_same_thread=False, factory=_Connection
    )
    sql.execute("PRAGMA trusted_schema = OFF")
    sql.execute("PRAGMA wal_autocheckpoint = 0")  # what else is to be done then: see `database`
    sql.execute("PRAGMA cell_size_check = ON")
    sql.create_function("checksum_of", -1, checksum_of, deterministic=True)
    return sql


def check_schema(sql: sqlite3.Connection, path: Path) -> None:
    """Refuse triggers, views and virtual tables: a store has none, and they would run whatever they say."""
    query = "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE '%VIRTUAL%'"
    foreign = sql.execute(query).fetchone()
    if foreign is not None:
        raise DamagedError(f"{path} has the {foreign[0]} {str(foreign[1])[:50]!r}, which no store has: it was altered")


def checksum_of(*values: Any) -> int:
    """CRC-32 of values of a row. It finds damage; whoever alters the file can make it anew."""
    first, *others = values
    start = zlib.crc32(first) if isinstance(first, bytes) else zlib.crc32(repr(first).encode(), 1)
    return zlib.crc32(repr(others).encode(), start)


class _Cursor(sqlite3.Cursor):
    def execute(self, *given: Any) -> Self:
        with _explained(self.connection):
            return super().execute(*given)

    def executemany(self, statement: str, values: Iterable[Any], /) -> Self:
        with _explained(self.connection):
            return super().executemany(statement, values)

    def fetchone(self) -> Any:
        with _explained(self.connection):
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with _explained(self.connection):
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with _explained(self.connection):
            return super().fetchall()

    def __next__(self) -> Any:
        with _explained(self.connection):
            return super().__next__()


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, *given: Any) -> Any:  # Python's own makes a plain cursor
        return self.cursor().execute(*given)

    def executemany(self, statement: str, values: Iterable[Any], /) -> Any:
        return self.cursor().executemany(statement, values)


# Of an OperationalError: SQLITE_ERROR is a table or column that is gone, None text that is not UTF-8 any more.
_OF_DAMAGE = (None, sqlite3.SQLITE_ERROR)


@contextmanager
def _explained(sql: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, sqlite3.ProgrammingError) or (
            isinstance(error, sqlite3.OperationalError) and code not in _OF_DAMAGE
        ):
            raise  # a full disk, a lock, a closed connection
        raise DamagedError(f"the store's database is damaged ({error}): restore the store from a backup") from error
