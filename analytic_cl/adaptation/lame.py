"""A head whose answers agree with those of the nearest rows in the batch (LAME)."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from analytic_cl._integers import as_integer
from analytic_cl._warnings import warn
from analytic_cl.adaptation.affinity import Affinity, affinities
from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.log_posteriors import log_posteriors
from analytic_cl.heads.validation import validated_rows

Floats = NDArray[np.float64]

_ROUNDS = 500
_STILL = 1e-8  # share of the objective by which a round must lower it


class LAME(Adapted):
    """Corrects the answers for a batch by letting rows that are alike agree: Laplacian adjusted maximum likelihood.

    Worth a lot where a batch holds few of the classes, as neighbouring times of a camera or a conversation do, and
    where rows look different from the learned ones but still like each other. The downside: a prediction depends on the
    batch; and where neither is so, neighbours of other classes cost a little.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba`; used as it is. Best with a ledger that keeps its rows: see `calibrate`.
    affinity : {"knn", "rbf", "linear"}, default="knn"
        What weight a neighbour has: 1; exp(-d^2 / 2 s^2) with s the mean distance to the furthest neighbours; the
        cosine.
    n_neighbors : int >= 1, default=5
        Rows of the batch, by angle of the dequantised rows, that a row is tied to; all others where there are fewer.
    weight : float >= 0, default=1.0
        Of the ties. With 0 the head's answers come back as they are.
    calibrate : bool, default=True
        Whether the head's posteriors are calibrated first, as in `LabelShift`. As they are, most are so sure that
        neighbours change little.
    labelled : (X, y), optional
        Labelled rows that the head has not learned, to calibrate on; by default folds of the learned rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Those of the head.
    objective_ : float
        What was minimised for the last batch, where it ended.
    n_iter_ : int
        Rounds that took.

    Notes
    -----
    The posteriors z of all rows together minimise sum_i KL(z_i || q_i) - weight / 2 sum_ij w_ij z_i z_j, q the head's
    and w symmetric. A round replaces the second term by its tangent. Without more that could rise, as w has negative
    eigenvalues; so a row whose ties sum to s > 2 goes only 1 / (1 + (s / 2 - 1) / 2) of the way, in logarithms, which
    by Pinsker's inequality and w + diag(s) being positive semi-definite never lets the objective rise.

    A prediction depends on all rows of its batch, and on none before: nothing is remembered, and `reset` drops
    `objective_` and `n_iter_` only. Forgetting: what the head forgets is forgotten here.

    A batch of one row gets the head's answer, bit for bit, as does any with ``weight=0``.

    Cost: one calibration for each state of the head (see `estimate_priors`); the head's prediction; 2 n_samples^2 d
    operations for neighbours (in int8 behind an embedding quantizer); 4 n_samples n_neighbors n_classes a round, some
    tens of rounds. Memory: 48 n_samples n_neighbors bytes, and four times n_samples n_classes numbers.

    Exactness: a pure function of the state, the ledger's rows and the batch; algebraic. Stops where a round lowers the
    objective by less than 1e-8 of it; a `ConvergenceWarning` after 500.

    References
    ----------
    Boudiaf et al., Parameter-free online test-time adaptation, CVPR 2022. There: directed neighbours, for which the
    objective rises, or all pairs of rows, which in batches of hundreds of rows ends with one class for all; posteriors
    as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import LAME
    >>> rng = np.random.default_rng(0)
    >>> def rows(y):
    ...     return rng.normal(size=(len(y), 30)) + 2 * np.eye(30)[y]
    >>> y = np.arange(900) % 9
    >>> head = LDAClassifier(track="rows").fit(rows(y), y)
    >>> y = np.repeat([2, 5], 40)
    >>> X = rows(y)
    >>> bool(LAME(head).score(X, y) > head.score(X, y) + 0.05)
    True
    """

    objective_: float
    n_iter_: int

    def __init__(
        self,
        head: Any,
        affinity: Affinity = "knn",
        n_neighbors: int = 5,
        weight: float = 1.0,
        *,
        calibrate: bool = True,
        labelled: tuple[Any, Any] | None = None,
    ) -> None:
        self.head = head
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.weight = weight
        self.calibrate = calibrate
        self.labelled = labelled

    def _adapted(self, X: ArrayLike) -> Floats:
        k, weight = self._checked()
        base = self._base()
        rows = validated_rows(base, X)
        if len(rows) == 1 or not weight:
            found: Floats = np.asarray(base.predict_proba(X))
            self.objective_, self.n_iter_ = 0.0, 0
            return found
        logs = log_posteriors(base, X)
        if self.calibrate:
            logs = self._calibrated(base).of(logs)
        quantizer = base.quantizer_
        found, values = agreed(logs, weight * affinities(quantizer.quantise(rows), quantizer, self.affinity, k))
        self.objective_, self.n_iter_ = values[-1], len(values) - 1
        return found

    def _checked(self) -> tuple[int, float]:
        if self.affinity not in get_args(Affinity):
            raise ValueError(
                f"affinity must be one of {', '.join(map(repr, get_args(Affinity)))}, got {self.affinity!r}"
            )
        if not isinstance(self.calibrate, bool):
            raise ValueError(f"calibrate must be True or False, got {self.calibrate!r}")
        weight = self.weight
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < np.inf:
            raise ValueError(f"weight must be a number, 0 or more, got {weight!r}")
        return as_integer("n_neighbors", self.n_neighbors, 1), float(weight)

    def _forget_rows(self) -> None:
        for name in ("objective_", "n_iter_"):
            self.__dict__.pop(name, None)


def agreed(logs: Floats, ties: csr_matrix, rounds: int = _ROUNDS) -> tuple[Floats, list[float]]:
    """Posteriors that least differ from those of `logs` and most agree along symmetric, non-negative `ties`.

    Returns them, and the objective at the start and after each round, which never rises.
    """
    logs = log_softmax(logs, axis=1)
    # KL(z' || z) >= |z' - z|^2 a row, and a tangent is wrong by at most weight sum_j w_ij / 2 of that
    sums = np.asarray(ties.sum(axis=1)).reshape(-1, 1)
    held = np.maximum(0.0, sums / 2 - 1) / 2
    now, z = logs, np.exp(logs)
    pull = ties @ z
    values = [_objective(logs, now, z, pull)]
    for _ in range(rounds):
        now = log_softmax((logs + pull + held * now) / (1 + held), axis=1)
        z = np.exp(now)
        pull = ties @ z
        values.append(_objective(logs, now, z, pull))
        if values[-2] - values[-1] <= _STILL * abs(values[-1]):
            return z, values
    warn(f"LAME has not settled after {rounds} rounds; its answers are those of the last one", ConvergenceWarning)
    return z, values


def _objective(logs: Floats, now: Floats, z: Floats, pull: Floats) -> float:
    """KL of the rows' posteriors z = exp(now) from exp(logs), less half of their agreement."""
    return float(np.einsum("ij,ij->", z, now - logs) - np.einsum("ij,ij->", z, pull) / 2)
