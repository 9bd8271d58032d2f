"""No byte of what was erased stays in the database's file.

SQLite overwrites what is deleted (``secure_delete``), but cells that it moved from page to page, when pages split and
merge, may leave a copy in space that no page uses. So the file is searched for what was erased; where a copy is left,
or much was erased, or the file is small, the file is written anew (``VACUUM``).

The search runs in a process of its own: when a process closes a file, POSIX drops all its locks on it, SQLite's
included.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from analytic_cl.store.database import Database

_SMALL_FILE = 2**22  # bytes: writing it anew takes as long as starting a search
_MANY = 30  # patterns: searching for them takes longer than writing the file anew
_SLICE = 16  # bytes of a row that are taken for the row

_SEARCH = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
    sys.exit(any(content.find(bytes.fromhex(pattern)) >= 0 for pattern in sys.stdin.read().split()))
"""


class Erased:
    """What to search for: texts, and slices from five places of rows, because a copy may be overwritten in part."""

    def __init__(self) -> None:
        self.patterns: list[bytes] = []
        self.any = False

    def add(self, texts: Sequence[str], rows: NDArray[Any] | None = None) -> None:
        self.any = True
        if len(self.patterns) > _MANY:
            return
        self.patterns += [text.encode() for text in texts]
        for row in () if rows is None else rows[: _MANY + 1]:
            content = row.tobytes()
            last = max(0, len(content) - _SLICE)
            for piece in {content[last * quarter // 4 :][:_SLICE] for quarter in range(5)}:
                if len(set(piece)) > 2:  # a run of zeros would be found everywhere
                    self.patterns.append(piece)

    @property
    def many(self) -> bool:
        return len(self.patterns) > _MANY


def clean_file(database: Database, path: Path, erased: Erased | None) -> bool:
    """Make sure that nothing erased is left; None for an erasure that a kill cut short, of which nothing is known.

    False while a reader keeps the write-ahead log from being emptied: then it has to be tried again.
    """
    if not database.empty_log():
        return False
    if erased is None or erased.many or path.stat().st_size < _SMALL_FILE or _found(path, erased.patterns):
        database.vacuum()
        return database.empty_log()
    return True


def _found(path: Path, patterns: list[bytes]) -> bool:
    search = subprocess.run(  # noqa: S603  (our own program, patterns by its input)
        [sys.executable, "-I", "-S", "-c", _SEARCH, str(path)],
        input=" ".join(pattern.hex() for pattern in patterns),
        text=True,
        check=False,
    )
    return search.returncode != 0
