"""Deletion requests over all parts: judged once, written down, carried out in each part, certified as a whole.

What was judged possible is carried out to its end, whatever happens in between: what was asked stands in the register
until the last part has answered, and is erased from it then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from analytic_cl.distributed.partitioned import work
from analytic_cl.distributed.partitioned.hosts import Host
from analytic_cl.distributed.partitioned.learning import heads_of
from analytic_cl.distributed.partitioned.merged import Merged
from analytic_cl.distributed.partitioned.register import Register
from analytic_cl.distributed.partitioned.routing import part_of_subject
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Label
from analytic_cl.store import StoreError, StoreReceipt
from analytic_cl.store.audit import entry_hash
from analytic_cl.store.certificate import issue
from analytic_cl.store.execution import Result, receive, request_hash
from analytic_cl.store.rows import mistaken_kind
from analytic_cl.store.tasks import Forget, Refusal, Selector


class Judge:
    """Says of requests, one after the other, which rows they mean, without those that earlier ones take away."""

    def __init__(self, counts: dict[Label, int]) -> None:
        self._left = Counter(counts)
        self._gone: set[tuple[int, int]] = set()  # part and number of a row
        self.ids: list[Any] = []  # of all rows that go
        self.subjects: list[str] = []

    def decide(self, request: str, selector: Selector, found: dict[int, work.Found]) -> dict[str, Any]:
        """What is to be done, as JSON values. Raises Refusal."""
        meant = [
            (part, row, name, subject, label)
            for part, each in found.items()
            for row, name, subject, label in zip(each.rows, each.ids, each.subjects, each.labels, strict=True)
            if (part, row) not in self._gone
        ]
        asked, unknown = self._counted(selector, found, meant)
        parts: dict[str, Any] = {}
        for part, _, name, *_ in meant:
            share = parts.setdefault(str(part), {"removed": 0, "ids": None if selector.ids is None else []})
            share["removed"] += 1
            if selector.ids is not None:
                share["ids"].append(name)
        leaving = Counter(label for *_, label in meant)
        self._left -= leaving
        self._gone.update((part, row) for part, row, *_ in meant)
        self.ids += [name for _, _, name, *_ in meant if name is not None]
        self.subjects += [selector.subject] if selector.ids is None and selector.subject is not None else []
        return {
            "request": request,
            "subject": selector.subject,
            "label": selector.label,
            "session": selector.session,
            "counts": {
                "requested": asked,
                "removed": len(meant),
                "unknown": unknown,
                "classes_emptied": sum(not self._left[label] for label in leaving),
            },
            "parts": parts,
        }

    def _counted(self, selector: Selector, found: dict[int, work.Found], meant: list[Any]) -> tuple[int, int]:
        if selector.ids is None:
            return selector.judge(len(meant))
        have = {name for _, _, name, *_ in meant}
        missing = [name for name in selector.ids if name not in have]
        twins = any(name in set(missing) for each in found.values() for name in each.twins)
        kinds = (any(getattr(each, has) for each in found.values()) for has in ("has_text", "has_integers"))
        subjects = sorted({subject for *_, subject, _ in meant if subject is not None})
        return selector.judge(len(meant), missing, mistaken_kind(missing, twins, *kinds) if missing else "", subjects)


def look(register: Register, host: Host, selectors: Sequence[Selector]) -> list[dict[int, work.Found]]:
    """What each of these finds, by the parts where it may find something."""
    everywhere = range(register.n_parts)
    asked: dict[int, list[int]] = {}
    for place, selector in enumerate(selectors):
        by_subject = selector.subject is not None and selector.ids is None
        for part in [part_of_subject(str(selector.subject), register.n_parts)] if by_subject else everywhere:
            asked.setdefault(part, []).append(place)
    answers = host.run(work.find, {part: ([selectors[place] for place in places],) for part, places in asked.items()})
    found: list[dict[int, work.Found]] = [{} for _ in selectors]
    for part in sorted(asked):
        for place, answer in zip(asked[part], answers[part], strict=True):
            found[place][part] = answer
    return found


def try_out(register: Register, host: Host, merged: Merged, task: Forget) -> StoreReceipt:
    """What a request would do. Raises Refusal."""
    (found,) = look(register, host, [task.selector])
    counts = Judge(_counts(merged)).decide(task.request, task.selector, found)["counts"]
    return StoreReceipt(task.request, task.kind, **counts, time=register.audit.last()[2], dry_run=True)


def brought_back(register: Register, host: Host) -> list[dict[str, Any]]:
    """Requests for rows of people and ids that have a tombstone: a backup was restored."""
    everywhere: dict[int, tuple[Any, ...]] = dict.fromkeys(range(register.n_parts), ())
    names = [pair for part in host.run(work.names, everywhere).values() for pair in part]
    people = set(register.tombstones.erased_subjects({subject for _, subject in names if subject is not None}))
    others = [name for name, subject in names if name is not None and subject not in people]
    ids = [{"sample_id": [name]} for name in register.tombstones.erased_ids(others)]
    return [*({"subject": subject} for subject in sorted(people)), *ids]


def execute(register: Register, host: Host, merged: Merged, tasks: Sequence[Forget]) -> list[Result]:
    """Carry out those requests that are new; what is refused does not stop the others."""
    first_of: dict[str, int] = {}
    results = receive(register.database, register.requests, tasks, first_of)
    new = [place for place, task in enumerate(tasks) if place not in results and first_of[task.request] == place]
    if new:
        found = look(register, host, [tasks[place].selector for place in new])
        judge, accepted = Judge(_counts(merged)), []
        before = merged.hash(register.keys)
        with register.database.transaction():
            for place, each in zip(new, found, strict=True):
                task = tasks[place]
                try:
                    accepted.append(judge.decide(task.request, task.selector, each))
                except Refusal as refusal:
                    results[place] = refusal
                    if refusal.for_the_record:
                        register.requests.refuse(task.request, refusal.reason)
                        register.audit.append("refused", request=request_hash(register.keys, task.request))
                    else:
                        register.requests.withdraw(task.request)
            if accepted:
                register.tombstones.add(judge.ids, judge.subjects)
                register.begin({"kind": "forget", "before": before, "tasks": accepted})
        if accepted:
            by_request = {receipt.request: receipt for receipt in finish(register, host, merged)}
            results |= {first_of[request]: receipt for request, receipt in by_request.items()}
    return [results[place if place in results else first_of[task.request]] for place, task in enumerate(tasks)]


def finish(register: Register, host: Host, merged: Merged) -> list[StoreReceipt]:
    """Carry out what was judged possible, in every part where it was not yet; certify it; erase what was asked."""
    pending = register.pending
    if pending is None or pending["kind"] != "forget":
        return []
    tasks, by_part = pending["tasks"], _by_part(pending["tasks"])
    merged.drop()
    asked = {part: ([(task["request"], _share(task, part)) for task in mine],) for part, mine in by_part.items()}
    done: dict[int, work.Erasure] = host.run(work.erase, asked)
    told: dict[str, list[dict[str, Any]]] = {task["request"]: [] for task in tasks}
    for part, mine in sorted(by_part.items()):
        for task, removed, certificate in zip(mine, done[part].removed, done[part].certificates, strict=True):
            if removed != task["parts"][str(part)]["removed"]:
                raise StoreError(f"{register.path}: part {part} erased {removed} rows of a request that meant others")
            told[task["request"]].append({"part": part, "removed": removed, "certificate": certificate})
    after, heads = merged.hash(register.keys), heads_of({part: each.audit_head for part, each in done.items()})
    with register.database.transaction():
        receipts = [_certified(register, merged, pending, task, after, heads, told[task["request"]]) for task in tasks]
        if not merged.head().__sklearn_is_fitted__():
            register.database.run("DELETE FROM about WHERE name = 'rows'")  # the next rows may be of any width
        register.end()
    register.clean()
    return receipts


def _certified(
    register: Register,
    merged: Merged,
    pending: dict[str, Any],
    task: dict[str, Any],
    after: str,
    heads: dict[str, str],
    told: list[dict[str, Any]],
) -> StoreReceipt:
    """Log, certificate and receipt of one request, within the transaction that ends it."""
    request, counts = task["request"], task["counts"]
    hashed = request_hash(register.keys, request)
    entry = register.audit.append("forget", request=hashed, **counts, state=after, parts=heads)
    about = {
        "request": request,
        "kind": "forget",
        "content": register.requests.content_hash(request),
        **counts,
        "requests_together": len(pending["tasks"]),
        "state_before": pending["before"],
        "state_after": after,
        "parts": told,
        "audit": {"number": entry["number"], "hash": entry_hash(entry)},
        "time": entry["time"],
    }
    quantizer = register.database.about("rows")["quantizer"]
    kind = merged.head().empty_state(Quantizer.from_spec(quantizer)).describe()
    certificate = issue(register.keys, quantizer, kind, about)
    receipt = StoreReceipt(request, "forget", **counts, time=entry["time"], certificate=certificate)
    register.requests.apply(receipt)
    return receipt


def _counts(merged: Merged) -> dict[Label, int]:
    head = merged.head()
    if not head.__sklearn_is_fitted__():
        return {}
    state: Any = head.learner_.state
    return dict(zip(state.labels, state.counts.tolist(), strict=True))


def _by_part(tasks: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    parts: dict[int, list[dict[str, Any]]] = {}
    for task in tasks:
        for part in task["parts"]:
            parts.setdefault(int(part), []).append(task)
    return parts


def _share(task: dict[str, Any], part: int) -> Selector:
    """What a part is asked for."""
    return Selector(task["parts"][str(part)]["ids"], task["subject"], task["label"], task["session"])
