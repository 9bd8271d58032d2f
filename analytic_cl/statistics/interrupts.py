"""Ctrl-C between the steps of an operation, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Guard:
    def __init__(self) -> None:
        self.pending = False

    def receive(self, signum: int, frame: FrameType | None) -> None:
        self.pending = True

    def check(self) -> None:
        """Raise KeyboardInterrupt now if Ctrl-C came since the last check: call it where stopping is safe."""
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt


_active: _Guard | None = None  # set and read on the main thread only, where Python delivers signals


@contextmanager
def deferred_interrupts() -> Iterator[_Guard]:
    """Hold back KeyboardInterrupt in the body until its guard's `check`, or its end.

    Nested uses share the outermost guard. On other threads, which never receive signals, this does nothing.
    """
    global _active  # noqa: PLW0603  (signal handlers are global, too)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and _active is not None:
        yield _active
        return
    guard = _Guard()
    previous = signal.getsignal(signal.SIGINT) if on_main_thread else None
    if not callable(previous):  # another thread, or SIGINT ignored, or handled outside of Python
        yield guard
        return
    _active = guard
    signal.signal(signal.SIGINT, guard.receive)
    try:
        yield guard
    finally:
        _active = None
        signal.signal(signal.SIGINT, previous)
        if guard.pending:
            previous(signal.SIGINT, None)
