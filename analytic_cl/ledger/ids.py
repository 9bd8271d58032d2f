"""Names of rows, people, sessions and requests: what a caller may pass, and its one spelling."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from analytic_cl._containers import column_values, local, plain_scalar
from analytic_cl._text import plain_text

SampleId = int | str

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,300}")  # as `str` writes it
_MAX_BITS = 1000  # Python refuses to read and write much longer integers


def as_ids(sample_id: Any, n_rows: int | None = None) -> list[SampleId]:
    """The ids as Python integers and strings, text in its one spelling. A single id counts as a list of one.

    Raises ValueError for anything else, for another number of ids than rows, and for an id given twice.
    """
    sample_id = column_values(plain_scalar(local(sample_id, "sample_id")))
    if hasattr(sample_id, "columns"):  # iterating a frame would give the names of its columns
        raise ValueError(f"sample_id must be one column or a list, got a {type(sample_id).__name__}: select the column")
    if isinstance(sample_id, np.ndarray) and sample_id.ndim == 0:
        sample_id = sample_id.item()
    if isinstance(sample_id, int | str | np.generic):
        sample_id = [sample_id]
    if isinstance(sample_id, bytes | bytearray | memoryview) or not isinstance(sample_id, Iterable):
        raise ValueError(
            f"sample_id must be integers or strings, one a row; got {type(sample_id).__name__}{_hint(sample_id)}"
        )
    given: list[Any]
    ids: list[SampleId]
    masked = isinstance(sample_id, np.ma.MaskedArray)  # NumPy would show what is under the mask
    if isinstance(sample_id, np.ndarray) and sample_id.ndim == 1 and sample_id.dtype.kind in "iu" and not masked:
        ids = given = sample_id.tolist()
    else:
        given = [plain_scalar(value) for value in sample_id]
        ids = [_as_id(value, place) for place, value in enumerate(given)]
    if n_rows is not None and len(ids) != n_rows:
        raise ValueError(f"{n_rows} rows but {len(ids)} sample ids")
    if not ids:
        raise ValueError("sample_id is empty: name at least one row")
    if len(set(ids)) < len(ids):
        twice = [name for name, count in Counter(ids).items() if count > 1]
        raise ValueError(
            f"sample ids given twice in one call: {named(twice)} (spaces around an id and its Unicode form make no "
            "difference)"
        )
    return ids


def _as_id(given: Any, place: int) -> SampleId:
    value = given.item() if isinstance(given, np.generic) and given.dtype.kind in "biufU" else given
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(
            f"sample_id must be one integer or string a row; at position {place} it is {value!r} "
            f"({type(value).__name__}){_hint(value)}"
        )
    if not isinstance(value, str):
        return int.__int__(value)
    name = plain_text(value)
    if not name:
        raise ValueError(f"sample_id must be one integer or string a row; at position {place} it is empty text")
    return name


def _hint(value: Any) -> str:
    """What to do about a value that stands for a missing id, or for an integer that became a float."""
    is_float = isinstance(value, float | np.floating)
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (is_float and np.isnan(value)):
        return ": every row needs an id; learn rows without one in a call of their own"
    if is_float:
        return (
            ": ids became floats, as in a pandas column with a missing value; leave out the rows without an id, and "
            "turn the others back with .astype('int64')"
        )
    return ""


def as_name(what: str, value: Any) -> str:
    """The name of a person, a session or a request, in its one spelling.

    Raises ValueError for what is no text, or empty, and for lone surrogates.
    """
    if not isinstance(value, str) or not plain_text(value):
        raise ValueError(f"{what} must be a string with something in it, got {value!r} ({type(value).__name__})")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is not valid Unicode: {value!r}") from None
    return plain_text(value)


def other_kind(name: SampleId) -> SampleId | None:
    """The text of an integer id, or the integer that a text spells; None for other text."""
    if isinstance(name, int):
        return str(name) if name.bit_length() <= _MAX_BITS else None
    return int(name) if _INTEGER.fullmatch(name) else None


def named(ids: list[SampleId]) -> str:
    """The first ten ids, for messages."""
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(repr, ids[:10])) + more
