"""Parquet files; what pandas keeps in them as an index is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ParquetTable:
    """The columns of a Parquet file; attributes as those of `CsvTable`."""

    has_names = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = _read(path)
        self.names: list[str] = self._table.column_names
        about = self._table.schema.pandas_metadata or {}
        # An index without values of its own, such as 0, 1, 2, ..., is described there by a dict, and is no column.
        self.index = frozenset(name for name in about.get("index_columns", []) if isinstance(name, str))

    def _named(self, name: str) -> Any:
        if self.names.count(name) != 1:
            raise ValueError(
                f"{self.path}: name one of its columns after a colon, {self.path.name}:NAME; there are {self.names}"
            )
        column = self._table.column(name)
        if column.null_count:
            row = column.is_null().to_pylist().index(True) + 1
            raise ValueError(
                f"{self.path}: column {name!r} has {column.null_count} empty places, the first in row {row}"
            )
        return column

    def column(self, name: str) -> NDArray[Any]:
        """Values of a column: numbers, text, times, or one list a row of one length."""
        import pyarrow

        column = self._named(name)
        if pyarrow.types.is_primitive(column.type):
            values: NDArray[Any] = column.to_numpy()
            return values
        try:
            return np.array(column.to_pylist())
        except ValueError:
            raise ValueError(f"{self.path}: column {name!r} has lists of several lengths") from None

    def numbers(self, names: Sequence[str]) -> NDArray[Any]:
        """Columns as numbers, in this order."""
        columns = [self.column(name) for name in names]
        for name, values in zip(names, columns, strict=True):
            if values.ndim != 1 or values.dtype.kind not in "biuf":
                raise ValueError(
                    f"{self.path}: column {name!r} is not all numbers; features are numbers in every column"
                )
        return np.column_stack(columns)


def _read(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            f"{path}: Parquet files are read with the package pyarrow: pip install 'analytic-cl[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.read_table(path, partitioning=None)  # else folders named a=1 are columns
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
