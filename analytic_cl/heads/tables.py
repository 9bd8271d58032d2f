"""Rows in whatever they come in: a matrix of numbers, or an error that names the columns which hold something else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._containers import POLARS_NUMBERS, is_a, local, objects
from analytic_cl._warnings import warn

_TIMES = (date, time, timedelta, np.datetime64, np.timedelta64)
_ADVICE = {
    "dates or durations": "turn them into numbers first, or leave the columns out",
    "text": "turn it into numbers first, or leave the columns out",
}


def read_table(X: Any) -> tuple[Any, Any]:
    """A frame that has the names of the columns, or None, and the rows for scikit-learn's validation.

    Raises ValueError for columns of dates, durations and text, which NumPy would count in units of its own or read as
    numbers; TypeError for lazy frames.
    """
    X = local(X)
    if is_a(X, "polars", "DataFrame"):
        return X, _polars_matrix(X)
    if is_a(X, "pyarrow", "Table", "RecordBatch"):
        X = _without_index(X)
        return X, _arrow_matrix(X)
    if hasattr(X, "iloc") and hasattr(X, "dtypes") and hasattr(X, "columns"):
        _check_pandas(X)
        return None, X
    return None, _checked_array(X)


# ---- what columns hold


def is_time(value: Any) -> bool:
    """Whether a value is a date, a time of day, a duration or a period."""
    return isinstance(value, _TIMES) or is_a(value, "pandas", "Period")


def _meaning(values: Any) -> str:
    """What objects of a column are, if they are no numbers: "dates or durations", "text" or ""."""
    kinds = {type(value): value for value in values}.values()
    if any(is_time(value) for value in kinds):
        return "dates or durations"
    return "text" if any(isinstance(value, str | bytes) for value in kinds) else ""


def _refuse(meanings: Iterable[tuple[Any, str]]) -> None:
    """Raise ValueError where a column has a meaning, naming the columns of the first one found."""
    found = [(name, meaning) for name, meaning in meanings if meaning]
    for _, meaning in found[:1]:
        names = [name for name, other in found if other == meaning]
        listed = ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        advice = _ADVICE.get(meaning, "give a column of numbers for each feature")
        raise ValueError(f"X holds {meaning} in column{'s' * (len(names) > 1)} {listed}: {advice}")


# ---- one container each


def _checked_array(X: Any) -> Any:
    """Anything that NumPy reads by itself."""
    if isinstance(X, list | tuple) or (not isinstance(X, np.ndarray) and hasattr(X, "__array__")):
        X = np.asarray(X)
    if isinstance(X, np.ma.MaskedArray) and X.dtype.kind in "biufO":  # NumPy would show what is under the mask
        X = np.where(np.ma.getmaskarray(X), np.nan, np.ma.getdata(X))
    if isinstance(X, np.ndarray) and X.ndim == 2:
        kind = X.dtype.kind
        if kind == "O":
            _refuse((j, _meaning(X[:, j])) for j in range(X.shape[1]))
        elif kind in "mMUST":
            _refuse((j, "dates or durations" if kind in "mM" else "text") for j in range(X.shape[1]))
    return X


def _check_pandas(frame: Any) -> None:
    if len(frame.columns) and all(is_a(dtype, "pandas", "SparseDtype") for dtype in frame.dtypes):
        raise TypeError("X is a frame of sparse columns, but dense data is required: use X.sparse.to_dense()")
    meanings = []
    for j, dtype in enumerate(frame.dtypes):
        kind = getattr(dtype, "kind", "O")
        if kind in "mM":
            meanings.append((frame.columns[j], "dates or durations"))
        elif kind not in "biufc":
            meanings.append((frame.columns[j], _meaning(frame.iloc[:, j])))
    _refuse(meanings)


def _polars_matrix(frame: Any) -> NDArray[Any]:
    def meaning(series: Any) -> str:
        dtype = series.dtype
        if dtype.is_temporal():
            return "dates or durations"
        if dtype.is_numeric() or str(dtype) in ("Boolean", "Null"):
            return ""
        if str(dtype.base_type()) in ("String", "Categorical", "Enum", "Binary"):
            return "text"
        return _meaning(series.to_list()) if str(dtype) == "Object" else str(dtype)

    columns = frame.get_columns()
    _refuse((series.name, meaning(series)) for series in columns)
    if len({series.dtype for series in columns}) == 1 and str(columns[0].dtype) in POLARS_NUMBERS:
        return np.asarray(frame.to_numpy())
    return _stacked([_polars_numbers(series) for series in columns])


def _polars_numbers(series: Any) -> NDArray[Any]:
    if str(series.dtype) == "Object":
        return objects(series.to_list())
    if str(series.dtype) not in POLARS_NUMBERS:  # booleans, decimals, 128 bits: what NumPy lacks
        series = series.cast(sys.modules["polars"].Float64)
    return np.asarray(series.to_numpy())


def _arrow_matrix(table: Any) -> NDArray[Any]:
    import pyarrow as pa

    def value_type(kind: Any) -> Any:
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    def meaning(kind: Any) -> str:
        is_kind = pa.types
        if is_kind.is_temporal(kind):
            return "dates or durations"
        if is_kind.is_boolean(kind) or is_kind.is_null(kind) or is_kind.is_decimal(kind):
            return ""
        if is_kind.is_integer(kind) or is_kind.is_floating(kind):
            return ""
        return "text" if any(word in str(kind) for word in ("string", "binary")) and not kind.num_fields else str(kind)

    kinds = [value_type(field.type) for field in table.schema]
    _refuse((field.name, meaning(kind)) for field, kind in zip(table.schema, kinds, strict=True))
    columns = zip(table.columns, kinds, strict=True)
    return _stacked([column.cast(kind).to_numpy() for column, kind in columns])


def _without_index(table: Any) -> Any:
    """A pyarrow table without the columns in which pandas hides an index; said once."""
    import pyarrow as pa

    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    index = [name for name in (table.schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]
    hidden = [name for name in index if name in table.column_names]
    if hidden:
        names = ", ".join(map(repr, hidden))
        warn(f"X: left out {names}, which the table calls an index of pandas, no feature", UserWarning)
        table = table.drop_columns(hidden)
    return table


def _stacked(columns: list[NDArray[Any]]) -> NDArray[Any]:
    """Columns as one matrix of numbers. Booleans count as 0 and 1, missing values as NaN, as pandas has it."""
    numbers = [column if column.dtype.kind in "iuf" else column.astype(np.float64) for column in columns]
    return np.stack(numbers, axis=1) if numbers else np.empty((0, 0))
