"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, private: bool = True) -> Iterator[Path]:
    """A draft to write, which takes the place of `path`, flushed to disk, when the body ends without error.

    A private file is readable by its owner only.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666))  # less the umask
        yield draft
        if private:
            draft.chmod(0o600)  # a library may have put a file of its own there
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def write_file(path: Path, content: bytes, *, private: bool = True) -> None:
    """Replace a file by `content`, as `replacing` does."""
    with replacing(path, private=private) as draft:
        draft.write_bytes(content)


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory durable, where the platform can open one."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
