"""What was erased must not come back by accident: keyed hashes of erased ids and subjects, with an expiry.

Of ids and subjects, never of rows: different people may have identical rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from analytic_cl.ledger import SampleId
from analytic_cl.store.clock import later, now
from analytic_cl.store.database import Database
from analytic_cl.store.keys import Keys


def _text(kind: str, name: object) -> bytes:
    return f"{kind}\0{json.dumps(name)}".encode()


class Tombstones:
    """The table `tombstones`; `days` is how long one stands, None for ever, 0 for none at all."""

    def __init__(self, database: Database, keys: Keys, days: float | None) -> None:
        self._db = database
        self._keys = keys
        self._days = days

    def add(self, ids: Iterable[SampleId], subjects: Iterable[str]) -> None:
        """Within a transaction: put up tombstones."""
        if self._days == 0:
            return
        expires = None if self._days is None else later(now(), self._days)
        texts = [*(_text("sample", name) for name in ids), *(_text("subject", name) for name in subjects)]
        hashes = ((self._keys.hash("ledger", text), expires) for text in texts)
        self._db.run_many("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", hashes)

    def expire(self) -> None:
        self._db.run("DELETE FROM tombstones WHERE expires < ?", now())

    def erased_ids(self, ids: Iterable[SampleId]) -> list[SampleId]:
        """Those of the ids that have a tombstone."""
        return [name for name in ids if self._stands("sample", name)] if self._any() else []

    def erased_subjects(self, subjects: Iterable[str]) -> list[str]:
        return [name for name in subjects if self._stands("subject", name)] if self._any() else []

    def _any(self) -> bool:
        return self._db.one("SELECT 1 FROM tombstones LIMIT 1") is not None

    def _stands(self, kind: str, name: object) -> bool:
        query = "SELECT 1 FROM tombstones WHERE hash = ? AND (expires IS NULL OR expires >= ?)"
        return any(self._db.one(query, hashed, now()) is not None for hashed in self._keys.hashes(_text(kind, name)))

    def remove(self, ids: Iterable[SampleId], subjects: Iterable[str]) -> None:
        """Within a transaction: allow what was erased to be learned again."""
        for text in [*(_text("sample", name) for name in ids), *(_text("subject", name) for name in subjects)]:
            for hashed in self._keys.hashes(text):
                self._db.run("DELETE FROM tombstones WHERE hash = ?", hashed)

    # ---- beyond a backup

    def export(self) -> list[list[str | None]]:
        return [list(row) for row in self._db.run("SELECT hash, expires FROM tombstones ORDER BY hash")]

    def bring(self, tombstones: Iterable[Any]) -> None:
        """Within a transaction: put up tombstones from elsewhere; ValueError for what can't be one of this store."""
        for place, entry in enumerate(tombstones):
            try:
                hashed, expires = entry
                key_id, value = hashed.split(":")
                wrong = re.fullmatch("[0-9a-f]{64}", value) is None
                if expires is not None:
                    later(expires, 0)
            except (AttributeError, TypeError, ValueError):
                wrong = True
            if wrong:
                raise ValueError(f"entry {place} is not a tombstone as export_tombstones gives them: {entry!r}")
            if not self._keys.knows("ledger", key_id):
                raise ValueError(
                    f"entry {place} is under key {key_id}, which this store does not have: restore its keys.json, too"
                )
            self._db.run("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", hashed, expires)
