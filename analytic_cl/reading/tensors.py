"""Tensors of safetensors files, found by the library and read by pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

_TYPES = {
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "|b1", "BF16": "bfloat16"},
}


class Tensor(NamedTuple):
    """Where a tensor lies in its file. `dtype` is a name of NumPy's, or "bfloat16"."""

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]


def find_tensor(path: Path, name: str, ndim: int) -> Tensor:
    """The tensor of this name, or the only one of `ndim` dimensions where there is no name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):  # which checks that header and size agree
            pass
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    fitting = [name] if name else [key for key, about in header.items() if len(about["shape"]) == ndim]
    if len(fitting) != 1 or fitting[0] not in header:
        there = ", ".join(f"{key} {tuple(about['shape'])}" for key, about in header.items()) or "none"
        raise ValueError(f"{path}: name a tensor after a colon, {path.name}:NAME; there are {there}")
    about = header[fitting[0]]
    if about["dtype"] not in _TYPES:
        raise ValueError(f"{path}:{fitting[0]} holds {about['dtype']}, which is not read: save it as F32, F16 or BF16")
    return Tensor(path, 8 + size + about["data_offsets"][0], _TYPES[about["dtype"]], tuple(about["shape"]))
