"""What is done in one part, by whichever process has it open. Everything that changes it may be done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analytic_cl._json import canonical
from analytic_cl.heads import Head
from analytic_cl.ledger import SampleId
from analytic_cl.ledger.ids import other_kind
from analytic_cl.statistics import Label
from analytic_cl.store import RefusedError, Store, StoreError, VerificationError
from analytic_cl.store.execution import execute
from analytic_cl.store.learning import Group, insert, take_back
from analytic_cl.store.rows import Batch
from analytic_cl.store.tasks import Forget, Selector
from analytic_cl.store.verification import Verification


class Known(NamedTuple):
    """What a part knows of rows to learn: ids that it has, and a label, if it has any."""

    ids: list[SampleId]
    label: Label | None


class Found(NamedTuple):
    """Rows of a part that a request means: numbers, ids, subjects and labels; and which kinds of ids the part has.

    `twins` are ids asked for that the part has as ids of the other kind: text of the same signs, or integers.
    """

    rows: list[int]
    ids: list[SampleId | None]
    subjects: list[str | None]
    labels: list[Label]
    twins: list[SampleId]
    has_text: bool
    has_integers: bool


class Erasure(NamedTuple):
    """What a request did in a part: rows, the digest of the part's certificate, and the head of its log afterwards."""

    removed: list[int]
    certificates: list[str]
    audit_head: str


class Checked(NamedTuple):
    """A part that was verified: what was found, events since a head of its log, certificates' digests by request."""

    verification: Verification
    events_since: list[str]
    certificates: dict[str, str]


def head_of(store: Store) -> Head:
    """The part's head, to be read."""
    return store.head


def known_of(store: Store, ids: Sequence[SampleId]) -> Known:
    with store.turns.mine(), store.parts.database.transaction("DEFERRED"):
        rows = store.parts.rows
        return Known(rows.known(ids), next(iter(rows.labels().values()), None))


def learn(store: Store, operation: int, about: dict[str, Any], batch: Batch) -> str:
    """Learn a batch; the head of the log."""
    with store.turns.mine():
        insert(store.parts, about, [Group([batch])], operation=operation)
        return store.parts.audit.head


def unlearn(store: Store, operation: int) -> str:
    """Take back what `learn` learned in this operation, if it did; the head of the log."""
    with store.turns.mine():
        take_back(store.parts, operation)
        return store.parts.audit.head


def find(store: Store, selectors: Sequence[Selector]) -> list[Found]:
    """The rows that each of these means."""
    with store.turns.mine(), store.parts.database.transaction("DEFERRED"):
        return [_found(store, selector) for selector in selectors]


def _found(store: Store, selector: Selector) -> Found:
    rows, twins = store.parts.rows, []
    if selector.ids is None:
        column = next(name for name in ("subject", "label", "session") if getattr(selector, name) is not None)
        rows.choose(column, getattr(selector, column))
    else:
        rows.choose_samples(selector.ids)
        if rows.chosen() < len(selector.ids):
            others = {other: name for name in selector.ids if (other := other_kind(name)) is not None}
            twins = [others[other] for other in rows.known(others)]
    chosen = list(rows.names_of_chosen())
    return Found(
        [row for row, *_ in chosen],
        [name for _, name, *_ in chosen],
        [subject for _, _, subject, _ in chosen],
        [label for *_, label in chosen],
        twins,
        rows.has_ids(text=True),
        rows.has_ids(text=False),
    )


def names(store: Store) -> list[tuple[SampleId | None, str | None]]:
    """Ids and subjects of all rows that have either."""
    with store.turns.mine():
        return list(store.parts.rows.names())


def erase(store: Store, requests: Sequence[tuple[str, Selector]]) -> Erasure:
    """Carry out requests; those that were carried out before change nothing."""
    with store.turns.mine():
        results = execute(store.parts, [Forget(request, selector) for request, selector in requests])
        receipts = []
        for result in results:
            if isinstance(result, RefusedError):  # of a class that can be sent
                raise StoreError(f"{store.path} refuses a request that the whole had found to be possible: {result}")
            receipts.append(result)
        digests = [certificate_digest(receipt.certificate) for receipt in receipts]
        return Erasure([receipt.removed for receipt in receipts], digests, store.parts.audit.head)


def certificate_digest(certificate: Mapping[str, Any]) -> str:
    """SHA-256 of a certificate, its signature included."""
    return hashlib.sha256(canonical(certificate)).hexdigest()


def check(store: Store, audit_head: str | None, retrain: bool) -> Checked:
    """Verify a part. `audit_head` is that of its log when it was last changed."""
    with store.turns.mine():
        try:
            verification = store.verify(head=audit_head, retrain=retrain)
        except VerificationError as error:
            raise VerificationError(f"{store.path.name}: {error}") from error
        last = 1 if audit_head is None else int(audit_head.split(":")[0])
        events = [entry["event"] for entry in store.parts.audit.entries(after=last)]
        certificates = {}
        for request in store.parts.requests.all():
            receipt = store.parts.requests.receipt(request["request"])
            if receipt is not None:
                certificates[request["request"]] = certificate_digest(receipt.certificate)
        return Checked(verification, events, certificates)
