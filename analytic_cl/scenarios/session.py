"""What every scenario is made of: sessions of row indices, and the checks that all scenarios share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl._text import plain_texts

Rows = NDArray[np.int64]


def _no_rows() -> Rows:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class DeletionRequest:
    """Rows that someone asks to be forgotten.

    Parameters
    ----------
    rows : ndarray of int64
        Indices, ascending; each was learned before and not forgotten since.
    reason : str
        Who or what it is about, such as "subject 17".
    """

    rows: Rows
    reason: str


@dataclass(frozen=True, eq=False)
class Session:
    """One step of a scenario: predict `test`, learn `train`, then carry out `requests`.

    Parameters
    ----------
    name : str
        Such as "session 3", or the domain.
    train : ndarray of int64
        Indices of the rows to learn, in the order in which to learn them; may be empty in blurry scenarios.
    new_classes : ndarray
        Sorted labels of `train` that had no rows in the model before.
    seen_classes : ndarray
        Sorted labels that have rows in the model when the session is over.
    test : ndarray of int64
        Indices of the rows to predict before they are learned, in time-ordered streams; else empty.
    requests : tuple of DeletionRequest
        To be carried out after `train` is learned.

    Examples
    --------
    >>> from analytic_cl.scenarios import class_incremental
    >>> first, second = class_incremental(["a", "b", "a", "c"], n_sessions=2, seed=1)
    >>> first.train, first.seen_classes
    (array([0, 1, 2]), array(['a', 'b'], dtype='<U1'))
    >>> first.test_rows(["c", "b", "a"])
    array([1, 2])
    """

    name: str
    train: Rows
    new_classes: NDArray[Any]
    seen_classes: NDArray[Any]
    test: Rows = field(default_factory=_no_rows)
    requests: tuple[DeletionRequest, ...] = ()

    def __repr__(self) -> str:
        parts = [f"{len(self.train)} rows", f"{len(self.new_classes)} new classes of {len(self.seen_classes)}"]
        parts += [f"{len(self.test)} to predict"] if len(self.test) else []
        parts += [f"{len(self.requests)} deletion requests"] if self.requests else []
        return f"Session({self.name!r}: {', '.join(parts)})"

    def test_rows(self, y_test: ArrayLike) -> Rows:
        """Indices of the rows of separate test labels whose class has been seen when the session is over.

        Of an indicator matrix: rows that have at least one of the labels seen.
        """
        if hasattr(y_test, "toarray") or np.ndim(y_test) == 2:
            return np.flatnonzero(indicator(y_test, "y_test")[:, self.seen_classes].any(axis=1)).astype(np.int64)
        return np.flatnonzero(np.isin(labels_of(y_test), self.seen_classes)).astype(np.int64)

    def own_labels(self, y: ArrayLike) -> NDArray[np.int64]:
        """The indicator matrix `y` of all rows as a `multi_label` session knows it: its own rows, shape
        (n_train, n_labels), with the labels of other sessions absent.
        """
        has = indicator(y)
        own = np.zeros(has.shape[1], dtype=bool)
        own[self.new_classes] = True
        return (has[self.train] & own).astype(np.int64)


class Encoded(NamedTuple):
    """Distinct labels in sorted order, and for every row the place of its label among them."""

    labels: NDArray[Any]
    codes: Rows


def encoded(y: ArrayLike) -> Encoded:
    """Labels, checked and encoded once for all that a scenario does."""
    return Encoded(*np.unique(labels_of(y), return_inverse=True))


def rows_of_groups(codes: Rows, groups: Sequence[NDArray[np.int64]]) -> list[Rows]:
    """Rows of each group of codes, ascending, from one sort; codes that are in no group are left out."""
    group_of = np.full(codes.max() + 1, len(groups))
    for i, group in enumerate(groups):
        group_of[group] = i
    found = group_of[codes]
    ends = np.cumsum(np.bincount(found, minlength=len(groups) + 1))[:-1]
    return [rows.astype(np.int64, copy=False) for rows in np.split(np.argsort(found, kind="stable"), ends)[:-1]]


def sessions_of(
    y: Encoded,
    trains: Iterable[NDArray[np.int64]],
    names: Sequence[str] = (),
    tests: Sequence[Rows] = (),
    requests: Sequence[tuple[DeletionRequest, ...]] = (),
) -> list[Session]:
    """Sessions over lists of rows, with the classes that each finds new, and leaves behind."""
    distinct, codes = y
    held = np.zeros(len(codes), dtype=bool)
    counts = np.zeros(len(distinct), dtype=np.int64)  # rows of each class in the model
    found = []
    for i, rows in enumerate(trains):
        here, before = np.bincount(codes[rows], minlength=len(distinct)), counts > 0
        fresh = rows[~held[rows]]
        held[fresh] = True
        counts += np.bincount(codes[fresh], minlength=len(distinct))
        asked = requests[i] if requests else ()
        for request in asked:
            held[request.rows] = False
            counts -= np.bincount(codes[request.rows], minlength=len(distinct))
        found.append(
            Session(
                names[i] if names else f"session {i + 1}",
                rows.astype(np.int64, copy=False),
                distinct[(here > 0) & ~before],
                distinct[counts > 0],
                tests[i] if tests else _no_rows(),
                asked,
            )
        )
    return found


# ---- checks


def generator(seed: int, stream: int = 0) -> np.random.Generator:
    """The one source of randomness; None is refused, because a scenario that can't be repeated proves nothing.

    Scenarios that build on others draw from a stream of their own, so that one seed serves both.
    """
    return np.random.default_rng([as_integer("seed", seed, 0), stream])


def labels_of(y: ArrayLike, name: str = "y") -> NDArray[Any]:
    """Labels as a plain array: one integer, boolean or string a row."""
    values = one_a_row(y, name)
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values):
        values = values.astype(str)
    values = plain_texts(values)
    if values.dtype.kind == "O" and all(
        isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values
    ):
        values = values.astype(np.int64)
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~np.isfinite(values) | (values != np.trunc(values)))
        if odd.size:
            raise ValueError(f"{name} must hold labels, but row {odd[0]} is {values[odd[0]]}: give integers or strings")
        values = values.astype(np.int64)
    if values.dtype.kind not in "biuU":
        raise ValueError(f"{name} must hold integers, strings or booleans of one kind, got {values.dtype} values")
    return values


def indicator(y: ArrayLike, name: str = "y") -> NDArray[np.bool_]:
    """An indicator matrix, one column a label, as booleans; of a sparse one as well."""
    values: NDArray[Any] = cast(Any, y).toarray() if hasattr(y, "toarray") else np.asarray(y)
    if values.ndim != 2 or not values.size or values.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be an indicator matrix of 0 and 1, shape (n_rows, n_labels); got {values.dtype} of shape "
            f"{values.shape}"
        )
    wrong = np.flatnonzero(((values != 0) & (values != 1)).any(axis=1))
    if wrong.size:
        raise ValueError(f"{name} must be an indicator matrix of 0 and 1, but row {wrong[0]} is {values[wrong[0]]}")
    return np.asarray(values == 1)


def one_a_row(values: ArrayLike, name: str, n_rows: int | None = None) -> NDArray[Any]:
    """An array of one value a row, with at least one row."""
    array = np.asarray(values) if not isinstance(values, list) else _untouched(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one value a row, shape (n_rows,); got shape {array.shape}")
    if n_rows is not None and len(array) != n_rows:
        raise ValueError(f"{name} must have one value a row: y has {n_rows} rows, {name} has {len(array)}")
    if not len(array):
        raise ValueError(f"{name} is empty: a scenario needs at least one row")
    return array


def _untouched(values: list[Any]) -> NDArray[Any]:
    """NumPy turns the list [1, "a"] into strings; this keeps such lists as they are, to be refused."""
    kinds = {type(value) for value in values}
    return np.asarray(values, dtype=object if len(kinds) > 1 and kinds & {str, bool} else None)
