"""One value a row: labels, ids, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.reading.arrays import array_of_npz, map_npy
from analytic_cl.reading.tables import ENDINGS, open_table
from analytic_cl.reading.text import read_lines

_WITH_MEMBERS = (".npz", *ENDINGS)


class Column(NamedTuple):
    """One value a row. `typed` says that the file tells numbers from text; text files do not."""

    values: NDArray[Any] | list[str]
    typed: bool
    name: str = ""  # of the column, where the file has names


def split_name(name: str) -> tuple[Path, str]:
    """Path and member of ``FILE:MEMBER``; the member is "" where none is named."""
    found = [at for at in range(len(name)) if name[at] == ":" and name[:at].lower().endswith(_WITH_MEMBERS)]
    if found and not Path(name).exists():
        return Path(name[: found[-1]]), name[found[-1] + 1 :]
    return Path(name), ""


def read_column(name: str, header: bool | None = None) -> Column:
    """One value a row, from .npy, .npz, .csv, .parquet, or a text file of one value a line."""
    path, member = split_name(name)
    suffix, title = path.suffix.lower(), ""
    if suffix in ENDINGS:
        table = open_table(path, header)
        title = member or (table.names[0] if len(table.names) == 1 else "")
        values = table.column(title)
        title = title if table.has_names else ""
    elif suffix == ".npy":
        values = map_npy(path)
    elif suffix == ".npz":
        values = array_of_npz(path, member, ndim=1)
    else:
        values = read_lines(path)
    if isinstance(values, list):
        return Column(values, False, title)
    if values.ndim != 1:
        raise ValueError(f"{name} is not one value a row: its shape is {values.shape}")
    return Column(values, True, title)
