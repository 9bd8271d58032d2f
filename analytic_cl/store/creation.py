"""A new store: made under another name, and there under its own when it is complete."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn.base import clone

from analytic_cl._files import sync_directory
from analytic_cl.heads import BaseHead, head_classes
from analytic_cl.statistics import EMPTY
from analytic_cl.store.audit import Audit
from analytic_cl.store.database import Database
from analytic_cl.store.errors import StoreError
from analytic_cl.store.files import DATABASE, KEYS, SNAPSHOTS
from analytic_cl.store.keys import Keys
from analytic_cl.store.model import Model, seal_text

SPELLING = "NFC"  # of all names: see `names`

MAX_DAYS = 36_500  # a hundred years


def check_days(days: float | None) -> None:
    """Raise ValueError for what can't be the life of a tombstone."""
    if days is not None and (isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= MAX_DAYS):
        raise ValueError(f"tombstone_days must be None or a number from 0 to {MAX_DAYS}, got {days!r}")


def create_directory(target: Path, head: BaseHead, tombstone_days: float | None) -> None:
    """Make the directory of an empty store for heads like this one."""
    check_days(tombstone_days)
    if type(head).__name__ not in head_classes():
        raise ValueError(f"a store holds one of {', '.join(head_classes())}, not {type(head).__name__}")
    if head.depends_on_order:
        raise ValueError(
            f"{type(head).__name__} depends on the order of sessions, while a store learns its rows anew in any order"
        )
    if getattr(head, "solver", "") == "recursive":
        raise ValueError('a store serves weights that depend on its state alone: use solver="cholesky"')
    with new_directory(target) as draft:
        (draft / SNAPSHOTS).mkdir(mode=0o700)
        keys = Keys.create(draft / KEYS)
        empty = clone(head)
        empty.save(draft / SNAPSHOTS / "empty.safetensors")
        seal = keys.hash("ledger", seal_text(EMPTY, 0))
        (draft / DATABASE).touch(mode=0o600)
        database = Database(draft / DATABASE, read_only=False, create=True)
        with database.transaction():
            Model.describe(database, empty)
            database.set_about("tombstone_days", tombstone_days)
            database.set_about("spelling", SPELLING)
            database.set_about("snapshot", {"name": "empty.safetensors", "after": 0, "seal": seal})
            Audit(database).append("create", public_keys=keys.public_keys())
        database.empty_log()
        database.close()


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """A directory to fill, under another name; after the body it is there under its own, complete."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target} exists, and is not an empty directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.mkdir(mode=0o700)
        yield draft
        sync_directory(draft)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_directory(target.parent)
