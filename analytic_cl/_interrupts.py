"""Ctrl-C between the steps of an operation, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


class Guard:
    """Remembers a Ctrl-C that came while it was held back."""

    def __init__(self, previous: Handler | None) -> None:
        self.previous = previous
        self.pending: list[FrameType | None] = []

    def receive(self, signum: int, frame: FrameType | None) -> None:
        self.pending = [frame]

    def check(self) -> None:
        """Deliver a Ctrl-C that is pending: call this where stopping is safe."""
        if self.pending and self.previous is not None:
            (frame,), self.pending = self.pending, []
            self.previous(signal.SIGINT, frame)  # Python's own raises KeyboardInterrupt


_active: Guard | None = None  # set and read on the main thread only, where Python delivers signals


class deferred_interrupts:
    """Hold Ctrl-C back in the body until its guard's `check`, or its end.

    Nested uses share the outermost guard. On other threads, which never receive signals, this does nothing.
    A class, because a generator can itself be interrupted on its way out.
    """

    def __enter__(self) -> Guard:
        global _active
        self.outermost = False
        if threading.current_thread() is not threading.main_thread():
            return Guard(None)
        if _active is not None:
            return _active
        previous = signal.getsignal(signal.SIGINT)
        if not callable(previous):  # ignored, or handled outside of Python
            return Guard(None)
        guard = Guard(previous)
        signal.signal(signal.SIGINT, guard.receive)  # raises before it installs, if Ctrl-C is already there
        _active, self.guard, self.outermost = guard, guard, True
        return guard

    def __exit__(self, *error: object) -> None:
        global _active  # noqa: PLW0603
        if self.outermost:
            _active = None
            signal.signal(signal.SIGINT, self.guard.previous)
            self.guard.check()
