"""Heads as models of MLflow: the head's own safetensors file, and who reads it. No pickle."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analytic_cl.export.subjects import Subject, served

FILE = "head.safetensors"


def to_mlflow(head: Subject, path: Any) -> None:
    """Save a head as a model that ``mlflow.pyfunc.load_model`` reads, and MLflow's tools serve.

    Parameters
    ----------
    head : Head, ContinualPipeline or Store
        Of a pipeline the head alone. A store's log notes that there is a copy.
    path : path-like
        A directory that is not there yet.

    Raises
    ------
    ImportError
        Without MLflow: ``pip install mlflow-skinny pandas`` is enough.
    TypeError
        For what is no head.

    Notes
    -----
    The directory holds the file of `Head.save`, with ledger and key: personal data, from which a process with the key
    can still forget. Where a model is for serving alone, `to_onnx` leaves ledger and key out; MLflow has a flavour for
    such files. An erasure doesn't reach the directory.

    Cost: writing the head.

    Exactness: bit for bit: the loaded head has the state that was saved.

    References
    ----------
    MLflow, mlflow.pyfunc, "loader_module".
    """
    try:
        from mlflow import pyfunc
        from mlflow.models import Model, ModelSignature
        from mlflow.types import ParamSchema, ParamSpec
    except ImportError as error:
        raise ImportError("to_mlflow needs MLflow: pip install mlflow-skinny pandas") from error
    target = Path(path)
    with served(head, "mlflow", target) as (fitted, note), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        fitted.save(file)
        note()
        pyfunc.save_model(
            str(target),
            loader_module=__name__,
            data_path=str(file),
            # As a signature by itself it would make MLflow ask for a row as an example: there is none to give away.
            mlflow_model=Model(signature=ModelSignature(params=ParamSchema([ParamSpec("output", "string", "labels")]))),
            pip_requirements=[f"analytic-cl=={version('analytic-cl')}"],
        )


class HeadModel:
    """What MLflow calls: `predict` with rows as an array or a data frame.

    ``params={"output": "probabilities"}`` asks for `predict_proba` in place of labels, "scores" for
    `decision_function`.
    """

    def __init__(self, head: Any) -> None:
        self.head = head

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        wanted = (params or {}).get("output", "labels")
        calls = {"labels": "predict", "probabilities": "predict_proba", "scores": "decision_function"}
        if wanted not in calls:
            raise ValueError(f"output must be one of {', '.join(calls)}, got {wanted!r}")
        return getattr(self.head, calls[wanted])(model_input)


def _load_pyfunc(path: str) -> HeadModel:
    """What MLflow looks for in a loader module."""
    from analytic_cl.heads import load

    return HeadModel(load(path))
