"""Whether a store is what its log, its rows and a certificate say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from analytic_cl.statistics import State, empty_state
from analytic_cl.store.audit import Audit, entry_hash
from analytic_cl.store.certificate import check_certificate
from analytic_cl.store.errors import DamagedError, VerificationError
from analytic_cl.store.parts import Parts
from analytic_cl.store.requests import Requests

_KINDS = ("forget", "rectify", "restrict", "unrestrict")
_COUNTED = ("requested", "removed", "unknown", "classes_emptied", "time")  # by the log, receipts and certificates
_SHARED = ("kind", *_COUNTED)  # by receipts and certificates


class Record(Protocol):
    """The requests that were carried out, and the log that tells of them."""

    @property
    def requests(self) -> Requests: ...
    @property
    def audit(self) -> Audit: ...


@dataclass(frozen=True)
class Verification:
    """What was checked, and held.

    Attributes
    ----------
    entries : int
        Entries of the audit log, all in order.
    requests : int
        Applied requests, each with its entry and a certificate.
    rows : int
        Rows in the state, as many of each class as in the tables.
    retrained : bool
        Whether the state was made again from all rows, with an equal digest.
    searched : bool
        Whether the whole file was searched, and nothing is in it but what its tables hold.
    certificate_is_current : bool or None
        Whether the state is still the one that the given certificate describes.
    """

    entries: int
    requests: int
    rows: int
    retrained: bool
    certificate_is_current: bool | None = None
    searched: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)


def verify(
    parts: Parts, head: str | None, certificate: Mapping[str, Any] | None, retrain: bool, deep: bool
) -> Verification:
    """Check all that a store can check of itself.

    Parameters
    ----------
    head : str, optional
        A published `Store.audit_head` that the log must still pass through.
    certificate : mapping, optional
        One of this store's certificates: its signature, and its place in the log.
    retrain : bool
        Also learn again from all rows and compare the digest.
    deep : bool
        Also search the whole file for bytes that are left of something that was deleted or moved: what no row uses must
        be zero.

    Raises
    ------
    VerificationError
        Saying what does not hold.
    """
    try:
        found = _verified(parts, head, certificate, retrain)
        if deep:
            _check_no_leftovers(parts)
        return replace(found, searched=deep)
    except DamagedError as error:
        raise VerificationError(str(error)) from error


def _verified(parts: Parts, head: str | None, certificate: Mapping[str, Any] | None, retrain: bool) -> Verification:
    parts.keys.reload()
    if not parts.keys.made(parts.audit.entry(1)):
        raise VerificationError("the keys and the audit log are of two stores: one was exchanged")
    with parts.models.view() as model:  # all that follows is of one moment, whoever writes meanwhile
        entries = parts.audit.verify(head)
        if entries < parts.database.about("snapshot")["after"]:
            raise VerificationError("the audit log ends before the snapshot: an older log was put back, or it was cut")
        parts.database.check_whole()
        if model.damaged:
            raise VerificationError(f"the snapshot is damaged: {model.damaged}")
        recorded = parts.rows.counts()
        state = model.state if model.n_rows else None
        held = {} if state is None else dict(zip(state.labels, state.counts.tolist(), strict=True))
        if recorded != held:
            raise VerificationError(f"the tables hold {sum(recorded.values())} rows, the state {sum(held.values())}")
        _check_log_against_rows(parts)
        public_keys = parts.keys.public_keys()
        requests = check_requests(parts, public_keys)
        if retrain and state is not None:
            _check_retrained(parts, state)
        current = None
        if certificate is not None:
            check_own_certificate(parts, certificate, public_keys)
            current = parts.keys.matches("certificate", certificate["state_after"], model.digest().encode())
    return Verification(entries, requests, model.n_rows, retrain, current)


def _check_no_leftovers(parts: Parts) -> None:
    left = parts.database.leftovers()
    if left:
        raise VerificationError(
            f"{parts.database.path}: {len(left)} pages, such as {left[0]}, hold bytes that nothing uses any more and "
            "that may be of erased rows: open the store to write to it, and Store.snapshot() removes them"
        )


def _check_retrained(parts: Parts, state: State) -> None:
    wrong = "the state is not the one of the rows in the tables"
    again = empty_state(state.quantizer, state.describe())
    try:
        for rows, targets in parts.rows.batches(state.quantizer):
            again.add(rows, targets)
    except DamagedError as error:
        raise VerificationError(f"{wrong}: {error}") from error
    if again.digest() != state.digest():
        raise VerificationError(wrong)


def _check_log_against_rows(parts: Parts) -> None:
    """As many rows, restricted ones too, as the log says were learned and not erased since."""
    told = 0
    for entry in parts.audit.entries():
        if entry["event"] in ("learn", "withdraw"):
            told += entry["rows"] if entry["event"] == "learn" else -entry["rows"]
        elif entry["event"] == "forget":
            told -= entry["removed"]
    held = parts.rows.count() + parts.rows.count(restricted=True)
    if told != held:
        raise VerificationError(f"the log tells of {told} rows, the tables hold {held}: one of the two is older")


def check_requests(record: Record, public_keys: Mapping[str, str]) -> int:
    """Every applied request has the entry, certificate and receipt that belong together, and no entry lacks one."""
    applied = set()
    for request in record.requests.all():
        if request["status"] != "applied" or request["kind"] not in _KINDS:
            continue
        name = request["request"]
        receipt = record.requests.receipt(name)
        if receipt is None:
            raise VerificationError(f"request {name!r} is applied, but its receipt is gone")
        certificate = receipt.certificate
        check_own_certificate(record, certificate, public_keys)
        told = {field: certificate.get(field) for field in _SHARED}
        if told != {field: getattr(receipt, field) for field in _SHARED} or certificate["request"] != name:
            raise VerificationError(f"the receipt of request {name!r} was altered: it differs from its certificate")
        if certificate.get("cascade", {}) != receipt.cascade:
            raise VerificationError(f"the receipt of request {name!r} was altered: it tells of another cascade")
        if certificate["content"] != record.requests.content_hash(name) or certificate["kind"] != request["kind"]:
            raise VerificationError(f"the record of request {name!r} was altered: it differs from its certificate")
        applied.add(certificate["audit"]["number"])
    for entry in record.audit.entries():
        if entry["event"] in _KINDS and entry["number"] not in applied:
            raise VerificationError(f"audit log: entry {entry['number']} tells of a request that is not on record")
    return len(applied)


def check_own_certificate(record: Record, certificate: Mapping[str, Any], public_keys: Mapping[str, str]) -> None:
    """A certificate is signed, and the log tells of it."""
    check_certificate(certificate, public_keys)
    place = certificate["audit"]
    entry = record.audit.entry(place["number"])
    if (
        entry is None
        or entry_hash(entry) != place["hash"]
        or entry.get("state") != certificate["state_after"]
        or any(entry.get(name) != certificate[name] for name in _COUNTED)
        or entry.get("cascade") != certificate.get("cascade")
    ):
        raise VerificationError(f"the certificate of request {certificate['request']!r} does not match the audit log")
