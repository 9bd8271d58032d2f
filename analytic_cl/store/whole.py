"""Changes that happen on disk and in memory, or in neither."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytic_cl.store.store import Store


class Whole:
    """All of a change, on disk and in memory; where it fails, memory is read again from what the disk holds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._transaction = store._db.transaction()

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loaded, done = self._store._loaded, False
        try:
            self._transaction.__exit__(kind, error, trace)
            done = error is None
        finally:
            if not done and loaded is not None and loaded.dirty:
                self._store._loaded = None
            elif loaded is not None:
                loaded.dirty = False


def level_of_caller() -> int:
    """Of whoever called the store, as `warnings.warn` counts from where this is called."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("analytic_cl."):
        level, frame = level + 1, frame.f_back
    return level
