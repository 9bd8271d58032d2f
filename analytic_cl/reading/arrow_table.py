"""Columns of Parquet, Feather and Arrow files; what pandas keeps in them as an index is told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.reading.arrow_files import IpcFile, ParquetFile
from analytic_cl.reading.rows import together


class ArrowTable:
    """The columns of files that have the same ones; attributes as those of `CsvTable`.

    Nothing but what the files say of themselves is read until it is asked for.
    """

    has_names = True

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path = path
        self.files = [ParquetFile(each) if each.suffix.lower() == ".parquet" else IpcFile(each) for each in files]
        self.n_rows = sum(file.n_rows for file in self.files)
        schema = self.files[0].schema
        self.names: list[str] = schema.names
        for file in self.files[1:]:
            if sorted(file.schema.names) != sorted(self.names):
                odd = sorted({*file.schema.names} ^ {*self.names}) or "one of them twice"
                raise ValueError(f"{file.path} has other columns than {self.files[0].path.name}: {str(odd)[:200]}")
        about = schema.pandas_metadata or {}
        # An index without values of its own, such as 0, 1, 2, ..., is described there by a dict, and is no column.
        self.index = frozenset(name for name in about.get("index_columns", []) if isinstance(name, str))

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ValueError listing the columns where no single one has a name."""
        for name in names:
            if self.names.count(name) != 1:
                raise ValueError(
                    f"{self.path}: name one of its columns after a colon, {self.path.name}:NAME; there are {self.names}"
                )

    def arrays(self, names: Sequence[str], most: int, first: int = 0) -> Iterator[list[NDArray[Any]]]:
        """Values of columns, at most so many rows at a time, from row `first` on."""
        self.check_names(names)
        for file in self.files:
            row = first
            if first < file.n_rows:
                for batch in file.batches(names, most, first):
                    yield [self._values(file.path, name, batch, row) for name in names]
                    row += batch.num_rows
            first = max(0, first - file.n_rows)

    def _values(self, path: Path, name: str, batch: Any, first: int) -> NDArray[Any]:
        column = batch.column(batch.schema.get_field_index(name))
        if column.null_count:
            row = first + column.is_null().to_pylist().index(True) + 1
            raise ValueError(f"{path}: column {name!r} has {column.null_count} empty places, the first in row {row}")
        try:
            return _array(column)
        except ValueError:
            raise ValueError(f"{path}: column {name!r} has lists of several lengths, or with empty places") from None

    def column(self, name: str) -> NDArray[Any]:
        """Values of a column: numbers, text, times, or one list a row of one length."""
        return ColumnRows(self, name).whole()

    def numbers(self, names: Sequence[str]) -> NDArray[Any]:
        """Columns as numbers, in this order."""
        return TableRows(self, names).whole()


class ColumnRows:
    """The values of one column."""

    def __init__(self, table: ArrowTable, name: str) -> None:
        table.check_names([name])
        self.table, self.name, self.n_rows = table, name, table.n_rows

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        return (values for (values,) in self.table.arrays([self.name], most, first))

    def whole(self) -> NDArray[Any]:
        return together(self, np.empty(0))


class TableRows:
    """Columns of numbers side by side."""

    def __init__(self, table: ArrowTable, names: Sequence[str]) -> None:
        table.check_names(names)
        self.table, self.names, self.n_rows = table, names, table.n_rows

    def pieces(self, most: int, first: int = 0) -> Iterator[NDArray[Any]]:
        for columns in self.table.arrays(self.names, most, first):
            for name, values in zip(self.names, columns, strict=True):
                if values.ndim != 1 or values.dtype.kind not in "biuf":
                    raise ValueError(
                        f"{self.table.path}: column {name!r} is not all numbers; features are numbers in every column"
                    )
            yield np.column_stack(columns)

    def whole(self) -> NDArray[Any]:
        return together(self, np.empty((0, len(self.names))))


def _array(column: Any) -> NDArray[Any]:
    """Values of an Arrow array without empty places. Raises ValueError for lists that are no matrix."""
    import pyarrow.types as kinds

    if kinds.is_primitive(column.type):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    free = kinds.is_list(column.type) or kinds.is_large_list(column.type)
    if not (free or kinds.is_fixed_size_list(column.type)) or not kinds.is_primitive(column.type.value_type):
        return np.array(column.to_pylist())
    inner = column.flatten()
    if inner.null_count or (free and np.ptp(column.value_lengths().to_numpy())):
        raise ValueError("not a matrix")
    return np.asarray(inner.to_numpy(zero_copy_only=False)).reshape(len(column), -1)
