"""Blocks of rows on several threads, for kernels that release the GIL, and reading ahead."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from analytic_cl._config import get_threads

Result = TypeVar("Result")

_PANEL = 128  # rows of a triangle: in more pieces, handing them to threads would take longer than it brings
_WIDE = 2048  # columns of one that is worth more than a thread


def row_blocks(n: int, rows: int) -> list[slice]:
    """Cut n rows into blocks of at most `rows`, which must be at least 1."""
    if rows < 1:
        raise ValueError(f"blocks must have at least 1 row, got {rows}")
    return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]


def map_blocks(work: Callable[[slice], Result], blocks: list[slice]) -> list[Result]:
    """Results of `work` on each block, in order; an error in the earliest block that has one is raised.

    Context variables, such as the backend, are those of the caller only where `work` has read them beforehand.
    """
    threads = min(get_threads(), len(blocks))
    if threads < 2:
        return [work(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, blocks))


def map_panels(work: Callable[[slice], Result], d: int) -> list[Result]:
    """As `map_blocks`, for a few rows at a time of the upper triangle of a square of d columns: few enough that they
    stay in the cache. One thread is enough for a narrow one.
    """
    blocks = row_blocks(d, _PANEL)
    return map_blocks(work, blocks) if d >= _WIDE else [work(block) for block in blocks]


def ahead(items: Iterator[Result]) -> Generator[Result, None, None]:
    """The same items, in order; a thread fetches the next one while one is used.

    An error comes in its turn. Closing this ends the thread, after the item that it is at.
    """
    end = object()
    with ThreadPoolExecutor(1, "analytic-cl-read") as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]  # it is not the end
