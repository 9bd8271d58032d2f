"""What a store's tables tell, for reading, without its model.

The model brings NumPy, SciPy, scikit-learn and numba along, which take longer to load than all that is asked here.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from analytic_cl.store.audit import Audit
from analytic_cl.store.copy_register import Copy, copies_in, numbers
from analytic_cl.store.database import Database
from analytic_cl.store.files import DATABASE, KEYS, check_directory, size_of
from analytic_cl.store.keys import Keys
from analytic_cl.store.requests import Requests


class StoreRecord:
    """An open store's record of requests, its log and its counts, as `StoreReading` tells them."""

    def __init__(self, path: Path) -> None:
        check_directory(path)
        self._path = path
        self._db = Database(path / DATABASE, read_only=True)
        self._requests = Requests(self._db, Keys.read(path / KEYS))
        self._log = Audit(self._db)

    def requests(self) -> list[dict[str, Any]]:
        return self._requests.all()

    def audit(self) -> list[dict[str, Any]]:
        return list(self._log.entries())

    @property
    def audit_head(self) -> str:
        return self._log.head

    def status(self) -> dict[str, Any]:
        return status_of(self._path, self._db, self._requests, self._log)

    def copies(self) -> list[Copy]:
        return copies_in(self._log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def status_of(path: Path, database: Database, requests: Requests, audit: Audit) -> dict[str, Any]:
    """What a store holds, in counts."""
    with database.transaction("DEFERRED"):  # one view of all tables
        states = [request["status"] for request in requests.all()]
        restricted = int(database.one("SELECT count(*) FROM rows WHERE restricted <> 0"))
        in_use = "SELECT 1 FROM rows WHERE rows.label = labels.code AND restricted = 0"
        if has_classes(database):
            classes = f"SELECT count(*) FROM labels WHERE EXISTS ({in_use})"
            answers = {"classes": int(database.one(classes))}
        else:
            answers = {"targets": _targets_a_row(database)}
        return {
            "path": str(path),
            "head": database.about("shown") or _shown(database.about("head")),
            "rows": int(database.one("SELECT count(*) FROM rows")) - restricted,
            "restricted": restricted,
            **answers,
            "requests": {state: states.count(state) for state in ("received", "applied", "refused")},
            "cleaning_due": bool(database.about("cleaning")),
            "copies": numbers(copies_in(audit)),
            "tombstones": int(database.one("SELECT count(*) FROM tombstones")),
            "audit_head": audit.head,
            "size_bytes": size_of(path),
        }


def has_classes(database: Database) -> bool:
    """Whether labels say something of the rows, without loading anything."""
    about = database.about("rows")
    if about is None:  # no rows yet: heads that learn numbers have a parameter that says how these become integers
        return "target_quantizer" not in json.loads(database.about("head"))["parameters"]
    return "targets" not in about["quantizer"]


def _targets_a_row(database: Database) -> int:
    """How many numbers a row is learned with; 0 as long as there are no rows."""
    about = database.about("rows")
    return 0 if about is None else about["quantizer"]["n_outputs"] or 1


def _shown(text: str) -> str:
    """A head whose store was made before its `repr` was written down: all of its parameters."""
    head = json.loads(text)
    return f"{head['class']}({', '.join(f'{name}={value!r}' for name, value in head['parameters'].items())})"
