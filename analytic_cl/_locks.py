"""Locks of what threads share: many read while none changes, and a forked child waits for no thread that is lost.

A state is read in many steps. A prediction between two steps of a change would mix two states without a word, and
kernels that run without the GIL would read beyond arrays that a change has replaced.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Self, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])

_TORN = (
    "this process was forked while another thread changed this model: its copy here is half changed. Load it from a "
    "file here, or fork while no thread learns"
)


class SharedLock:
    """Any number of threads that read, or one that changes.

    Waiting changes go before new readers, and readers that waited for a change go before the next one.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._readers: set[int] = set()  # threads
        self._owner: int | None = None  # the thread that changes
        self._readers_waiting = self._changes_waiting = 0
        self._let_in = 0  # readers that go before the next change
        self._torn = False
        _locks.add(self)

    def is_held(self, change: bool) -> bool:
        """Whether this thread may read, or change, already."""
        me = threading.get_ident()
        if self._owner == me:
            return True
        if change and me in self._readers:  # in a signal handler, for one
            raise RuntimeError("a model can't be changed from within its own prediction")
        return me in self._readers

    def acquire(self, change: bool) -> None:
        """Wait for the right to read or to change, which this thread has not yet."""
        me = threading.get_ident()
        with self._free:
            if self._torn:
                raise RuntimeError(_TORN)
            if change:
                self._wait_to_change()
                self._owner = me
            else:
                self._wait_to_read()
                self._readers.add(me)

    def _wait_to_change(self) -> None:
        self._changes_waiting += 1
        try:
            while self._owner is not None or self._readers or self._let_in:
                self._free.wait()
        finally:
            self._changes_waiting -= 1
            self._free.notify_all()

    def _wait_to_read(self) -> None:
        self._readers_waiting += 1
        try:
            while self._owner is not None or (self._changes_waiting and not self._let_in):
                self._free.wait()
        finally:
            self._readers_waiting -= 1
            self._let_in = min(max(self._let_in - 1, 0), self._readers_waiting)
            self._free.notify_all()

    def release(self) -> None:
        """Give back what this thread holds: nothing, where its `acquire` was interrupted."""
        me = threading.get_ident()
        with self._free:
            if self._owner == me:
                self._owner, self._let_in = None, self._readers_waiting
            self._readers.discard(me)
            if self._readers_waiting or self._changes_waiting:
                self._free.notify_all()

    def after_fork(self) -> None:
        """In the child only the thread that forked goes on."""
        me = threading.get_ident()
        if self._owner not in (None, me):
            self._owner, self._torn = None, True
        self._free = threading.Condition()
        self._readers &= {me}
        self._readers_waiting = self._changes_waiting = self._let_in = 0


class StateLock:
    """A lock inside a state: not re-entrant, and held in turns. Where a fork finds it held, the child is refused."""

    refuses = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._torn = False
        _locks.add(self)

    def __enter__(self) -> Self:
        if self._torn:
            raise RuntimeError(_TORN)
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def after_fork(self) -> None:
        if self._lock.locked():  # no operation of ours forks while it holds one, so by another thread
            self._torn = self.refuses
            self._lock = threading.Lock()


class CacheLock(StateLock):
    """The lock of a cache that is empty while it is worked on: in a forked child it is made again."""

    refuses = False


_locks: weakref.WeakSet[SharedLock | StateLock] = weakref.WeakSet()
_forked = False


def in_forked_child() -> bool:
    """Whether this process was forked from one that had loaded this package, and may lack its OpenMP threads."""
    return _forked


def _after_fork() -> None:
    global _forked, _creating
    _forked, _creating = True, threading.Lock()
    for lock in list(_locks):
        lock.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_of_objects: weakref.WeakKeyDictionary[Any, SharedLock] = weakref.WeakKeyDictionary()
_creating = threading.Lock()


class Guarded:
    """An object with a lock of its own, which is none of its attributes: neither copied, cloned nor pickled."""

    @property
    def _lock(self) -> SharedLock:
        lock = _of_objects.get(self)
        if lock is None:
            with _creating:
                lock = _of_objects.setdefault(self, SharedLock())
        return lock


class holding:
    """Hold the locks of some objects in the body, those of `changed` alone and those of `read` with other readers."""

    def __init__(self, *, changed: tuple[Any, ...] = (), read: tuple[Any, ...] = ()) -> None:
        wanted = {each._lock: False for each in read} | {each._lock: True for each in changed}
        # One order for all threads: two that want the same two locks don't wait for each other.
        self.wanted = sorted((pair for pair in wanted.items() if not pair[0].is_held(pair[1])), key=lambda p: id(p[0]))

    def __enter__(self) -> None:
        try:
            for lock, change in self.wanted:
                lock.acquire(change)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        for lock, _ in self.wanted:
            lock.release()


def changing(method: Method) -> Method:
    """A method that waits until no other thread reads or changes the object."""
    return _under(method, True)


def reading(method: Method) -> Method:
    """A method that waits until no other thread changes the object."""
    return _under(method, False)


def _under(method: Method, change: bool) -> Method:
    @wraps(method)
    def run(self: Guarded, *args: Any, **kwargs: Any) -> Any:
        lock = self._lock
        if lock.is_held(change):
            return method(self, *args, **kwargs)
        try:
            lock.acquire(change)
            return method(self, *args, **kwargs)
        finally:
            lock.release()

    return cast(Method, run)
