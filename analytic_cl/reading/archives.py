"""Stored arrays are looked at before memory is taken: a few kilobytes of an .npz file can hold terabytes of zeros."""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

_ANYWAY = 2**30  # bytes that an archive may unpack to, however small it is
_RATIO = 200  # of unpacked to packed bytes; arrays of numbers seldom shrink to a tenth

# RuntimeError and NotImplementedError: members that are encrypted, or packed in an unknown way.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OverflowError, NotImplementedError, RuntimeError)

# What NumPy raises for a header that is no Python literal; the last two where it is nested deeply.
_NO_HEADER = (ValueError, TypeError, SyntaxError, EOFError, tokenize.TokenError, RecursionError, MemoryError)


def check_archive(path: str | os.PathLike[str]) -> None:
    """Raise ValueError where an .npz file unpacks to far more than it weighs, or to less than its arrays claim."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = max(1, Path(path).stat().st_size)
            if unpacked > _ANYWAY and unpacked > _RATIO * packed:
                raise ValueError(
                    f"{path} has {packed:,} bytes and unpacks to {unpacked:,}, more than {_RATIO} times as much: it is "
                    "not read. Arrays that really are so large belong in .npy files, or in numpy.savez"
                )
            for entry in entries:
                name = f"{path}:{entry.filename}"
                with archive.open(entry) as file:
                    shape, dtype = array_header(file, name)
                if not dtype.hasobject and math.prod(shape) * dtype.itemsize > entry.file_size:
                    raise ValueError(f"{name} claims a shape of {shape}, but has only {entry.file_size:,} bytes")
    except _BROKEN as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None


def array_header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a stored array, without reading it. Raises ValueError where it is none."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except _NO_HEADER as error:
        why = "its header is not one" if isinstance(error, MemoryError | RecursionError) else str(error)[:200]
        raise ValueError(f"{name} is not a NumPy array: {why}") from None
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} is not a NumPy array: its shape is {shape}")
    return tuple(shape), dtype
