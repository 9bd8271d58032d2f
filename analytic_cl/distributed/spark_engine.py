"""Heads over Spark: partitions are learned where they are, and their states are added up in a tree of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

from analytic_cl._config import use_threads
from analytic_cl.distributed.arrow_batches import check_order, check_present, names_of, predicted, rows_of
from analytic_cl.distributed.refusals import refusals_found, refusals_marked
from analytic_cl.distributed.states import Part, Rows, Template, adopt_part, combine, learn_part, merge_part, pack
from analytic_cl.distributed.states import template as template_of
from analytic_cl.heads import Head

H = TypeVar("H", bound=Head)

FAN_IN = 16  # states that a task adds up, one after the other; a stage of Spark takes longer than adding up a few more
PIECE_BYTES = 2**26  # of a state in one row: Java's arrays, Arrow's batches and Spark's rows end at 2 GiB

_SCHEMA = "part int, place int, pieces int, n_rows bigint, losses array<string>, data binary"
_COLUMN_TYPES = {"b": "boolean", "i": "bigint", "f": "double", "U": "string"}


class Piece(NamedTuple):
    """Some of the bytes of a `Part`: a row of `_SCHEMA`."""

    part: int
    place: int
    pieces: int
    n_rows: int
    losses: tuple[str, ...]
    data: bytes


def fit_spark(head: H, frame: Any, *, features: str | list[str], label: str, sample_id: str | None = None) -> H:
    """Learn from the partitions of a Spark data frame, forgetting everything learned before.

    Parameters
    ----------
    head : Head
        Fitted in place, once all rows are learned: an error leaves it as it was.
    frame : pyspark.sql.DataFrame
        Of a classic session; Spark Connect has no RDDs and is refused.
    features : str or list of str
        One column of arrays of numbers, or of ML vectors; or columns of numbers, whose names and order the head
        remembers.
    label : str
        A column of integers, strings or booleans.
    sample_id : str, optional
        A column of integers or strings that names each row, by which the head can forget it.

    Returns
    -------
    head

    Raises
    ------
    ImportError
        pyspark is not installed: ``pip install 'analytic-cl[spark]'``. It needs Java 17 or later.
    TypeError, ValueError
        No such columns, or of another type; what `Head.fit` raises for rows, nulls included, with the partition in
        front; ids that two partitions have; a head that `depends_on_order`.

    Notes
    -----
    The package must be installed where the executors run Python. A task uses ``spark.task.cpus`` threads. A task that
    fails is run again, a lost executor's states are learned again; rows that can't be learned fail as often as
    ``spark.task.maxFailures`` says.

    Exactness: bit for bit equal to `Head.fit` on all rows, for any partitions and order.

    Cost: n d^2 operations in all. Each partition sends a state of 4 d^2 bytes, and its ledger; a task adds up
    sixteen. So partitions should have many more rows than features: ``frame.coalesce(n)``. The driver gets one state,
    for which ``spark.driver.maxResultSize`` must leave room.

    Examples
    --------
    >>> from analytic_cl import LDAClassifier, distributed
    >>> frame = spark.createDataFrame([([0.0, 1.0], "a"), ([1.0, 0.0], "b")], ["x", "y"])  # doctest: +SKIP
    >>> distributed.fit_spark(LDAClassifier(), frame, features="x", label="y").predict([[0, 1]])  # doctest: +SKIP
    array(['a'], dtype='<U1')
    """
    learned = _learned(head, frame, names_of(features), label, sample_id, afresh=True)
    return adopt_part(head, learned)


def partial_fit_spark(head: H, frame: Any, *, features: str | list[str], label: str, sample_id: str | None = None) -> H:
    """Learn more rows from the partitions of a Spark data frame.

    Parameters, result, errors, cost and exactness as in `fit_spark`. Ids that were learned already are refused.
    """
    names = names_of(features)
    check_order(head, names)
    learned = _learned(head, frame, names, label, sample_id, afresh=False)
    return merge_part(head, learned)


def predict_spark(head: Head, frame: Any, *, features: str | list[str], output: str = "prediction") -> Any:
    """The frame with a column of classes.

    Parameters
    ----------
    head : Head
        As it is now: what it learns later has no part in the result.
    frame : pyspark.sql.DataFrame
    features : str or list of str
        As in `fit_spark`.
    output : str, default="prediction"
        Name of the new column.

    Returns
    -------
    pyspark.sql.DataFrame
        Not yet computed. Errors of rows come from Spark when it is, and name the partition.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        The head has learned nothing, or from other columns; no such columns, or of another type; `output` is there.

    Notes
    -----
    Exactness: algebraic, as a row alone and in a batch: classes are those of `Head.predict` where scores differ by more
    than 1e-12 of the largest.

    Cost: Spark broadcasts the head, its ledger included, and each Python process solves it once. Then as for `predict`.
    """
    functions = _spark(frame)
    names = names_of(features)
    none = head.empty_answer()  # raises where nothing was learned
    if none.ndim > 1:
        raise ValueError("a column of Spark holds one prediction a row: this head has several outputs")
    check_order(head, names)
    if output in frame.columns:
        raise ValueError(f"the frame has a column {output!r} already: give another name as output")
    kind = none.dtype.kind
    if kind == "O" and isinstance(head.classes_[0], str):
        kind = "U"
    if kind not in _COLUMN_TYPES:
        raise ValueError("labels beyond 64 bits have no column type in Spark: predict on the driver")
    columns = _feature_columns(frame, names)
    answer = functions.pandas_udf(_answering(pack(head), names), _COLUMN_TYPES[kind])
    return frame.withColumn(output, answer(functions.struct(*_numbered(columns))))


# ---- the driver


def _spark(frame: Any) -> Any:
    """Spark's functions over columns; raises where `frame` is none of its frames, or one of Spark Connect."""
    try:
        from pyspark.sql import DataFrame, functions
    except ImportError:
        raise ImportError("this needs Spark: pip install 'analytic-cl[spark]'") from None
    if type(frame).__module__.startswith("pyspark.sql.connect"):
        raise TypeError("this frame is of Spark Connect, which has no RDDs: use a classic session")
    if not isinstance(frame, DataFrame):
        raise TypeError(f"this needs a DataFrame of Spark, got {type(frame).__name__}")
    return functions


