"""What several tests share: the table of all heads, and small data."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from analytic_cl import QuantizationWarning
from analytic_cl.heads import head_entries

HEADS, REGRESSORS = (
    [head for entry in head_entries().values() if entry.task == task for head in entry.examples]
    for task in ("classification", "regression")
)

# For generated rows that lose much at the quantizer, where that is beside the point.
ignore_quantization = pytest.mark.filterwarnings(
    f"ignore::{QuantizationWarning.__module__}.{QuantizationWarning.__name__}"
)

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def head_name(head: object) -> str:
    """A short id for parametrised tests."""
    return repr(head).replace("Classifier", "")


def blobs(n=60, d=5, n_classes=3, seed=0):
    """Rows around well separated class means, labels 0, 1, ... in turn."""
    random = np.random.RandomState(seed)
    y = np.arange(n) % n_classes
    return random.normal(size=(n, d)) + 3 * random.normal(size=(n_classes, d))[y], y


def pack(name):
    """Arrays of one of the shared packs of real features."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def needs(module, switch):
    """An optional library. Without it a test is skipped, or fails where the environment sets `switch`."""
    if find_spec(module.split(".")[0]) is None and switch not in os.environ:
        pytest.skip(f"{module} is not installed")
    return import_module(module)
