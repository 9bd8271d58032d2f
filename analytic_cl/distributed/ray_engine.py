"""Heads over Ray: blocks of a data set are learned where they are, and their states are added up in a tree of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

from analytic_cl._config import use_threads
from analytic_cl._parallel import row_blocks
from analytic_cl.distributed.arrow_batches import check_order, check_present, names_of, predicted, rows_of
from analytic_cl.distributed.refusals import refusals_found, refusals_marked
from analytic_cl.distributed.states import Part, Rows, Template, adopt_part, combine, learn_part, merge_part, pack
from analytic_cl.distributed.states import template as template_of
from analytic_cl.heads import Head

H = TypeVar("H", bound=Head)

FAN_IN = 8  # blocks of states that a task adds up, one state after the other
BATCH_ROWS = 2**15  # that are learned into one state: at 4,096 features, eight times as many bytes as the state has


class Columns(NamedTuple):
    """Names of the columns that are learned."""

    features: list[str]
    label: str
    sample_id: str | None


def fit_ray(head: H, dataset: Any, *, features: str | list[str], label: str, sample_id: str | None = None) -> H:
    """Learn from the blocks of a Ray data set, forgetting everything learned before.

    Parameters
    ----------
    head : Head
        Fitted in place, once all rows are learned: an error leaves it as it was.
    dataset : ray.data.Dataset
        Lazy or not: its blocks are learned as they come, and are not kept. What is in memory or in objects of Ray
        becomes one by ``ray.data.from_numpy``, ``from_pandas_refs`` and their like.
    features : str or list of str
        One column of arrays of numbers, or of tensors; or columns of numbers, whose names and order the head remembers.
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
        Ray is not installed: ``pip install 'analytic-cl[ray]'``.
    TypeError, ValueError
        No such columns, or of another type; what `Head.fit` raises for rows, nulls included, with the block in front;
        ids that two blocks have; a head that `depends_on_order`.

    Notes
    -----
    The package must be installed where Ray's workers run. A task uses as many threads as it has CPUs, which is 1. A
    task whose worker dies is run again by Ray.

    Exactness: bit for bit equal to `Head.fit` on all rows, for any blocks and order.

    Cost: n d^2 operations in all. A task learns 32,768 rows into a state of 4 d^2 bytes and a ledger, smaller blocks
    together; the states of eight blocks are added up by a task, as they come. The driver gets one state.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, distributed
    >>> rows = [{"x": np.array([0.0, 1.0]), "y": "a"}, {"x": np.array([1.0, 0.0]), "y": "b"}]
    >>> dataset = ray.data.from_items(rows)  # doctest: +SKIP
    >>> distributed.fit_ray(LDAClassifier(), dataset, features="x", label="y").predict([[0, 1]])  # doctest: +SKIP
    array(['a'], dtype='<U1')
    """
    columns = Columns(names_of(features), label, sample_id)
    return adopt_part(head, _learned(head, dataset, columns, afresh=True))


def partial_fit_ray(head: H, dataset: Any, *, features: str | list[str], label: str, sample_id: str | None = None) -> H:
    """Learn more rows from the blocks of a Ray data set.

    Parameters, result, errors, cost and exactness as in `fit_ray`. Ids that were learned already are refused.
    """
    columns = Columns(names_of(features), label, sample_id)
    check_order(head, columns.features)
    return merge_part(head, _learned(head, dataset, columns, afresh=False))


def predict_ray(head: Head, dataset: Any, *, features: str | list[str], output: str = "prediction") -> Any:
    """The data set with a column of classes.

    Parameters
    ----------
    head : Head
        As it is now: what it learns later has no part in the result.
    dataset : ray.data.Dataset
    features : str or list of str
        As in `fit_ray`.
    output : str, default="prediction"
        Name of the new column.

    Returns
    -------
    ray.data.Dataset
        Not yet computed. Errors of rows come from Ray when it is.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        The head has learned nothing, or from other columns; `dataset` is none.

    Notes
    -----
    Exactness: algebraic, as a row alone and in a batch: classes are those of `Head.predict` where scores differ by more
    than 1e-12 of the largest.

    Cost: the head, its ledger included, is put into Ray's store once, and each worker process solves it once. Then as
    for `predict`.
    """
    ray = _ray(dataset)
    names = names_of(features)
    check_order(head, names)
    head.empty_answer()  # raises where nothing was learned
    answer = partial(_answer, ray.put(pack(head)), names, output)
    return dataset.map_batches(answer, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)


# ---- the driver


def _ray(dataset: Any) -> Any:
    """Ray; raises where `dataset` is none of its data sets."""
    try:
        import ray
        from ray.data import Dataset
    except ImportError:
        raise ImportError("this needs Ray: pip install 'analytic-cl[ray]'") from None
    if not isinstance(dataset, Dataset):
        raise TypeError(f"this needs a data set of ray.data, got {type(dataset).__name__}")
    return ray


def _learned(head: Head, dataset: Any, columns: Columns, *, afresh: bool) -> Part:
    ray = _ray(dataset)
    start = template_of(head, afresh=afresh)
    states = dataset.map_batches(
        partial(_learn, start, columns), batch_format="pyarrow", batch_size=BATCH_ROWS, zero_copy_batch=True
    )
    with refusals_found():
        blocks = (block for bundle in states.iter_internal_ref_bundles() for block in bundle.block_refs)
        last = [ray.get(block) for block in _tree(blocks, ray.remote(_combine))]
        return next(_parts(last), Part(b"", 0))


def _tree(blocks: Iterable[Any], add: Any) -> list[Any]:
    """The one block of all; tasks add up blocks while others are still being learned. None, where there are none."""
    waiting: list[list[Any]] = []  # at each height
    for block in blocks:
        height, node = 0, add.remote(block)
        while True:
            if height == len(waiting):
                waiting.append([])
            waiting[height].append(node)
            if len(waiting[height]) < FAN_IN:
                break
            node, waiting[height] = add.remote(*waiting[height]), []
            height += 1
    rest = [node for nodes in waiting for node in nodes]
    while len(rest) > 1:
        rest = [add.remote(*rest[some]) for some in row_blocks(len(rest), FAN_IN)]
    return rest


# ---- its tasks


def _learn(start: Template, columns: Columns, table: Any) -> Any:
    with use_threads(_cpus()), refusals_marked():
        return _as_table(learn_part(start, [_rows(columns, table)]))


def _rows(columns: Columns, table: Any) -> Rows:
    names = [*columns.features, *columns[1:]]
    check_present("data set", table.column_names, [name for name in names if name is not None])
    ids = None if columns.sample_id is None else table.column(columns.sample_id)
    place = "a block" if ids is None or not len(ids) else f"the block whose first {columns.sample_id} is {ids[0]}"
    return rows_of(place, table.select(columns.features), table.column(columns.label), ids)


def _combine(*tables: Any) -> Any:
    if not any(table.num_rows for table in tables):  # of empty blocks Ray learns nothing
        return tables[0]
    with refusals_marked():
        return _as_table(combine(_parts(tables)))


def _cpus() -> int:
    import ray

    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))


def _as_table(part: Part) -> Any:
    import pyarrow as pa

    types = [pa.large_binary(), pa.int64(), pa.list_(pa.string())]
    columns = [pa.array([value], kind) for value, kind in zip(part, types, strict=True)]
    return pa.table(columns, names=list(Part._fields))


def _parts(tables: Iterable[Any]) -> Iterator[Part]:
    for table in tables:
        for number in range(table.num_rows):
            data, n_rows, losses = (column[number].as_py() for column in table.columns)
            yield Part(data, n_rows, tuple(losses))


def _answer(model: Any, names: list[str], output: str, table: Any) -> Any:
    import pyarrow as pa
    import ray

    check_present("data set", table.column_names, names)
    if output in table.column_names:
        raise ValueError(f"the data set has a column {output!r} already: give another name as output")
    with use_threads(_cpus()):
        classes = predicted(ray.get(model), table.select(names))
    return table.append_column(output, pa.array(classes))
