"""From a learned state to classes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.leading_digits import places_of
from analytic_cl.heads.novelty import with_rejections
from analytic_cl.heads.prediction import Prediction
from analytic_cl.heads.scoring import LabelScore


class Classification(LabelScore, Prediction):
    """The half of a classifier that only reads the state."""

    @property
    @reading
    def classes_(self) -> NDArray[Any]:
        """Sorted labels that have rows, or that `partial_fit` declared."""
        self._check_fitted()
        return self._all_classes()

    @reading
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            The largest names the class; for two classes, a positive score names the second. Declared classes without
            rows have -1e30, which is below any other score.

        Notes
        -----
        Exactness: algebraic. A row alone and the same row in a batch agree to 1e-12 of the largest score; of nearest
        means, ridge (``solver="cholesky"``) and LDA (shrunk means, up to 360 classes) bit for bit, on int8 rows where
        the native kernels have AVX512-VNNI: see `LinearMap`.
        """
        return self._decisions_of_all(self._scored(X, self._score_rows))

    @reading
    def predict(self, X: ArrayLike, reject: float | None = None) -> NDArray[Any]:
        """Class of each row, shape (n_samples,).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        reject : float, optional
            Rows whose `score_samples` is below this are rejected: their label is -1, or "" where labels are strings.
            A threshold with a guarantee comes from `conformal_threshold`.
        """
        prepared = self._prepared()
        places = self._by_rows(X, lambda rows: self._places(rows, prepared))
        labels = np.asarray(self._named_classes()[places])
        if reject is None:
            return labels
        if not hasattr(self, "score_samples"):
            raise ValueError(f"{type(self).__name__} has no score_samples, so that it can reject no row")
        return with_rejections(labels, self.score_samples(X) < reject, self.classes_)

    def empty_answer(self) -> NDArray[Any]:
        return self.classes_[:0]

    def labels_of(self, scores: NDArray[np.float64]) -> NDArray[Any]:
        """Classes that scores as of `scores_of` name."""
        return np.asarray(self._named_classes()[places_of(scores)])  # never one that is declared alone

    def _named_classes(self) -> NDArray[Any]:
        """`_scored_classes`, made once as long as they are the same."""
        key, found = (self.state_.revision, self._scored_labels()), self._solved.get("classes")
        if found is None or found[0] != key:
            found = self._solved["classes"] = key, self._scored_classes()
        return cast("NDArray[Any]", found[1])

    def _places(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.intp]:
        """Columns of the largest scores of integer rows."""
        return places_of(self._in_shape(self._compare_rows(rows, prepared)))

    def _scored(self, X: ArrayLike, score: Any) -> NDArray[np.float64]:
        prepared = self._prepared()
        return self._in_shape(self._by_rows(X, lambda rows: score(rows, prepared)))

    @reading
    def scores_of(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of rows that are integers already, as `labels_of` and `probabilities_of` take them."""
        prepared = self._prepared()
        return self._in_shape(self._in_blocks(len(rows), lambda part: self._compare_rows(rows[part], prepared)))

    def _n_columns(self) -> int:
        return len(self._scored_labels())

    def _in_shape(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores as `decision_function` shapes them: one number a row for two classes."""
        return scores if scores.shape[1] > 1 or len(self._scored_labels()) != 2 else scores.ravel()

    def _compare_rows(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.float64]:
        """Scores of integer rows, one column a class, or one for two: what classes come from."""
        raise NotImplementedError(f"{type(self).__name__} must define _compare_rows")

    def _score_rows(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.float64]:
        """Scores as `decision_function` shows them."""
        return self._compare_rows(rows, prepared)
