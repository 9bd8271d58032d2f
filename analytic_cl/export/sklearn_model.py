"""A linear head as a plain scikit-learn model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from analytic_cl._locks import holding
from analytic_cl.export.forms import form_of
from analytic_cl.export.onnx_outputs import calibration_of, scored_classes
from analytic_cl.export.regression import as_ridge
from analytic_cl.export.subjects import Exported, Subject, fitted_head
from analytic_cl.heads import (
    AutoClassifier,
    Head,
    KeyValueBottleneckClassifier,
    NearestNeighborsClassifier,
    RLSRegressor,
)
from analytic_cl.heads.calibration import Calibration
from analytic_cl.solvers import DiscriminantScores, LinearScores
from analytic_cl.store import Store

_ADVICE = "export.to_onnx takes it"


def to_sklearn(head: Subject) -> Any:
    """A fitted scikit-learn model that scores raw rows as a linear head does, for tools that know scikit-learn alone.

    Ridge, nearest means and other heads with weights become `RidgeClassifier` or, where they have probabilities,
    `LogisticRegression`; behind a quantizer that makes unit rows, or where angles are compared, with a `Normalizer` in
    front. `LDAClassifier` with shrunk means, whose classes differ in width along the discriminants, becomes
    `LinearDiscriminantAnalysis` (its `transform`) and `QuadraticDiscriminantAnalysis` in the space that this leads to.
    `RLSRegressor` becomes `Ridge`.

    Parameters
    ----------
    head : Head, RLSRegressor, ContinualPipeline or Store
        Of a pipeline the head alone.

    Returns
    -------
    estimator or Pipeline
        With `predict`, `decision_function` and, where the head has it, `predict_proba`. Nothing in it is of this
        package. It can't learn more, nor forget: fitting it starts afresh.

    Raises
    ------
    TypeError
        Heads that are not linear; projections, which scikit-learn has no plain step for.
    ValueError
        LDA with shrunk means whose probabilities have a tail, as ``temperature="folds"`` finds.

    Notes
    -----
    The quantizer is left out: rows are not rounded to integers, nor clipped. Scores differ by what half a step of each
    column is worth, |score - head's| <= sum_j |coef_j| step_j / 2, and labels where margins are smaller than that; how
    many, on real rows, is in docs/export.md. On rows that are dequantised integers, both are equal to rounding.
    Where calibration has a tail, there are no probabilities. Classes without rows are left out.

    An erasure doesn't reach the model: make it again. A store's log doesn't know of it, because it is no file yet.

    Cost: that of a first prediction.

    Exactness: weights bit for bit those of the head; scores algebraic but for the quantizer.

    References
    ----------
    scikit-learn, linear_model and discriminant_analysis.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RLSClassifier, export
    >>> y = np.arange(60) % 3
    >>> X = np.random.default_rng(0).normal(size=(60, 4)) + 4 * np.eye(4)[y]
    >>> model = export.to_sklearn(RLSClassifier().fit(X, y))
    >>> model
    RidgeClassifier(alpha=0.0)
    >>> model.predict(4 * np.eye(4)[:3]).tolist()
    [0, 1, 2]
    """
    if isinstance(head, Store):
        with head.turns.mine():
            return to_sklearn(head.head)
    fitted = fitted_head(head)
    with holding(read=(fitted,)):
        return _model(fitted)


def _model(head: Exported) -> Any:
    if head.quantizer_.projection is not None:
        raise TypeError(f"the head stands behind {head.quantizer_.projection.describe()}, no plain step: {_ADVICE}")
    if isinstance(head, AutoClassifier | NearestNeighborsClassifier | KeyValueBottleneckClassifier):
        raise TypeError(f"{type(head).__name__} is not linear: {_ADVICE}")
    if isinstance(head, RLSRegressor):
        return _whole(head, [as_ridge(head)], head.quantizer_.rule.norm == "l2")
    form, solved = form_of(head)
    classes, calibration = scored_classes(head), calibration_of(head) if hasattr(head, "predict_proba") else None
    if isinstance(solved, LinearScores):
        steps = [_linear(solved, classes, calibration)]
    elif isinstance(solved, DiscriminantScores):
        steps = _discriminant(head, solved, classes, calibration or Calibration())
    else:
        raise TypeError(f"{type(head).__name__} is not linear with these parameters: {_ADVICE}")
    return _whole(head, steps, form.name == "cosine" or head.quantizer_.rule.norm == "l2")


def _whole(head: Exported, steps: list[Any], unit_rows: bool) -> Any:
    """One model of all steps, with rows made unit rows first where they are so."""
    if unit_rows:
        steps.insert(0, Normalizer())
    steps[0].n_features_in_ = head.n_features_in_
    if "feature_names_in_" in head.__dict__:
        steps[0].feature_names_in_ = head.feature_names_in_.copy()
    return steps[0] if len(steps) == 1 else Pipeline([(type(step).__name__.lower(), step) for step in steps])


def _linear(s: LinearScores, classes: NDArray[Any], calibration: Calibration | None) -> BaseEstimator:
    factor = 1.0
    if calibration is None or not math.isinf(calibration.tail) or len(classes) < 2:
        model = RidgeClassifier(alpha=0.0)
        model.classes_ = classes  # read from this by its predict
        model._label_binarizer = _binarizer(classes)
    else:
        model, factor = LogisticRegression(), calibration.factor
        model.classes_ = classes
    model.coef_, model.intercept_ = s.coef * factor, s.intercept * factor
    model.n_features_in_ = s.coef.shape[1]
    return model


def _discriminant(
    head: Head, s: DiscriminantScores, classes: NDArray[Any], calibration: Calibration
) -> list[BaseEstimator]:
    """As coordinates, and Gaussian classes in them that are as wide as their means are uncertain.

    A temperature divides all scores: variances are that much larger, and priors make up for the rest.
    """
    space, r = s.space, s.space.directions.shape[1]
    if not r:
        raise ValueError("a single class, or classes that nothing tells apart, have no discriminant space to export")
    if not math.isinf(calibration.tail):
        raise ValueError("no plain model has the tail of these probabilities: set_params(temperature=a number) first")
    lead = LinearDiscriminantAnalysis()
    lead.classes_, lead.scalings_, lead._max_components = classes, space.directions, r
    origin = head.quantizer_.offset + head.quantizer_.step * space.centre
    # its transform is (x - xbar_) @ scalings_: the shift goes into xbar_, by the least change of a row that does it
    lead.xbar_ = origin + np.linalg.lstsq(space.directions.T, space.shift, rcond=None)[0]
    lead.n_features_in_ = len(origin)
    widths = 1 + space.doubt
    last = QuadraticDiscriminantAnalysis()
    last.classes_, last.means_ = classes, space.contrasted
    last.scalings_ = [width / calibration.factor for width in widths]
    last.rotations_ = [np.eye(r)] * len(classes)
    wanted = calibration.factor * (s.bias + 0.5 * (s.linear * space.contrasted).sum(axis=1))
    logs = wanted + 0.5 * np.array([np.log(width).sum() for width in last.scalings_])
    last.priors_ = np.exp(logs - logs.max())
    last.priors_ /= last.priors_.sum()
    last.n_features_in_ = r
    return [lead, last]


def _binarizer(classes: NDArray[Any]) -> Any:
    from sklearn.preprocessing import LabelBinarizer

    return LabelBinarizer(pos_label=1, neg_label=-1).fit(classes)
