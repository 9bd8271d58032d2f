"""What a request does: which rows it means, and what becomes of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from analytic_cl.ledger import SampleId
from analytic_cl.ledger.ids import named
from analytic_cl.statistics import label_bytes
from analytic_cl.store.errors import RefusedError
from analytic_cl.store.model import Incoming, Model
from analytic_cl.store.rows import Rows
from analytic_cl.store.tombstones import Tombstones


class Refusal(RefusedError):
    """A refusal with a reason that names nobody, to be kept; its message, which does, goes to the caller only.

    One that is not `for_the_record` was a slip of the hand: the same request id may be sent again, put right.
    """

    def __init__(self, message: str, reason: str, for_the_record: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.for_the_record = for_the_record


Cascade = dict[str, int]
"""Machine-labelled rows that were learned after entry `since` of the log, the first that brought one of the rows asked
for, so that their labels may depend on these: `machine_rows` went, too, and `kept` stay. Empty where there are none.
"""


class Applied(NamedTuple):
    """How many rows a request changed, and what it says of machine-labelled rows that depend on these."""

    changed: int
    cascade: Cascade


class Task(Protocol):
    """One request. Its methods on rows run within a transaction."""

    @property
    def kind(self) -> str:
        """One of "forget", "rectify", "restrict" and "unrestrict"."""

    @property
    def request(self) -> str:
        """Id of the request."""

    def content(self) -> Any:
        """What is asked, as JSON values: the same content, the same request."""

    def choose(self, rows: Rows) -> tuple[int, int]:
        """Choose rows; how many were asked for and how many of these are unknown. Raises Refusal."""

    def dependents(self, rows: Rows) -> Cascade:
        """What depends on the chosen rows; chosen as well where it is to go with them."""

    def apply(self, rows: Rows, model: Model, tombstones: Tombstones) -> Applied:
        """Change state and tables."""


@dataclass(frozen=True)
class Selector:
    """Rows by exactly one of ids, a subject, a label or a session; or ids that must be those of one subject.

    All of these in their one spelling.
    """

    ids: list[SampleId] | None = None
    subject: str | None = None
    label: Any = None
    session: str | None = None
    skip_unknown: bool = False

    def check(self) -> None:
        """Raise ValueError unless rows are named, in one way."""
        given = [name for name in ("ids", "subject", "label", "session") if getattr(self, name) is not None]
        if len(given) != 1 and given != ["ids", "subject"]:
            raise ValueError(
                "name rows by exactly one of sample_id, subject, label and session (or by sample_id and the subject "
                f"that they must belong to); got {', '.join(given) or 'none'}"
            )

    def content(self) -> dict[str, Any]:
        ids = None if self.ids is None else sorted(map(json.dumps, self.ids))
        label = None if self.label is None else label_bytes(self.label).decode("utf-8", "surrogatepass")
        return {"ids": ids, "subject": self.subject, "label": label, "session": self.session}

    def choose(self, rows: Rows) -> tuple[int, int]:
        if self.ids is None:
            column = next(name for name in ("subject", "label", "session") if getattr(self, name) is not None)
            rows.choose(column, getattr(self, column))
            return self.judge(rows.chosen())
        rows.choose_samples(self.ids)
        n = rows.chosen()
        missing = rows.unknown(self.ids) if n < len(self.ids) else []
        return self.judge(n, missing, rows.of_another_kind(missing), rows.chosen_values("subject"))

    def judge(
        self, n: int, missing: Sequence[SampleId] = (), mistaken: str = "", subjects: Sequence[str] = ()
    ) -> tuple[int, int]:
        """How many rows were asked for and how many of them are unknown, where n were found. Raises Refusal.

        Parameters
        ----------
        n : int
            Rows that were found.
        missing : sequence of int or str
            Ids that have no row.
        mistaken : str
            What to say where these are of another kind than the store's.
        subjects : sequence of str
            Of the rows that ids were found for.
        """
        if self.ids is None:
            column = next(name for name in ("subject", "label", "session") if getattr(self, name) is not None)
            if not n:
                raise Refusal(
                    f"no rows of {column} {getattr(self, column)!r} are in the store: never learned, or erased",
                    f"no rows of this {column}",
                )
            return n, 0
        unknown = len(missing)
        if unknown and (not self.skip_unknown or unknown == len(self.ids)):
            raise Refusal(
                f"sample ids that are not in the store, never learned or already erased: {named(list(missing))}; "
                f"nothing was changed{mistaken}",
                f"{unknown} of {len(self.ids)} ids unknown",
                for_the_record=not mistaken,
            )
        if self.subject is not None and any(subject != self.subject for subject in subjects):
            raise Refusal(f"some of these ids are not of subject {self.subject!r}", "ids of another subject")
        if len(subjects) > 1:
            raise Refusal(
                f"these ids belong to {len(subjects)} subjects, {named(list(subjects))}: send one request for each",
                f"ids of {len(subjects)} subjects",
            )
        return len(self.ids), unknown


def _kept(rows: Rows) -> Cascade:
    """Dependents that stay."""
    since = rows.first_learned()
    n = rows.machine_rows_after(since)
    return {"machine_rows": 0, "kept": n, "since": since} if n else {}


@dataclass(frozen=True)
class Forget:
    """Rows leave the state and the tables."""

    request: str
    selector: Selector
    kind: str = "forget"
    cascade: bool = True

    def content(self) -> Any:
        content = self.selector.content()
        return content if self.cascade else content | {"cascade": False}  # as requests of earlier versions had it

    def choose(self, rows: Rows) -> tuple[int, int]:
        return self.selector.choose(rows)

    def apply(self, rows: Rows, model: Model, tombstones: Tombstones) -> Applied:
        subjects = [self.selector.subject] if self.selector.subject is not None and self.selector.ids is None else []
        tombstones.add(rows.chosen_values("sample"), subjects)  # not of dependents, which may be labelled again
        cascade, n = self.dependents(rows), rows.chosen()
        if rows.chosen(restricted=False):
            for integers, targets in rows.chosen_batches(model.quantizer(), restricted=False):
                model.forget(integers, targets)
        rows.delete_chosen()
        return Applied(n, cascade)

    def dependents(self, rows: Rows) -> Cascade:
        cascade = _kept(rows)
        if not cascade or not self.cascade:
            return cascade
        rows.choose_machine_rows_after(cascade["since"])
        return cascade | {"machine_rows": cascade["kept"], "kept": 0}


@dataclass(frozen=True)
class Replay(Forget):
    """Rows leave, by their numbers, that a restored backup brought back."""

    selector: Selector = Selector()
    numbers: tuple[int, ...] = ()

    def content(self) -> Any:
        return list(self.numbers)

    def choose(self, rows: Rows) -> tuple[int, int]:
        rows.choose_rows(self.numbers)
        return len(self.numbers), 0


@dataclass(frozen=True)
class Restrict:
    """Rows leave the state and stay in the tables, or come back."""

    request: str
    selector: Selector
    kind: str  # "restrict" or "unrestrict"

    def content(self) -> Any:
        return self.selector.content()

    def choose(self, rows: Rows) -> tuple[int, int]:
        asked, unknown = self.selector.choose(rows)
        rows.keep_chosen(restricted=self.kind == "unrestrict")
        if not rows.chosen():
            raise Refusal(
                f"all of these rows are {'in use' if self.kind == 'unrestrict' else 'restricted'} already",
                "nothing to do",
            )
        return asked, unknown

    def apply(self, rows: Rows, model: Model, tombstones: Tombstones) -> Applied:
        back, cascade = self.kind == "unrestrict", self.dependents(rows)
        for integers, targets in rows.chosen_batches(model.quantizer(), restricted=back):
            (model.learner.learn if back else model.forget)(integers, targets)
        rows.restrict_chosen(not back)
        return Applied(rows.chosen(), cascade)

    def dependents(self, rows: Rows) -> Cascade:
        return _kept(rows) if self.kind == "restrict" else {}


@dataclass(frozen=True)
class Rectify:
    """Other integers and labels take the place of those of known ids."""

    request: str
    incoming: Incoming
    kind: str = "rectify"

    def content(self) -> Any:
        rows, targets, ids, *_ = self.incoming
        assert ids is not None
        labels = [label_bytes(label).hex() for label in targets.values]
        content = [list(map(json.dumps, ids)), [labels[code] for code in targets.codes]]
        return [*content, hashlib.sha256(rows.tobytes()).hexdigest()]

    def choose(self, rows: Rows) -> tuple[int, int]:
        ids = self.incoming.ids
        asked = Selector(ids=ids).choose(rows)
        if rows.chosen(restricted=True):
            raise Refusal(
                "some of these rows are restricted: unrestrict them first, or rectify them before you restrict them",
                "restricted rows",
            )
        return asked

    def apply(self, rows: Rows, model: Model, tombstones: Tombstones) -> Applied:
        cascade = self.dependents(rows)
        model.learner.learn(self.incoming.rows.copy(), self.incoming.targets)  # the table below needs them, too
        for integers, targets in rows.chosen_batches(model.quantizer(), restricted=False):
            model.forget(integers, targets)
        assert self.incoming.ids is not None
        rows.replace(self.incoming.ids, self.incoming.rows, self.incoming.targets)
        return Applied(len(self.incoming.rows), cascade)

    def dependents(self, rows: Rows) -> Cascade:
        return _kept(rows)
