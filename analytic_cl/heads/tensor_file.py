"""Write a safetensors file: the same content gives the same bytes.

The library's own writer keeps the metadata in a hash map, whose order changes from process to process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_NAMES = {
    np.dtype(name): f"{letter}{8 * np.dtype(name).itemsize}"
    for letter, names in (("I", "bhil"), ("U", "BHIL"), ("F", "fd"))
    for name in names
}
_ALIGNMENT = 8


def write(file: IO[bytes], arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata to an open file, the largest items first, so that all of them are aligned."""
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    start = 0
    for name in order:
        array = arrays[name]
        stop = start + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("=")],
            "shape": list(array.shape),
            "data_offsets": [start, stop],
        }
        start = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        little = np.ascontiguousarray(arrays[name], dtype=arrays[name].dtype.newbyteorder("<"))
        file.write(little.reshape(-1).view(np.uint8).data)
