"""The half of a store that only reads: the model, the record of requests, the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from analytic_cl.heads import Head
from analytic_cl.ledger import as_name
from analytic_cl.store.audit import Audit
from analytic_cl.store.creation import DATABASE, KEYS, LOCK, SNAPSHOTS, SPELLING
from analytic_cl.store.database import Database
from analytic_cl.store.errors import RefusedError, StoreError
from analytic_cl.store.files import WriterLock, refuse_links, size_of
from analytic_cl.store.keys import Keys
from analytic_cl.store.model import Model
from analytic_cl.store.receipt import StoreReceipt
from analytic_cl.store.requests import Requests
from analytic_cl.store.rows import Rows
from analytic_cl.store.tombstones import Tombstones
from analytic_cl.store.turns import Turns, in_turn
from analytic_cl.store.verification import Verification, verify

_BESIDE = ("wal", "shm", "journal")  # of the database, as SQLite names them


class StoreReader:
    """What `Store` can do without changing anything but the log of who asked.

    Every public operation takes its turn (`in_turn`); what is private expects to be called within one.
    """

    def __init__(self, path: Any, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._turns = Turns()
        self._lock: WriterLock | None = None
        self._open: Database | None = None
        self._loaded: Model | None = None
        refuse_links(self.path, (DATABASE, *(f"{DATABASE}-{end}" for end in _BESIDE), KEYS, LOCK), (SNAPSHOTS,))
        if not (self.path / DATABASE).is_file():
            raise StoreError(f"{self.path} is not a store: there is no {DATABASE} in it")
        try:
            if not read_only:
                self._lock = WriterLock(self.path / LOCK)
            self._open = Database(self.path / DATABASE, read_only=read_only)
            self._keys = Keys.read(self.path / KEYS)
            self._rows = Rows(self._db)
            self._requests = Requests(self._db, self._keys)
            self._tombstones = Tombstones(self._db, self._keys, self._db.about("tombstone_days"))
            self._audit = Audit(self._db)
            self._seen = (0, "", "")
            self._check_spelling()
            if not read_only:
                if not self._keys.made(self._audit.entry(1)):  # what is mended with them could not be checked again
                    raise StoreError(f"{self.path / KEYS} holds the keys of another store: restore it from a backup")
                self._recover()
        except BaseException as error:
            self._loaded = None
            self.close()
            if isinstance(error, OSError):
                raise StoreError(f"{self.path} can't be written to: {error}; open it with read_only=True") from error
            raise

    def _check_spelling(self) -> None:
        """Refuse what an earlier version may have written: names that nobody would be found under."""
        if self._db.about("spelling") == SPELLING:
            return
        odd = self._rows.odd_names()
        if odd:
            raise StoreError(
                f"{self.path} was made by an earlier version and holds names with spaces around them or in another "
                f"Unicode form, such as {odd[0]!r}, which would not be found: learn its rows into a new store"
            )
        if not self.read_only:
            with self._db.transaction():
                self._db.set_about("spelling", SPELLING)

    @classmethod
    def open(cls, path: Any, *, read_only: bool = False) -> Self:
        """Open a store that is there. Raises StoreError, or StoreLockedError naming the process that writes to it."""
        return cls(path, read_only=read_only)

    def close(self) -> None:
        """Write down what was learned since the last snapshot, and let other processes write.

        In a process that was forked from the one that opened the store, this does nothing.
        """
        if self._turns.at_home:
            self._close()

    @in_turn
    def _close(self) -> None:
        try:
            if self._loaded is not None and self._loaded.since and not self.read_only:
                with suppress(OSError, StoreError):  # it only saves the next one to open the store some work
                    self.snapshot()
        finally:
            self._loaded = None
            if self._open is not None:
                self._open.close()
                self._open = None
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _db(self) -> Database:
        if self._open is None:
            raise StoreError(f"the store {self.path} is closed")
        return self._open

    # ---- the model

    @property
    def _model(self) -> Model:
        """The model as last committed. Readers look whether a writer went on."""
        if self._loaded is not None and not (self.read_only and self._audit.last() != self._seen):
            return self._loaded
        self._keys.reload()
        for attempt in range(10):
            with self._db.transaction("DEFERRED"):  # one view of pointer and rows
                try:
                    # A writer may replace the snapshot between the two reads; if it stays away, it is lost.
                    self._loaded = Model(self.path / SNAPSHOTS, self._db, self._rows, self._keys, mend=attempt == 9)
                    self._seen = self._audit.last()
                    return self._loaded
                except FileNotFoundError:
                    if not self.read_only:
                        self._loaded = Model(self.path / SNAPSHOTS, self._db, self._rows, self._keys, mend=True)
                        return self._loaded
        raise AssertionError

    @property
    @in_turn
    def head(self) -> Head:
        """The head as it is now. To read from: what changes it goes through the store.

        Other threads may learn and forget while you use it: in several threads, ask the store itself.
        """
        return self._model.head

    @property
    @in_turn
    def n_rows(self) -> int:
        """Rows in the state."""
        return self._model.n_rows

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the columns that were learned from, in order; None where they had none."""
        about = self._db.about("rows")
        return None if about is None else about["feature_names"]

    @property
    def other_columns(self) -> list[str]:
        """Names of the columns that stood beside the features, such as that of the labels."""
        return list((self._db.about("rows") or {}).get("other_columns", []))

    def _serving(self) -> Head:
        model = self._model
        if not model.n_rows:
            raise NotFittedError(f"the store {self.path} has no rows in use: its model is not fitted")
        return model.head

    @in_turn
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        return self._serving().predict(X)

    @in_turn
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of each row, as the head gives them."""
        return self._serving().decision_function(X)

    @in_turn
    def state_digest(self) -> str:
        """SHA-256 of the state; keep it to yourself: see `Moments.digest` and the threat model."""
        return self._model.digest()

    def _recover(self) -> None:
        """Finish what a kill may have left undone; the writer's business."""

    def snapshot(self) -> None:
        """Write the state to disk; the writer's business."""

    # ---- look

    @in_turn
    def access(self, subject: str) -> dict[str, Any]:
        """All that the store holds about a subject: rows with ids, labels, sessions, times and integers.

        The log, where it is written to, notes that someone asked, under a hash of the subject.

        Raises
        ------
        RefusedError
            Nothing is held about the subject: never learned, or erased.
        """
        subject = as_name("subject", subject)
        model = self._model
        with self._db.transaction("DEFERRED" if self.read_only else "IMMEDIATE"):
            about = self._db.about("rows")
            self._rows.choose("subject", subject)
            rows = [] if about is None else list(self._rows.about_chosen(model.door()))
            if not self.read_only:
                self._audit.append("access", subject=self._keys.hash("ledger", subject.encode()), rows=len(rows))
        if about is None or not rows:
            raise RefusedError(f"no rows of subject {subject!r} are in the store: never learned, or erased")
        return {"subject": subject, "door": about["door"], "rows": rows}

    @in_turn
    def requests(self) -> list[dict[str, Any]]:
        """Id, kind, status, times and reason of every request, oldest first."""
        return self._requests.all()

    @in_turn
    def receipt(self, request_id: str) -> StoreReceipt | None:
        """The receipt of an applied request."""
        return self._requests.receipt(as_name("request_id", request_id))

    @in_turn
    def audit(self) -> list[dict[str, Any]]:
        """The entries of the audit log, oldest first."""
        return list(self._audit.entries())

    @property
    @in_turn
    def audit_head(self) -> str:
        """Number and hash of the last entry: publish it, and later pass it to `verify`."""
        return self._audit.head

    @in_turn
    def status(self) -> dict[str, Any]:
        """What the store holds, in counts."""
        model = self._model
        states = [request["status"] for request in self.requests()]
        return {
            "path": str(self.path),
            "head": repr(model.head),
            "rows": model.n_rows,
            "restricted": self._rows.count(restricted=True),
            "classes": len(model.labels()),
            "requests": {state: states.count(state) for state in ("received", "applied", "refused")},
            "cleaning_due": bool(self._db.about("cleaning")),
            "tombstones": int(self._db.one("SELECT count(*) FROM tombstones")),
            "audit_head": self.audit_head,
            "size_bytes": size_of(self.path),
        }

    @in_turn
    def verify(
        self, *, head: str | None = None, certificate: Mapping[str, Any] | None = None, retrain: bool = False
    ) -> Verification:
        """Check the log, the state against the rows, and a certificate; see `verification.verify`."""
        return verify(self, head, certificate, retrain)

    @in_turn
    def public_keys(self) -> dict[str, str]:
        """Public keys of the certificates by id: give them to everyone who checks one."""
        self._keys.reload()
        return self._keys.public_keys()

    @in_turn
    def certificate_keys(self) -> dict[str, str]:
        """Keys of the certificates' state hashes by id: give them to an auditor, over a private channel."""
        self._keys.reload()
        return self._keys.certificate_keys()

    @in_turn
    def export_tombstones(self) -> list[list[str | None]]:
        """Keyed hashes of what was erased, and when each expires: keep them apart from the backups."""
        return self._tombstones.export()
