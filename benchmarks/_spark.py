"""Spark beside other engines: see distributed_engines.py."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from analytic_cl import LDAClassifier, distributed


def session(workers, failures=1, **settings):
    """A local session whose tasks may fail `failures` - 1 times."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.log.level": "OFF",
        **settings,
    }
    builder = SparkSession.builder.master(f"local[{workers},{failures}]").appName("analytic-cl")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def frame_of(spark, rows, mark=None):
    """Rows that are made in the partitions, one a chunk. With `mark`, a file, the middle one fails the first time."""

    def make(batches):
        import pyarrow as pa

        for batch in batches:
            for number in batch.column(0).to_pylist():
                if mark is not None and number == len(rows.sizes) // 2 and not mark.exists():
                    mark.touch()
                    raise OSError("a failure that was asked for")
                X, y = rows.X(number), rows.y(number)
                for first in range(0, len(X), 10_000):
                    part = slice(first, first + 10_000)
                    values = pa.array(X[part].ravel())
                    offsets = np.arange(0, len(values) + 1, rows.n_features, dtype=np.int32)
                    yield pa.RecordBatch.from_arrays(
                        [pa.ListArray.from_arrays(offsets, values), pa.array(y[part])], names=["x", "y"]
                    )

    numbers = spark.range(0, len(rows.sizes), 1, numPartitions=len(rows.sizes))
    return numbers.mapInArrow(make, "x array<float>, y bigint")


def with_spark(rows, workers, failing=None):
    """Seconds of a fit, seconds until Spark and its Python processes were ready, the digest, and a note."""
    begun = time.perf_counter()
    spark = session(workers, failures=4 if failing else 1)
    try:
        few = rows._replace(sizes=(300,) * 2 * workers)
        distributed.fit_spark(LDAClassifier(), frame_of(spark, few), features="x", label="y")  # imports, kernels
        start = time.perf_counter()
        frame = frame_of(spark, rows, None if failing is None else Path(failing) / "failed")
        head = distributed.fit_spark(LDAClassifier(), frame, features="x", label="y")
        seconds = time.perf_counter() - start
    finally:
        spark.stop()
    return seconds, start - begun, head.state_digest(), f"{len(rows.sizes)} partitions"
