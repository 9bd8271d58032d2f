"""The file of a database, read and written beside SQLite.

When a process closes a file, POSIX drops all of its locks on it, SQLite's included. So what is opened here stays open
until no connection of this process to that file is left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

Identity = tuple[int, int]  # device and inode

_mutex = threading.Lock()
_connections: dict[Identity, int] = {}
_idle: dict[tuple[Identity, str], list[FileIO]] = {}


def enter(identity: Identity) -> None:
    """There is one more connection to this file."""
    with _mutex:
        _connections[identity] = _connections.get(identity, 0) + 1


def leave(identity: Identity) -> None:
    """A connection to this file was closed."""
    with _mutex:
        _connections[identity] -= 1
        if not _connections[identity]:
            del _connections[identity]
            for key in [key for key in _idle if key[0] == identity]:
                for file in _idle.pop(key):
                    os.close(file.fileno())


@contextmanager
def opened(path: Path, identity: Identity, mode: str) -> Iterator[FileIO]:
    """The file, for somebody who is connected to it."""
    with _mutex:
        idle = _idle.setdefault((identity, mode), [])
        file = idle.pop() if idle else _open(path, mode)
    try:
        yield file
    finally:
        with _mutex:
            idle.append(file)


def _open(path: Path, mode: str) -> FileIO:
    how = (os.O_RDWR if mode == "r+" else os.O_RDONLY) | getattr(os, "O_BINARY", 0)
    return FileIO(os.open(path, how), mode, closefd=False)  # whoever drops a connection unclosed is not told of this
