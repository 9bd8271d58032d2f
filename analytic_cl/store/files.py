"""What lies in a store's directory, its size, and a lock that a process holds while it writes."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from analytic_cl.store.errors import StoreError, StoreLockedError
from analytic_cl.store.turns import keep_from_children, let_go

DATABASE, KEYS, LOCK, SNAPSHOTS = "store.sqlite", "keys.json", "writer.lock", "snapshots"

_BESIDE = ("wal", "shm", "journal")  # of the database, as SQLite names them


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; another process may remove some meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size


def refuse_links(folder: Path, files: Iterable[str], folders: Iterable[str]) -> None:
    """Refuse what is not a file or folder of its own: a link leads out of the store, a pipe is waited on for ever."""
    for names, is_plain, what in ((files, stat.S_ISREG, "file"), (folders, stat.S_ISDIR, "folder")):
        for name in names:
            try:
                mode = (folder / name).lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not is_plain(mode):
                kind = "a symbolic link" if stat.S_ISLNK(mode) else f"not a {what}"
                raise StoreError(f"{folder / name} is {kind}: a store's {what}s lie in its own directory")


def check_directory(path: Path) -> None:
    """Raise StoreError unless this is a store's directory, with nothing in it that leads out of it."""
    refuse_links(path, (DATABASE, *(f"{DATABASE}-{end}" for end in _BESIDE), KEYS, LOCK), (SNAPSHOTS,))
    if not (path / DATABASE).is_file():
        raise StoreError(f"{path} is not a store: there is no {DATABASE} in it")


class WriterLock:
    """Held by the one process that may write. The operating system releases it when the process ends, however."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(
            os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600), "r+", encoding="utf-8"
        )
        try:
            _lock(self._file.fileno())
        except OSError:
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise StoreLockedError(
                f"{path.parent} is being written to by {holder}: wait for it, or open the store with read_only=True"
            ) from None
        keep_from_children(self)
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()

    def release(self) -> None:
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()
            let_go(self)

    def leave_to_parent(self) -> None:
        """In a forked process: without its copy of the file, the lock ends with the parent."""
        self._file.close()


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
