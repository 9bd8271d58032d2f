"""What a value in a file or an option stands for: an id, a label, a name.

Files that tell numbers from text (.npy, .npz, .parquet, JSON lines) are believed. In text (a line, a cell of a .csv
file, an option) an id is text, unless --integer-ids says otherwise; a label is what the store's labels are, and in a
store without labels an integer if all of them are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analytic_cl._text import plain_text
from analytic_cl.cli.output import tell
from analytic_cl.reading import Column, column_name, integers_if_all, is_integer, read_column

if TYPE_CHECKING:
    from analytic_cl.store import Store


def read_ids(name: str, integers: bool, n_rows: int | None = None, header: bool | None = None) -> list[Any]:
    """Ids from a file, all different; as many as there are rows."""
    from analytic_cl.ledger import as_ids

    column = read_column(name, header)
    values = column.values if column.typed else text_ids([str(value) for value in column.values], integers, name)
    if n_rows is None and column.name:  # no number of rows would tell that the first id was taken as a header
        tell([f"{name}: the ids are those of the column {column.name!r}, below the header"])
    try:
        return as_ids(values, n_rows)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def text_ids(values: list[str], integers: bool, source: str) -> list[int] | list[str]:
    """Ids written as text."""
    values = list(map(plain_text, values))
    for place, value in enumerate(values, start=1):
        if not value:
            raise ValueError(f"{source}: value {place} is empty; it should be an id")
        if integers and not is_integer(value):
            raise ValueError(f"{source}: value {place} is {value!r}, not an integer; leave out --integer-ids")
    return [int(value) for value in values] if integers else values


def read_labels(name: str, n_rows: int, kind: str, header: bool | None = None) -> Any:
    """Labels, or numbers as targets, from a file, one a row; `kind` is what `kind_of_labels` gives, or "" where nothing
    is known.
    """
    column = read_column(name, header)
    if len(column.values) != n_rows:
        raise ValueError(f"there are {n_rows} rows but {len(column.values)} labels in {name}")
    if kind == "number":
        return [_number(value, f"{name}: value {place}") for place, value in enumerate(column.values, start=1)]
    return column.values if column.typed else _text_labels(column, kind, name)


def _number(value: Any, place: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{place} is {value!r}, not a number; the store's model predicts numbers") from None


def _text_labels(column: Column, kind: str, name: str) -> list[Any]:
    values = [str(value) for value in column.values]
    empty = next((place for place, value in enumerate(values, start=1) if not value), None)
    if empty is not None:
        raise ValueError(f"{name}: value {empty} is empty; it should be a label")
    return [text_label(value, kind) for value in values] if kind else list(integers_if_all(values))


def text_label(text: str, kind: str) -> Any:
    """A label written as text."""
    text = plain_text(text)
    if kind == "number":
        raise ValueError("the store's model predicts numbers, and its rows have no label: name them another way")
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"the store's labels are true and false; {text!r} is neither")
        return text.lower() == "true"
    if kind == "integer" and not is_integer(text):
        raise ValueError(f"the store's labels are integers; {text!r} is not one")
    return int(text) if kind == "integer" or (not kind and is_integer(text)) else text


def kind_of_labels(store: Store) -> str:
    """One of "integer", "string" and "boolean"; "number" for a regressor; "" where a store has no labels yet."""
    from analytic_cl.statistics.labels import label_kind

    if store.head.task == "regression":
        return "number"
    return label_kind(store.head.classes_.tolist()[0]) if store.n_rows else ""


def read_names(name: str, n_rows: int, header: bool | None = None) -> list[str | None]:
    """A person or another name for each row; an empty line means none."""
    column = read_column(name, header)
    values = [_name(value, f"{name}: value {place}") for place, value in enumerate(column.values, start=1)]
    if len(values) != n_rows:
        raise ValueError(f"there are {n_rows} rows but {len(values)} names in {name}")
    return values


def names_of_columns(*files: str | None) -> list[str]:
    """The columns that labels, ids and names of people are read from, where they have names."""
    return [member for name in filter(None, files) if (member := column_name(name))]


def _name(value: Any, place: str) -> str | None:
    """Text, or an integer as text. Not a float: 12.0 was a person's number before a missing value made it a float."""
    import numpy as np

    if isinstance(value, bool | np.bool_) or not isinstance(value, str | int | np.integer):
        raise ValueError(f"{place} is {value!r}; names are text or integers, and integers with gaps become floats")
    return plain_text(str(value)) or None
