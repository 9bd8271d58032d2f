"""Files that are one table together: a file, the files in a folder, or those that a pattern such as X-*.npy names."""

from __future__ import annotations

import glob
import re
from pathlib import Path

ARROW = (".parquet", ".feather", ".arrow", ".ipc")
SHARDED = (".npy", ".safetensors", *ARROW)  # what may come in many files
_ROWS = (*SHARDED, ".npz", ".csv")  # other files in a folder are taken for notes on these

_NUMBERS = re.compile(r"(\d+)")


def shards(path: Path) -> list[Path]:
    """The files that a name stands for, part-2 before part-10; a name that stands for none is handed back.

    Raises ValueError where they are of several kinds, or where there is a folder among them.
    """
    if path.is_dir():
        found = [each for each in path.iterdir() if not each.name.startswith((".", "_"))]
        folder = next((each for each in sorted(found) if each.is_dir()), None)
        if folder is not None:
            raise ValueError(
                f"{path} holds folders, such as {folder.name}: name its files by a pattern, {path}/*/*.npy"
            )
        found = [each for each in found if each.suffix.lower() in _ROWS]
    elif path.exists() or not glob.has_magic(str(path)):
        return [path]
    else:
        found = [Path(each) for each in glob.glob(str(path), recursive=True)]  # noqa: PTH207  (a pattern may be absolute)
    if not found:
        raise ValueError(f"{path}: there are no files of rows ({', '.join(SHARDED)})")
    kinds = sorted({each.suffix.lower() for each in found})
    if len(kinds) > 1 or kinds[0] not in SHARDED:
        raise ValueError(
            f"{path} stands for files of {', '.join(kinds)}: many files must be of one kind, of {', '.join(SHARDED)}"
        )
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Numbers within names count by value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(str(path))]


def ending(files: list[Path]) -> str:
    """Of the files, which all have the same."""
    return files[0].suffix.lower()
