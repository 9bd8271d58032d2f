"""Batches of Arrow, in which Spark and Ray hand rows to Python: what workers learn and predict."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.distributed.states import Rows, unpack
from analytic_cl.heads import Head
from analytic_cl.quantizers import rows_named


def names_of(features: Any) -> list[str]:
    """Names of columns as a list; one name is a list of one. Raises ValueError where there are none, or one twice."""
    names = [features] if isinstance(features, str) else list(features)
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"features must be names of columns, each once; got {str(features)[:200]}")
    return names


def check_order(head: Head, names: Sequence[str]) -> None:
    """Refuse columns that are other than those a head has learned, before rows are read."""
    known = getattr(head, "feature_names_in_", None)
    if known is not None and list(known) != list(names):
        raise ValueError(
            f"the head learned from other columns, or in another order: {known.tolist()[:10]}, and features is "
            f"{list(names)[:10]}"
        )


def check_present(what: str, there: Sequence[str], names: Sequence[str]) -> None:
    """Refuse names of columns that a frame, or a data set, does not have."""
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(f"the {what} has no column {', '.join(map(repr, missing))}: it has {str(there)[:200]}")


def rows_of(place: str, features: Any, label: Any, sample_id: Any) -> Rows:
    """Columns of Arrow as rows to learn. What is wrong with arrays of numbers is told with the place in front."""
    try:
        return Rows(place, matrix_of(features), label, sample_id)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def matrix_of(table: Any) -> Any:
    """What heads read of a table of features: a matrix, where one column holds arrays or tensors; else the table."""
    if table.num_columns != 1:
        return table
    name, column = table.schema.field(0).name, table.column(0)
    if not _holds_arrays(column.type):
        return table
    chunks, parts, first = getattr(column, "chunks", [column]), [], 0
    for chunk in chunks:
        if len(chunk):
            parts.append(_matrix(name, chunk, first))
        first += len(chunk)
    widths = sorted({part.shape[1:] for part in parts})
    if len(widths) > 1:
        raise ValueError(f"column {name!r} holds arrays of different shapes: {widths[0]} and {widths[1]}")
    return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.empty((0, 0))


def _holds_arrays(kind: Any) -> bool:
    import pyarrow as pa

    of = pa.types
    lists = of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind)
    return lists or isinstance(kind, pa.BaseExtensionType)


def _matrix(name: str, array: Any, first: int) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if array.null_count:
        missing = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
        raise ValueError(f"column {name!r} holds no array (null) in {rows_named(missing + first)}")
    if isinstance(array, pa.ExtensionArray):
        if not hasattr(array, "to_numpy_ndarray"):
            raise ValueError(f"column {name!r} is of type {array.type}: features must be tensors of one shape")
        return np.asarray(array.to_numpy_ndarray())
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(lengths != lengths[0])
    if others.size:
        raise ValueError(
            f"column {name!r} holds arrays of {lengths[0]} numbers, but of {lengths[others[0]]} in "
            f"{rows_named(others + first)}"
        )
    values: NDArray[Any] = array.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(array), int(lengths[0]))


def predicted(model: bytes, table: Any) -> NDArray[Any]:
    """Classes of the rows of a table, by a head of `states.pack`."""
    head = _served(model)
    return head.predict(matrix_of(table)) if table.num_rows else head.empty_answer()


@lru_cache(maxsize=1)
def _served(model: bytes) -> Head:
    """The head, solved once in a process, whatever number of tasks it runs."""
    head = unpack(model)
    head.prepare()
    return head
