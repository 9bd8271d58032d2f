"""Names of rows: what a caller may pass as ``sample_id``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from analytic_cl._containers import column_values, local, plain_scalar

SampleId = int | str


def as_ids(sample_id: Any, n_rows: int | None = None) -> list[SampleId]:
    """The ids as Python integers and strings. A single id counts as a list of one.

    Raises ValueError for anything else, for another number of ids than rows, and for an id given twice.
    """
    sample_id = column_values(plain_scalar(local(sample_id, "sample_id")))
    if hasattr(sample_id, "columns"):  # iterating a frame would give the names of its columns
        raise ValueError(f"sample_id must be one column or a list, got a {type(sample_id).__name__}: select the column")
    if isinstance(sample_id, int | str | np.generic) or (isinstance(sample_id, np.ndarray) and sample_id.ndim == 0):
        sample_id = [sample_id.item() if isinstance(sample_id, np.ndarray) else sample_id]
    if isinstance(sample_id, bytes | bytearray | memoryview) or not isinstance(sample_id, Iterable):
        raise ValueError(f"sample_id must be integers or strings, one a row; got {type(sample_id).__name__}")
    masked = isinstance(sample_id, np.ma.MaskedArray)  # NumPy would show what is under the mask
    if isinstance(sample_id, np.ndarray) and sample_id.ndim == 1 and sample_id.dtype.kind in "iuU" and not masked:
        ids: list[SampleId] = sample_id.tolist()
    else:
        ids = [_as_id(plain_scalar(given), place) for place, given in enumerate(sample_id)]
    if n_rows is not None and len(ids) != n_rows:
        raise ValueError(f"{n_rows} rows but {len(ids)} sample ids")
    if not ids:
        raise ValueError("sample_id is empty: name at least one row")
    if len(set(ids)) < len(ids):
        twice = [name for name, count in Counter(ids).items() if count > 1]
        raise ValueError(f"sample ids given twice in one call: {named(twice)}")
    return ids


def _as_id(given: Any, place: int) -> SampleId:
    value = given.item() if isinstance(given, np.generic) and given.dtype.kind in "biufU" else given
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(
            f"sample_id must be one integer or string a row; at position {place} it is {value!r} "
            f"({type(value).__name__})"
        )
    return str.__str__(value) if isinstance(value, str) else int.__int__(value)


def named(ids: list[SampleId]) -> str:
    """The first ten ids, for messages."""
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(repr, ids[:10])) + more
