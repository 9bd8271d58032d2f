"""Requests by their id: received, applied or refused, and never twice."""

from __future__ import annotations

import json
from typing import Any

from analytic_cl._json import canonical
from analytic_cl.store.clock import now
from analytic_cl.store.database import Database, parsed
from analytic_cl.store.errors import DamagedError, RefusedError
from analytic_cl.store.keys import Keys
from analytic_cl.store.receipt import StoreReceipt


class Requests:
    """The table `requests`. It holds hashes of what was asked, counts and times: no ids of rows, no subjects."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._db = database
        self._keys = keys

    def receive(self, request: str, kind: str, content: Any) -> StoreReceipt | None:
        """Put a request on record. The receipt if it was applied before; RefusedError if it was refused, or if the
        id stands for another request.
        """
        text = canonical([kind, content])
        columns = "content, status, reason, receipt"
        known = self._db.run(f"SELECT {columns} FROM requests WHERE request = ?", request).fetchone()
        if known is None:
            values = (request, kind, self._keys.hash("ledger", text), "received", now())
            self._db.run(
                "INSERT INTO requests (request, kind, content, status, received) VALUES (?, ?, ?, ?, ?)", *values
            )
            return None
        hashed, status, reason, receipt = known
        if not self._keys.matches("ledger", hashed, text):
            raise RefusedError(f"request {request!r} is on record with another content: give this one an id of its own")
        if status == "refused":
            raise RefusedError(f"request {request!r} was refused before: {reason}")
        return _receipt(receipt) if status == "applied" else None

    def content_hash(self, request: str) -> str:
        return str(self._db.one("SELECT content FROM requests WHERE request = ?", request))

    def apply(self, receipt: StoreReceipt) -> None:
        self._db.run(
            "UPDATE requests SET status = 'applied', finished = ?, receipt = ? WHERE request = ?",
            receipt.time,
            json.dumps(receipt.as_dict()),
            receipt.request,
        )

    def refuse(self, request: str, reason: str) -> None:
        """`reason` is kept, and so names nobody."""
        self._db.run(
            "UPDATE requests SET status = 'refused', finished = ?, reason = ? WHERE request = ?", now(), reason, request
        )

    def withdraw(self, request: str) -> None:
        """Forget a request that came to nothing, so that its id can be used."""
        self._db.run("DELETE FROM requests WHERE request = ?", request)

    def all(self) -> list[dict[str, Any]]:
        columns = ("request", "kind", "status", "received", "finished", "reason")
        query = f"SELECT {', '.join(columns)} FROM requests ORDER BY received, request"
        return [dict(zip(columns, row, strict=True)) for row in self._db.run(query)]

    def receipt(self, request: str) -> StoreReceipt | None:
        text = self._db.one("SELECT receipt FROM requests WHERE request = ?", request)
        return None if text is None else _receipt(text)


def _receipt(text: str) -> StoreReceipt:
    try:
        return StoreReceipt(**parsed(text))
    except TypeError as error:
        raise DamagedError(f"a receipt on record is damaged ({error}): restore the store from a backup") from error
