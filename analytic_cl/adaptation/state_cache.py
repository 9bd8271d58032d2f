"""What is made from a head's state, and made anew when that changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OfState(Generic[T]):
    """One value of one state of a head, with the settings that it was made under. Copies and pickles begin empty."""

    def __init__(self) -> None:
        self._held: tuple[Any, int, Any, T] | None = None

    def get(self, head: Any, settings: Any, make: Callable[[], T]) -> T:
        state, held = head.state_, self._held
        if held is None or held[0] is not state or held[1:3] != (state.revision, settings):
            held = self._held = state, state.revision, settings, make()
        return held[3]

    def drop(self) -> None:
        self._held = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_held": None}
