"""Heads within pipelines that skl2onnx converts."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic_cl.export.graph import OPSET
from analytic_cl.export.onnx_file import onnx_model
from analytic_cl.export.onnx_outputs import label_dtype
from analytic_cl.heads.registry import head_classes


def register_skl2onnx() -> None:
    """Tell skl2onnx how to convert heads, so that ``skl2onnx.to_onnx`` takes pipelines that end in one.

    A head becomes the graph of `to_onnx`: outputs `label` and, where it has them, `probabilities`. Registering again
    changes nothing. The name is that of the operator set 18; the opset of the whole must be that, or higher.

    Raises
    ------
    ImportError
        Without skl2onnx.

    Notes
    -----
    What stands in front of the head is converted by skl2onnx, which computes in float32 where rows are float32:
    integers may differ from those of the pipeline in Python.

    Cost: none until a pipeline is converted.

    Exactness: that of `to_onnx`, behind what is in front.

    References
    ----------
    skl2onnx, "How to add a new converter".
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError("register_skl2onnx needs skl2onnx: pip install skl2onnx") from error
    for name, kind in head_classes().items():
        alias = f"AnalyticCL{name}"
        update_registered_converter(kind, alias, _shapes, _convert, overwrite=True, parser=_parser(alias))


def _types(head: Any) -> list[Any]:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    label = StringTensorType([None]) if label_dtype(head.classes_) is np.str_ else Int64TensorType([None])
    return [label, FloatTensorType([None, len(head.classes_)])][: 2 if hasattr(head, "predict_proba") else 1]


def _parser(alias: str) -> Any:
    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        operator = scope.declare_local_operator(alias, model)
        operator.inputs.append(inputs[0])
        for name, kind in zip(("label", "probabilities"), _types(model), strict=False):
            operator.outputs.append(scope.declare_local_variable(name, kind))
        return operator.outputs

    return parse


def _shapes(operator: Any) -> None:
    for output, kind in zip(operator.outputs, _types(operator.raw_operator), strict=True):
        output.type = kind


def _convert(scope: Any, operator: Any, container: Any) -> None:
    graph = onnx_model(operator.raw_operator, scope.get_unique_variable_name("analytic_cl") + "_").graph
    ends = {"X": operator.inputs[0].full_name}
    ends |= {part.name: output.full_name for part, output in zip(graph.output, operator.outputs, strict=True)}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [ends.get(name, name) for name in names]
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    container.node_domain_version_pair_sets.add(("", OPSET))
