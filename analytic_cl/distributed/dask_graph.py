"""The graph that learns pieces of the rows and adds up the states, and what runs it."""

from __future__ import annotations

import uuid
from typing import Any, cast

from analytic_cl._config import use_threads
from analytic_cl._parallel import row_blocks
from analytic_cl.distributed.dask_rows import Piece
from analytic_cl.distributed.states import Part, Rows, Template, combine, learn_part

FAN_IN = 4  # states that a task adds up, and so has in memory beside their sum


def load_dask() -> Any:
    """The package, or an ImportError that says what to install."""
    try:
        import dask
    except ImportError:
        raise ImportError("this needs Dask: pip install 'analytic-cl[dask]'") from None
    return dask


def learned(start: Template, groups: list[list[Piece]]) -> Any:
    """A delayed `Part` of all pieces. All tasks are pure functions: what is lost with a worker is made again."""
    delayed = load_dask().delayed
    run = uuid.uuid4().hex  # two runs never share tasks, whatever they learn
    template = delayed(start, name=f"template-{run}", traverse=False)
    learn, add = delayed(_learn, pure=False), delayed(_combine, pure=False)
    level = []
    for number, group in enumerate(groups):
        places, _, *columns = map(list, zip(*group, strict=True))
        level.append(learn(template, places, *columns, dask_key_name=f"learn-{number:06d}-{run}"))
    height = 0
    while len(level) > 1:
        height += 1
        blocks = [level[block] for block in row_blocks(len(level), FAN_IN)]
        level = [
            add(block, dask_key_name=f"combine-{height}-{number:06d}-{run}") for number, block in enumerate(blocks)
        ]
    return level[0]


def _learn(start: Template, places: list[str], X: list[Any], y: list[Any], ids: list[Any]) -> Part:
    with use_threads(1):  # Dask runs as many tasks at a time as it has threads
        return learn_part(start, map(Rows, places, X, y, ids))


def _combine(parts: list[Part]) -> Part:
    return combine(parts)


def computed(node: Any, progress: bool) -> Part:
    """The value of a delayed one, by the scheduler in force: a client's cluster, or threads of this process."""
    return cast(Part, _computed_with_bar(node) if progress else node.compute())


def _computed_with_bar(node: Any) -> Any:
    client = getattr(load_dask().base.get_scheduler(collections=[node]), "__self__", None)
    if client is None:
        from dask.diagnostics import ProgressBar

        with ProgressBar():
            return node.compute()
    from distributed import progress

    future = client.compute(node)
    progress(future)
    return future.result()
