"""How requests are executed: received, applied in one transaction with one snapshot, certified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.store.audit import entry_hash
from analytic_cl.store.certificate import issue, state_hash
from analytic_cl.store.database import Database
from analytic_cl.store.errors import RefusedError
from analytic_cl.store.keys import Keys
from analytic_cl.store.model import Model
from analytic_cl.store.parts import Parts
from analytic_cl.store.receipt import StoreReceipt
from analytic_cl.store.requests import Requests
from analytic_cl.store.tasks import Cascade, Refusal, Task
from analytic_cl.store.upkeep import clean

Result = StoreReceipt | RefusedError


class _Counts(NamedTuple):
    requested: int
    removed: int
    unknown: int
    classes_emptied: int
    cascade: Cascade

    def recorded(self) -> dict[str, Any]:
        """For log and certificate, which name a cascade only where there was one to name."""
        return {name: value for name, value in self._asdict().items() if name != "cascade" or value}


def execute(parts: Parts, tasks: list[Task]) -> list[Result]:
    """Receive all requests, then apply those that are new; what is refused does not stop the others."""
    with deferred_interrupts():
        parts.database.empty_log()  # what learning left there may be room that a snapshot needs
        first_of: dict[str, int] = {}
        results = receive(parts.database, parts.requests, tasks, first_of)
        model = parts.model
        applied: dict[int, _Counts] = {}
        with parts.whole():
            before = state_hash(parts.keys, model.digest()) if len(results) < len(first_of) else ""
            for place, task in enumerate(tasks):
                if place in results or first_of[task.request] != place:
                    continue
                try:
                    asked, unknown = task.choose(parts.rows)
                except Refusal as refusal:
                    if refusal.for_the_record:
                        parts.requests.refuse(task.request, refusal.reason)
                        parts.audit.append("refused", request=request_hash(parts.keys, task.request))
                    else:
                        parts.requests.withdraw(task.request)
                    results[place] = refusal
                    continue
                labels, model.dirty = set(model.labels()), True
                changed, cascade = task.apply(parts.rows, model, parts.tombstones)
                emptied = len(labels.difference(model.labels()))
                applied[place] = _Counts(asked, changed, unknown, emptied, cascade)
            if applied:
                results |= _conclude(parts, model, tasks, applied, before)
        if applied:
            model.since, model.damaged = 0, ""
        clean(parts)
        return [results[place if place in results else first_of[task.request]] for place, task in enumerate(tasks)]


def receive(
    database: Database, requests: Requests, tasks: Sequence[Task], first_of: dict[str, int]
) -> dict[int, Result]:
    """Put requests on record, and their places; what is known of those that were answered before."""
    results: dict[int, Result] = {}
    with database.transaction(flushed=False):  # a request that a power cut swallows is sent again
        for place, task in enumerate(tasks):
            try:
                known = requests.receive(task.request, task.kind, task.content())
            except RefusedError as error:
                results[place] = error
                first_of.setdefault(task.request, place)
            else:
                first_of.setdefault(task.request, place)
                if known is not None:
                    results[place] = known
    return results


def _conclude(
    parts: Parts, model: Model, tasks: list[Task], applied: dict[int, _Counts], before: str
) -> dict[int, Result]:
    """Snapshot, log, certificates and receipts of applied requests, within their transaction."""
    results: dict[int, Result] = {}
    after = state_hash(parts.keys, model.digest())
    quantizer = (parts.database.about("rows") or {}).get("quantizer")
    kind = model.state.describe() if quantizer else {}
    for place, counts in applied.items():
        task = tasks[place]
        hashed = request_hash(parts.keys, task.request)
        entry = parts.audit.append(task.kind, request=hashed, **counts.recorded(), state=after)
        about = {
            "request": task.request,
            "kind": task.kind,
            "content": parts.requests.content_hash(task.request),
            **counts.recorded(),
            "requests_together": len(applied),
            "state_before": before,
            "state_after": after,
            "audit": {"number": entry["number"], "hash": entry_hash(entry)},
            "time": entry["time"],
        }
        certificate = issue(parts.keys, quantizer, kind, about)
        receipt = StoreReceipt(
            task.request, task.kind, *counts[:-1], entry["time"], certificate=certificate, cascade=counts.cascade
        )
        parts.requests.apply(receipt)
        results[place] = receipt
    model.settle(parts.audit.last()[0])
    return results


def request_hash(keys: Keys, request: str) -> str:
    """What the log holds of the id of a request."""
    return keys.hash("ledger", f"request\0{request}".encode())
