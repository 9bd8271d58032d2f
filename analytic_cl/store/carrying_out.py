"""How requests are carried out: received, applied in one transaction with one snapshot, certified."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analytic_cl.statistics import deferred_interrupts
from analytic_cl.store.audit import entry_hash
from analytic_cl.store.certificate import issue, state_hash
from analytic_cl.store.erasure import Erased
from analytic_cl.store.errors import RefusedError
from analytic_cl.store.receipt import StoreReceipt
from analytic_cl.store.tasks import Refusal, Task

if TYPE_CHECKING:
    from analytic_cl.store.model import Model
    from analytic_cl.store.store import Store

Result = StoreReceipt | RefusedError


class _Counts(NamedTuple):
    requested: int
    removed: int
    unknown: int
    classes_emptied: int


def carry_out(store: Store, tasks: list[Task]) -> list[Result]:
    """Receive all requests, then apply those that are new; what is refused does not stop the others."""
    with deferred_interrupts():
        store._db.empty_log()  # what learning left there may be room that a snapshot needs
        first_of: dict[str, int] = {}
        results = _receive(store, tasks, first_of)
        model = store._model
        applied: dict[int, _Counts] = {}
        erased = Erased()
        with store._whole():
            before = state_hash(store._keys, model.digest()) if len(results) < len(first_of) else ""
            for place, task in enumerate(tasks):
                if place in results or first_of[task.request] != place:
                    continue
                try:
                    asked, unknown = task.choose(store._rows)
                except Refusal as refusal:
                    if refusal.for_the_record:
                        store._requests.refuse(task.request, refusal.reason)
                        store._audit.append("refused", request=_request_hash(store, task))
                    else:
                        store._requests.withdraw(task.request)
                    results[place] = refusal
                    continue
                labels, model.dirty = set(model.labels()), True
                changed = task.apply(store._rows, model, store._tombstones, erased)
                applied[place] = _Counts(asked, changed, unknown, len(labels.difference(model.labels())))
            if applied:
                results |= _conclude(store, model, tasks, applied, before)
                store._db.set_about("cleaning", store._db.about("cleaning") or erased.any)
        if applied:
            model.since, model.damaged = 0, ""
            store._clean(erased)
        elif store._db.about("cleaning"):
            store._clean()
        return [results[place if place in results else first_of[task.request]] for place, task in enumerate(tasks)]


def _receive(store: Store, tasks: list[Task], first_of: dict[str, int]) -> dict[int, Result]:
    """Put requests on record, and their places; what is known of those that were answered before."""
    results: dict[int, Result] = {}
    with store._db.transaction():
        for place, task in enumerate(tasks):
            try:
                known = store._requests.receive(task.request, task.kind, task.content())
            except RefusedError as error:
                results[place] = error
                first_of.setdefault(task.request, place)
            else:
                first_of.setdefault(task.request, place)
                if known is not None:
                    results[place] = known
    return results


def _conclude(
    store: Store, model: Model, tasks: list[Task], applied: dict[int, _Counts], before: str
) -> dict[int, Result]:
    """Snapshot, log, certificates and receipts of applied requests, within their transaction."""
    results: dict[int, Result] = {}
    after = state_hash(store._keys, model.digest())
    door = (store._db.about("rows") or {}).get("door")
    kind = model.state.describe() if door else {}
    for place, counts in applied.items():
        task = tasks[place]
        entry = store._audit.append(task.kind, request=_request_hash(store, task), **counts._asdict(), state=after)
        about = {
            "request": task.request,
            "kind": task.kind,
            "content": store._requests.content_hash(task.request),
            **counts._asdict(),
            "requests_together": len(applied),
            "state_before": before,
            "state_after": after,
            "audit": {"number": entry["number"], "hash": entry_hash(entry)},
            "time": entry["time"],
        }
        certificate = issue(store._keys, door, kind, about)
        receipt = StoreReceipt(task.request, task.kind, *counts, entry["time"], certificate=certificate)
        store._requests.apply(receipt)
        results[place] = receipt
    if not store._rows.any():
        store._db.run("DELETE FROM about WHERE name = 'rows'")  # the next rows may be of any width
    model.point_to(model.write_snapshot(), store._audit.last()[0])
    return results


def _request_hash(store: Store, task: Task) -> str:
    return store._keys.hash("ledger", f"request\0{task.request}".encode())
