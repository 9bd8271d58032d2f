"""Files with named columns, opened by their ending."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from analytic_cl.reading.csv_table import CsvTable
from analytic_cl.reading.parquet_table import ParquetTable

Table = CsvTable | ParquetTable

ENDINGS = (".csv", ".parquet")


def open_table(path: Path, header: bool | None = None, expected: Collection[str] = ()) -> Table:
    """A .csv or .parquet file; `header` and `expected` as of `CsvTable`."""
    return ParquetTable(path) if path.suffix.lower() == ".parquet" else CsvTable(path, header, expected)
