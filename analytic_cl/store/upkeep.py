"""Snapshots of the state, and what the last commit left behind of erased rows."""

from __future__ import annotations

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._warnings import warn
from analytic_cl.store.erasure import clean_file
from analytic_cl.store.errors import LeftoverWarning
from analytic_cl.store.parts import Parts


def write_snapshot(parts: Parts) -> None:
    """Write the state to disk, so that opening the store has nothing to add."""
    with deferred_interrupts():
        model = parts.model
        name = model.write_snapshot()
        with parts.database.transaction():
            model.point_to(name, parts.audit.last()[0])
        model.since, model.damaged = 0, ""
        model.remove_other_snapshots()


def recover(parts: Parts) -> None:
    """Finish what a kill may have left undone, and mend what is damaged."""
    model = parts.model
    if model.damaged:
        with parts.database.transaction():
            parts.audit.append("mended", rows=model.n_rows)
        write_snapshot(parts)
    for draft in parts.path.glob(".*.tmp"):
        if draft.is_symlink() or not draft.is_dir():
            draft.unlink(missing_ok=True)
    with parts.database.transaction():
        parts.tombstones.expire()
    clean(parts)


def clean(parts: Parts) -> None:
    """Remove from the directory what the last commit left behind of erased rows."""
    parts.model.remove_other_snapshots()
    if not clean_file(parts.database):
        warn(
            f"a reader keeps the log of {parts.path} from being emptied: bytes of erased rows stay in it until the "
            "next request, or the next time that the store is opened",
            LeftoverWarning,
        )
