"""Heads over Dask: chunks are learned where they are, and their states are added up in a tree."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np

from analytic_cl._config import use_threads
from analytic_cl._containers import is_a
from analytic_cl.distributed.dask_graph import computed, learned, load_dask
from analytic_cl.distributed.dask_rows import pieces_of, whole_rows
from analytic_cl.distributed.states import Part, adopt_part, check_head, forget_part, merge_part, pack, template, unpack
from analytic_cl.heads import Head
from analytic_cl.learner import Receipt

H = TypeVar("H", bound=Head)
Method = Literal["predict", "predict_proba", "decision_function"]


def fit(head: H, X: Any, y: Any, sample_id: Any = None, *, progress: bool = False) -> H:
    """Learn from the chunks of Dask collections, forgetting everything learned before.

    Parameters
    ----------
    head : Head
        Fitted in place, once all rows are learned: an error leaves it as it was.
    X : dask array or DataFrame of shape (n_samples, n_features), or list of delayed
        Chunks of rows; columns are brought into one chunk. A NumPy array or a frame in memory is cut.
    y, sample_id : dask array, series or list of delayed; or array-like of shape (n_samples,)
        Labels and names of the same rows, cut as X is. Where X doesn't say how many rows its chunks have, as frames
        don't, its chunks are paired with those of y, and other lengths are refused while learning.
    progress : bool, default=False
        Show a bar. Tasks are called ``learn`` and ``combine`` in Dask's dashboard.

    Returns
    -------
    head

    Raises
    ------
    ImportError
        Dask is not installed: ``pip install 'analytic-cl[dask]'``.
    ValueError
        What `Head.fit` raises, with the chunk in front; ids that two chunks have, by name; X, y and ids that are not of
        the same rows, where this is known without computing; a head that `depends_on_order`.

    Notes
    -----
    Runs on the cluster of a `distributed.Client` where there is one, else on Dask's scheduler in force. A lost worker's
    part is learned again by others.

    Exactness: bit for bit equal to `Head.fit` on all rows, for any chunks, workers, and losses of workers.

    Cost: n d^2 operations, on one thread a task. A task learns consecutive chunks, a 64th of all rows, but at least
    16,384 and at most 65,536 or 256 MB, or one larger chunk, or one of a frame, and gives a state of 4 d^2 bytes. Four
    states are added up at a time; three wait at each of the log_4(n_tasks) levels, and a few a worker while they are
    sent. Heads and ledgers that keep rows send them, too.

    Examples
    --------
    >>> import dask.array as da
    >>> from analytic_cl import LDAClassifier, distributed
    >>> X = da.random.default_rng(0).normal(size=(600, 5), chunks=(70, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> head = distributed.fit(LDAClassifier(), X, y)
    >>> head.state_digest() == LDAClassifier().fit(X.compute(), y.compute()).state_digest()
    True
    """
    return adopt_part(head, _learned(head, X, y, sample_id, progress, afresh=True))


def partial_fit(head: H, X: Any, y: Any, sample_id: Any = None, *, progress: bool = False) -> H:
    """Learn more rows from the chunks of Dask collections.

    Parameters, result, errors, cost and exactness as in `fit`. Ids that were learned already are refused.

    Examples
    --------
    >>> import dask.array as da
    >>> from analytic_cl import LDAClassifier, distributed
    >>> X = da.random.default_rng(0).normal(size=(600, 5), chunks=(70, 5))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> head = LDAClassifier().fit(X[:100], y[:100])
    >>> distributed.partial_fit(head, X[100:], y[100:]).state_digest() == distributed.fit(head, X, y).state_digest()
    True
    """
    return merge_part(head, _learned(head, X, y, sample_id, progress, afresh=False))


def forget(head: Head, X: Any, y: Any, sample_id: Any = None, *, progress: bool = False) -> Receipt:
    """Unlearn rows in the chunks of Dask collections, as `Head.unmerge` does what other workers learned of them.

    Parameters
    ----------
    head : Head
        Changed once all rows were read: an error leaves it as it was. Where ids are enough to find rows, as in a ledger
        that keeps rows, ``head.forget(sample_id=...)`` needs none of this.
    X, y, sample_id : as in `fit`
        The rows as they were learned: with their ids, if they had any.

    Returns
    -------
    Receipt

    Raises
    ------
    ValueError, NotLearnedError
        As `fit` and `Head.unmerge` do: for a row that was never learned, or under another id. Nothing is changed.

    Notes
    -----
    Exactness: bit for bit the state of a head that never saw the rows.

    Cost: that of learning the rows, with `fit`'s.

    Examples
    --------
    >>> import dask.array as da
    >>> from analytic_cl import LDAClassifier, distributed
    >>> X = da.random.default_rng(0).normal(size=(600, 5), chunks=(70, 5))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> head = distributed.fit(LDAClassifier(), X, y)
    >>> distributed.forget(head, X[:140], y[:140]).removed
    140
    >>> head.state_digest() == distributed.fit(LDAClassifier(), X[140:], y[140:]).state_digest()
    True
    """
    check_head(head)
    head.check_learned_something()
    return forget_part(head, _learned(head, X, y, sample_id, progress, afresh=False))


def _learned(head: Head, X: Any, y: Any, sample_id: Any, progress: bool, *, afresh: bool) -> Part:
    load_dask()
    start = template(head, afresh=afresh)
    return computed(learned(start, pieces_of(X, y, sample_id)), progress)


def predict(head: Head, X: Any, method: Method = "predict") -> Any:
    """Classes of rows, or probabilities or scores, chunk by chunk.

    Parameters
    ----------
    head : Head
        As it is now: what it learns later has no part in the result.
    X : dask array or DataFrame of shape (n_samples, n_features); or array-like
    method : {"predict", "predict_proba", "decision_function"}
        Which method of the head answers.

    Returns
    -------
    dask array with the chunks of X, not yet computed; or ndarray, where X is in memory

    Raises
    ------
    NotFittedError, ValueError
        The head has learned nothing, or has no such method; while computing, what the method raises.

    Notes
    -----
    Exactness: algebraic, as a row alone and in a batch: classes are those of `Head.predict` where scores differ by more
    than 1e-12 of the largest.

    Cost: the head is sent to each worker, and solved there, once; its ledger comes along. Then as for `Head.predict`.

    Examples
    --------
    >>> import dask.array as da
    >>> from analytic_cl import LDAClassifier, distributed
    >>> X = da.random.default_rng(0).normal(size=(600, 5), chunks=(70, 5))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> head = distributed.fit(LDAClassifier(), X, y)
    >>> distributed.predict(head, X)
    dask.array<predicted, shape=(600,), dtype=int64, chunksize=(70,), chunktype=numpy.ndarray>
    >>> bool((distributed.predict(head, X).compute() == head.predict(X)).all())
    True
    """
    if method not in ("predict", "predict_proba", "decision_function"):
        raise ValueError(f'method must be "predict", "predict_proba" or "decision_function", got {method!r}')
    check_head(head)
    none = head.empty_answer()  # raises where nothing was learned
    if not hasattr(head, method):
        raise ValueError(f"{type(head).__name__} has no {method}")
    is_array = is_a(X, "dask.array", "Array")
    if not is_array and not is_a(X, "dask.dataframe", "DataFrame"):
        return getattr(head, method)(X)
    if method == "predict":
        columns, dtype = none.shape[1] if none.ndim > 1 else 0, none.dtype
    else:
        n_classes = len(head.classes_)
        columns, dtype = 0 if method == "decision_function" and n_classes == 2 else n_classes, np.dtype(np.float64)
    meta = np.empty((0, columns) if columns else 0, dtype)
    # Unpacked by a task, so that a worker has it as one object, whose weights all of its tasks share.
    on_worker = load_dask().delayed(unpack, pure=True)(pack(head))
    answer = partial(predicted, method=method, meta=meta)
    if not is_array:
        return X.map_partitions(answer, on_worker, meta=meta)
    X = whole_rows(X)
    chunks = (X.chunks[0], (columns,)) if columns else (X.chunks[0],)
    return X.map_blocks(answer, on_worker, dtype=dtype, chunks=chunks, drop_axis=None if columns else 1, meta=meta)


def predicted(rows: Any, head: Head, *, method: str, meta: Any) -> Any:
    if not len(rows):
        return meta
    with use_threads(1):
        return getattr(head, method)(rows)
