"""Batches of rows into a store, all or none."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.ledger.ids import named
from analytic_cl.store.certificate import state_hash
from analytic_cl.store.clock import now
from analytic_cl.store.errors import AlreadyErasedError, StoreError
from analytic_cl.store.parts import Parts
from analytic_cl.store.rows import Batch
from analytic_cl.store.upkeep import clean, write_snapshot

# Rows that opening the store may have to add to the snapshot; when there are more, a new one is written.
SNAPSHOT_EVERY = 50_000


class Group(NamedTuple):
    """Rows that one entry of the log tells of, and what it says of their labels where a model gave them."""

    batches: Iterable[Batch]
    labelled: dict[str, Any] = {}  # noqa: RUF012  (never changed)


def insert(
    parts: Parts,
    about: dict[str, Any],
    groups: Iterable[Group],
    allow_erased: bool = False,
    operation: int | None = None,
) -> int:
    """Learn groups of rows, all or none; how many rows.

    A store that is part of a larger one numbers its operations: one that was carried out, or taken back, or is older
    than that, changes nothing; it brings one group.
    """
    model, n = parts.model, 0
    with deferred_interrupts(), parts.whole():
        if operation is not None and parts.database.about("operation")["number"] >= operation:
            return 0
        model.note(about)
        for group in groups:
            number, time, before = parts.audit.last()[0] + 1, now(), n
            for batch in group.batches:
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
            if n > before or not group.labelled:
                parts.audit.append("learn", rows=n - before, **group.labelled)
        if operation is not None:
            parts.database.set_about("operation", {"number": operation, "entry": parts.audit.last()[0]})
    if model.since > SNAPSHOT_EVERY:
        with suppress(OSError, StoreError):  # the rows are in: it is tried again later
            write_snapshot(parts)
    return n


def take_back(parts: Parts, operation: int) -> None:
    """Unlearn what `insert` learned in this operation, its last one, if it did; and see to it that it never will.

    As after an erasure, the rows are gone from the state and from the files.
    """
    model, withdrawn = parts.model, False
    with deferred_interrupts():
        with parts.whole():
            last = parts.database.about("operation")
            if last["number"] == operation:
                model.dirty = True
                parts.rows.choose("learned", last["entry"])
                n, withdrawn = parts.rows.chosen(), True
                for rows, targets in parts.rows.chosen_batches(model.quantizer(), restricted=False):
                    model.forget(rows, targets)
                parts.rows.delete_chosen()
                parts.audit.append("withdraw", rows=n)
                model.settle(parts.audit.last()[0])
            if last["number"] <= operation:
                parts.database.set_about("operation", {"number": operation + 1, "entry": 0})
        if withdrawn:
            model.since, model.damaged = 0, ""
            clean(parts)


def machine_labelled(parts: Parts, confidence: Any, n: int) -> dict[str, Any]:
    """What the log says of n rows that a model over this store labelled. Raises ValueError for what can't be so."""
    given = np.asarray(confidence)
    if given.dtype.kind not in "iuf" or given.shape not in ((), (n,)) or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"confidence must be a number from 0 to 1, or one for each of {n} rows")
    if not parts.model.n_rows:
        raise ValueError("confidence is for labels that a model gave, and this store's has learned nothing yet")
    return {"confidence": float(given.min()), "model": state_hash(parts.keys, parts.model.digest())}


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
