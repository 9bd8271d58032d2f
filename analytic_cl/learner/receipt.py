"""What came of a request to forget."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from analytic_cl._config import package_versions
from analytic_cl._html import html_table
from analytic_cl.statistics import LabelledState, State, Target


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Receipt:
    """Record of a forget: what was asked, what went, and on what it ran.

    Attributes
    ----------
    requested : int
        Rows asked for.
    removed : int
        Rows taken out of the state (with ``dry_run=True``: rows that would be).
    classes_emptied : list
        Classes that have no rows any more.
    quantizer : dict
        Parameters of the quantizer that the rows came through.
    dry_run : bool
        Whether nothing was changed.
    digest_before, digest_after : str or None
        State digests, when asked for with ``digests=True``. Two plain digests let a reader test guesses about the
        erased rows: keep them to yourself, or publish them under a key.
    versions : dict
        Versions of Python and of the packages that the state depends on.
    time : str
        UTC, ISO 8601.

    Notes
    -----
    Exactness: bit for bit; ``digest_after`` is the digest of a model trained without the removed rows.
    """

    requested: int
    removed: int
    classes_emptied: list[Target]
    quantizer: dict[str, Any]
    dry_run: bool = False
    digest_before: str | None = None
    digest_after: str | None = None
    versions: dict[str, str] = field(default_factory=lambda: dict(package_versions()))
    time: str = field(default_factory=_now)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """For notebooks; without digests, which are for those who may test guesses."""
        emptied = ", ".join(map(str, self.classes_emptied)) or "none"
        done = "rows that would go" if self.dry_run else "rows removed"
        return html_table(
            "Receipt",
            {"rows asked for": self.requested, done: self.removed, "classes emptied": emptied, "time": self.time},
        )


class ReceiptDraft:
    """What a receipt has to remember of the state before a change."""

    def __init__(self, state: State, digests: bool) -> None:
        self._state = state
        self._labels = state.labels if isinstance(state, LabelledState) and state.labels_are_classes else []
        self._before = state.digest() if digests else None

    def receipt(self, requested: int, removed: int, dry_run: bool = False) -> Receipt:
        """The receipt, now that the change is made."""
        state = self._state
        return Receipt(
            requested=requested,
            removed=removed,
            classes_emptied=[label for label in self._labels if not state.count(label)],
            quantizer=state.quantizer.spec(),
            dry_run=dry_run,
            digest_before=self._before,
            digest_after=None if self._before is None else state.digest(),
        )
