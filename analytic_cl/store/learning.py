"""Batches of rows into a store, all or none."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from analytic_cl.ledger.ids import named
from analytic_cl.statistics import deferred_interrupts
from analytic_cl.store.clock import now
from analytic_cl.store.errors import AlreadyErasedError, StoreError
from analytic_cl.store.parts import Parts
from analytic_cl.store.rows import Batch
from analytic_cl.store.upkeep import write_snapshot

# Rows that opening the store may have to add to the snapshot; when there are more, a new one is written.
SNAPSHOT_EVERY = 50_000


def insert(parts: Parts, about: dict[str, Any], batches: Iterable[Batch], allow_erased: bool = False) -> int:
    """Learn batches of rows, all or none; how many rows."""
    model, n = parts.model, 0
    with deferred_interrupts(), parts.whole():
        model.note(about)
        number, time = parts.audit.last()[0] + 1, now()
        for batch in batches:
            ids = [name for name in batch.ids if name is not None]
            subjects = sorted({subject for subject in batch.subjects if subject is not None})
            _refuse_known(parts, ids)
            if allow_erased:
                parts.tombstones.remove(ids, subjects)
            else:
                _refuse_erased(parts, ids, subjects)
            parts.rows.insert(batch, number, time)
            model.learn(batch.rows, batch.targets, about)
            n += len(batch.rows)
        parts.audit.append("learn", rows=n)
    if model.since > SNAPSHOT_EVERY:
        with suppress(OSError, StoreError):  # the rows are in: it is tried again later
            write_snapshot(parts)
    return n


def _refuse_known(parts: Parts, ids: list[Any]) -> None:
    known = parts.rows.known(ids)
    if known:
        raise ValueError(f"sample ids that the store has: {named(known)}; use rectify to replace their rows")


def _refuse_erased(parts: Parts, ids: list[Any], subjects: list[str]) -> None:
    for what, erased in (
        ("sample ids", parts.tombstones.erased_ids(ids)),
        ("subjects", parts.tombstones.erased_subjects(subjects)),
    ):
        if erased:
            raise AlreadyErasedError(
                f"{what} that were erased: {named(list(erased))}; nothing was learned. If they may come back, pass "
                "allow_erased=True"
            )
