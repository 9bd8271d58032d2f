"""Class labels by value: integers, booleans and strings, whatever array they came in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._text import plain_text
from analytic_cl.statistics.targets import Targets

Label = int | str | bool

_MAX_BITS = 1024  # of an integer label: Python refuses to print much larger ones


def as_label(value: object) -> Label:
    """The Python value of one label. Integral floats are integers; booleans stay apart from 0 and 1.

    Text has one spelling: a label with spaces around it, or in another Unicode form, is the same label.
    """
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value.bit_length() <= _MAX_BITS:
        return int.__int__(value)
    shown = f"of {value.bit_length()} bits" if isinstance(value, int) else repr(value)[:50]
    raise ValueError(f"Unknown label type: {type(value).__name__} {shown}; labels are integers, strings or booleans")


def label_kind(label: Label) -> str:
    """One of "boolean", "integer" and "string"; the labels of one state are of one kind."""
    return "boolean" if isinstance(label, bool) else "integer" if isinstance(label, int) else "string"


def encode_labels(y: Iterable[Any] | Targets) -> Targets:
    """Labels as targets, in sorted order; raises ValueError for labels of mixed kinds or of none of the three."""
    if isinstance(y, Targets):
        return y
    values = y if isinstance(y, np.ndarray) else _untouched_array(y)
    if values.shape == (1,):  # streams of single rows are many
        return Targets([as_label(values.tolist()[0])], np.zeros(1, dtype=np.int64))
    if values.dtype.kind in "biufU":
        distinct, codes = np.unique(values, return_inverse=True)
        given = distinct.tolist()
        labels = [as_label(value) for value in given]
        if labels == given:
            return Targets(labels, codes.astype(np.int64, copy=False))
        found = _encoded(labels)  # two spellings may have become one label, or sort in another order
        return Targets(found.values, found.codes[codes])
    labels = [as_label(value) for value in values]
    check_one_kind(labels)
    return _encoded(labels)


def _encoded(labels: list[Label]) -> Targets:
    distinct = sorted(set(labels))
    place = {label: position for position, label in enumerate(distinct)}
    codes = np.fromiter((place[label] for label in labels), dtype=np.int64, count=len(labels))
    return Targets(distinct, codes)


def _untouched_array(y: Iterable[Any]) -> NDArray[Any]:
    """An object array, because NumPy would turn the list [1, "a"] into strings."""
    items = list(y)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def check_one_kind(labels: Iterable[Label]) -> None:
    """Raise ValueError for labels of more than one kind."""
    kinds: dict[str, Label] = {}
    for label in labels:
        kinds.setdefault(label_kind(label), label)
    if len(kinds) > 1:
        examples = ", ".join(f"{label!r} ({kind})" for kind, label in kinds.items())
        raise ValueError(f"labels of mixed types: {examples}; use one type for all classes of a model")


def label_bytes(label: Label) -> bytes:
    """Canonical bytes of a label: a type tag and its value, the same on every platform."""
    if isinstance(label, bool):
        return b"b" + str(int(label)).encode()
    if isinstance(label, int):
        return b"i" + str(label).encode()
    return b"s" + label.encode("utf-8", "surrogatepass")


def label_array(labels: list[Label]) -> NDArray[Any]:
    """Sorted labels as the array that scikit-learn calls ``classes_``."""
    array = np.array(labels) if labels else np.empty(0, dtype=np.int64)
    if array.tolist() == labels and array.dtype.kind != "f":
        return array
    # NumPy makes floats of integers on both sides of 2^63, and drops a trailing NUL of a string.
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array
