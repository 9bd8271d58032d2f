"""Rows, labels and ids of Dask, or in memory, as pieces that belong together: what one task can learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from analytic_cl._containers import is_a, local, objects
from analytic_cl.heads.validation import label_input
from analytic_cl.ledger import as_ids

# A state costs some d^2 operations to make, send and check, so it should stand for many rows; but workers want a share.
_TASKS = 64  # into which all rows are cut, within these bounds
_LEAST_ROWS, _MOST_ROWS = 2**14, 2**16
_MOST_BYTES = 2**28  # of rows that a task holds at a time, unless a single chunk has more


class Piece(NamedTuple):
    """Consecutive rows with their labels and ids, in memory or delayed."""

    place: str
    n_rows: int | None  # None: not known before they are computed
    X: Any
    y: Any
    ids: Any


def pieces_of(X: Any, y: Any, sample_id: Any = None) -> list[list[Piece]]:
    """What tasks learn: groups of pieces, in the order of the rows.

    Raises ValueError where X, y and ids can't be of the same rows, as far as this is known without computing them.
    """
    rows = 0  # that a task learns; a chunk of unknown length is one
    # Graphs are not optimised one by one: what X and y are both made from would be read twice.
    if is_a(X, "dask.array", "Array"):
        X = whole_rows(X)
        sizes = _known(X.chunks[0])
        rows = _rows_a_task(sum(size or 0 for size in sizes), X.shape[1] * X.dtype.itemsize)
        parts: list[Any] = X.to_delayed(optimize_graph=False).ravel().tolist()
    elif is_a(X, "dask.dataframe", "DataFrame"):
        parts = X.to_delayed(optimize_graph=False)
        sizes = [None] * len(parts)
    elif _is_delayed_list(X):
        parts, sizes = list(X), [None] * len(X)
    else:
        X = _in_memory(X)
        rows = _rows_a_task(len(X), X.shape[1] * 8)
        sizes = _cut(len(X), rows)
        parts = _slices(X, sizes)
    labels = _aligned(y, "y", X, sizes)
    ids: list[Any] = [None] * len(parts) if sample_id is None else _aligned(sample_id, "sample_id", X, sizes)
    pieces = list(map(Piece, _places(sizes), sizes, parts, labels, ids))
    return _grouped(pieces, rows)


def whole_rows(X: Any) -> Any:
    """A Dask array of two dimensions, with all columns in one chunk."""
    if X.ndim != 2:
        raise ValueError(f"X must have 2 dimensions, rows and features; it has {X.ndim}")
    return X.rechunk({1: -1}) if X.numblocks[1] > 1 else X


def _in_memory(X: Any) -> Any:
    X = local(X)
    rows = np.asarray(X) if isinstance(X, list | tuple) or not hasattr(X, "shape") else X
    if len(rows.shape) != 2:
        raise ValueError(f"X must have 2 dimensions, rows and features; it has {len(rows.shape)}")
    return rows


def _is_delayed_list(values: Any) -> bool:
    return (
        isinstance(values, list | tuple) and len(values) > 0 and all(is_a(v, "dask.delayed", "Delayed") for v in values)
    )


def _known(sizes: Sequence[float]) -> list[int | None]:
    return [None if math.isnan(size) else int(size) for size in sizes]


def _cut(n: int, rows: int) -> list[int | None]:
    """Nearly equal pieces of at most `rows`; one piece where there are no rows, so that its error is raised."""
    edges = np.linspace(0, n, max(1, math.ceil(n / rows)) + 1).astype(int).tolist()
    return [after - before for before, after in pairwise(edges)]


def _slices(values: Any, sizes: Sequence[int | None]) -> list[Any]:
    edges = list(accumulate((size or 0 for size in sizes), initial=0))
    rows = values.iloc if hasattr(values, "iloc") else values
    return [rows[before:after] for before, after in pairwise(edges)]


def _aligned(values: Any, name: str, X: Any, sizes: list[int | None]) -> list[Any]:
    """Labels or ids cut as the rows are."""
    if is_a(values, "dask.array", "Array"):
        return _aligned_array(values, name, sizes)
    if is_a(values, "dask.dataframe", "DataFrame", "Series", "Index"):
        _check_partitions(values.npartitions, name, sizes)
        mine, theirs = getattr(X, "divisions", (None,)), getattr(values, "divisions", (None,))
        if None not in (*mine, *theirs) and tuple(mine) != tuple(theirs):
            raise ValueError(f"{name} is partitioned by other values of the index than X: repartition one as the other")
        return list(values.to_delayed(optimize_graph=False))
    if _is_delayed_list(values):
        _check_partitions(len(values), name, sizes)
        return list(values)
    values = label_input(values) if name == "y" else objects(as_ids(values))
    if not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be an array, a series or a list, got {type(values).__name__}")
    if None in sizes:
        raise ValueError(
            f"{name} is in memory, and X doesn't say how many rows its chunks have: call X.compute_chunk_sizes() on a "
            f"Dask array, or give {name} as a Dask collection with the partitions of X"
        )
    _check_number(len(values), name, sizes)
    return _slices(values, sizes)


def _aligned_array(values: Any, name: str, sizes: list[int | None]) -> list[Any]:
    theirs = _known(values.chunks[0])
    if None in sizes or None in theirs:
        _check_partitions(len(theirs), name, sizes)
    else:
        _check_number(values.shape[0], name, sizes)
        values = values.rechunk({0: tuple(sizes)})
    if values.ndim > 1:
        values = values.rechunk(dict.fromkeys(range(1, values.ndim), -1))
    return list(values.to_delayed(optimize_graph=False).ravel())


def _check_number(n: int, name: str, sizes: list[int | None]) -> None:
    total = sum(size or 0 for size in sizes)
    if n != total:
        raise ValueError(f"X has {total} rows but {name} has {n}")


def _check_partitions(n: int, name: str, sizes: list[int | None]) -> None:
    if n != len(sizes):
        raise ValueError(
            f"X comes in {len(sizes)} chunks and {name} in {n}, and they don't say how many rows these have: "
            "repartition one as the other"
        )


def _places(sizes: list[int | None]) -> list[str]:
    if None in sizes:
        return [f"chunk {number}" for number in range(len(sizes))]
    edges = accumulate((size or 0 for size in sizes), initial=0)
    return [f"chunk {i}, which is rows {a} to {b - 1}" for i, (a, b) in enumerate(pairwise(edges))]


def _rows_a_task(n: int, bytes_a_row: int) -> int:
    rows = min(max(n // _TASKS, _LEAST_ROWS), _MOST_ROWS)
    return max(1, min(rows, _MOST_BYTES // max(1, bytes_a_row)))


def _grouped(pieces: list[Piece], rows: int) -> list[list[Piece]]:
    """Consecutive pieces of at most `rows` together; larger ones, and those of unknown size, alone."""
    groups: list[list[Piece]] = []
    room = -1
    for piece in pieces:
        size = rows + 1 if piece.n_rows is None else piece.n_rows
        if size > room:
            groups.append([])
            room = rows
        groups[-1].append(piece)
        room -= size
    return groups
