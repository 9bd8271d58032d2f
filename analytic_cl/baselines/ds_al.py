"""DS-AL: ridge on random features, and a second ridge that fits what the first leaves of each session."""

from __future__ import annotations

import numpy as np

from analytic_cl.baselines.grouped import GroupedHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomProjection
from analytic_cl.solvers import LinearScores, needs
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.statistics import CLASS_GRAMS, CLASS_GROUPS, CLASS_SUMS, ClassGroups, Moments


class DSALClassifier(GroupedHead):
    """Dual-stream analytic learning: ridge, and a compensation for what it does not fit.

    The second stream sees the same random sums through tanh, and learns what the first leaves of the targets of a
    session's own classes, when that session came. The downside: twice the features, and the answer depends on the
    sessions; `RLSClassifier` with as many features does not, and is better on our data.

    Parameters
    ----------
    compensation : float >= 0, default=0.6
        Weight of the second stream. Called C in the paper, with .6 for CIFAR-100 and 1.5 for ImageNet; 0 is ridge.
    alpha : float > 0, default=0.1
        Penalty of both streams, in units of the dequantised features.
    n_components : int, default=1000
        Random features of each stream. The paper has 5,000 to 15,000.
    random_state : int, default=0
        Seed of the random features, as in `RandomProjection`.
    quantizer : {"auto", "embedding"}, default="auto"
        How rows become integers in front of the random features: unit rows, int8.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    groups_ : list of lists
        Labels that came together, by session.
    coef_ : ndarray of shape (n_classes, 2 n_components); one row for two classes
        For dequantised rows: of the features with ReLU, then of those with tanh, times `compensation`.
    state_ : ClassGroups
        The learned state.

    Notes
    -----
    With H and T the features of all rows by ReLU and by tanh, session k's own H_k, T_k and one-hot Y_k:
    W_k = (sum_{j<=k} H_j^T H_j + alpha I)^-1 sum_{j<=k} H_j^T Y_j, the residual R_k = Y_k - H_k W_k with zeros for
    classes of other sessions, V = (T^T T + alpha I)^-1 sum_k T_k^T R_k, and scores h W_K + compensation t V. All
    products are in the Gram matrices of the sessions.

    Cost: fit 4 n m^2 operations for m components once rows are many; a change, then predict: m^3 / 3 + 6 m^2 a session,
    and 4 n m^2 for rows that wait; 4 n_classes m a row. Memory as `GaussianClassifier` at width 2 m, and 32 m^2 bytes
    while solving.

    Exactness: depends on order. The state is bit for bit that of the same sessions without the forgotten rows (see
    `ClassGroups`); weights a pure function of it; scores algebraic, within 1e-8 relative of the paper's recursion.

    References
    ----------
    Zhuang et al., DS-AL: a dual-stream analytic learning for exemplar-free class-incremental learning, AAAI 2024.
    There: recursions on two inverses, over uniform weights; class numbers in order of arrival; nothing can be
    forgotten, because weights of the second stream are sums over residuals of the past.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import DSALClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 4)) + 4 * np.eye(4)[np.arange(90) % 3]
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> y = np.array(["ape", "bee", "cat"])[np.arange(90) % 3]
    >>> head = DSALClassifier(n_components=50).partial_fit(X[y != "cat"], y[y != "cat"])
    >>> head = head.partial_fit(X[y == "cat"], y[y == "cat"])
    >>> head.predict(np.eye(4)[:3]).tolist()
    ['ape', 'bee', 'cat']
    """

    needs = frozenset({CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS})

    def __init__(
        self,
        compensation: float = 0.6,
        alpha: float = 0.1,
        n_components: int = 1000,
        random_state: int = 0,
        *,
        quantizer: str | FixedPoint = "auto",
        track: Track = "auto",
    ) -> None:
        self.compensation = compensation
        self.alpha = alpha
        self.n_components = n_components
        self.random_state = random_state
        self.quantizer = quantizer
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("compensation", self.compensation, ())
        check_strength("alpha", self.alpha, ())
        if self.alpha == 0:
            raise ValueError("alpha must be above 0")

    @property
    def projection(self) -> RandomProjection:  # type: ignore[override]  # follows from other parameters
        """The random features of both streams."""
        return RandomProjection(self.n_components, self.random_state, tanh=True)

    def _solve(self, state: ClassGroups) -> LinearScores:
        return dual_stream(state, float(self.compensation), float(self.alpha))


@needs(CLASS_SUMS, CLASS_GRAMS, CLASS_GROUPS)
def dual_stream(state: ClassGroups, compensation: float, alpha: float) -> LinearScores:
    """Weights of both streams, side by side. The first half of the columns is the main stream's, the other the
    second's.
    """
    width = state.quantizer.width
    main, second = slice(0, width // 2), slice(width // 2, width)
    place = {label: at for at, label in enumerate(state.labels)}
    so_far = Moments(state.quantizer)
    weights, residuals = np.zeros((len(place), width // 2)), np.zeros((len(place), width // 2))
    for group in state.groups:
        own = state.moments_of(group)
        so_far.merge(own)
        weights = _ridge(so_far, main, _sums(so_far)[:, main], alpha)
        here = [so_far.labels.index(label) for label in group]
        cross = scatter_matrix(own, "origin")[main, second]
        residuals[[place[label] for label in group]] = _sums(own)[:, second] - weights[here] @ cross
    compensated = compensation * _ridge(so_far, second, residuals, alpha)
    coef = np.hstack([weights, compensated])
    zero = np.zeros(len(coef))
    return LinearScores(np.zeros(width, dtype=np.int64), coef, zero, coef, zero, alpha).of_second_class()


def _sums(moments: Moments) -> Floats:
    return np.asarray(class_means(moments) * moments.counts[:, None])


def _ridge(moments: Moments, columns: slice, right: Floats, alpha: float) -> Floats:
    """(A + alpha I)^-1 applied to each line of `right`, A the products of these columns over all rows."""

    def matrix() -> Floats:
        a = np.ascontiguousarray(scatter_matrix(moments, "origin")[columns, columns])
        a[np.diag_indices_from(a)] += alpha
        return a

    return np.ascontiguousarray(solve_spd(matrix(), np.asfortranarray(right.T), matrix).T)
