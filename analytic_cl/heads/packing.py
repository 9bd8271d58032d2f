"""A head as bytes, to be sent: the content of its file, which holds no pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError, deserialize

from analytic_cl.heads import persistence, tensor_file
from analytic_cl.heads.persistence import H, Saved

_NAME = "what was sent"
_DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"}
_DTYPES |= {"F32": "<f4", "F64": "<f8", "BOOL": "?"}


def to_bytes(head: Saved) -> bytes:
    """A head, its ledger and the ledger's key as the bytes of its file."""
    file = io.BytesIO()
    tensor_file.write(file, *persistence.content(head))
    return file.getvalue()


def from_bytes(data: bytes, classes: Mapping[str, type[H]]) -> H:
    """The head of `to_bytes`, of one of these classes.

    Raises ValueError for anything else: the checksum, the state's digest and its invariants are looked at, as for a
    file. Nothing in the bytes is executed.
    """
    try:
        tensors = deserialize(data)  # type: ignore[no-untyped-call]
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{_NAME} is cut short, or no head: {error}") from error
    arrays = {
        name: np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in tensors
    }
    return persistence.from_content(arrays, metadata, _NAME, classes)[0]
