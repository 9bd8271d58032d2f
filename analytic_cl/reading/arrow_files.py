"""Parquet and Arrow files, a few rows of the wanted columns at a time.

Not by pyarrow's data sets: they decode whole groups of rows, several ahead, and one group may be a whole file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_READ = 2**16  # bytes of a column that are read at a time; without it, a column's whole part of a group of rows


class ParquetFile:
    """Schema, number of rows, and the rows themselves."""

    kind = "Parquet"

    def __init__(self, path: Path) -> None:
        self.path = path
        with arrow_errors(self):
            file = self._open()
            self.schema, self.n_rows = file.schema_arrow, int(file.metadata.num_rows)
            file.close()

    def _open(self) -> Any:
        import pyarrow.parquet

        return pyarrow.parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=_READ)

    def batches(self, names: Sequence[str], most: int, first: int) -> Iterator[Any]:
        """Record batches that hold at least these columns, without the first rows."""
        with arrow_errors(self), self._open() as file:
            groups, skip = list(range(file.metadata.num_row_groups)), first
            while groups and file.metadata.row_group(groups[0]).num_rows <= skip:
                skip -= file.metadata.row_group(groups.pop(0)).num_rows
            yield from _without(file.iter_batches(most, groups, list(names)), skip)


class IpcFile:
    """As `ParquetFile`, for Feather and other Arrow IPC files, those of streams too."""

    kind = "Arrow"

    def __init__(self, path: Path) -> None:
        self.path = path
        with arrow_errors(self), self._open(mapped=True) as (schema, batches):
            self.schema = schema
            self.n_rows = sum(batch.num_rows for batch in batches([schema.names[0]] if schema.names else []))

    @contextmanager
    def _open(self, mapped: bool = False) -> Iterator[Any]:
        """The schema, and what gives record batches of some columns. A map is for looking without reading."""
        import pyarrow

        with pyarrow.memory_map(str(self.path)) if mapped else pyarrow.OSFile(str(self.path)) as file:
            begin = pyarrow.ipc.open_file if file.read(6) == b"ARROW1" else pyarrow.ipc.open_stream

            def opened(fields: list[int]) -> Any:
                file.seek(0)
                return begin(file, options=pyarrow.ipc.IpcReadOptions(included_fields=fields))

            schema = opened([]).schema

            def batches(names: Sequence[str]) -> Iterator[Any]:
                reader = opened([schema.names.index(name) for name in names])
                if begin is pyarrow.ipc.open_stream:
                    yield from reader
                else:
                    yield from map(reader.get_batch, range(reader.num_record_batches))

            yield schema, batches

    def batches(self, names: Sequence[str], most: int, first: int) -> Iterator[Any]:
        with arrow_errors(self), self._open() as (_, batches):
            for batch in _without(batches(names), first):
                yield from (batch.slice(start, most) for start in range(0, batch.num_rows, most))


def _without(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    for batch in batches:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


@contextmanager
def arrow_errors(file: ParquetFile | IpcFile) -> Iterator[None]:
    """Errors of the library with the file's name, and the extra's where there is no library."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            f"{file.path}: {file.kind} files are read with the package pyarrow: pip install 'analytic-cl[parquet]'"
        ) from None
    try:
        yield
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system; else the file ends too early
            raise
        raise ValueError(f"{file.path} is not a {file.kind} file, or is damaged: {error}") from None
