"""How far a model drifts from retraining, request after request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.comparison.features import as_features
from analytic_cl.displays.axes import axes_for
from analytic_cl.metrics import disagreement
from analytic_cl.studies.drift import drift
from analytic_cl.studies.tables import Table

_FLOOR = 1e-17  # where zeros are drawn


class DriftDisplay:
    """Distance to retraining by the number of requests to forget, a line for each method.

    Parameters
    ----------
    requests : array-like of shape (n_checkpoints,)
    distances : mapping of str to array-like of shape (n_checkpoints,)
        By method; 0 is "the same".
    what : str, default="weights: relative distance"
        What the distances are.

    Attributes
    ----------
    requests, distances, what
        As given.
    ax_, figure_, lines_ : matplotlib's axes, figure and lines
        After `plot`.

    Notes
    -----
    Zeros are drawn at the lower edge, and said in the legend.

    Cost: a picture; `from_estimator` that of `analytic_cl.studies.drift`.

    Exactness: as the study or the predictions have it.

    References
    ----------
    See `analytic_cl.studies.drift`.

    Examples
    --------
    >>> from analytic_cl.displays import DriftDisplay
    >>> display = DriftDisplay.from_predictions([1, 10], ["a", "b"], {"ours": [["a", "b"], ["a", "b"]]}, plot=False)
    >>> display.distances["ours"].tolist()
    [0.0, 0.0]
    """

    def __init__(
        self, requests: ArrayLike, distances: Mapping[str, ArrayLike], what: str = "weights: relative distance"
    ) -> None:
        self.requests: NDArray[np.float64] = np.asarray(requests, dtype=np.float64)
        self.distances = {name: np.asarray(found, dtype=np.float64) for name, found in distances.items()}
        self.what = what
        for name, found in self.distances.items():
            if found.shape != self.requests.shape:
                raise ValueError(f"{name} has distances of shape {found.shape}, requests {self.requests.shape}")

    @classmethod
    def from_table(cls, table: Table, *, ax: Any = None, plot: bool = True) -> Self:
        """From what `analytic_cl.studies.drift` returns."""
        at = {name: table.columns.index(name) for name in ("requests", "method", "weights")}
        requests = list(dict.fromkeys(row[at["requests"]] for row in table.rows))
        methods = dict.fromkeys(row[at["method"]] for row in table.rows)
        found = {name: [row[at["weights"]] for row in table.rows if row[at["method"]] == name] for name in methods}
        display = cls(requests, found)
        return display.plot(ax) if plot else display

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_requests: int = 100,
        seed: int = 0,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """Forget rows one at a time from ridge with the `alpha` of `estimator`, an `RLSClassifier` with a number.

        Integers are compared with recursions that subtract in floating point, as in `analytic_cl.studies.drift`.
        """
        alpha = getattr(estimator, "alpha", None)
        if isinstance(alpha, str) or alpha is None:
            raise TypeError(f"drift is measured of an RLSClassifier with a number as alpha, got {estimator!r}")
        X, y = np.asarray(X), np.asarray(y)
        table = drift(as_features((X, y, X, y)), n_requests=n_requests, alpha=float(alpha), seed=seed)
        return cls.from_table(table, ax=ax, plot=plot)

    @classmethod
    def from_predictions(
        cls,
        requests: ArrayLike,
        retrained: ArrayLike,
        predictions: Mapping[str, Sequence[ArrayLike]],
        *,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """From predictions of the same rows: by methods after each checkpoint, and by a retrained model.

        `retrained` has the predictions of one model, shape (n,), or one line a checkpoint.
        """
        wanted = np.asarray(retrained)
        line_of: Callable[[int], Any] = lambda i: wanted if wanted.ndim == 1 else wanted[i]  # noqa: E731
        found = {
            name: [disagreement(np.asarray(labels), line_of(i)) for i, labels in enumerate(lines)]
            for name, lines in predictions.items()
        }
        display = cls(requests, found, "share of rows classified otherwise than by retraining")
        return display.plot(ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw a line for each method, both axes logarithmic."""
        self.figure_, self.ax_ = axes_for(ax, "DriftDisplay")
        self.lines_ = []
        for name, found in self.distances.items():
            label = name + ("" if found.any() else " (0)")
            self.lines_ += self.ax_.plot(self.requests, np.maximum(found, _FLOOR), marker="o", label=label)
        self.ax_.set(xscale="log", yscale="log", xlabel="rows forgotten, one at a time", ylabel=self.what)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend()
        return self
