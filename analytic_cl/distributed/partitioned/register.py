"""What a partitioned store keeps of the whole: keys, requests, the log, tombstones, and what is being done.

The database is one of a store, without rows: those are in the parts. Under ``about`` it also holds `pending`, what is
being done in several parts, while it is, and `operation`, a number that grows with each of these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone

from analytic_cl._files import write_file
from analytic_cl._warnings import warn
from analytic_cl.distributed.partitioned.routing import RULE
from analytic_cl.heads import Head
from analytic_cl.store import LeftoverWarning, Store, StoreError
from analytic_cl.store.audit import Audit
from analytic_cl.store.creation import check_days, create_directory, new_directory
from analytic_cl.store.database import Database
from analytic_cl.store.erasure import clean_file
from analytic_cl.store.files import KEYS, LOCK, WriterLock, refuse_links
from analytic_cl.store.keys import Keys
from analytic_cl.store.model import Model
from analytic_cl.store.requests import Requests
from analytic_cl.store.tombstones import Tombstones

MANIFEST, DATABASE = "partitioned.json", "whole.sqlite"
FORMAT, FORMAT_VERSION = "analytic-cl partitioned store", 1
MOST_PARTS = 1000


@dataclass(frozen=True)
class Register:
    """The record of an open partitioned store."""

    path: Path
    n_parts: int
    lock: WriterLock
    database: Database
    keys: Keys
    requests: Requests
    tombstones: Tombstones
    audit: Audit

    def begin(self, pending: dict[str, Any]) -> int:
        """Within a transaction: write down what is about to be done; its number. Two numbers are taken."""
        number: int = self.database.about("operation") + 2
        self.database.set_about("operation", number)
        self.database.set_about("pending", {**pending, "number": number})
        return number

    def end(self) -> None:
        """Within a transaction: what was being done is done, or taken back."""
        self.database.run("DELETE FROM about WHERE name = 'pending'")

    @property
    def pending(self) -> dict[str, Any] | None:
        """What is being done, or was when the process ended."""
        found: dict[str, Any] | None = self.database.about("pending")
        return found

    def clean(self) -> None:
        """Remove from the files what a request that is carried out asked for."""
        if not clean_file(self.database):
            warn(
                f"a reader keeps the log of {self.path / DATABASE} from being emptied: what requests asked for stays "
                "in it until the next operation",
                LeftoverWarning,
            )

    def close(self) -> None:
        self.database.close()
        self.lock.release()


def part_name(number: int) -> str:
    return f"part-{number:02d}"


def create_register(target: Path, head: Head, n_parts: int, tombstone_days: float | None) -> None:
    """Make the directory of an empty store of n parts; it is there under its name when it is complete."""
    check_days(tombstone_days)
    if isinstance(n_parts, bool) or not isinstance(n_parts, int) or not 1 <= n_parts <= MOST_PARTS:
        raise ValueError(f"n_parts must be a whole number from 1 to {MOST_PARTS}, got {n_parts!r}")
    if head.__sklearn_is_fitted__():
        raise ValueError("the head has learned rows already: create the store from an empty one, and learn them")
    with new_directory(target) as draft:
        for number in range(n_parts):
            _create_part(draft / part_name(number), head)
        manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "n_parts": n_parts, "rule": RULE}
        write_file(draft / MANIFEST, json.dumps(manifest, indent=1).encode())
        keys = Keys.create(draft / KEYS)
        (draft / DATABASE).touch(mode=0o600)
        database = Database(draft / DATABASE, read_only=False, create=True)
        with database.transaction():
            Model.describe(database, clone(head))
            database.set_about("tombstone_days", tombstone_days)
            database.set_about("operation", 0)
            Audit(database).append("create", public_keys=keys.public_keys(), parts=_keys_of_parts(draft, n_parts))
        database.empty_log()
        database.close()


def _create_part(path: Path, head: Head) -> None:
    create_directory(path, head, 0)  # tombstones are those of the whole: a subject's rows may come to another part
    with Store.open(path) as store, store.parts.database.transaction():
        store.parts.database.set_about("operation", {"number": 0, "entry": 0})


def _keys_of_parts(path: Path, n_parts: int) -> list[dict[str, str]]:
    return [Keys.read(path / part_name(number) / KEYS).public_keys() for number in range(n_parts)]


def open_register(path: Path) -> Register:
    """The record in a directory. Raises StoreError, or StoreLockedError naming the process that has it open."""
    files = (MANIFEST, KEYS, LOCK, DATABASE, *(f"{DATABASE}-{end}" for end in ("wal", "shm", "journal")))
    refuse_links(path, files, ())
    n_parts = _read_manifest(path)
    refuse_links(path, (), (part_name(number) for number in range(n_parts)))
    lock, database = WriterLock(path / LOCK), None
    try:
        database = Database(path / DATABASE, read_only=False)
        keys, audit = Keys.read(path / KEYS), Audit(database)
        days = database.about("tombstone_days")
        register = Register(
            path, n_parts, lock, database, keys, Requests(database, keys), Tombstones(database, keys, days), audit
        )
        _check_belonging(register)
        with database.transaction():
            register.tombstones.expire()
        for draft in path.glob(".*.tmp"):  # of keys that a kill kept from being replaced
            if draft.is_symlink() or not draft.is_dir():
                draft.unlink()
    except BaseException:
        if database is not None:
            database.close()
        lock.release()
        raise
    return register


def _read_manifest(path: Path) -> int:
    """How many parts there are."""
    if not (path / MANIFEST).is_file():
        raise StoreError(f"{path} is not a partitioned store: there is no {MANIFEST} in it")
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        known = (manifest["format"], manifest["format_version"], manifest["rule"])
        n_parts: int = manifest["n_parts"]
        if not 1 <= n_parts <= MOST_PARTS:
            raise ValueError(f"it names {n_parts} parts")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{path / MANIFEST} is damaged ({error}): restore it from a backup") from error
    if known != (FORMAT, FORMAT_VERSION, RULE):
        raise StoreError(f"{path} is {known[0]!r} of format {known[1]!r}, this analytic-cl reads {FORMAT_VERSION}")
    return n_parts


def _check_belonging(register: Register) -> None:
    """Keys and parts are those of this store."""
    first = register.audit.entry(1)
    if not register.keys.made(first):
        raise StoreError(f"{register.path / KEYS} holds the keys of another store: restore it from a backup")
    recorded = (first or {})["parts"]
    found = _keys_of_parts(register.path, register.n_parts)
    if len(found) != len(recorded):
        raise StoreError(f"{register.path} was made of {len(recorded)} parts, its {MANIFEST} names {len(found)}")
    for number, (was, now) in enumerate(zip(recorded, found, strict=True)):
        if not was.items() <= now.items():
            raise StoreError(
                f"{register.path / part_name(number)} is a part of another store: restore it from a backup"
            )
