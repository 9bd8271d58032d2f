"""The audit log: what happened, in entries each of which carries the hash of the one before.

An entry holds a number, a time, the kind of event, counts, and keyed hashes; never rows, ids, subjects, labels or plain
digests of the state; of an exported file its path. Altering, leaving out or reordering entries breaks the chain.
Whoever owns the directory could rewrite all of it: publish `head` from time to time, and check against what was
published.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from analytic_cl._json import canonical
from analytic_cl.store.clock import now
from analytic_cl.store.database import Database
from analytic_cl.store.errors import DamagedError, VerificationError

_START = "0" * 64


def entry_hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(entry)).hexdigest()


def _parsed(text: str, number: int, hashed: str) -> dict[str, Any]:
    """An entry that has its hash. Raises DamagedError."""
    try:
        entry = json.loads(text)
        if isinstance(entry, dict) and entry["number"] == number and entry_hash(entry) == hashed:
            return entry
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DamagedError(f"audit log: entry {number} is damaged or was altered: restore the store from a backup")


class Audit:
    """Appends to the table `audit` and checks it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def last(self) -> tuple[int, str, str]:
        """Number, hash and time of the last entry."""
        row = self._db.run("SELECT number, hash, entry FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        return (0, _START, "") if row is None else (row[0], row[1], _parsed(row[2], row[0], row[1])["time"])

    @property
    def head(self) -> str:
        """Number and hash of the last entry: what to publish."""
        number, last_hash, _ = self.last()
        return f"{number}:{last_hash}"

    def append(self, event: str, **about: Any) -> dict[str, Any]:
        """Write the next entry, within a transaction, and return it. Times never run backwards: they stand still."""
        number, before, last_time = self.last()
        time = now()
        entry: dict[str, Any] = {"number": number + 1, "time": max(time, last_time), "event": event, **about}
        if time < last_time:
            entry["clock"] = time  # what the clock said, earlier than the entry before
        entry["before"] = before
        self._db.run("INSERT INTO audit VALUES (?, ?, ?)", number + 1, json.dumps(entry), entry_hash(entry))
        return entry

    def entries(self, *, after: int = 0) -> Iterator[dict[str, Any]]:
        query = "SELECT number, entry, hash FROM audit WHERE number > ? ORDER BY number"
        for number, text, hashed in self._db.run(query, after):
            yield {**_parsed(text, number, hashed), "hash": hashed}

    def entry(self, number: int) -> dict[str, Any] | None:
        row = self._db.run("SELECT entry, hash FROM audit WHERE number = ?", number).fetchone()
        return None if row is None else _parsed(row[0], number, row[1])

    def rows_learned(self, *, after: int) -> int:
        """How many rows were learned after an entry."""
        return sum(entry["rows"] for entry in self.entries(after=after) if entry["event"] == "learn")

    def least_confidence(self) -> float | None:
        """Of all machine-labelled rows that were ever learned; None where there were none."""
        return min((entry["confidence"] for entry in self.entries() if "confidence" in entry), default=None)

    def verify(self, published: str | None = None) -> int:
        """Number of entries, all in order. Raises VerificationError saying where the chain is broken.

        `published` is a `head` from earlier: the log must still pass through it.
        """
        before, number = _START, 0
        seen = published is None
        for place, text, hashed in self._db.run("SELECT number, entry, hash FROM audit ORDER BY number"):
            number += 1
            if place != number:
                raise VerificationError(f"audit log: entry {number} is missing, the next one is {place}")
            try:
                entry = json.loads(text)
            except (ValueError, TypeError, RecursionError):
                raise VerificationError(f"audit log: entry {number} is not JSON any more") from None
            if not isinstance(entry, dict) or entry.get("number") != number or entry.get("before") != before:
                raise VerificationError(
                    f"audit log: entry {number} does not follow the one before: one was altered, removed or moved"
                )
            if entry_hash(entry) != hashed:
                raise VerificationError(f"audit log: entry {number} was altered: its hash does not match")
            before = hashed
            seen = seen or f"{number}:{hashed}" == published
        if not seen:
            raise VerificationError(
                f"audit log: it does not pass through the published head {published}: it was rewritten or cut"
            )
        return number
