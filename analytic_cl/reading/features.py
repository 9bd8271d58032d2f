"""Matrices of features, and which columns of a table are features."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.reading.arrays import array_of_npz, map_npy
from analytic_cl.reading.columns import split_name
from analytic_cl.reading.tables import ENDINGS, Table, open_table

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name in Parquet
_NAMELESS = re.compile(r"|Unnamed: \d+(_level_\d+)?")  # and what it calls a column without one


class FeatureRows(NamedTuple):
    """A matrix of numbers, one row a sample, with the names of its columns where the file has them.

    `notes` says, one line each, what was left out or put into another order.
    """

    values: NDArray[Any]
    names: list[str] | None
    notes: list[str]


def read_features(
    name: str,
    *,
    header: bool | None = None,
    beside: Sequence[str | None] = (),
    known: Sequence[str] | None = None,
    others: Collection[str] = (),
) -> FeatureRows:
    """Features from an .npy, .npz, .csv or .parquet file; those of an .npy file stay on disk until they are used.

    Parameters
    ----------
    name : str
        FILE or FILE:MEMBER.
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
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _checked(name, map_npy(path), known)
    if suffix == ".npz":
        return _checked(name, array_of_npz(path, member, ndim=2), known)
    if suffix not in ENDINGS:
        raise ValueError(f"{name}: features are read from .npy, .npz, {', '.join(ENDINGS)} files")
    named = [column for file, column in map(split_name, filter(None, beside)) if _is_same(file, path)]
    table = open_table(path, header, known or ())
    if member:  # a column of lists
        return _checked(name, _lists(table, member), known)
    kept, notes = feature_columns(table, [*named, *(column for column in others if column not in (known or ()))])
    if known is not None and table.has_names:
        kept, moved = _in_order(path, kept, known)
        notes += moved
    if not table.has_names:
        return _checked(name, table.numbers(kept), known, notes)
    return FeatureRows(table.numbers(kept), kept, notes)


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


def _lists(table: Table, member: str) -> NDArray[Any]:
    values = table.column(member)
    if isinstance(values, list):
        raise ValueError(f"{table.path}: one column of a .csv file is no matrix of features: leave out :{member}")
    return values


def _checked(name: str, matrix: NDArray[Any], known: Sequence[str] | None, notes: Sequence[str] = ()) -> FeatureRows:
    """A matrix without names of columns."""
    if matrix.ndim != 2:
        raise ValueError(f"{name} is not a matrix of one row a sample: its shape is {matrix.shape}")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {matrix.dtype}, not numbers")
    taken = f"{name}: its columns have no names, and are taken to be {_some(known or ())}, in this order"
    return FeatureRows(matrix, None, [*notes, *([taken] if known is not None else [])])


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
