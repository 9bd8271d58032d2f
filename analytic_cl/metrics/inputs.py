"""Checks that all metrics share: what was expected, what came, in which place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._text import plain_texts

Floats = NDArray[np.float64]


def numbers(name: str, values: ArrayLike, shape: tuple[int | None, ...], *, gaps: bool = False) -> Floats:
    """A float64 array of the given shape (None: any positive size), finite; NaN only where `gaps` are allowed."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers in an array of shape {_shown(shape)}: {error}") from None
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits or not array.size:
        raise ValueError(f"{name} must have shape {_shown(shape)} and not be empty, got shape {array.shape}")
    bad = np.argwhere(np.isinf(array) if gaps else ~np.isfinite(array))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(f"{name} must be finite, but {name}[{', '.join(map(str, place))}] is {array[place]}")
    return array


def one_a_row(name: str, values: Any, n_rows: int | None = None) -> NDArray[Any]:
    """A non-empty array of one value a row."""
    array = plain_texts(np.asarray(values))
    if array.ndim != 1 or not len(array) or n_rows not in (None, len(array)):
        raise ValueError(f"{name} must have shape ({'n_rows' if n_rows is None else n_rows},), got shape {array.shape}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(
            f"{name} must not have missing values, but {name}[{np.flatnonzero(np.isnan(array))[0]}] is nan"
        )
    return array


def labels(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """True and predicted labels of the same rows, of one kind: NumPy finds 1 and "1" just unequal."""
    y_true = one_a_row("y_true", y_true)
    y_pred = one_a_row("y_pred", y_pred, len(y_true))
    check_kinds("y_true", y_true, "y_pred", y_pred)
    return y_true, y_pred


def check_kinds(name: str, values: NDArray[Any], other_name: str, others: NDArray[Any]) -> None:
    """Refuse to compare text with numbers, which would only ever be unequal."""
    text, other_text = (isinstance(array.flat[0], str) if array.size else None for array in (values, others))
    if None not in (text, other_text) and text != other_text:
        raise ValueError(f"{name} and {other_name} hold labels of different kinds: {values[0]!r} and {others[0]!r}")


def mask(name: str, values: Any, n_rows: int) -> NDArray[np.bool_]:
    """A boolean array of one value a row."""
    array = one_a_row(name, values, n_rows)
    if array.dtype != np.bool_:
        raise ValueError(f"{name} must be booleans, one a row, got {array.dtype}")
    return array


def probabilities(name: str, values: ArrayLike, shape: tuple[int | None, int | None] = (None, None)) -> Floats:
    """Rows of probabilities: non-negative, each row with sum 1 (to 1e-4)."""
    array = numbers(name, values, shape)
    bad = np.flatnonzero((array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > 1e-4))
    if bad.size:
        raise ValueError(
            f"{name} must be probabilities, but row {bad[0]} is {array[bad[0]]} with sum {array[bad[0]].sum()}"
        )
    return array


def labelled_probabilities(
    y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike
) -> tuple[NDArray[Any], Floats, NDArray[Any]]:
    """Labels, the probabilities of their rows, and the class of each column."""
    y: NDArray[Any] = one_a_row("y_true", y_true)
    names = one_a_row("classes", classes)
    return y, probabilities("proba", proba, (len(y), len(names))), names


def _shown(shape: tuple[int | None, ...]) -> str:
    words = ["n" if size is None else str(size) for size in shape]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"
