"""Distances to all rows, from the learned rows as they are: the search that needs no index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product
from analytic_cl._config import get_backend, get_threads, native
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.ledger import Table

Positions = NDArray[np.int64]
Proposals = tuple[NDArray[np.float64], Positions]  # rising distances and positions, shape (n_queries, m); inf and -1

_ROWS = 8192  # at a time
_QUERIES = 1024
_NATIVE_ANGLE = 2.0**-20  # by how much the native kernel's 2 - 2 cosine may be wrong


class Scan:
    """All rows of a table against all queries, in blocks: int8 rows by the native kernel, others by BLAS.

    With `by_angle`, squared distances are those of rows at unit length, 2 - 2 cosine.
    """

    def __init__(self, table: Table, by_angle: bool = False) -> None:
        self._table, self._by_angle = table, by_angle

    def propose(self, queries: NDArray[Any], m: int) -> tuple[Proposals, NDArray[np.float64]]:
        """The m rows of least distance for each query, and by how much a distance may be wrong.

        Cost: 2 n_queries n_rows d operations: in int8; without the native kernel in float32 where that is exact; else
        in float64.
        """
        table = self._table
        if get_backend() == "native" and table.payload.dtype == np.int8 and queries.shape[1] <= native.MAX_WIDTH:
            search, dtype = (native.nearest_angles, np.float64) if self._by_angle else (native.nearest, np.int64)
            squared, positions = np.empty((len(queries), m), dtype=dtype), np.empty((len(queries), m), dtype=np.int64)
            rows, alive = table.payload[: table.size], table.alive[: table.size].view(np.uint8)
            search(rows, alive, np.ascontiguousarray(queries), squared, positions, get_threads(), "")
            wrong = np.full(len(queries), _NATIVE_ANGLE if self._by_angle else 0.0)
            return (np.where(positions < 0, np.inf, squared), positions), wrong
        nearest = np.full((len(queries), m), np.inf), np.full((len(queries), m), -1, dtype=np.int64)
        error = np.zeros(len(queries))
        keep = _keep_reference if get_backend() == "numpy" else _keep
        for part, first, distances, bound in self._blocks(queries):
            error[part] = np.maximum(error[part], bound)

            def block(lines: slice, part=part, first=first, distances=distances) -> None:  # type: ignore[no-untyped-def]
                keep(distances[lines], first, nearest[0][part][lines], nearest[1][part][lines])

            map_blocks(block, row_blocks(len(distances), 128))
        return nearest, error

    def within(self, queries: NDArray[Any], radii: NDArray[np.float64]) -> Iterator[tuple[Positions, Positions]]:
        """All rows that may be within a squared distance of each query, a block of rows and queries at a time.

        Yields the places of queries that have some, and positions of the rows, one line a query, -1 behind the last.
        """
        for part, first, distances, bound in self._blocks(queries):
            near = distances <= np.minimum(radii[part] + bound, np.finfo(np.float64).max)[:, None]
            counts = near.sum(axis=1)
            lines = np.flatnonzero(counts)
            if not lines.size:
                continue
            counts = counts[lines]
            line, column = np.nonzero(near[lines])
            found = np.full((lines.size, counts.max()), -1, dtype=np.int64)
            found[line, np.arange(line.size) - (np.cumsum(counts) - counts)[line]] = first + column
            yield part.start + lines, found

    def _blocks(self, queries: NDArray[Any]) -> Iterator[tuple[slice, int, NDArray[Any], float]]:
        """Squared distances of a part of the queries to the rows from a position on, and their error."""
        table = self._table
        for start in range(0, table.size, _ROWS):
            rows = table.payload[start : min(start + _ROWS, table.size)]
            dead = ~table.alive[start : start + len(rows)]
            for part in row_blocks(len(queries), _QUERIES):
                distances, bound = (unit_distances if self._by_angle else squared_distances)(queries[part], rows)
                distances[:, dead] = np.inf
                yield part, start, distances, bound


def squared_distances(queries: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Squared Euclidean distances of integer rows, shape (n_queries, n_rows), and by how much they may be wrong."""
    limit = (largest_norm(queries) + largest_norm(rows)) ** 2
    dtype: type[np.floating[Any]] = np.float32 if limit < 2.0**24 else np.float64
    x: NDArray[Any] = queries.astype(dtype)
    y: NDArray[Any] = rows.astype(dtype)
    distances: NDArray[Any] = product(x, y.T)
    distances *= -2
    distances += np.einsum("ij,ij->i", x, x)[:, None]
    distances += np.einsum("ij,ij->i", y, y)
    return distances, rounding_error(limit, rows.shape[1], np.dtype(dtype))


