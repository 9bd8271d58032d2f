"""Whether a partitioned store is what its logs, its parts and a certificate say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytic_cl.distributed.partitioned import work
from analytic_cl.distributed.partitioned.hosts import Host
from analytic_cl.distributed.partitioned.merged import Merged
from analytic_cl.distributed.partitioned.register import Register, part_name
from analytic_cl.store import StoreError, VerificationError
from analytic_cl.store.verification import Verification, check_own_certificate, check_requests

_ADDED_BY_ITSELF = ("mended",)  # what a part's log may tell of that the whole's does not


def verify(
    register: Register,
    host: Host,
    merged: Merged,
    head: str | None,
    certificate: Mapping[str, Any] | None,
    retrain: bool,
) -> Verification:
    """Check the log of the whole, every part, and that they tell of the same. Raises VerificationError."""
    try:
        return _verified(register, host, merged, head, certificate, retrain)
    except StoreError as error:
        raise VerificationError(str(error)) from error


def _verified(
    register: Register,
    host: Host,
    merged: Merged,
    head: str | None,
    certificate: Mapping[str, Any] | None,
    retrain: bool,
) -> Verification:
    keys = register.keys
    keys.reload()
    if not keys.made(register.audit.entry(1)):
        raise VerificationError("the keys and the audit log are of two stores: one was exchanged")
    entries = register.audit.verify(head)
    register.database.check_whole()
    public_keys = keys.public_keys()
    requests = check_requests(register, public_keys)
    rows, heads, state = _told(register)
    checked: dict[int, work.Checked] = host.run(
        work.check, {part: (heads.get(str(part)), retrain) for part in range(register.n_parts)}
    )
    for part, each in checked.items():
        if not set(each.events_since) <= set(_ADDED_BY_ITSELF):
            raise VerificationError(f"{part_name(part)} was changed by itself: the whole's log does not tell of it")
    _check_certificates(register, checked)
    held = sum(each.verification.rows for each in checked.values())
    if rows != held:
        raise VerificationError(f"the log tells of {rows} rows, the parts hold {held}: one of them is older")
    merged.drop()
    if state is not None and not keys.matches("certificate", state, merged.digest().encode()):
        raise VerificationError("the parts do not have the state that the log tells of")
    current = None
    if certificate is not None:
        check_own_certificate(register, certificate, public_keys)
        current = keys.matches("certificate", certificate["state_after"], merged.digest().encode())
    return Verification(entries, requests, held, retrain, current)


def _told(register: Register) -> tuple[int, dict[str, str], str | None]:
    """What the log of the whole says: rows, the heads of the parts' logs, and the state after the last request."""
    rows, heads, state = 0, {}, None
    for entry in register.audit.entries():
        if entry["event"] in ("learn", "forget", "withdraw"):
            heads.update(entry["parts"])
            state = entry.get("state")
            rows += entry["rows"] if entry["event"] == "learn" else -entry.get("removed", 0)
    return rows, heads, state


def _check_certificates(register: Register, checked: Mapping[int, work.Checked]) -> None:
    """The certificates of the parts are those that the certificates of the whole name, and no others."""
    named: dict[int, dict[str, str]] = {part: {} for part in checked}
    for request in register.requests.all():
        receipt = register.requests.receipt(request["request"])
        if receipt is None or not receipt.certificate:
            continue
        shares = receipt.certificate["parts"]
        if sum(share["removed"] for share in shares) != receipt.removed:
            raise VerificationError(f"the certificate of request {receipt.request!r} counts other rows than its parts")
        for share in shares:
            named[share["part"]][receipt.request] = share["certificate"]
    for part, each in checked.items():
        if each.certificates != named[part]:
            raise VerificationError(
                f"the requests on record in {part_name(part)} are not those that the certificates of the whole name"
            )
