"""What came of a request to a store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from analytic_cl._html import html_table


@dataclass(frozen=True)
class StoreReceipt:
    """Record of a request; the same one comes back whenever the request is sent again.

    Attributes
    ----------
    request : str
        Id of the request.
    kind : str
        "forget", "rectify", "restrict" or "unrestrict".
    requested, removed : int
        Rows asked for, and rows erased, replaced or moved, those of a cascade among them.
    unknown : int
        Ids that had no row, where those were skipped.
    classes_emptied : int
        Classes that have no rows any more.
    time : str
        UTC, ISO 8601.
    dry_run : bool
        Whether nothing was changed.
    certificate : dict
        The signed certificate; empty after a dry run.
    cascade : dict
        Where machine-labelled rows depend on rows that were asked for: how many went with them (``machine_rows``), how
        many stay (``kept``), and after which entry of the log they were learned (``since``). Else empty.

    Notes
    -----
    Exactness: bit for bit; the state is that of a model trained on the remaining rows.
    """

    request: str
    kind: str
    requested: int
    removed: int
    unknown: int
    classes_emptied: int
    time: str
    dry_run: bool = False
    certificate: dict[str, Any] = field(default_factory=dict)
    cascade: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """For notebooks."""
        signed = (self.certificate.get("signature") or {}).get("key")
        values = {
            "rows asked for": self.requested,
            "rows that would go" if self.dry_run else "rows changed": self.removed,
            "unknown ids": self.unknown,
            "classes emptied": self.classes_emptied,
            "machine-labelled rows with them": self.cascade.get("machine_rows"),
            "time": self.time,
            "certificate": f"signed by key {signed}" if signed else "none",
        }
        return html_table(f"{self.kind} {self.request}", {k: v for k, v in values.items() if v not in (None, "")})
