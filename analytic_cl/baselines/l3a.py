"""L3A: ridge for labels that overlap, with labels made up where a session is silent, and rows weighed by rarity."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import numpy as np
from scipy.special import logit

from analytic_cl._locks import reading
from analytic_cl.baselines.session_replay import Sessions, last_of_sessions
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.learner import keeps_all_rows
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import CLASS_GROUPS, ClassGroups, Label, LabelSetGroups, State


class L3AClassifier(LabelSetHead, LinearHead):
    """Ridge on 0 and 1 for each label; later sessions are given the labels that the head so far is sure of.

    For sessions whose rows show the labels of their own session alone. Rows with rare labels count more. The downside:
    weights depend on the sessions, all rows are kept, and a change replays all sessions. `LDAClassifier` does neither,
    and names labels better on our data.

    Parameters
    ----------
    alpha : float > 0, default=1.0
        Penalty, in units of the dequantised rows. Called gamma in the paper, with 1 behind a ViT and 1000 behind a
        convolutional network.
    weighting : float in [0, 1], default=0.5
        A label of n rows weighs n^-weighting, a row the mean of its labels; 0 is one each. The paper has .5.
    pseudo_threshold : float in (0, 1], default=0.7
        A row gets an older label where the logistic function of its score, by the head before the session, is above
        this; 1 for never. The paper has .7, a score of .847, where rows with the label have a target of 1.
    threshold : float in (0, 1), default=0.525
        As much names a label: `decision_function` is the score less its logit. The paper's code has .525.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front, as the paper has; implies the embedding quantizer.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)`` or as columns of a matrix.
    groups_ : list of lists
        Labels that came together, by session.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows. Intercepts are minus the logit of `threshold`.
    state_ : LabelSetGroups, or ClassGroups of order 1 where rows have one label each
        The learned state, of the labels that were given. The ledger keeps all rows.

    Notes
    -----
    A row belongs to the last session that one of its labels came with. With K labels that have n_k rows so far, their
    own labels alone, r_k = K n_k^-weighting / sum_j n_j^-weighting, and w the mean of r_k over a row's own labels in
    steps of 1/256: session by session A += sum w h h^T, C += sum w h y^T, y with the labels that were made up, and
    W = (A + alpha I)^-1 C. Rows without any label have no w (there: a division by zero) and no part in W.

    Cost: fit as `LabelSetMoments`; a change, then predict: about 4 times as much for all rows, and d^3 / 3 +
    2 n_classes d^2 and 2 n_classes d a row for each session; 2 n_classes d a row. Memory: the rows, two states. Behind
    32 bits at most some 8 million rows.

    Exactness: depends on order. The state is bit for bit that of the same sessions without the forgotten rows (see
    `LabelSetGroups`), and so are the labels that are made up anew: nothing of a forgotten row stays in those of others.
    Weights are a pure function of state and kept rows, bit for bit on one machine and number of threads; scores
    algebraic, within 1e-8 relative of the paper's equations with the rounded w.

    References
    ----------
    Zhang et al., L3A: label-augmented analytic adaptation for multi-label class incremental learning, ICML 2025. There
    sums are float32 and rows are gone, so that no row can be forgotten: labels it led to stay in others' sums.

    Examples
    --------
    >>> from analytic_cl.baselines import L3AClassifier
    >>> X = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    >>> head = L3AClassifier(0.01).partial_fit(X[:2], [{"red"}, {"round"}])
    >>> head = head.partial_fit(X[2:], [{"ripe"}, {"ripe"}])  # the first of these is red as well
    >>> head.groups_
    [['red', 'round'], ['ripe']]
    >>> head.predict([[1.0, 0.0, 1.0]]).tolist()
    [[1, 1, 0]]
    """

    depends_on_order = True
    needs = needs_of_label_sets = frozenset({CLASS_GROUPS})
    track = "rows"  # no parameter: sessions are replayed from the ledger

    def __init__(
        self,
        alpha: float = 1.0,
        weighting: float = 0.5,
        pseudo_threshold: float = 0.7,
        threshold: float = 0.525,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
    ) -> None:
        self.alpha = alpha
        self.weighting = weighting
        self.pseudo_threshold = pseudo_threshold
        self.threshold = threshold
        self.quantizer = quantizer
        self.projection = projection

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ())
        check_strength("weighting", self.weighting, (), high=1)
        check_strength("pseudo_threshold", self.pseudo_threshold, (), high=1)
        check_strength("threshold", self.threshold, (), high=1)
        if self.alpha == 0 or self.pseudo_threshold == 0:
            raise ValueError("alpha and pseudo_threshold must be above 0")
        if self.threshold in (0, 1):
            raise ValueError(f"threshold must be above 0 and below 1, got {self.threshold!r}")

    def empty_state(self, quantizer: Quantizer) -> State:
        return ClassGroups(quantizer, 1)

    def empty_state_for(self, quantizer: Quantizer, label_sets: bool) -> State:
        return LabelSetGroups(quantizer) if label_sets else self.empty_state(quantizer)

    @property
    @reading
    def groups_(self) -> list[list[Label]]:
        """Labels that came together, by session, in order of arrival."""
        return cast("ClassGroups | LabelSetGroups", self.state_).groups

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: moments hold no rows to give labels to."""
        raise TypeError(f"{cls.__name__} learns from rows, session by session: moments hold none")

    def _solve(self, state: ClassGroups | LabelSetGroups) -> LinearScores:
        if not keeps_all_rows(self.learner_):
            raise ValueError(
                f"{type(self).__name__} replays its sessions, and the ledger keeps {self.learner_.ledger.kept.n_rows} "
                f'of {state.n_rows} rows: merge heads that learned with track="rows"'
            )
        ledger = self.learner_.ledger
        sessions = Sessions(state, *ledger.weighted_rows_of(ledger.find_all()))
        sure = float(logit(self.pseudo_threshold)) if self.pseudo_threshold < 1 else np.inf
        coef = last_of_sessions(sessions, float(self.alpha), float(self.weighting), sure)
        level = np.full(len(coef), -float(logit(self.threshold)))
        centre, offset = np.zeros(coef.shape[1], dtype=np.int64), state.quantizer.offset
        scores = LinearScores(centre, coef, coef @ offset + level, coef, level, float(self.alpha))
        return scores if self.has_label_sets else scores.of_second_class()
