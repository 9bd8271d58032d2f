"""States of any kind from their description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from analytic_cl.door import Door, SignKeys
from analytic_cl.statistics.key_counts import KeyCounts
from analytic_cl.statistics.labels import Label
from analytic_cl.statistics.moments import Moments


def empty_state(door: Door, about: Mapping[str, Any]) -> Any:
    """A state without rows of the kind that ``state.about()`` described."""
    if "keys" in about:
        return KeyCounts(door, SignKeys.from_spec(about["keys"]))
    return Moments(door, about["order"])


def state_from_arrays(
    door: Door, about: Mapping[str, Any], labels: list[Label], arrays: dict[str, NDArray[Any]]
) -> Any:
    """The state that ``state.about()`` and ``state.to_arrays()`` described. Raises an error where they don't fit."""
    if "keys" in about:
        return KeyCounts.from_arrays(door, SignKeys.from_spec(about["keys"]), labels, arrays)
    return Moments.from_arrays(door, about["order"], labels, arrays)
