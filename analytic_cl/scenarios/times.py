"""The order of times, whatever they came as."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_KINDS = "times must be numbers, text, datetimes or datetime64, all of one kind"


def in_order_of(times: NDArray[Any]) -> Rows:
    """Rows from the earliest to the latest; equal times stay in order. Raises ValueError for what has no order."""
    values = times.tolist() if times.dtype.kind == "O" else []
    if values and all(isinstance(value, str) for value in values):
        times = times.astype(str)
    if times.dtype.kind == "O":
        _refuse_missing(values)
        keys = _comparable(values)
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    if times.dtype.kind == "U":
        _refuse_unsortable(times)
    elif times.dtype.kind not in "biufmM":
        raise ValueError(f"{_KINDS}; got {times.dtype}")
    else:
        missing = np.isnat(times) if times.dtype.kind in "mM" else times != times  # noqa: PLR0124  (NaN)
        if missing.any():
            row = np.flatnonzero(missing)[0]
            raise ValueError(f"times must all be known: row {row} has {times[row]}")
    return np.argsort(times, kind="stable")


def _refuse_missing(values: Sequence[Any]) -> None:
    for row, value in enumerate(values):
        if value is None or type(value).__name__ in ("NaTType", "NAType") or str(value) == "nan":
            raise ValueError(f"times must all be known: row {row} has {value}")


def _comparable(values: Sequence[Any]) -> Sequence[Any]:
    """Times that Python compares right. Those of one zone it compares by the clock on the wall, so they go to UTC."""
    if all(isinstance(value, datetime) for value in values):  # those of pandas are of this kind, too
        aware = [value.utcoffset() is not None for value in values]
        if any(aware) and not all(aware):
            row = aware.index(not aware[0])
            raise ValueError(
                f"times with and without a time zone can't be compared: row 0 has {values[0]}, row {row} {values[row]}"
            )
        return [value.astimezone(UTC) for value in values] if aware[0] else values
    if all(isinstance(value, date) and not isinstance(value, datetime) for value in values):
        return values
    if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values):
        return values
    found = sorted({type(value).__name__ for value in values})
    raise ValueError(f"{_KINDS}; got Python objects: {', '.join(found)}")


# ---- text

_NUMBER = re.compile(r"\d+")
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d+|(?<=^\d)[.,]\d+$")  # sorts as text, whatever its length
_ZONE = re.compile(r"^(\d{4}\D\d\d\D\d\d\D.*\d)\s?(Z|UTC|[+-]\d\d:?\d\d)$")
_MISLEADING = re.compile(
    r"\d\s?[ap]\.?m\b"  # half days
    r"|^\d{1,2}([./-])\d{1,2}\1\d{4}(?!\d)"  # the year last
    r"|^-\d",  # below zero
    re.IGNORECASE,
)
_ADVICE = "pass numbers or datetimes, or write them as 2026-01-31 09:05"


def _refuse_unsortable(times: NDArray[Any]) -> None:
    """Text sorts by characters: refuse what is plainly a time, or a number, and would come out in another order."""
    zones: dict[str, str] = {}  # with an example
    widths: dict[str, tuple[int, str]] = {}  # of a number, by what stands before it, with an example
    for text in np.unique(times).tolist():
        found = _ZONE.match(text)
        plain, zone = (text, "") if found is None else (found[1], found[2].replace("UTC", "Z"))
        zones.setdefault(zone, text)
        plain = _FRACTION.sub("", plain)
        if _MISLEADING.search(plain):
            raise ValueError(f"times are text, which does not sort by time: {text!r}; {_ADVICE}")
        for number in _NUMBER.finditer(plain):
            width = len(number.group())
            other, example = widths.setdefault(_NUMBER.sub("0", plain[: number.start()]), (width, text))
            if other != width:
                raise ValueError(
                    f"times are text, which does not sort as numbers do: {example!r} and {text!r}; {_ADVICE}"
                )
    if len(zones) > 1:
        first, second = list(zones.values())[:2]
        raise ValueError(f"times are text of several time zones, {first!r} and {second!r}: pass datetimes")
