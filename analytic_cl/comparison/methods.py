"""The methods that a comparison knows, by the names of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, Protocol, TypeVar

from analytic_cl._names import check_names
from analytic_cl.heads import head_entries

Way = Literal["state", "partial_fit", "replay", "joint"]


@dataclass(frozen=True)
class Method:
    """One line of a comparison.

    Parameters
    ----------
    name, label : str
        For the command line, and for people.
    way : {"state", "partial_fit", "replay", "joint"}
        How it learns: our heads over an integer state; another library's estimator by ``partial_fit`` on the rows of
        each session; the same with a buffer of earlier rows; or trained once, at the end, on all rows (an oracle).
    make : callable
        From a seed to an untrained estimator.
    grid : dict
        What tuning chooses from, by parameter; the first of each is the default.
    default : bool
        Whether it runs unless others are named.
    """

    name: str
    label: str
    way: Way
    make: Callable[[int], Any]
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    default: bool = False

    @property
    def kind(self) -> str:
        """Of the run file."""
        return {"state": "exact", "joint": "joint"}.get(self.way, "peer")

    def settings(self) -> list[dict[str, Any]]:
        """All that tuning tries, the defaults first."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


def head_methods() -> dict[str, Method]:
    """All registered heads that are to be compared, as methods, by name."""
    return {
        entry.name: Method(entry.name, entry.label, "state", entry.make, dict(entry.grid), entry.by_default)
        for entry in head_entries().values()
        if entry.compared
    }


class _Choice(Protocol):
    @property
    def default(self) -> bool: ...


_Chosen = TypeVar("_Chosen", bound=_Choice)


def choose(names: str | Iterable[str], known: dict[str, _Chosen], what: str) -> list[_Chosen]:
    """Methods, or what else is known by names: "all", "none", "default", or names (text with commas), each once.

    Raises ValueError for unknown names, with those that are known.
    """
    asked = check_names(names, known, what)
    if asked == ["all"]:
        return list(known.values())
    if asked == ["default"]:
        return [method for method in known.values() if method.default]
    if asked in (["none"], []):
        return []
    return [known[name] for name in dict.fromkeys(asked)]
