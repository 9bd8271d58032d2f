"""TEEN: nearest mean with means of new classes calibrated towards those of base classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from analytic_cl._blas import product
from analytic_cl.baselines.grouped import GroupedHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import LinearScores, needs
from analytic_cl.solvers.units import class_means, lengths
from analytic_cl.statistics import CLASS_GROUPS, CLASS_SUMS, ClassGroups

Floats = NDArray[np.float64]


class TEENClassifier(GroupedHead):
    """Nearest mean by angle, where few-shot classes borrow from the classes of the first session.

    For a large first session and later ones of a few rows a class: the mean of a new class is drawn towards the base
    classes that it is like. The downside: it knows a few-shot class by its session, not by its number of rows, so a
    later class with many rows is moved as well. `LDAClassifier` goes by numbers of rows.

    Parameters
    ----------
    calibration : float in [0, 1], default=0.5
        How far: 0 is nearest mean. Called alpha in the paper, with .1 for CIFAR-100 and .5 for the other data sets.
    sharpness : float >= 0, default=16.0
        Of the softmax over the base classes. Called tau in the paper.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    groups_ : list of lists
        Labels that came together; those of the first are base classes.
    coef_ : ndarray of shape (n_classes, n_features); one row for two classes
        Prototypes of unit length.
    state_ : ClassGroups
        The learned state, of order 1.

    Notes
    -----
    With unit means p_c: w_b = softmax over base classes b of sharpness p_n . p_b; new classes have
    (1 - calibration) p_n + calibration unit(sum_b w_b p_b); a row's class is that of the largest cosine.

    Cost: fit n d additions; a change, then predict: 4 n_classes n_base d once, 2 n_classes d a row; memory 8 d bytes a
    class, and the ledger.

    Exactness: depends on order. The state is bit for bit that of the same sessions without the forgotten rows (see
    `ClassGroups`); scores algebraic, within about 1e-12.

    References
    ----------
    Wang et al., Few-shot class-incremental learning via training-free prototype calibration, NeurIPS 2023. There:
    prototypes are overwritten when a class comes again, and calibrated once, so that nothing can be forgotten; here
    they are calibrated when predicting.

    Examples
    --------
    >>> from analytic_cl.baselines import TEENClassifier
    >>> head = TEENClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["cat", "dog"])
    >>> head = head.partial_fit([[1.0, 0.5]], ["lynx"])
    >>> head.groups_
    [['cat', 'dog'], ['lynx']]
    >>> head.predict([[1.0, 0.1], [1.0, 0.4]]).tolist()
    ['cat', 'lynx']
    """

    needs = frozenset({CLASS_SUMS, CLASS_GROUPS})
    order = 1

    def __init__(
        self,
        calibration: float = 0.5,
        sharpness: float = 16.0,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.calibration = calibration
        self.sharpness = sharpness
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("calibration", self.calibration, (), high=1)
        check_strength("sharpness", self.sharpness, ())

    def _solve(self, state: ClassGroups) -> LinearScores:
        return calibrated_prototypes(state, float(self.calibration), float(self.sharpness))

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> Floats:
        x = self.quantizer_.dequantise(rows)
        return np.asarray(product(x, scores.coef.T) / lengths(x))


@needs(CLASS_SUMS, CLASS_GROUPS)
def calibrated_prototypes(state: ClassGroups, calibration: float, sharpness: float) -> LinearScores:
    """Unit prototypes of all classes: ``x @ coef.T`` is |x| times the cosine to each."""
    base = np.isin(np.arange(len(state.labels)), [state.labels.index(label) for label in state.groups[0]])
    unit = _unit(class_means(state.moments_of(state.labels)))
    if not base.all():
        weights = softmax(sharpness * product(unit[~base], unit[base].T), axis=1)
        borrowed = _unit(product(weights, unit[base]))
        unit[~base] = _unit((1 - calibration) * unit[~base] + calibration * borrowed)
    origin, quantizer = np.zeros(state.quantizer.width, dtype=np.int64), state.quantizer
    return LinearScores(origin, unit, unit @ quantizer.offset, unit, np.zeros(len(unit))).of_second_class()


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / lengths(vectors))
