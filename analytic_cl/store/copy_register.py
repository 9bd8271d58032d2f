"""The register of copies: which files were made from a store's model, and which of them hold what was erased since.

The log is the register: each export is an entry with the path of the file, its format and a keyed hash of the state.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from analytic_cl.store.audit import Audit

EVENT = "export"

Status = Literal["current", "behind", "stale"]

_TAKES_OUT = ("forget", "rectify", "restrict")
_PUTS_IN = ("learn", "unrestrict")


class Copy(NamedTuple):
    """A file that was made from a store's model.

    Attributes
    ----------
    path : str
        Where it was written; the store doesn't know where it went from there.
    format : str
        "onnx", and as others come.
    time : str
        When, in UTC.
    entry : int
        Number of the entry of the log.
    status : {"current", "behind", "stale"}
        "behind": rows came since. "stale": rows that it was made from were erased, replaced or restricted since; export
        anew, and destroy the file and what was copied from it.
    since : int or None
        Number of the first entry that made it stale.
    """

    path: str
    format: str
    time: str
    entry: int
    status: Status
    since: int | None = None


def copies_in(audit: Audit) -> list[Copy]:
    """All copies that a log tells of, the last of each path, oldest first."""
    found: dict[str, Copy] = {}
    for entry in audit.entries():
        event, number = entry["event"], entry["number"]
        if event == EVENT:
            path = entry["path"]
            found.pop(path, None)
            found[path] = Copy(path, entry["format"], entry["time"], number, "current")
        elif event in _TAKES_OUT:
            stale = {p: c._replace(status="stale", since=number) for p, c in found.items() if c.status != "stale"}
            found |= stale
        elif event in _PUTS_IN:
            found |= {p: c._replace(status="behind") for p, c in found.items() if c.status == "current"}
    return list(found.values())


def numbers(found: list[Copy]) -> dict[str, int]:
    """How many copies there are of each status."""
    statuses = [copy.status for copy in found]
    return {status: statuses.count(status) for status in ("current", "behind", "stale")}
