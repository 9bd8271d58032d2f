"""One batch is learned in a thread of its own while the next one is fetched and made ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import GeneratorType
from typing import Any, NamedTuple

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._progress import progress_bar


class Ready(NamedTuple):
    """A batch that was read: how many rows it has, and what learns them; None where they are learned already."""

    n_rows: int
    learn: Callable[[], object] | None


def learn_ahead(
    batches: Iterable[Any],
    ready: Callable[[Any, Any, Any], Ready],
    *,
    at_once: bool = False,
    progress: bool = False,
    n_rows: int | None = None,
) -> None:
    """Learn batches in order: whatever fails, those before are learned, whole, and none after.

    The iterator and `ready` run in the calling thread, where Ctrl-C stops them, and what `ready` gives in another. At
    most one batch is being learned; it has ended when this function does. `ready` must keep nothing of its arguments,
    which the iterator may overwrite when it goes on. With `at_once`, nothing is done in another thread.

    An error, KeyboardInterrupt included, goes on as it is, with a note of its place in the stream.
    """
    iterator, learned, going = _iterator(batches), list[int](), list[Future[None]]()
    pool = ThreadPoolExecutor(1, "analytic-cl-learn")

    def learn(batch: Ready) -> None:
        if batch.learn is not None:
            batch.learn()
        learned.append(batch.n_rows)  # in the other thread, where no Ctrl-C comes in between

    try:
        with progress_bar("learning", n_rows, progress, rate="rows") as done:
            for batch in iterator:
                next_one = ready(*_parts(batch))
                del batch  # it is needed no more, and may be large
                if going:
                    going.pop().result()
                    done(learned[-1])
                if at_once or next_one.learn is None:
                    learn(next_one)
                    done(next_one.n_rows)
                else:
                    going.append(pool.submit(copy_context().run, learn, next_one))
            if going:
                going.pop().result()
                done(learned[-1])
    except BaseException as error:
        try:
            with deferred_interrupts():  # a Ctrl-C after the first one waits for the batch, too
                pool.shutdown()
                earlier = going[0].exception() if going else None
                cause = earlier if earlier is not None and isinstance(error, Exception) else error
                cause.add_note(
                    f"This was in batch {len(learned) + 1} of the stream; learned before it: {sum(learned):,} rows in "
                    f"{len(learned)} batches, and nothing else"
                )
        finally:
            if isinstance(iterator, GeneratorType):
                iterator.close()
        if cause is not error:
            raise cause from None
        raise
    finally:
        pool.shutdown()


def _iterator(batches: Any) -> Iterator[Any]:
    if isinstance(batches, str | bytes | dict) or not hasattr(batches, "__iter__"):
        raise TypeError(f"a stream is an iterable of batches (X, y) or (X, y, sample_id), got {type(batches).__name__}")
    return iter(batches)


def _parts(batch: Any) -> tuple[Any, Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise TypeError(f"a batch of a stream is (X, y) or (X, y, sample_id), got a {type(batch).__name__}{size}")
    X, y, *ids = batch
    return X, y, ids[0] if ids else None


def has_no_rows(X: Any, y: Any) -> bool:
    """Whether a batch has neither rows nor labels."""
    return _is_empty(X) and _is_empty(y)


def _is_empty(values: Any) -> bool:
    shape = getattr(values, "shape", None)
    n = shape[0] if shape else len(values) if isinstance(values, list | tuple) else None
    return isinstance(n, int) and n == 0
