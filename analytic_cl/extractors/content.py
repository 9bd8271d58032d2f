"""The content of one input as a hash, by which a cache knows it again."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np


def content_key(value: Any, reads_files: bool = False) -> bytes:
    """SHA-256 of an input's type and content, 32 bytes.

    Text, bytes, numbers, arrays, tensors and PIL images by value; paths (with `reads_files` also text) by the content
    of the file; lists, tuples and dicts part by part. Raises TypeError for anything else.
    """
    h = hashlib.sha256(b"analytic-cl input 1\0")
    _feed(h, value, reads_files)
    return h.digest()


def _feed(h: Any, value: Any, reads_files: bool) -> None:
    if isinstance(value, os.PathLike) or (reads_files and isinstance(value, str)):
        _put(h, "file", Path(value).read_bytes())
    elif isinstance(value, str):
        _put(h, "text", value.encode("utf-8", "surrogatepass"))
    elif isinstance(value, bytes | bytearray | memoryview):
        _put(h, "bytes", bytes(value))
    elif isinstance(value, list | tuple):
        _put(h, "list", str(len(value)).encode())
        for part in value:
            _feed(h, part, reads_files)
    elif isinstance(value, dict):
        _put(h, "dict", str(len(value)).encode())
        for name in sorted(value):
            _feed(h, str(name), False)
            _feed(h, value[name], reads_files)
    elif hasattr(value, "tobytes") and hasattr(value, "getpalette"):  # a PIL image
        _put(h, f"image {value.mode} {value.size} {value.getpalette()}", value.tobytes())
    else:
        _feed_array(h, value)


def _feed_array(h: Any, value: Any) -> None:
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "biufcUSMm":
        raise TypeError(
            f"a cache can't tell the content of a {type(value).__name__}: give text, bytes, numbers, arrays, images or "
            "paths, or leave cache at None"
        )
    dtype = array.dtype.newbyteorder("<")
    _put(h, f"array {dtype.str} {array.shape}", np.asarray(array, dtype=dtype).tobytes())


def _put(h: Any, kind: str, content: bytes) -> None:
    for part in (kind.encode(), content):
        h.update(struct.pack("<q", len(part)) + part)
