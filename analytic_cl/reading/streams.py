"""Files as a stream of batches, as heads take it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from analytic_cl.reading.columns import read_column
from analytic_cl.reading.features import open_features
from analytic_cl.reading.text import integers_if_all


def stream_batches(
    features: str,
    labels: str,
    ids: str | None = None,
    *,
    batch_rows: int | None = None,
    start: int = 0,
    header: bool | None = None,
) -> Generator[tuple[Any, ...], None, None]:
    """Rows of files in batches, the next of which is read while one is used.

    Parameters
    ----------
    features : str
        A file of features, a folder of them or a pattern: .npy, .safetensors, .parquet, .feather, .arrow; .npz and .csv
        files, too, which are read as a whole. A member or column is named after a colon, as ``rows.parquet:embedding``.
    labels, ids : str
        One value a row, from such files or a text file of one a line. They are read first, as a whole. Text is text,
        but labels of a text or .csv file are integers where all are.
    batch_rows : int, optional
        Rows of a batch; about 64 MB of features by default.
    start : int, default=0
        Rows that are left out at the beginning.
    header : bool, optional
        Whether .csv files begin with names of columns. They do, and a first line of numbers is refused.

    Yields
    ------
    (X, y) or (X, y, sample_id)
        Of shapes (n, n_features) and (n,), for `partial_fit_stream`.

    Raises
    ------
    ValueError
        Saying what is wrong with which file; before the first batch, where there are not as many labels or ids as rows.

    Notes
    -----
    Cost: one pass over the files. Memory: labels and ids, and three batches. Of a Parquet file also a few
    megabytes a column, of Arrow files the largest record batch.

    Exactness: bit for bit the values in the files.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.reading import stream_batches
    >>> folder = tempfile.mkdtemp()
    >>> X, y = np.random.default_rng(0).normal(size=(90, 4)), np.arange(90) % 3
    >>> for part in range(3):
    ...     np.save(f"{folder}/X-{part}.npy", X[30 * part : 30 * part + 30])
    >>> np.save(f"{folder}/y.npy", y)
    >>> batches = stream_batches(f"{folder}/X-*.npy", f"{folder}/y.npy", batch_rows=40)
    >>> LDAClassifier().partial_fit_stream(batches).state_digest() == LDAClassifier().fit(X, y).state_digest()
    True
    """
    found = open_features(features, header=header, beside=(labels, ids))
    columns: list[Any] = []
    for name in (labels, *([] if ids is None else [ids])):
        column = read_column(name, header)
        if len(column.values) != len(found):
            raise ValueError(f"there are {len(found)} rows but {len(column.values)} values in {name}")
        columns.append(column.values)
    if isinstance(columns[0], list):
        columns[0] = integers_if_all(columns[0])
    with closing(found.batches(batch_rows, start)) as batches:
        for X in batches:
            part = slice(start, start + len(X))
            yield (X, *(values[part] for values in columns))
            start = part.stop
