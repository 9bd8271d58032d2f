"""Archives of arrays (.npz) are looked at before they are unpacked: a few kilobytes can hold terabytes of zeros."""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any

import numpy as np

_ANYWAY = 2**30  # bytes that an archive may unpack to, however small it is
_RATIO = 200  # of unpacked to packed bytes; arrays of numbers seldom shrink to a tenth


def check_archive(path: str | os.PathLike[str]) -> None:
    """Raise ValueError where an .npz file unpacks to far more than it weighs, or to less than its arrays claim."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = max(1, os.path.getsize(path))
            if unpacked > _ANYWAY and unpacked > _RATIO * packed:
                raise ValueError(
                    f"{path} has {packed:,} bytes and unpacks to {unpacked:,}, more than {_RATIO} times as much: it is "
                    "not read. Arrays that really are so large belong in .npy files, or in numpy.savez"
                )
            for entry in entries:
                with archive.open(entry) as file:
                    _check_header(file, entry.file_size, f"{path}:{entry.filename}")
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OverflowError,
        zipfile.zlib.error,
    ) as error:  # type: ignore[attr-defined]
        if isinstance(error, RecursionError):
            raise ValueError(f"{path} is not a whole .npz file: a header is nested too deeply") from None
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None


def _check_header(file: Any, size: int, name: str) -> None:
    """Before NumPy takes memory for it: an array has as many bytes as its header says."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except ValueError as error:
        raise ValueError(f"{name} is not a NumPy array: {error}") from None
    if not dtype.hasobject and (min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size):
        raise ValueError(f"{name} claims a shape of {shape}, but has only {size:,} bytes: it is damaged")
