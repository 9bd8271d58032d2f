"""Parameters that must be integers."""

from __future__ import annotations

from operator import index
from typing import Any


def as_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int. Raises ValueError where it is none (True and 2.0 are not) or out of bounds."""
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer {bounds}, got {value!r}")
    return number
