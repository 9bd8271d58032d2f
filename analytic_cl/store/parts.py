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
        self._folder, self._database, self._rows, self._keys = folder, database, rows, keys
        self._audit = audit
        self._read_only = read_only
        self._seen = (0, "", "")
        self.loaded: Model | None = None

    def current(self) -> Model:
        """The model. Readers look whether a writer went on."""
        if self._fresh():
            assert self.loaded is not None
            return self.loaded
        with self.view() as model:
            return model

    def view(self) -> View:
        """The model, in a transaction in which the tables are those that it is of, whoever writes meanwhile."""
        return View(self, self._database)

    def viewed(self, mend: bool) -> Model:
        """The model of the transaction that the database is in.

        Raises FileNotFoundError where the snapshot is gone, unless it is to `mend` that by learning again.
        """
        if not self._fresh():
            self._seen = self._audit.last()  # from here on the view stands, and the file has all keys that it needs
            self._keys.reload()
            self.loaded = None
            self.loaded = Model(self._folder, self._database, self._rows, self._keys, mend=mend or not self._read_only)
        assert self.loaded is not None
        return self.loaded

    def _fresh(self) -> bool:
        return self.loaded is not None and not (self._read_only and self._audit.last() != self._seen)

    def drop(self) -> None:
        """Read it again when it is asked for."""
        self.loaded = None


class View:
    """One moment of a store: entered, its model, and a transaction for reading that lasts until it is left.

    A class, because a generator can itself be interrupted on its way in or out.
    """

    def __init__(self, models: Models, database: Database) -> None:
        self._models, self._database = models, database

    def __enter__(self) -> Model:
        for attempt in range(_ATTEMPTS):
            self._transaction = self._database.transaction("DEFERRED")
            self._transaction.__enter__()
            try:
                # A writer may replace the snapshot that the pointer names before it is read; if it stays away, it is
                # lost.
                return self._models.viewed(mend=attempt == _ATTEMPTS - 1)
            except BaseException as error:
                self._transaction.__exit__(type(error), error, error.__traceback__)
                if not isinstance(error, FileNotFoundError):
                    raise
        raise AssertionError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)


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
