"""Files with named columns, opened by their ending."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from analytic_cl.reading.arrow_table import ArrowTable
from analytic_cl.reading.csv_table import CsvTable
from analytic_cl.reading.shards import ARROW, ending, shards

Table = CsvTable | ArrowTable

ENDINGS = (".csv", *ARROW)


def open_table(path: Path, header: bool | None = None, expected: Collection[str] = ()) -> Table:
    """A .csv file, or Parquet and Arrow files; `header` and `expected` as of `CsvTable`."""
    files = shards(path)
    return ArrowTable(path, files) if ending(files) in ARROW else CsvTable(path, header, expected)
