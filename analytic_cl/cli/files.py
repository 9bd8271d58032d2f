"""Reading features, labels, ids and names from files. Nothing is ever unpickled.

A member of an .npz file, or a column of a .csv or .parquet file, is named after a colon: ``data.npz:X_train``.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._archives import array_header, check_archive

_WITH_MEMBERS = (".npz", ".csv", ".parquet")


class Column(NamedTuple):
    """One value a row. `typed` says that the file tells numbers from text; text files do not."""

    values: NDArray[Any] | list[str]
    typed: bool


def split_name(name: str) -> tuple[Path, str]:
    """Path and member of ``FILE:MEMBER``; the member is "" where none is named."""
    path, colon, member = name.rpartition(":")
    if colon and path.lower().endswith(_WITH_MEMBERS) and not Path(name).exists():
        return Path(path), member
    return Path(name), ""


def read_features(name: str) -> NDArray[Any]:
    """A matrix of numbers, one row a sample; that of an .npy file stays on disk until its rows are used."""
    path, member = split_name(name)
    readers = {".npy": _map_npy, ".npz": _matrix_of_npz, ".csv": _numbers_of_csv, ".parquet": _matrix_of_parquet}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ValueError(f"{name}: features are read from {', '.join(readers)} files")
    matrix = readers[suffix](path, member)
    if matrix.ndim != 2:
        raise ValueError(f"{name} is not a matrix of one row a sample: its shape is {matrix.shape}")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {matrix.dtype}, not numbers")
    return matrix


def read_column(name: str) -> Column:
    """One value a row, from .npy, .npz, .csv, .parquet, or a text file of one value a line."""
    path, member = split_name(name)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return Column(_column_of_csv(path, member), typed=False)
    if suffix == ".npy":
        values = _map_npy(path, "")
    elif suffix == ".npz":
        values = _array_of_npz(path, member, ndim=1)
    elif suffix == ".parquet":
        values = _column_of_parquet(path, member)
    else:
        return Column(_lines(path), typed=False)
    if values.ndim != 1:
        raise ValueError(f"{name} is not one value a row: its shape is {values.shape}")
    return Column(values, typed=True)


# ---- NumPy


def _refuse_objects(dtype: np.dtype[Any], name: str) -> None:
    if dtype.hasobject:
        raise ValueError(
            f"{name} holds Python objects, which are stored as pickle, and a pickle can run code: it is not read. "
            "Save it as numbers or text: array.astype(float), array.astype(str)"
        )


def _map_npy(path: Path, member: str = "") -> NDArray[Any]:
    with path.open("rb") as file:
        shape, dtype = array_header(file, str(path))
    _refuse_objects(dtype, str(path))
    try:
        mode: Literal["r"] | None = None if 0 in shape else "r"  # nothing can't be mapped
        array: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return array


def _matrix_of_npz(path: Path, member: str) -> NDArray[Any]:
    return _array_of_npz(path, member, ndim=2)


def _array_of_npz(path: Path, member: str, ndim: int) -> NDArray[Any]:
    check_archive(path)
    try:
        headers = _headers_of_npz(path)
        fitting = [member] if member else [name for name, (shape, _) in headers.items() if len(shape) == ndim]
        if len(fitting) != 1 or fitting[0] not in headers:
            raise ValueError(f"{path}: name an array after a colon, {path.name}:NAME; there are {', '.join(headers)}")
        _refuse_objects(headers[fitting[0]][1], f"{path}:{fitting[0]}")
        with np.load(path, allow_pickle=False) as stored:
            array: NDArray[Any] = stored[fitting[0]]
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None
    return array


def _headers_of_npz(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            with archive.open(entry) as file:
                headers[entry.removesuffix(".npy")] = array_header(file, f"{path}:{entry}")
    return headers


# ---- text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None


def _lines(path: Path) -> list[str]:
    text = _text(path)
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a .csv file."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(_text(path), newline="")) if row]
    if not rows:
        raise ValueError(f"{path} is empty: it needs a header")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"{path}: row {number} has {len(row)} values, the header {len(rows[0])}")
    return rows[0], rows[1:]


def _column_of_csv(path: Path, member: str) -> list[str]:
    header, rows = read_table(path)
    if not member and len(header) == 1:
        member = header[0]
    if header.count(member) != 1:
        raise ValueError(f"{path}: name one of its columns after a colon, {path.name}:NAME; there are {header}")
    place = header.index(member)
    return [row[place] for row in rows]


def _numbers_of_csv(path: Path, member: str) -> NDArray[Any]:
    with path.open(encoding="utf-8-sig") as file:
        first = next(csv.reader(file), [])
    if not first:
        return np.empty((0, 0))
    header = 0 if _is_numeric(first) else 1
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that there are no rows
            numbers = np.loadtxt(path, delimiter=",", skiprows=header, ndmin=2, quotechar='"', encoding="utf-8-sig")
    except ValueError as error:
        raise ValueError(f"{path}: features are numbers in every column: {error}") from None
    return numbers if numbers.size else np.empty((0, len(first)))


def _is_numeric(cells: list[str]) -> bool:
    try:
        return all(isinstance(float(cell), float) for cell in cells)
    except ValueError:
        return False


_INTEGER = re.compile(r"0|-?[1-9][0-9]*")  # "007" stays text: as an integer it would lose its zeros


def is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


# ---- Parquet


def _parquet(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            f"{path}: Parquet files are read with the package pyarrow: pip install 'analytic-cl[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None


def _matrix_of_parquet(path: Path, member: str) -> NDArray[Any]:
    """All columns, which must be numbers; or a named column of lists of one length."""
    table = _parquet(path)
    if member:
        column = _named(table, path, member)
        return np.array(column.to_pylist())
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count or column.to_numpy().dtype.kind not in "biuf":
            raise ValueError(f"{path}: column {name!r} is not all numbers; features are numbers in every column")
    return np.column_stack([column.to_numpy() for column in table.columns])


def _column_of_parquet(path: Path, member: str) -> NDArray[Any]:
    table = _parquet(path)
    column = _named(table, path, member or (table.column_names[0] if table.num_columns == 1 else ""))
    if column.null_count:
        raise ValueError(f"{path}: column {member!r} has {column.null_count} empty places")
    return np.array(column.to_pylist())


def _named(table: Any, path: Path, member: str) -> Any:
    if table.column_names.count(member) != 1:
        raise ValueError(
            f"{path}: name one of its columns after a colon, {path.name}:NAME; there are {table.column_names}"
        )
    return table.column(member)
