"""One value a row: labels, ids, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.reading.arrays import array_of_npz
from analytic_cl.reading.rows import FileRows, MappedRows, ShardRows
from analytic_cl.reading.shards import ending, shards
from analytic_cl.reading.tables import ENDINGS, open_table
from analytic_cl.reading.tensors import find_tensor
from analytic_cl.reading.text import read_lines

_WITH_MEMBERS = (".npz", ".safetensors", *ENDINGS)


class Column(NamedTuple):
    """One value a row. `typed` says that the file tells numbers from text; text files do not."""

    values: NDArray[Any] | list[str]
    typed: bool
    name: str = ""  # of the column, where the file has names


def split_name(name: str) -> tuple[Path, str]:
    """Path and member of ``FILE:MEMBER``; the member is "" where none is named."""
    colons = [at for at in range(len(name)) if name[at] == ":"]
    found = [at for at in colons if name[:at].lower().endswith(_WITH_MEMBERS) or Path(name[:at]).is_dir()]
    if found and not Path(name).exists():
        return Path(name[: found[-1]]), name[found[-1] + 1 :]
    return Path(name), ""


def column_name(name: str) -> str:
    """What ``FILE:NAME`` names, where FILE is a table; else ""."""
    path, member = split_name(name)
    return member if member and ending(shards(path)) in ENDINGS else ""


def read_column(name: str, header: bool | None = None) -> Column:
    """One value a row, from files as those of features, or a text file of one value a line."""
    path, member = split_name(name)
    files = shards(path)
    suffix, title = ending(files), ""
    if suffix in ENDINGS:
        table = open_table(path, header)
        title = member or (table.names[0] if len(table.names) == 1 else "")
        values = table.column(title)
        title = title if table.has_names else ""
    elif suffix == ".npy":
        values = ShardRows([MappedRows(file) for file in files]).whole()
    elif suffix == ".safetensors":
        values = ShardRows([FileRows(find_tensor(file, member, ndim=1)) for file in files]).whole()
    elif suffix == ".npz":
        values = array_of_npz(path, member, ndim=1)
    else:
        values = read_lines(path)
    if isinstance(values, list):
        return Column(values, False, title)
    if values.ndim != 1:
        raise ValueError(f"{name} is not one value a row: its shape is {values.shape}")
    return Column(values, True, title)
