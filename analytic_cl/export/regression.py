"""Regressors for other people's stacks: a graph of their predictions, and a plain `Ridge`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from analytic_cl.export.graph import Graph
from analytic_cl.export.onnx_quantizer import integers
from analytic_cl.export.scores import dequantised
from analytic_cl.heads import RLSRegressor


def predictions(g: Graph, x: str, head: RLSRegressor) -> Any:
    """Predictions for raw rows, as the output `prediction` of a graph: float64, shape (n,) or (n, n_outputs)."""
    coef, rows = np.atleast_2d(head.coef_), head.rows_quantizer_
    found = g.matmul(dequantised(g, integers(g, x, rows), rows), g.constant(coef.T))
    found = g.add(found, g.constant(np.atleast_1d(head.intercept_)))
    if head.coef_.ndim == 1:
        found = g.op("Reshape", found, g.integers(-1))
    g.rename(found, "prediction")
    return g.value("prediction", np.float64, ["n", len(coef)][: head.coef_.ndim])


def as_ridge(head: RLSRegressor) -> Ridge:
    """A fitted `Ridge` with the weights of a regressor."""
    model = Ridge(alpha=head.alpha_, fit_intercept=bool(head.fit_intercept))
    model.coef_, model.intercept_ = head.coef_, head.intercept_
    return model
