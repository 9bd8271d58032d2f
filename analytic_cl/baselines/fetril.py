"""FeTrIL: old classes are rows of new ones, moved to the old mean."""

from __future__ import annotations

import numpy as np

from analytic_cl.baselines.grouped import GroupedHead
from analytic_cl.baselines.pseudo_classes import PseudoClasses
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import LinearScores, needs
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_GROUPS, CLASS_SUMS, ClassGroups


class FeTrILClassifier(GroupedHead):
    """Ridge on the rows of the current session, and on old classes made up of them.

    Of an old class only the mean is used: its rows are those of the most similar class of the last session, moved to
    that mean. The downside: it was made to save the memory of second moments, which the state here keeps, because
    forgetting needs them; `RLSClassifier`, which uses all of them, is more accurate where classes have as many rows.

    Parameters
    ----------
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
        Labels that came together; those of the last are the current session.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows.
    state_ : ClassGroups
        The learned state.

    Notes
    -----
    Rows x of class k with mean m_k, moved to the mean m_p of an old class p, have the scatter of class k about m_p, so
    the moments of all pseudo-rows follow from those of class k and no row is made: sum (x + m_p - m_k)(...)^T =
    sum (x - m_k)(x - m_k)^T + n_k m_p m_p^T. Class k is that of the largest cosine of means, and p counts as n_k rows.

    Cost: fit n d^2 operations once rows are many; a change, then predict: n d^2 for the n rows of the last session, and
    d^3 / 3; 2 n_classes d a row. Memory as `GaussianClassifier`.

    Exactness: depends on order. The state is bit for bit that of the same sessions without the forgotten rows (see
    `ClassGroups`); weights a pure function of it; scores algebraic, within 1e-8 relative of ridge on the pseudo-rows.

    References
    ----------
    Petit et al., FeTrIL: feature translation for exemplar-free class-incremental learning, WACV 2023. There: linear
    support vector machines, one against the rest, trained in every session on rows that are scaled to unit length after
    they are moved; here least squares, one against the rest, on rows of unit length before.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import FeTrILClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 4)) + 4 * np.eye(4)[np.arange(90) % 3]
    >>> y = np.array(["ape", "bee", "cat"])[np.arange(90) % 3]
    >>> head = FeTrILClassifier().partial_fit(X[y != "cat"], y[y != "cat"])
    >>> head = head.partial_fit(X[y == "cat"], y[y == "cat"])
    >>> head.predict(4 * np.eye(4)[:3]).tolist()
    ['ape', 'bee', 'cat']
    """

    needs = frozenset({CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS})

    def __init__(
        self,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def _solve(self, state: ClassGroups) -> LinearScores:
        return translated_ridge(state)


@needs(CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS)
def translated_ridge(state: ClassGroups) -> LinearScores:
    """Ridge on the rows of the last group, and on their translations to the means of all others."""
    classes = PseudoClasses.of(state)
    old, current = np.flatnonzero(~classes.current), np.flatnonzero(classes.current)
    similar = current[classes.cosines()[np.ix_(old, current)].argmax(axis=1)]
    classes.sizes[old] = classes.sizes[similar]
    uses = np.bincount(similar, minlength=len(state.labels)) + 1
    width = state.quantizer.width
    within = np.zeros((width, width))
    for place in current:
        within += scatter_matrix(state.moments_of([state.labels[place]]), "class means", float(uses[place]))
    return classes.ridge(within)
