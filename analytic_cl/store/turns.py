"""Threads take turns at a store, and a process that was forked leaves the store of its parent alone."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from analytic_cl.store.errors import StoreError

if TYPE_CHECKING:
    from analytic_cl.store.reader import StoreReader

S = TypeVar("S", bound="StoreReader")
P = ParamSpec("P")
R = TypeVar("R")


class Turns:
    """A re-entrant lock that belongs to one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()

    @property
    def at_home(self) -> bool:
        """Whether this is the process that opened the store."""
        return os.getpid() == self._process

    def mine(self) -> threading.RLock:
        """The lock; StoreError in another process, where a thread that is not there may hold it for ever.

        Used as ``with turns.mine():``, because a Ctrl-C can come between the lines of an ``__enter__`` in Python.
        """
        if not self.at_home:
            raise StoreError(
                f"this store was opened by process {self._process} and can't be used in process {os.getpid()}, which "
                "was forked from it: open it anew in this process, with read_only=True while the other one writes"
            )
        return self._lock


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A public operation of a store: whole operations of several threads come one after the other."""

    @wraps(method)
    def alone(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._turns.mine():
            return method(self, *args, **kwargs)

    return alone


# ---- fork

_opened: weakref.WeakSet[Any] = weakref.WeakSet()  # what must not be closed by a forked process


def keep_from_children(thing: Any) -> None:
    """Call `thing.leave_to_parent()` in every process that is forked while `thing` lives."""
    _opened.add(thing)


def leak(thing: object) -> None:
    """Never free an object, not even when the interpreter ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _leave_all() -> None:
    for thing in list(_opened):
        thing.leave_to_parent()
    _opened.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_all)
