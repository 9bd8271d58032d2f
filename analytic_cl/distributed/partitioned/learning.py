"""A batch learned by several parts, all of it or nothing.

The parts learn their shares one by one, each in one transaction that also takes down the operation's number. What is
being done is written down first, and not the rows: where it is broken off, the parts that have learned take it back.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sklearn.base import clone

from analytic_cl.distributed.partitioned import work
from analytic_cl.distributed.partitioned.hosts import Host
from analytic_cl.distributed.partitioned.register import Register
from analytic_cl.distributed.partitioned.routing import deal
from analytic_cl.heads import Head, head_classes
from analytic_cl.heads.persistence import head_from_text
from analytic_cl.learner import Learner
from analytic_cl.ledger.ids import named
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import label_bytes, label_kind
from analytic_cl.store import AlreadyErasedError, StoreReceipt
from analytic_cl.store.model import Incoming
from analytic_cl.store.rows import Batch


class Encoder:
    """Validates rows and takes them through the one quantizer, as a head without rows."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._empty: Head = head_from_text(register.database.about("head"), head_classes())
        self._known: Head | None = None

    def __call__(self, X: Any, y: Any, sample_id: Any) -> Incoming:
        head = self._prepared()
        new = head.encode(X, y, sample_id).with_one_label_each("a store")
        head.empty_state(new.quantizer).check_learnable(new.rows, new.targets)
        names = None if new.feature_names is None else new.feature_names.tolist()
        return Incoming(new.rows, new.targets, new.ids, new.quantizer, new.quantizer.n_features, names, [])

    def _prepared(self) -> Head:
        about = self._register.database.about("rows")
        if about is None:
            self._known = None
            return self._new()
        if self._known is None:
            quantizer = Quantizer.from_spec(about["quantizer"])
            self._known = self._new()
            self._known.adopt(Learner(self._known.empty_state(quantizer), track="none"))
        return self._known

    def _new(self) -> Head:
        head: Head = clone(self._empty)
        return head


def learn(register: Register, host: Host, about: dict[str, Any], batch: Batch, name: str | None, erased: bool) -> int:
    """Learn a batch, under a name or none; how many rows. `erased`: also what was erased."""
    database = register.database
    if name is not None:
        with database.transaction():
            known = register.requests.receive(name, "learn", _content(batch))
        if known is not None:
            return known.requested
    try:
        _check(register, host, batch, erased)
        shares = deal(batch, register.n_parts)
        with database.transaction():
            lifted = _lift(register, batch) if erased else []
            pending = {"kind": "learn", "parts": sorted(shares), "batch": name, "lifted": lifted}
            number = register.begin(pending)
        heads = host.run(work.learn, {part: (number, about, share) for part, share in shares.items()})
        with database.transaction():
            _note(register, about)
            entry = register.audit.append("learn", rows=len(batch.rows), parts=heads_of(heads))
            if name is not None:
                register.requests.apply(StoreReceipt(name, "learn", len(batch.rows), 0, 0, 0, entry["time"]))
            register.end()
    except Exception:
        take_back(register, host)
        if name is not None:
            with database.transaction():
                register.requests.withdraw(name)
        raise
    return len(batch.rows)


def take_back(register: Register, host: Host) -> None:
    """Undo a learning that was broken off, if there is one."""
    pending = register.pending
    if pending is None or pending["kind"] != "learn":
        return
    heads = host.run(work.unlearn, dict.fromkeys(pending["parts"], (pending["number"],)))
    with register.database.transaction():
        register.tombstones.bring(pending["lifted"])
        if pending["batch"] is not None:
            register.requests.withdraw(pending["batch"])
        register.audit.append("withdraw", parts=heads_of(heads))
        register.end()


def heads_of(heads: dict[int, str]) -> dict[str, str]:
    """Heads of the parts' logs, as the log of the whole keeps them."""
    return {str(part): heads[part] for part in sorted(heads)}


def _content(batch: Batch) -> list[Any]:
    labels = [label_bytes(label).hex() for label in batch.targets.values]
    names = [list(map(json.dumps, column)) for column in (batch.ids, batch.subjects, batch.sessions)]
    rows = batch.rows.astype(batch.rows.dtype.newbyteorder("<"), copy=False)
    return [*names, [labels[code] for code in batch.targets.codes.tolist()], hashlib.sha256(rows.tobytes()).hexdigest()]


def _check(register: Register, host: Host, batch: Batch, erased: bool) -> None:
    """All that could refuse the batch, before anything is changed."""
    ids = [name for name in batch.ids if name is not None]
    found = host.run(work.known_of, dict.fromkeys(range(register.n_parts), (ids,))).values()
    known = [name for part in found for name in part.ids]
    if known:
        raise ValueError(f"sample ids that the store has: {named(known)}")
    label = batch.targets.values[0]
    for part in found:
        if part.label is not None and label_kind(part.label) != label_kind(label):
            raise ValueError(
                f"labels of mixed types: {label!r} is a {label_kind(label)}, the store's are "
                f"{label_kind(part.label)}s such as {part.label!r}"
            )
    if not erased:
        for what, gone in (
            ("sample ids", register.tombstones.erased_ids(ids)),
            ("subjects", register.tombstones.erased_subjects(_subjects(batch))),
        ):
            if gone:
                raise AlreadyErasedError(
                    f"{what} that were erased: {named(list(gone))}; nothing was learned. If they may come back, pass "
                    "allow_erased=True"
                )


def _subjects(batch: Batch) -> list[str]:
    return sorted({subject for subject in batch.subjects if subject is not None})


def _lift(register: Register, batch: Batch) -> list[Any]:
    """Take tombstones away; those that stood."""
    before = register.tombstones.export()
    register.tombstones.remove([name for name in batch.ids if name is not None], _subjects(batch))
    stay = {hashed for hashed, _ in register.tombstones.export()}
    return [entry for entry in before if entry[0] not in stay]


def _note(register: Register, about: dict[str, Any]) -> None:
    known = register.database.about("rows")
    names = about["feature_names"] if known is None else known["feature_names"] or about["feature_names"]
    if known is None or names != known["feature_names"]:
        register.database.set_about("rows", {**about, "feature_names": names})
