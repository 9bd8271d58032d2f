"""NumPy files, of which arrays of Python objects are never read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl.reading.archives import array_header, check_archive

_DAMAGES = (zipfile.BadZipFile, KeyError, EOFError, zlib.error)

_Header = tuple[tuple[int, ...], np.dtype[Any]]


def _refuse_objects(dtype: np.dtype[Any], name: str) -> None:
    if dtype.hasobject:
        raise ValueError(
            f"{name} holds Python objects, which are stored as pickle, and a pickle can run code: it is not read. "
            "Save it as numbers or text: array.astype(float), array.astype(str)"
        )


def map_npy(path: Path) -> NDArray[Any]:
    """An .npy file, which stays on disk until its rows are used."""
    with path.open("rb") as file:
        shape, dtype = array_header(file, str(path))
    _refuse_objects(dtype, str(path))
    try:
        mode: Literal["r"] | None = None if 0 in shape else "r"  # nothing can't be mapped
        array: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return array


def read_npy(path: Path) -> NDArray[Any]:
    """An .npy file, in memory."""
    return np.array(map_npy(path))


def array_of_npz(path: Path, member: str, ndim: int) -> NDArray[Any]:
    """An array of an .npz file: the one that is named, or the only one of `ndim` dimensions."""
    headers = _headers_of_npz(path)
    fitting = [member] if member else [name for name, (shape, _) in headers.items() if len(shape) == ndim]
    if len(fitting) != 1 or fitting[0] not in headers:
        raise ValueError(f"{path}: name an array after a colon, {path.name}:NAME; there are {_listed(headers)}")
    return _loaded(path, fitting, headers)[fitting[0]]


def arrays_of_npz(path: Path, wanted: Sequence[str], enough: Sequence[Sequence[str]]) -> dict[str, NDArray[Any]]:
    """Those arrays of an .npz file that are wanted; ValueError naming what is there unless one group is complete."""
    headers = _headers_of_npz(path)
    if not any(headers.keys() >= set(group) for group in enough):
        needed = "; or ".join(", ".join(group) for group in enough)
        raise ValueError(f"{path} needs the arrays {needed}; there are {_listed(headers)}")
    return _loaded(path, [name for name in wanted if name in headers], headers)


def _listed(headers: dict[str, _Header]) -> str:
    return ", ".join(f"{name} {shape}" for name, (shape, _) in headers.items()) or "none"


def _loaded(path: Path, names: Sequence[str], headers: dict[str, _Header]) -> dict[str, NDArray[Any]]:
    for name in names:
        _refuse_objects(headers[name][1], f"{path}:{name}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except (*_DAMAGES, ValueError) as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None


def _headers_of_npz(path: Path) -> dict[str, _Header]:
    check_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for entry in archive.namelist():
                with archive.open(entry) as file:
                    headers[entry.removesuffix(".npy")] = array_header(file, f"{path}:{entry}")
            return headers
    except _DAMAGES as error:
        raise ValueError(f"{path} is not a whole .npz file: {error}") from None
