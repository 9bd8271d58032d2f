"""Opening a store's directory, and closing it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from analytic_cl.store.audit import Audit
from analytic_cl.store.creation import SPELLING
from analytic_cl.store.database import Database
from analytic_cl.store.errors import StoreError
from analytic_cl.store.files import DATABASE, KEYS, LOCK, SNAPSHOTS, WriterLock, check_directory
from analytic_cl.store.keys import Keys
from analytic_cl.store.parts import Models, Parts
from analytic_cl.store.requests import Requests
from analytic_cl.store.rows import Rows
from analytic_cl.store.tombstones import Tombstones
from analytic_cl.store.upkeep import recover, write_snapshot


def open_parts(path: Path, *, read_only: bool) -> Parts:
    """The parts of the store in a directory; a writer's are recovered from whatever a kill left undone.

    Raises StoreError, or StoreLockedError naming the process that writes to it.
    """
    check_directory(path)
    lock = database = None
    try:
        if not read_only:
            lock = WriterLock(path / LOCK)
        database = Database(path / DATABASE, read_only=read_only)
        keys, rows, audit = Keys.read(path / KEYS), Rows(database), Audit(database)
        parts = Parts(
            path,
            read_only,
            lock,
            database,
            keys,
            rows,
            Requests(database, keys),
            Tombstones(database, keys, database.about("tombstone_days")),
            audit,
            Models(path / SNAPSHOTS, database, rows, keys, audit, read_only),
        )
        _check_spelling(parts)
        if not read_only:
            if not keys.made(audit.entry(1)):  # what is mended with them could not be checked again
                raise StoreError(f"{path / KEYS} holds the keys of another store: restore it from a backup")
            recover(parts)
    except BaseException as error:
        _release(database, lock)
        if isinstance(error, OSError):
            raise StoreError(f"{path} can't be written to: {error}; open it with read_only=True") from error
        raise
    return parts


def close_parts(parts: Parts) -> None:
    """Write down what was learned since the last snapshot, and let other processes write."""
    try:
        loaded = parts.models.loaded
        if loaded is not None and loaded.since and not parts.read_only:
            with suppress(OSError, StoreError):  # it only saves the next one to open the store some work
                write_snapshot(parts)
    finally:
        parts.models.drop()
        _release(parts.database, parts.lock)


def _release(database: Database | None, lock: WriterLock | None) -> None:
    if database is not None:
        database.close()
    if lock is not None:
        lock.release()


def _check_spelling(parts: Parts) -> None:
    """Refuse what an earlier version may have written: names that nobody would be found under."""
    database = parts.database
    if database.about("spelling") == SPELLING:
        return
    odd = parts.rows.odd_names()
    if odd:
        raise StoreError(
            f"{parts.path} was made by an earlier version and holds names with spaces around them or in another "
            f"Unicode form, such as {odd[0]!r}, which would not be found: learn its rows into a new store"
        )
    if not parts.read_only:
        with database.transaction():
            database.set_about("spelling", SPELLING)
