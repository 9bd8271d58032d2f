"""States of any kind from their description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from analytic_cl.door import Door, NearestKeys, SignKeys
from analytic_cl.memory import LearnedRows
from analytic_cl.statistics import KeyCounts, Label, Moments


def empty_state(door: Door, about: Mapping[str, Any]) -> Any:
    """A state without rows of the kind that ``state.about()`` described."""
    if "keys" in about:
        return KeyCounts(door, SignKeys.from_spec(about["keys"]))
    if about.get("rows"):
        return LearnedRows(door)
    return Moments(door, about["order"])


def state_from_arrays(
    door: Door, about: Mapping[str, Any], labels: list[Label], arrays: dict[str, NDArray[Any]]
) -> Any:
    """The state that ``state.about()`` and ``state.to_arrays()`` described. Raises an error where they don't fit."""
    if "keys" in about:
        spec = about["keys"]
        nearest = spec["kind"] == "nearest"
        plain = replace(door, source=None)  # keys are made from rows, whatever these come from
        keys = NearestKeys.from_arrays(plain, spec, arrays) if nearest else SignKeys.from_spec(spec)
        return KeyCounts.from_arrays(door, keys, labels, arrays)
    if about.get("rows"):
        return LearnedRows.from_arrays(door, labels, arrays)
    return Moments.from_arrays(door, about["order"], labels, arrays)
