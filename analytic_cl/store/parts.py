"""What a store is made of: one record, which every operation of a store is a function of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from analytic_cl.store.audit import Audit
from analytic_cl.store.database import Database
from analytic_cl.store.errors import StoreError
from analytic_cl.store.files import WriterLock
from analytic_cl.store.keys import Keys
from analytic_cl.store.model import Model
from analytic_cl.store.requests import Requests
from analytic_cl.store.rows import Rows
from analytic_cl.store.tombstones import Tombstones

_ATTEMPTS = 10  # of a reader to read a snapshot that a writer replaces meanwhile


class Models:
    """The model as last committed: read when it is asked for, and again when it is not the committed one any more."""

    def __init__(self, folder: Path, database: Database, rows: Rows, keys: Keys, audit: Audit, read_only: bool) -> None:
        self._parts = folder, database, rows, keys
        self._audit = audit
        self._read_only = read_only
        self._seen = (0, "", "")
        self.loaded: Model | None = None

    def current(self) -> Model:
        """The model. Readers look whether a writer went on."""
        if self.loaded is not None and not (self._read_only and self._audit.last() != self._seen):
            return self.loaded
        folder, database, rows, keys = self._parts
        keys.reload()
        for attempt in range(_ATTEMPTS):
            with database.transaction("DEFERRED"):  # one view of pointer and rows
                try:
                    # A writer may replace the snapshot between the two reads; if it stays away, it is lost.
                    mend = attempt == _ATTEMPTS - 1
                    self.loaded = Model(folder, database, rows, keys, mend=mend)
                    self._seen = self._audit.last()
                    return self.loaded
                except FileNotFoundError:
                    if not self._read_only:
                        self.loaded = Model(folder, database, rows, keys, mend=True)
                        return self.loaded
        raise AssertionError

    def drop(self) -> None:
        """Read it again when it is asked for."""
        self.loaded = None


@dataclass(frozen=True)
class Parts:
    """The parts of an open store.

    Attributes
    ----------
    path : Path
        Of the directory.
    read_only : bool
        Whether nothing may be changed.
    lock : WriterLock or None
        Held by a writer.
    """

    path: Path
    read_only: bool
    lock: WriterLock | None
    database: Database
    keys: Keys
    rows: Rows
    requests: Requests
    tombstones: Tombstones
    audit: Audit
    models: Models

    @property
    def model(self) -> Model:
        """The model as last committed."""
        return self.models.current()

    def check_writable(self) -> None:
        """Raise StoreError unless the store may be changed."""
        if self.read_only:
            raise StoreError(f"the store {self.path} is open for reading only")
        if self.database.about("operation") is not None:
            raise StoreError(f"{self.path} is a part of the store in {self.path.parent}: ask that one")

    def whole(self) -> Whole:
        """All of a change, on disk and in memory, or nothing of it."""
        return Whole(self)


class Whole:
    """All of a change, on disk and in memory; where it fails, memory is read again from what the disk holds.

    A class, because a generator can itself be interrupted on its way in or out.
    """

    def __init__(self, parts: Parts) -> None:
        self._models = parts.models
        self._transaction = parts.database.transaction()

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loaded, done = self._models.loaded, False
        try:
            self._transaction.__exit__(kind, error, trace)
            done = error is None
        finally:
            if not done and loaded is not None and loaded.dirty:
                self._models.drop()
            elif loaded is not None:
                loaded.dirty = False
