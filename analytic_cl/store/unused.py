"""Bytes of a database's file that hold nothing, set to zero.

SQLite overwrites what is deleted (``secure_delete``), but where it packs the cells of a page anew, as pages split and
merge, their old places become unallocated as they are. So after pages have come from the write-ahead log into the file,
what is unallocated in them is set to zero: then a cell that is deleted has no copy anywhere, and no file need be
searched for what it held. SQLite never reads these bytes. The layout of a page is fixed:
https://sqlite.org/fileformat2.html, section 1.6.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# An overflow page, and one of the list of free pages, begins with the number of another page: below this many pages its
# first byte can't be taken for the kind of a page of a tree.
MOST_PAGES = 2**25 - 1

_HEADER, _OF_LOG, _OF_FRAME = 100, 32, 24  # bytes of headers: of the file, of the log, of each page in it
_INTERIOR, _LEAF = (2, 5), (10, 13)  # kinds of pages of a tree
_AT_ONCE = 512  # pages in memory

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]


def pages_in_log(log: Path) -> set[int]:
    """Numbers of all pages in a write-ahead log, committed or not."""
    try:
        content: Bytes = np.memmap(log, np.uint8, mode="r")
    except (FileNotFoundError, ValueError):  # not there, or empty
        return set()
    if len(content) < _OF_LOG:
        return set()
    frame = _OF_FRAME + int.from_bytes(content[8:12].tobytes(), "big")
    n = (len(content) - _OF_LOG) // frame
    numbers = content[_OF_LOG : _OF_LOG + n * frame].reshape(n, frame)[:, :4]
    return set(np.ascontiguousarray(numbers).view(">u4")[:, 0].tolist())


def zero_unused(file: FileIO, pages: Iterable[int] | None = None) -> None:
    """Set unused bytes of these pages, or of all, to zero, and flush them to disk."""
    size, changed = _page_size(file), False
    for numbers, content in _read(file, pages):
        left = _unused(numbers, content) & (content != 0)
        for place in np.flatnonzero(left.any(axis=1)).tolist():
            places = np.flatnonzero(left[place])
            for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
                file.seek(int(numbers[place] - 1) * size + int(run[0]))
                file.write(bytes(len(run)))
            changed = True
    if changed:
        os.fsync(file.fileno())


def pages_with_leftovers(file: FileIO) -> list[int]:
    """Pages of which some unused byte is not zero, free pages included."""
    found = [
        number
        for numbers, content in _read(file, None)
        for number in numbers[(_unused(numbers, content) & (content != 0)).any(axis=1)].tolist()
    ]
    return sorted({*found, *_free_with_leftovers(file)})


def _page_size(file: FileIO) -> int:
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    return 65_536 if size == 1 else max(size, 512)  # as the header has it, 512 where there is none yet


def _read(file: FileIO, pages: Iterable[int] | None) -> Iterator[tuple[NDArray[np.int64], Bytes]]:
    """Numbers and content of pages that the file has, some at a time."""
    size = _page_size(file)
    n = os.fstat(file.fileno()).st_size // size
    wanted = np.arange(1, n + 1) if pages is None else np.array(sorted(p for p in pages if 1 <= p <= n), dtype=np.int64)
    for start in range(0, len(wanted), _AT_ONCE):
        numbers = wanted[start : start + _AT_ONCE]
        content = bytearray()
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
            file.seek(int(run[0] - 1) * size)
            content += file.read(len(run) * size)
        n_read = len(content) // size
        yield numbers[:n_read], np.frombuffer(content, np.uint8, n_read * size).reshape(n_read, size)


def _unused(numbers: NDArray[np.int64], content: Bytes) -> Flags:
    """Which bytes of pages no cell uses: the gap before the cells, and the blocks between them that were freed."""
    size, rows = content.shape[1], np.arange(len(content))
    begin = np.where(numbers == 1, _HEADER, 0)
    kind = content[rows, begin]
    of_tree = np.isin(kind, (*_INTERIOR, *_LEAF))
    block, n_cells, first_cell = (_two(content, begin + offset) for offset in (1, 3, 5))
    first_cell[first_cell == 0] = 65_536
    cells = begin + np.where(np.isin(kind, _INTERIOR), 12, 8)  # where the list of cells begins
    gap = cells + 2 * n_cells
    sound = of_tree & (gap <= first_cell) & (first_cell <= size)
    at = np.arange(size)
    unused: Flags = (at >= gap[:, None]) & (at < first_cell[:, None]) & sound[:, None]
    block[~sound] = 0
    while (inside := (block >= first_cell) & (block <= size - 4)).any():  # each block says where the next one is
        here = np.where(inside, block, 0)
        end = here + _two(content, here + 2)
        inside &= end <= size
        unused |= (at >= here[:, None] + 4) & (at < end[:, None]) & inside[:, None]
        following = _two(content, here)
        block = np.where(inside & (following > here), following, 0)
    return unused


def _two(content: Bytes, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two bytes of each page as a number."""
    rows = np.arange(len(content))
    number: NDArray[Any] = content[rows, at].astype(np.int64) * 256 + content[rows, at + 1]
    return number


def _free_with_leftovers(file: FileIO) -> list[int]:
    """Free pages that are not zero, and those that list them where more than the list is in them."""
    size = _page_size(file)
    file.seek(32)
    trunk, seen, found = int.from_bytes(file.read(4), "big"), set[int](), list[int]()
    while trunk and trunk not in seen:
        seen.add(trunk)
        file.seek((trunk - 1) * size)
        listed = np.frombuffer(file.read(size), ">u4").astype(np.int64)
        if len(listed) < 2 or listed[1] > len(listed) - 2:
            break  # damaged: SQLite's own check says so
        leaves, rest = listed[2 : 2 + listed[1]], listed[2 + listed[1] :]
        if (rest > os.fstat(file.fileno()).st_size // size).any():  # else numbers of pages that were listed before
            found.append(trunk)
        for numbers, content in _read(file, leaves.tolist()):
            found += numbers[content.any(axis=1)].tolist()
        trunk = int(listed[0])
    return found
