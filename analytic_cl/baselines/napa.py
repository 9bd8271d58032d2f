"""NAPA-VQ's augmentation of old classes, in expectation: rows between their mean and those of neighbours."""

from __future__ import annotations

import numpy as np

from analytic_cl._blas import product
from analytic_cl._integers import as_integer
from analytic_cl.baselines.grouped import GroupedHead
from analytic_cl.baselines.pseudo_classes import PseudoClasses
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import LinearScores, needs
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_GROUPS, CLASS_SUMS, ClassGroups


class NAPAClassifier(GroupedHead):
    """Ridge on the rows of the current session, and on old classes spread towards their neighbours.

    Of an old class only the mean is used: its rows are spread from the mean towards those of the most similar classes.
    The downside: that spread says nothing of how rows of a class differ. It is what of NAPA-VQ makes sense over frozen
    features: the rest of the method trains the network.

    Parameters
    ----------
    n_neighbors : int, default=15
        How many similar classes an old class is spread to; all, where there are fewer.
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
    An old class with mean m has as many rows a = g m + (1 - g) b as it had, g uniform in (1/2, 1) and b the mean of one
    of its neighbours. With mean q and covariance V of these, E a = m + (q - m) / 4, and the covariance of a is
    V / 12 + (m - q)(m - q)^T / 48: no row is drawn.

    Cost: fit n d^2 operations once rows are many; a change, then predict: n d^2 for the n rows of the last session,
    2 d^2 a class and neighbour, and d^3 / 3; 2 n_classes d a row. Memory as `GaussianClassifier`.

    Exactness: depends on order. The state is bit for bit that of the same sessions without the forgotten rows (see
    `ClassGroups`); weights a pure function of it; scores algebraic, within 1e-8 relative.

    References
    ----------
    Malepathirana et al., NAPA-VQ: neighborhood-aware prototype augmentation with vector quantization for continual
    learning, ICCV 2023. There: rows are drawn to train a network whose prototypes are learned and linked by which come
    second; here moments of the same rows, links by cosine of means, and ridge.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import NAPAClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 4)) + 4 * np.eye(4)[np.arange(90) % 3]
    >>> y = np.array(["ape", "bee", "cat"])[np.arange(90) % 3]
    >>> head = NAPAClassifier().partial_fit(X[y != "cat"], y[y != "cat"])
    >>> head = head.partial_fit(X[y == "cat"], y[y == "cat"])
    >>> head.predict(4 * np.eye(4)[:3]).tolist()
    ['ape', 'bee', 'cat']
    """

    needs = frozenset({CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS})

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        as_integer("n_neighbors", self.n_neighbors, 1)

    def _solve(self, state: ClassGroups) -> LinearScores:
        return augmented_ridge(state, int(self.n_neighbors))


@needs(CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS)
def augmented_ridge(state: ClassGroups, n_neighbors: int) -> LinearScores:
    """Ridge on the rows of the last group, and on the expected moments of augmented rows of all others."""
    classes = PseudoClasses.of(state)
    known, cosines = classes.means.copy(), classes.cosines()
    np.fill_diagonal(cosines, -np.inf)
    within = scatter_matrix(state.moments_of(state.groups[-1]), "class means")
    parts = []
    for place in np.flatnonzero(~classes.current):
        neighbors = known[np.argsort(-cosines[place], kind="stable")[: min(n_neighbors, len(known) - 1)]]
        about = neighbors.mean(axis=0)
        away, size = known[place] - about, classes.sizes[place]
        classes.means[place] -= away / 4
        parts += [(neighbors - about) * np.sqrt(size / (12 * len(neighbors))), away[None, :] * np.sqrt(size / 48)]
    if parts:
        spread = np.concatenate(parts)
        within += product(np.ascontiguousarray(spread.T), spread)
    return classes.ridge(within)
