"""Checks of what users pass that scikit-learn's own validation does not make."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.door import rows_named
from analytic_cl.statistics import Label, Targets, encode_labels


def label_input(y: Any) -> Any:
    """Labels as an array that says what they are.

    NumPy would turn the list [1, "a"] into strings, and scikit-learn a pandas column of nullable booleans into
    numbers: both become object arrays here.
    """
    if hasattr(y, "to_numpy") and not isinstance(getattr(y, "dtype", None), np.dtype | None):
        missing = np.flatnonzero(y.isna())
        if missing.size:
            raise ValueError(f"Input y has no label (NaN) in {rows_named(missing)}")
        return y.to_numpy(dtype=object)
    if isinstance(y, list | tuple) and not any(np.ndim(label) for label in y):
        array: NDArray[Any] = np.empty(len(y), dtype=object)
        array[:] = y
        return array
    refuse_times("y", y)
    return y.astype(object) if isinstance(y, np.ndarray) and y.dtype.kind == "T" else y


def plain_rows(head: Any, X: Any) -> bool:
    """Whether scikit-learn's validation, which takes longer than a row takes to learn, would let X pass as it is."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind in "fiu"
        and len(X) > 0
        and X.shape[1] == head.n_features_in_
        and not hasattr(head, "feature_names_in_")
    )


def plain_labels(y: Any, n: int) -> bool:
    """As `plain_rows`, for n labels."""
    return type(y) is np.ndarray and y.shape == (n,) and y.dtype.kind in "iubU"


def refuse_times(name: str, values: Any) -> None:
    """Refuse dates and durations, which NumPy would quietly count in units of its own."""
    dtypes = values.dtypes if hasattr(values, "columns") else [getattr(values, "dtype", None)]
    if any(getattr(dtype, "kind", "") in ("m", "M") for dtype in dtypes):
        raise ValueError(f"{name} holds dates or durations: turn them into numbers or strings first")


def labels_outside(encoded: Targets, classes: Any) -> list[Label]:
    """Labels in use that `classes` does not declare."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise ValueError(f"classes must be a list of labels, got {classes!r}")
    declared = {(type(label), label) for label in encode_labels(label_input(classes)).values}
    return [label for label in encoded.values if (type(label), label) not in declared]


def check_strength(name: str, value: Any, words: tuple[str, ...], high: float = math.inf) -> None:
    """Raise ValueError unless `value` is one of `words` or a number in [0, high]."""
    if isinstance(value, str):
        valid = value in words
    else:
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
        except OverflowError:
            number = math.inf
        valid = math.isfinite(number) and 0 <= number <= high
    if not valid:
        words_named = " or ".join(f'"{word}"' for word in words)
        limit = "at least 0" if high == math.inf else f"from 0 to {high:g}"
        raise ValueError(f"{name} must be {words_named}, or a number {limit}; got {value!r}")


def check_same_names(head: Any, other: Any) -> None:
    """Refuse to merge what was learned from differently named or ordered columns."""
    mine, theirs = (getattr(each, "feature_names_in_", None) for each in (head, other))
    if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
        raise ValueError(
            f"the two models learned from different columns, or in another order: {mine.tolist()[:10]} and "
            f"{theirs.tolist()[:10]}"
        )
