"""Matrices of features, and which columns of a table are features."""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._parallel import ahead
from analytic_cl.reading.arrays import array_of_npz
from analytic_cl.reading.arrow_table import ColumnRows, TableRows
from analytic_cl.reading.columns import split_name
from analytic_cl.reading.csv_table import CsvTable
from analytic_cl.reading.rows import CHUNK_BYTES, ArrayRows, FileRows, MappedRows, Rows, ShardRows, in_chunks
from analytic_cl.reading.shards import ending, shards
from analytic_cl.reading.tables import ENDINGS, Table, open_table
from analytic_cl.reading.tensors import find_tensor

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name in Parquet
_NAMELESS = re.compile(r"|Unnamed: \d+(_level_\d+)?")  # and what it calls a column without one


class FeatureRows(NamedTuple):
    """A matrix of numbers, one row a sample, with the names of its columns where the file has them.

    `notes` says, one line each, what was left out or put into another order.
    """

    values: NDArray[Any]
    names: list[str] | None
    notes: list[str]


class FeatureStream:
    """The same rows, on disk until they are used.

    Attributes
    ----------
    shape : (int, int)
    dtype : numpy.dtype
        Of the first rows.
    names, notes
        As of `FeatureRows`.
    """

    def __init__(self, name: str, rows: Rows, names: list[str] | None, notes: list[str]) -> None:
        first = next(rows.pieces(1), np.empty((0, 0)))
        if first.ndim != 2:
            raise ValueError(
                f"{name} is not a matrix of one row a sample: its shape is {(rows.n_rows, *first.shape[1:])}"
            )
        if first.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {first.dtype}, not numbers")
        self.rows, self.names, self.notes = rows, names, notes
        self.shape, self.dtype = (rows.n_rows, first.shape[1]), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def chunk(self) -> int:
        """Rows that take about 64 MB."""
        return int(max(1, CHUNK_BYTES // max(1, self.dtype.itemsize * self.shape[1])))

    def batches(self, most: int | None = None, first: int = 0) -> Generator[NDArray[Any], None, None]:
        """Rows from `first` on, `most` at a time, or about 64 MB; the next are read meanwhile, by a thread.

        Close it where it is not used up.
        """
        size = most or self.chunk()
        return ahead(in_chunks(self.rows.pieces(size, first), size))


def read_features(name: str, **options: Any) -> FeatureRows:
    """Features in memory, but for those of a single .npy file, which are mapped; parameters as of `open_features`."""
    found = open_features(name, **options)
    return FeatureRows(found.rows.whole(), found.names, found.notes)


def open_features(
    name: str,
    *,
    header: bool | None = None,
    beside: Sequence[str | None] = (),
    known: Sequence[str] | None = None,
    others: Collection[str] = (),
) -> FeatureStream:
    """Features from .npy, .safetensors, .parquet, .feather or .arrow files, which stay on disk, or from .npz or .csv.

    Parameters
    ----------
    name : str
        FILE or FILE:MEMBER. FILE may be a folder, or a pattern such as X-*.npy: see `shards`.
    header : bool or None
        See `CsvTable`.
    beside : sequence of str
        What labels, ids and names of people are read from: a column that it names in the same file is no feature.
    known : sequence of str, optional
        Names of the columns that a model learned from, in order. Other columns are refused, another order is put right.
    others : collection of str
        Columns that are known to be no features, wherever they stand.

    Raises
    ------
    ValueError
        Saying which row or column of which file is wrong.
    """
    path, member = split_name(name)
    files = shards(path)
    suffix = ending(files)
    if suffix == ".npy":
        return _nameless(name, ShardRows([MappedRows(file) for file in files]), known)
    if suffix == ".safetensors":
        return _nameless(name, ShardRows([FileRows(find_tensor(file, member, ndim=2)) for file in files]), known)
    if suffix == ".npz":
        return _nameless(name, ArrayRows(array_of_npz(path, member, ndim=2)), known)
    if suffix not in ENDINGS:
        raise ValueError(f"{name}: features are read from .npy, .npz, .safetensors, {', '.join(ENDINGS)} files")
    named = [column for file, column in map(split_name, filter(None, beside)) if _is_same(file, files)]
    table = open_table(path, header, known or ())
    if member:  # a column of lists
        return _nameless(name, _lists(table, member), known)
    kept, notes = feature_columns(table, [*named, *(column for column in others if column not in (known or ()))])
    if known is not None and table.has_names:
        kept, moved = _in_order(path, kept, known)
        notes += moved
    rows: Rows = ArrayRows(table.numbers(kept)) if isinstance(table, CsvTable) else TableRows(table, kept)
    if not table.has_names:
        return _nameless(name, rows, known, notes)
    return FeatureStream(name, rows, kept, notes)


def feature_columns(table: Table, named: Collection[str]) -> tuple[list[str], list[str]]:
    """Columns of a table that are features, and what there is to say of the others.

    `named` are columns that are known to be something else. What pandas keeps as an index is none either.
    """
    path, names = table.path, table.names
    index = [name for name in names if name not in named and (name in table.index or _INDEX.fullmatch(name))]
    out = [name for name in names if name in named]
    kept = [name for name in names if name not in named and name not in index]
    nameless = next((name for name in kept if _NAMELESS.fullmatch(name)), None)
    if nameless is not None:
        raise ValueError(
            f"{path}: column {names.index(nameless) + 1} has no name{f' but {nameless!r}' if nameless else ''}: it is "
            "probably the index of a data frame. Write the file without it, to_csv(..., index=False), or give it a name"
        )
    twice = next((name for name in kept if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: two columns are called {twice!r}: give every column a name of its own")
    if not kept:
        raise ValueError(f"{path}: there are no columns of features; there are {names}")
    left = [*out, *(f"{name} (an index of pandas)" for name in index)]
    return kept, [f"{path}: left out, as no features: {', '.join(left)}"] if left else []


def _in_order(path: Path, kept: list[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """Columns as the model learned them; ValueError where some are missing or more than that."""
    missing, extra = [n for n in known if n not in kept], [n for n in kept if n not in known]
    if missing or extra:
        parts = [f"it lacks {_some(missing)}"] if missing else []
        parts += [f"it has {_some(extra)} besides"] if extra else []
        raise ValueError(f"{path}: the model learned from the columns {_some(known)}; {', and '.join(parts)}")
    if kept == list(known):
        return kept, []
    return list(known), [f"{path}: its columns are in another order than the model's: they are taken by their names"]


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (f", ... ({len(names)} in all)" if len(names) > 6 else "")


def _lists(table: Table, member: str) -> Rows:
    if isinstance(table, CsvTable):
        table.place(member)
        raise ValueError(f"{table.path}: one column of a .csv file is no matrix of features: leave out :{member}")
    return ColumnRows(table, member)


def _nameless(name: str, rows: Rows, known: Sequence[str] | None, notes: Sequence[str] = ()) -> FeatureStream:
    """A matrix without names of columns."""
    taken = f"{name}: its columns have no names, and are taken to be {_some(known or ())}, in this order"
    return FeatureStream(name, rows, None, [*notes, *([taken] if known is not None else [])])


def _is_same(path: Path, files: list[Path]) -> bool:
    """Whether a name stands for one of these files, too."""
    try:
        return any(one.samefile(files[0]) for one in shards(path))
    except (OSError, ValueError):
        return False
