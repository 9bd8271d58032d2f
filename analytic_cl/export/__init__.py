"""Heads for other people's stacks: as ONNX files, and as plain scikit-learn models."""

from analytic_cl.export.forms import margin_bound as margin_bound
from analytic_cl.export.mlflow_model import HeadModel as HeadModel
from analytic_cl.export.mlflow_model import to_mlflow as to_mlflow
from analytic_cl.export.onnx_file import onnx_model as onnx_model
from analytic_cl.export.onnx_file import to_onnx as to_onnx
from analytic_cl.export.skl2onnx_converter import register_skl2onnx as register_skl2onnx
from analytic_cl.export.sklearn_model import to_sklearn as to_sklearn
