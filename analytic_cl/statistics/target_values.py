"""Targets as bytes, for digests, and as JSON, for files."""

from __future__ import annotations

import struct
from typing import Any

from analytic_cl.statistics.labels import Label, as_label, label_bytes

Target = Label | frozenset[Label] | tuple[int, ...]

_VECTOR_ENTRY = 16  # bytes


def target_bytes(value: Any) -> bytes:
    """Canonical bytes of a target, the same on every platform; of a label those of `label_bytes`.

    A set is its labels' bytes in order, each behind its length; a vector its integers, 16 bytes each.
    """
    if isinstance(value, frozenset):
        return b"S" + b"".join(struct.pack("<q", len(data)) + data for data in sorted(map(label_bytes, value)))
    if isinstance(value, tuple):
        return b"V" + b"".join(number.to_bytes(_VECTOR_ENTRY, "little", signed=True) for number in value)
    return label_bytes(value)


def target_to_json(value: Any) -> Any:
    """A target as JSON values."""
    if isinstance(value, frozenset):
        return {"set": sorted(value, key=label_bytes)}
    if isinstance(value, tuple):
        return {"vector": list(value)}
    return value


def target_from_json(value: Any) -> Target:
    """The target that `target_to_json` described. Raises ValueError where it is none."""
    if isinstance(value, dict):
        (kind, parts), *more = value.items() or (("", ()),)
        if kind == "set" and not more:
            return frozenset(as_label(part) for part in parts)
        if kind == "vector" and not more and all(type(part) is int for part in parts):
            return tuple(parts)
        raise ValueError(f"not a target: {value!r}")
    return as_label(value)
