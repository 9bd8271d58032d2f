"""Heads whose scores are linear in the row, with weights that are solved when they are needed."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.heads.leading_digits import FEW_ROWS, Rough, decided_places, rough_scores_fit
from analytic_cl.heads.solved import SolvedHead
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import Moments

Floats = NDArray[np.float64]


class LinearHead(SolvedHead):
    """Base of heads with weights.

    A subclass defines, besides what `Head` asks for,

    * ``needs``: ``the_solver.needs``;
    * ``_solve(moments) -> LinearScores``: a pure function of the state and the head's parameters. A head whose scores
      are linear only with some parameters returns another object with `strength`, and defines `_compare_rows` and
      `_score_rows` for it.

    A subclass that defines `_compare_rows` is quick with many rows if it defines `_roughly` too.
    """

    @property
    def moments_(self) -> Moments:
        """The learned state."""
        return cast(Moments, self.state_)

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Weights for dequantised rows, shape (n_classes, width), of classes with rows; one row for two classes.

        A copy.
        """
        return cast(Floats, self._prepared().coef.copy())

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Offsets that go with `coef_`, shape (n_classes,); one for two classes. A copy."""
        return cast(Floats, self._prepared().intercept.copy())

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows as `decision_function` shows them: those of `coef_` and `intercept_`."""
        compared, quantizer = self._compare_rows(rows, scores), self.quantizer_
        shared = scores.coef[0] - scores.weights[0]
        if len(self.moments_.labels) == 2 or not shared.any():
            return compared
        level = (
            scores.intercept[0] - scores.bias[0] + (quantizer.offset + quantizer.step * scores.centre) @ scores.coef[0]
        )
        return np.asarray(compared + (self._deviations(rows, scores.centre) @ shared + level)[:, None])

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        """Scores of integer rows but for what all classes share: what differences and classes come from."""
        return self._mapped(rows, scores)

    def _roughly(self, rows: NDArray[Any], scores: Any) -> Rough | None:
        """What decides most of many rows about as `_compare_rows` would, in less time; None where nothing does."""
        found = self._map(scores).leading(rows)
        if found is None:
            return None
        return Rough(self._in_shape(found.products), found.sizes * found.by_size.max() + found.always.max())

    def _places(self, rows: NDArray[Any], prepared: Any) -> NDArray[np.intp]:
        many = rows.shape[0] > FEW_ROWS and rough_scores_fit(cast(Any, type(self)))
        rough = self._roughly(rows, prepared) if many else None
        if rough is None:
            return super()._places(rows, prepared)
        places, rest = decided_places(rough)
        if rest.size:
            places[rest] = super()._places(rows[rest], prepared)
        return places
