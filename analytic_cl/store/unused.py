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
from itertools import groupby
from pathlib import Path
from struct import Struct

# An overflow page, and one of the list of free pages, begins with the number of another page: below this many pages its
# first byte can't be taken for the kind of a page of a tree.
MOST_PAGES = 2**25 - 1

_FILE_HEADER, _LOG_HEADER, _FRAME_HEADER = 100, 32, 24  # bytes
_KINDS = {2: 12, 5: 12, 10: 8, 13: 8}  # of pages of a tree, with the bytes of their headers
_PAGE_HEADER = Struct(">BHHH")  # kind, first free block, number of cells, where their content begins
_BLOCK = Struct(">HH")  # of a free block: where the next one is, and its own bytes
_AT_ONCE = 4096  # pages in memory


def pages_in_log(log: Path) -> set[int]:
    """Numbers of all pages in a write-ahead log, committed or not."""
    try:
        file = FileIO(log)
    except FileNotFoundError:
        return set()
    pages = set()
    with file:
        frame = _FRAME_HEADER + int.from_bytes(file.read(_LOG_HEADER)[8:12], "big")
        for place in range(_LOG_HEADER, os.fstat(file.fileno()).st_size, frame):
            file.seek(place)
            pages.add(int.from_bytes(file.read(4), "big"))
    return pages


def zero_unused(file: FileIO, pages: Iterable[int] | None = None) -> None:
    """Set unused bytes of these pages, or of all, to zero, and flush them to disk."""
    size, changed = _page_size(file), False
    for number, page in _read(file, pages):
        for start, end in _unused(number, page):
            left = page[start:end].rstrip(b"\0")
            if left:
                file.seek((number - 1) * size + start)
                file.write(bytes(len(left)))
                changed = True
    if changed:  # in place: no more than the data has to reach the disk
        getattr(os, "fdatasync", os.fsync)(file.fileno())


def pages_with_leftovers(file: FileIO) -> set[int]:
    """Pages of which some unused byte is not zero, free pages included."""
    found = _free_with_leftovers(file)
    for number, page in _read(file, None):
        if any(page[start:end].strip(b"\0") for start, end in _unused(number, page)):
            found.add(number)
    return found


def _page_size(file: FileIO) -> int:
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    return 65_536 if size == 1 else max(size, 512)  # as the header has it, 512 where there is none yet


def _read(file: FileIO, pages: Iterable[int] | None) -> Iterator[tuple[int, bytes]]:
    """Numbers and content of those pages that the file has; of all."""
    size = _page_size(file)
    n = os.fstat(file.fileno()).st_size // size
    if pages is None:
        runs = [(first, min(_AT_ONCE, n + 1 - first)) for first in range(1, n + 1, _AT_ONCE)]
    else:
        numbers = enumerate(sorted(number for number in pages if 1 <= number <= n))
        grouped = (list(run) for _, run in groupby(numbers, lambda place: place[1] - place[0]))
        runs = [(run[at][1], len(run[at : at + _AT_ONCE])) for run in grouped for at in range(0, len(run), _AT_ONCE)]
    for first, count in runs:
        file.seek((first - 1) * size)
        content = file.read(count * size)
        for place in range(len(content) // size):
            yield first + place, content[place * size : (place + 1) * size]


def _unused(number: int, page: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of a page that no cell uses: the gap before the cells, and the blocks between them that were freed."""
    begin = _FILE_HEADER if number == 1 else 0
    kind, block, n_cells, first_cell = _PAGE_HEADER.unpack_from(page, begin)
    if kind not in _KINDS:
        return  # not of a tree, or free
    gap = begin + _KINDS[kind] + 2 * n_cells
    first_cell = first_cell or 65_536
    if not gap <= first_cell <= len(page):
        return  # damaged: SQLite's own check says so
    yield gap, first_cell
    least = first_cell
    while least <= block <= len(page) - 4:
        following, n_bytes = _BLOCK.unpack_from(page, block)
        if not 4 <= n_bytes <= len(page) - block:
            return
        yield block + 4, block + n_bytes
        block, least = following, block + n_bytes


def _free_with_leftovers(file: FileIO) -> set[int]:
    """Free pages that are not zero, and those that list them where more than the list is in them."""
    size = _page_size(file)
    n = os.fstat(file.fileno()).st_size // size
    file.seek(32)
    trunk, seen, found = int.from_bytes(file.read(4), "big"), set[int](), set[int]()
    while trunk and trunk not in seen:
        seen.add(trunk)
        file.seek((trunk - 1) * size)
        numbers = Struct(f">{size // 4}I").unpack(file.read(size).ljust(size, b"\0"))
        following, count, *listed = numbers
        if max(listed) > n:  # beyond the list are zeros, or numbers that were on it
            found.add(trunk)
        found |= {number for number, page in _read(file, listed[:count]) if page.strip(b"\0")}
        trunk = following
    return found
