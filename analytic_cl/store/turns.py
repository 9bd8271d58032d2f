"""Threads take turns at a store, and a process that was forked leaves the store of its parent alone."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from analytic_cl.store.errors import StoreError

_ADVICE = 'fork first and open the store afterwards, or start the process afresh (multiprocessing\'s "spawn")'

S = TypeVar("S", bound="TakesTurns")
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
                f"was forked from it: {_ADVICE}"
            )
        return self._lock


class TakesTurns(Protocol):
    """What threads share by turns."""

    @property
    def turns(self) -> Turns:
        """The lock of all of its operations."""


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A public operation of a store: whole operations of several threads come one after the other."""

    @wraps(method)
    def alone(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.turns.mine():
            return method(self, *args, **kwargs)

    return alone


# ---- fork

_open_files: weakref.WeakSet[Any] = weakref.WeakSet()  # what a forked process must not close
_inherited: set[tuple[int, int]] = set()  # databases that were open when this process was forked: device and inode


def keep_from_children(file: Any) -> None:
    """Call `file.leave_to_parent()` in every process that is forked while `file` lives and is not `let_go`."""
    _open_files.add(file)


def let_go(file: Any) -> None:
    _open_files.discard(file)


def leave(connection: object, identity: tuple[int, int]) -> None:
    """In a forked process: never free a connection, not even when the interpreter ends.

    Closing it, as freeing does, may work on the parent's files. SQLite goes on to believe that this process holds the
    locks of that connection, so one that is opened anew here would read what is long erased: `refuse_inherited`.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _inherited.add(identity)


def refuse_inherited(path: Path) -> None:
    """Raise StoreError for a database that was open when this process was forked."""
    if _inherited and identity_of(path) in _inherited:
        raise StoreError(f"{path.parent} was open when this process was forked, and can't be opened in it: {_ADVICE}")


def identity_of(path: Path) -> tuple[int, int]:
    """Device and inode of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _leave_all() -> None:
    for file in list(_open_files):
        file.leave_to_parent()
    _open_files.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_all)