def _learned(head: Head, frame: Any, names: list[str], label: str, sample_id: str | None, *, afresh: bool) -> Part:
    _spark(frame)
    start = template_of(head, afresh=afresh)
    others = [label] if sample_id is None else [label, sample_id]
    check_present("frame", frame.columns, others)
    columns = [*_feature_columns(frame, names), *(frame[_quoted(name)] for name in others)]
    rows = frame.select(*_numbered(columns))
    pieces = rows.mapInArrow(partial(_learn, start, names), _SCHEMA).rdd.map(lambda row: Piece(*row))
    n_parts = pieces.getNumPartitions()
    while n_parts > 1:
        n_parts = math.ceil(n_parts / FAN_IN)
        groups = pieces.map(lambda piece: (piece.part // FAN_IN, piece)).partitionBy(n_parts, int)
        pieces = groups.mapPartitionsWithIndex(_combine)
    with refusals_found():
        return next(parts_of(pieces.collect()), Part(b"", 0))


def _quoted(name: str) -> str:
    """A name in which dots and the like mean nothing."""
    return "`" + name.replace("`", "``") + "`"


def _numbered(columns: list[Any]) -> list[Any]:
    """Columns with names that Spark takes anywhere: a dot in a name, or a name twice, would be an error."""
    return [column.alias(f"c{place}") for place, column in enumerate(columns)]


def _feature_columns(frame: Any, names: list[str]) -> list[Any]:
    """The columns of features, vectors as arrays."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql.types import ArrayType, BooleanType, NumericType

    check_present("frame", frame.columns, names)
    columns = []
    for name in names:
        kind, column = frame.schema[name].dataType, frame[_quoted(name)]
        if kind.typeName() == "vectorudt" and len(names) == 1:
            columns.append(vector_to_array(column))
            continue
        number = kind.elementType if isinstance(kind, ArrayType) and len(names) == 1 else kind
        if not isinstance(number, NumericType | BooleanType):
            raise TypeError(
                f"column {name!r} is of type {kind.simpleString()}: features must be one column of arrays of numbers "
                "or of vectors, or columns of numbers"
            )
        columns.append(column)
    return columns


# ---- its tasks


def _learn(start: Template, names: list[str], batches: Iterable[Any]) -> Iterator[Any]:
    from pyspark import TaskContext

    context: Any = TaskContext.get()
    number = context.partitionId()
    with use_threads(context.cpus()), refusals_marked():
        part = learn_part(start, _rows(number, names, batches))
    for piece in pieces_of(number, part):
        yield _as_batch(piece)


def _rows(number: int, names: list[str], batches: Iterable[Any]) -> Iterator[Rows]:
    import pyarrow as pa

    for place, batch in _placed(number, batches, lambda batch: batch.num_rows):
        *features, label = batch.columns[: len(names) + 1]
        ids = batch.columns[len(names) + 1 :]
        yield rows_of(place, pa.RecordBatch.from_arrays(features, names=names), label, ids[0] if ids else None)


def _placed(number: int, batches: Iterable[Any], rows: Callable[[Any], int]) -> Iterator[tuple[str, Any]]:
    """Batches, each with what errors call it."""
    first = 0
    for batch in batches:
        yield f"partition {number}" + (f", counting from its row {first}" if first else ""), batch
        first += rows(batch)


def _combine(number: int, grouped: Iterable[tuple[int, Piece]]) -> Iterator[Piece]:
    with refusals_marked():
        part = combine(parts_of(piece for _, piece in grouped))
    yield from pieces_of(number, part)


def pieces_of(number: int, part: Part) -> Iterator[Piece]:
    """A part cut into rows."""
    pieces = max(1, math.ceil(len(part.head) / PIECE_BYTES))
    for place in range(pieces):
        data = part.head[place * PIECE_BYTES : (place + 1) * PIECE_BYTES]
        yield Piece(number, place, pieces, part.n_rows, part.losses, data)


def parts_of(pieces: Iterable[Piece]) -> Iterator[Part]:
    """Parts, as soon as their pieces are there, which come in any order."""
    waiting: dict[int, dict[int, bytes]] = {}
    for piece in pieces:
        there = waiting.setdefault(piece.part, {})
        there[piece.place] = piece.data
        if len(there) == piece.pieces:
            del waiting[piece.part]
            yield Part(b"".join(there[place] for place in range(piece.pieces)), piece.n_rows, tuple(piece.losses))


def _as_batch(piece: Piece) -> Any:
    import pyarrow as pa

    types = [pa.int32(), pa.int32(), pa.int32(), pa.int64(), pa.list_(pa.string()), pa.binary()]
    columns = [pa.array([value], kind) for value, kind in zip(piece, types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=list(Piece._fields))


def _answering(model: bytes, names: list[str]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """A pandas UDF from batches of features, each a frame, to series of classes."""
    import pandas as pd

    def answer(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        from pyspark import TaskContext

        context: Any = TaskContext.get()
        for place, batch in _placed(context.partitionId(), batches, len):
            rows = pa.table([pa.array(batch[column]) for column in batch], names=names)
            try:
                with use_threads(context.cpus()):
                    classes = predicted(model, rows)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            yield pd.Series(classes)

    # Spark tells kinds of UDF by annotations, which must be classes.
    answer.__annotations__ = {"batches": Iterator[pd.DataFrame], "return": Iterator[pd.Series]}
    return answer
