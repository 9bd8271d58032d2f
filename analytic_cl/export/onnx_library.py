"""The optional package onnx."""

from __future__ import annotations

from typing import Any


def load_onnx(needed_for: str) -> Any:
    """The module, or an ImportError that says what to install."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError(f"{needed_for} needs onnx: pip install 'analytic-cl[onnx]'") from error
    return onnx
