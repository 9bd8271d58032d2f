"""Numeric targets as users pass them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from analytic_cl._containers import column_values, local, objects
from analytic_cl.heads.validation import label_input
from analytic_cl.quantizers import rows_named

Floats = NDArray[np.float64]


def numeric_targets(y: Any) -> Floats:
    """Targets as float64, shape (n,) or (n, n_outputs).

    Raises ValueError for what are no finite numbers, naming the rows.
    """
    if y is None:
        raise ValueError("a regressor requires y to be passed, but the target y is None")
    if issparse(y):
        raise ValueError("y is a sparse matrix: give targets as an array, y.toarray()")
    values = _array(local(y, "y"))
    if values.dtype.kind == "O":
        values = _floats(values)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must hold real numbers")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"y must hold numbers, got {_kind(values)}: turn it into numbers first")
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise ValueError(f"y must have shape (n_samples,) or (n_samples, n_outputs), got {values.shape}")
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        hidden = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1)
        raise ValueError(f"y has no value (masked) in {rows_named(np.flatnonzero(hidden))}")
    found: Floats = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(found)
    if not finite.all():
        what = "NaN" if np.isnan(found).any() else "infinity"
        wrong = np.flatnonzero(~finite.reshape(len(found), -1).all(axis=1))
        raise ValueError(f"Input y contains {what} in {rows_named(wrong)}: clean or drop them first")
    return found


def _array(y: Any) -> NDArray[Any]:
    """An array of any kind; columns of a frame side by side."""
    y = column_values(y)
    if isinstance(y, np.ndarray):
        return y
    if hasattr(y, "columns") or hasattr(y, "column_names"):
        names = list(y.column_names if hasattr(y, "column_names") else y.columns)
        columns = [label_input(y.iloc[:, at] if hasattr(y, "iloc") else y[name]) for at, name in enumerate(names)]
        return np.stack(columns, axis=1) if columns else np.zeros((0, 0))
    if isinstance(y, list | tuple):
        try:
            return np.asarray(y) if any(np.ndim(each) for each in y) else objects(y)
        except ValueError:
            shapes = [np.shape(each) if not isinstance(each, list | tuple) else (len(each),) for each in y]
            wrong = np.flatnonzero([shape != shapes[0] for shape in shapes])
            others = rows_named(wrong) if wrong.size else "some rows, deeper down"
            raise ValueError(f"y must have as many values in all rows as in row 0, and has not in {others}") from None
    return np.asarray(y)


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """An object array as numbers, missing values as NaN; anything else is refused, text by row."""
    text = np.array([isinstance(each, str | bytes) for each in values.flat], dtype=bool).reshape(values.shape or (1,))
    if text.any():
        wrong = np.unique(np.nonzero(text)[0])
        raise ValueError(f"y must hold numbers, not text, in {rows_named(wrong)}: turn it into numbers")
    try:
        return values.astype(complex if any(isinstance(each, complex) for each in values.flat) else np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"y must hold numbers: {error}") from None


def _kind(values: NDArray[Any]) -> str:
    if values.dtype.kind in "USTO":
        return "text"
    return "dates or durations" if values.dtype.kind in "mM" else f"{values.dtype}"