def unit_distances(queries: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """2 - 2 cosine of integer rows, shape (n_queries, n_rows), and by how much it may be wrong."""
    limit = largest_norm(queries) * largest_norm(rows)
    dtype: type[np.floating[Any]] = np.float32 if limit < 2.0**24 else np.float64
    distances: NDArray[Any] = product(queries.astype(dtype), rows.astype(dtype).T)
    distances *= (-2 / _lengths(queries)).astype(dtype)[:, None]
    distances *= (1 / _lengths(rows)).astype(dtype)
    distances += 2
    exact = limit < 2.0 ** (np.finfo(dtype).nmant + 1)  # products are sums of integers that the type holds
    return distances, (16 + (0 if exact else 4 * (rows.shape[1] + 8))) * float(np.finfo(dtype).eps)


def unit_rows(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Integer rows at unit length; zeros stay."""
    return np.asarray(rows / _lengths(rows)[:, None], dtype=np.float32)


def _lengths(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Lengths of integer rows, 1 in place of 0."""
    x = rows.astype(np.float64)
    squares = np.einsum("ij,ij->i", x, x)
    return np.sqrt(np.where(squares > 0, squares, 1.0))


def largest_norm(rows: NDArray[Any]) -> float:
    """Largest Euclidean norm of integer rows."""
    largest = 0.0
    for part in row_blocks(len(rows), _ROWS):
        block = rows[part].astype(np.float64)
        largest = max(largest, float(np.einsum("ij,ij->i", block, block).max()))
    return float(np.sqrt(largest))


def rounding_error(limit: float, width: int, dtype: np.dtype[Any]) -> float:
    """How wrong |x|^2 - 2 x.y + |y|^2 of integer rows may be, in any order of summation; `limit` is (|x| + |y|)^2.

    0 where all that is summed is an integer that the type holds. Else three sums of `width` terms, each of which
    may lose half a unit in the last place of `limit` a term, and integers that were rounded to begin with.
    """
    info = np.finfo(dtype)
    return 0.0 if limit < 2.0 ** (info.nmant + 1) else 2 * (width + 8) * float(info.eps) * limit


@kernel
def _keep(distances: NDArray[Any], first: int, nearest: NDArray[np.float64], positions: Positions) -> None:
    """Insert what is nearer than the farthest kept."""
    m = nearest.shape[1]
    for i in range(distances.shape[0]):
        for j in range(distances.shape[1]):
            distance = distances[i, j]
            if distance < nearest[i, m - 1]:
                place = m - 1
                while place > 0 and nearest[i, place - 1] > distance:
                    nearest[i, place], positions[i, place] = nearest[i, place - 1], positions[i, place - 1]
                    place -= 1
                nearest[i, place], positions[i, place] = distance, first + j


def _keep_reference(distances: NDArray[Any], first: int, nearest: NDArray[np.float64], positions: Positions) -> None:
    here = np.broadcast_to(np.where(np.isinf(distances), -1, first + np.arange(distances.shape[1])), distances.shape)
    both = np.concatenate([nearest, distances], axis=1)
    order = np.argsort(both, axis=1, kind="stable")[:, : nearest.shape[1]]
    nearest[:] = np.take_along_axis(both, order, axis=1)
    positions[:] = np.take_along_axis(np.concatenate([positions, here], axis=1), order, axis=1)
