"""Rows in files, of which memory holds a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analytic_cl.reading.arrays import map_npy
from analytic_cl.reading.tensors import Tensor

CHUNK_BYTES = 2**26  # of rows that are read at a time


class Rows(Protocol):
    """An array whose first axis is rows."""

    n_rows: int

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        """Rows from `first` on, at most so many at a time."""

    def whole(self) -> NDArray[Any]:
        """All rows at once."""


class ArrayRows:
    """An array that is in memory, or mapped."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.n_rows = len(array) if array.ndim else 0

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        for start in range(first, self.n_rows, most):
            yield self.array[start : start + most]

    def whole(self) -> NDArray[Any]:
        return self.array


class FileRows:
    """Rows that lie one after another in a file.

    They are read, not mapped: pages of a map stay in a process's memory, and a file that is cut short while it is
    mapped ends the process.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.n_rows = tensor.shape[0] if tensor.shape else 0

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        path, offset, kind, shape = self.tensor
        brain = kind == "bfloat16"
        dtype = np.dtype("<u2" if brain else kind)
        row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        with path.open("rb", buffering=0) as file:
            file.seek(offset + first * row)
            for start in range(first, self.n_rows, most):
                part = np.empty((min(most, self.n_rows - start), *shape[1:]), dtype)
                _fill(part, file, path)
                yield (part.astype(np.uint32) << 16).view(np.float32) if brain else part

    def whole(self) -> NDArray[Any]:
        return together(self, np.empty(self.tensor.shape))


def _fill(part: NDArray[Any], file: Any, path: Path) -> None:
    left = part.reshape(-1).view(np.uint8).data
    while left:
        n = file.readinto(left)
        if not n:
            raise ValueError(f"{path} ends too early: it was cut short, or is being written")
        left = left[n:]


class MappedRows(FileRows):
    """A matrix of an .npy file: read by pieces, or mapped as a whole."""

    def __init__(self, path: Path) -> None:
        self.array = map_npy(path)
        kind, offset = self.array.dtype.str, getattr(self.array, "offset", 0)
        super().__init__(Tensor(path, offset, kind, self.array.shape))

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        by_rows = self.array.flags.c_contiguous
        return super().pieces(most, first) if by_rows else ArrayRows(self.array).pieces(most, first)

    def whole(self) -> NDArray[Any]:
        return self.array


class ShardRows:
    """Rows of several files, one file after another."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.parts = parts
        self.n_rows = sum(part.n_rows for part in parts)

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        for part in self.parts:
            if first < part.n_rows:
                yield from part.pieces(most, first)
            first = max(0, first - part.n_rows)

    def whole(self) -> NDArray[Any]:
        return joined([part.whole() for part in self.parts])


def together(rows: Rows, empty: NDArray[Any]) -> NDArray[Any]:
    """All rows, in memory."""
    parts = list(rows.pieces(max(1, rows.n_rows)))
    return joined(parts) if parts else empty


def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Parts of one column or matrix, one after another; ValueError where they are no such parts."""
    if len({part.dtype.kind in "biuf" for part in parts}) > 1:
        raise ValueError("some of the rows are numbers, others text")
    if len({part.shape[1:] for part in parts}) > 1:
        raise ValueError(f"rows have several widths: {sorted({part.shape[1:] for part in parts})}")
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def in_chunks(pieces: Iterable[NDArray[Any]], size: int) -> Iterator[NDArray[Any]]:
    """The same rows, `size` at a time; fewer only at the end."""
    waiting: list[NDArray[Any]] = []
    n = 0
    for piece in pieces:
        rest = piece
        while n + len(rest) >= size:
            yield joined([*waiting, rest[: size - n]])
            rest, waiting, n = rest[size - n :], [], 0
        if len(rest):
            waiting.append(rest)
            n += len(rest)
    if waiting:
        yield joined(waiting)
