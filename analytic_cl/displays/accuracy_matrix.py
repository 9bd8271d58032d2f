"""Accuracy on the classes of every session, after every session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from analytic_cl.displays.axes import axes_for
from analytic_cl.metrics import last_accuracy

Batch = tuple[ArrayLike, ArrayLike]


class AccuracyMatrixDisplay:
    """R[i, j]: accuracy after session i on the test rows of session j. Downwards: what was learned; across: what is
    tested.

    Parameters
    ----------
    matrix : array-like of shape (n_sessions, n_sessions)
        Accuracies; NaN where nothing was measured.

    Attributes
    ----------
    matrix : ndarray
    ax_, figure_, im_ : matplotlib's axes, figure and image
        After `plot`.

    Notes
    -----
    Cost: a picture.

    Exactness: shows numbers as they are, to two digits.

    References
    ----------
    Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017. No difference.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import NearestMeanClassifier
    >>> from analytic_cl.displays import AccuracyMatrixDisplay
    >>> y = np.arange(40) % 4
    >>> X = np.random.default_rng(0).normal(size=(40, 6)) + 9 * np.eye(6)[y]
    >>> sessions = [(X[y < 2], y[y < 2]), (X[y > 1], y[y > 1])]
    >>> display = AccuracyMatrixDisplay.from_estimator(NearestMeanClassifier(), sessions, plot=False)
    >>> display.matrix
    array([[ 1., nan],
           [ 1.,  1.]])
    """

    def __init__(self, matrix: ArrayLike) -> None:
        self.matrix: NDArray[np.float64] = np.array(matrix, dtype=np.float64)
        if self.matrix.ndim != 2 or self.matrix.shape[0] != self.matrix.shape[1] or not self.matrix.size:
            raise ValueError(f"matrix must have shape (n_sessions, n_sessions), got {self.matrix.shape}")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        sessions: Sequence[Batch],
        tests: Sequence[Batch] | None = None,
        *,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """Learn sessions one after the other, with an unfitted clone, and test after each.

        Parameters
        ----------
        estimator : classifier with `partial_fit`
            It stays as it is.
        sessions : sequence of (X, y)
        tests : sequence of (X, y), optional
            Test rows of each session; by default the session's own rows, which flatters.
        ax : matplotlib axes, optional
        plot : bool, default=True
        """
        tests = sessions if tests is None else tests
        if len(tests) != len(sessions) or not len(sessions):
            raise ValueError(f"there must be test rows for each session: {len(sessions)} sessions, {len(tests)} tests")
        model: Any = clone(estimator)
        classes = np.unique(np.concatenate([np.asarray(y) for _, y in sessions]))
        predictions = []
        for i, (X, y) in enumerate(sessions):
            model.partial_fit(X, y, classes=classes if i == 0 else None)
            predictions.append([model.predict(X_test) for X_test, _ in tests[: i + 1]])
        return cls.from_predictions([y for _, y in tests], predictions, ax=ax, plot=plot)

    @classmethod
    def from_predictions(
        cls,
        y_true: Sequence[ArrayLike],
        y_pred: Sequence[Sequence[ArrayLike]],
        *,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """From labels of the test rows of each session, and predictions of them after each session.

        ``y_pred[i][j]`` are those after session i of the rows of session j; there may be fewer of them than sessions.
        """
        matrix = np.full((len(y_true), len(y_true)), np.nan)
        if len(y_pred) != len(y_true):
            raise ValueError(f"{len(y_true)} sessions have labels, and {len(y_pred)} predictions")
        for i, line in enumerate(y_pred):
            for j, labels in enumerate(line):
                matrix[i, j] = np.mean(np.asarray(labels) == np.asarray(y_true[j]))
        display = cls(matrix)
        return display.plot(ax) if plot else display

    def plot(self, ax: Any = None, *, cmap: str = "viridis", include_values: bool | None = None) -> Self:
        """Draw the matrix; numbers are in it up to 12 sessions, unless `include_values` says otherwise."""
        self.figure_, self.ax_ = axes_for(ax, "AccuracyMatrixDisplay")
        n = len(self.matrix)
        self.im_ = self.ax_.imshow(self.matrix, cmap=cmap, vmin=0, vmax=1)
        if n <= 12 if include_values is None else include_values:
            for (i, j), value in np.ndenumerate(self.matrix):
                if np.isfinite(value):
                    colour = "black" if value > 0.6 else "white"
                    self.ax_.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
        ticks = range(n) if n <= 12 else range(0, n, -(-n // 12))
        self.ax_.set(
            xticks=ticks,
            yticks=ticks,
            xticklabels=[str(t + 1) for t in ticks],
            yticklabels=[str(t + 1) for t in ticks],
            xlabel="classes of session",
            ylabel="after session",
        )
        if np.isfinite(self.matrix[np.tril_indices(n)]).all():
            self.ax_.set_title(f"accuracy; {last_accuracy(self.matrix):.3f} at the end")
        self.figure_.colorbar(self.im_, ax=self.ax_)
        return self
