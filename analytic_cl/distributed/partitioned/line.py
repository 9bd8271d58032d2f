"""Operations of several threads, one after the other, in the order in which they came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from analytic_cl._warnings import warned_here
from analytic_cl.store.turns import Turns

S = TypeVar("S", bound="StandsInLine")
P = ParamSpec("P")
R = TypeVar("R")


class Line:
    """A thread that does what callers ask for and wait for.

    With a lock, a thread that learns batch after batch would go before one that waits with a request. And a caller that
    Ctrl-C takes away leaves no operation half done.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "analytic-cl-store")
        self._turns = Turns()
        self._serving: int | None = None
        self._ended = False

    def do(self, work: Callable[[], R]) -> R:
        """What `work` returns, in the context of the caller. Raises StoreError in a process that was forked."""
        if self._ended or threading.get_ident() == self._serving:
            return work()
        self._turns.mine()
        with warned_here():
            context = copy_context()
        result: R = self._thread.submit(context.run, self._serve, work).result()
        return result

    def _serve(self, work: Callable[[], R]) -> R:
        self._serving = threading.get_ident()
        return work()

    @property
    def at_home(self) -> bool:
        """Whether this is the process that made it."""
        return self._turns.at_home

    def end(self, last: Callable[[], Any]) -> None:
        """Do a last thing. Whatever is asked for afterwards is done by whoever asks."""
        self.do(last)
        self._ended = True
        self._thread.shutdown()


class StandsInLine(Protocol):
    """What threads share by standing in line."""

    @property
    def line(self) -> Line: ...


def in_line(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A public operation: whole operations of several threads come one after the other."""

    @wraps(method)
    def alone(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.line.do(partial(method, self, *args, **kwargs))

    return alone
