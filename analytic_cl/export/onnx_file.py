"""A head as an ONNX file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from analytic_cl._config import package_versions
from analytic_cl._files import write_file
from analytic_cl._locks import holding
from analytic_cl.export.forms import scores_of
from analytic_cl.export.graph import Graph
from analytic_cl.export.onnx_memories import key_counts, neighbors
from analytic_cl.export.onnx_outputs import label_dtype, labels, probabilities, scored_classes
from analytic_cl.export.onnx_quantizer import integers, lifted
from analytic_cl.export.regression import predictions
from analytic_cl.export.subjects import Exported, Subject, served
from analytic_cl.heads import Head, KeyValueBottleneckClassifier, NearestNeighborsClassifier, RLSRegressor

FORMAT_VERSION = 1

STALE = (
    "made from a learned state that may since have forgotten rows: an erasure does not reach this file. After one, "
    "export again and destroy this file and its copies."
)


def to_onnx(head: Subject, path: Any) -> None:
    """Write a fitted head as one ONNX file, which other runtimes serve without this package, and without Python.

    The graph takes raw features: the quantizer and a projection are in it. Input: `X`, float32 of shape (n,
    n_features). Outputs: `label`, shape (n,), int64 or text (booleans are 0 and 1); and `probabilities`, float32 of
    shape (n, n_classes) in the order of `classes_`, where the head has `predict_proba`. A regressor has one output,
    `prediction`, float64 of the shape that `predict` gives.

    Parameters
    ----------
    head : Head, RLSRegressor, ContinualPipeline or Store
        Of a pipeline, its head alone: the extractor has to be exported by its own library. A store's log notes that
        there is a copy; `Store.copies` says which are stale.
    path : path-like
        The file appears under its name only when it is complete; readable by its owner only.

    Raises
    ------
    ImportError
        Without onnx: ``pip install 'analytic-cl[onnx]'``.
    TypeError
        For what is no head, or whose scores are of a form that is not known; heads of other packages may be linear.
    ValueError
        More than 2 GB, which no such file can hold; labels beyond 64 bits.

    Notes
    -----
    An erasure doesn't reach the file: afterwards it is stale, and has to be made again. It holds what predictions
    need: weights, made of all rows; of nearest neighbours the learned rows themselves. It is personal data as the head
    is. No digest of the state is in it, because a plain one would let others test guesses; the log of a store has a
    keyed one.

    What the head refuses, a graph can't: rows that hold NaN or infinity get some label. It takes float32 only: of
    wider numbers the nearest.

    Cost: that of a first prediction, and writing; of neighbours n_rows d bytes and, to serve, 8 n_rows bytes a row.

    Exactness: the integers of a row are those of the quantizer, bit for bit with ONNX Runtime on a CPU; scores are
    algebraic, in float64. Labels are the same wherever the margin is above `margin_bound`. The file is a pure function
    of the state, bit for bit on one machine and number of threads.

    References
    ----------
    ONNX, Open neural network exchange, operator set 18.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, export
    >>> X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    >>> path = os.path.join(tempfile.mkdtemp(), "head.onnx")
    >>> export.to_onnx(LDAClassifier().fit(X, y), path)  # doctest: +SKIP
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    with served(head, "onnx", target) as (fitted, note):
        content = onnx_model(fitted).SerializeToString(deterministic=True)
        note()
        write_file(target, content)


def onnx_model(head: Exported, prefix: str = "") -> Any:
    """The graph of a fitted head, an ``onnx.ModelProto``; see `to_onnx`. Names within it begin with `prefix`."""
    with holding(read=(head,)):
        return _model(head, Graph(prefix))


def _model(head: Exported, g: Graph) -> Any:
    outputs = [predictions(g, "X", head)] if isinstance(head, RLSRegressor) else _classified(g, head)
    inputs = [g.value("X", np.float32, ["n", head.n_features_in_])]
    about = {
        "analytic_cl.format": str(FORMAT_VERSION),
        "analytic_cl.head": type(head).__name__,
        "analytic_cl.quantizer": json.dumps(head.quantizer_.spec()),
        "analytic_cl.versions": json.dumps(package_versions()),
        "analytic_cl.stale": STALE,
    }
    if "feature_names_in_" in head.__dict__:
        about["analytic_cl.feature_names"] = json.dumps([str(name) for name in head.feature_names_in_])
    return g.model(inputs, outputs, about, f"{type(head).__name__} of analytic-cl; {STALE}")


def _classified(g: Graph, head: Head) -> list[Any]:
    """The outputs of a classifier."""
    quantizer, classes = head.quantizer_, scored_classes(head)
    q = integers(g, "X", quantizer)
    if isinstance(head, NearestNeighborsClassifier):
        scores = neighbors(g, q, head)
    elif isinstance(head, KeyValueBottleneckClassifier):
        scores = key_counts(g, q, head)
    else:
        scores = scores_of(head)(g, q, lambda rows, behind: lifted(g, rows, behind))
    g.rename(labels(g, scores, classes), "label")
    outputs = [g.value("label", label_dtype(classes), ["n"])]
    if hasattr(head, "predict_proba"):
        g.rename(probabilities(g, scores, head, classes), "probabilities")
        outputs.append(g.value("probabilities", np.float32, ["n", len(head.classes_)]))
    return outputs
