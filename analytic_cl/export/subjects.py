"""What can be exported: a head, the head of a pipeline, or that of a store, whose log then tells of the copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from analytic_cl.extractors import ContinualPipeline
from analytic_cl.heads import Head, RLSRegressor
from analytic_cl.store import Store
from analytic_cl.store.certificate import state_hash
from analytic_cl.store.copy_register import EVENT
from analytic_cl.store.parts import Parts

Exported = Head | RLSRegressor
Subject = Exported | ContinualPipeline | Store


def fitted_head(subject: Any) -> Exported:
    """Raises TypeError for what has no head, NotFittedError for what has learned nothing."""
    head = subject.head if isinstance(subject, ContinualPipeline) else subject
    if not isinstance(head, Head | RLSRegressor):
        raise TypeError(f"a head, a ContinualPipeline or a Store can be exported; got {type(subject).__name__}")
    check_is_fitted(head)
    return head


@contextmanager
def served(subject: Subject, kind: str, path: Path) -> Iterator[tuple[Exported, Callable[[], None]]]:
    """The head to export, and what to call before a file takes its place: a store puts it into its log."""
    if isinstance(subject, Store):
        with subject.turns.mine():
            yield fitted_head(subject.head), lambda: _note_copy(subject.parts, kind, path)
    else:
        yield fitted_head(subject), lambda: None


def _note_copy(parts: Parts, kind: str, path: Path) -> None:
    """Put an export into the log; before its file is there, so that no copy is unknown."""
    parts.check_writable()
    with parts.database.transaction():
        digest = parts.model.digest()
        parts.audit.append(EVENT, format=kind, path=str(path), state=state_hash(parts.keys, digest))
