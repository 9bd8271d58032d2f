"""A head whose rows are moved back to where the learned rows lie: mean and spread aligned to the state's moments."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.integer_rows import integer_rows, posteriors_of, with_rows
from analytic_cl.adaptation.log_posteriors import frequencies
from analytic_cl.adaptation.moment_maps import Learned, Seen, Which, aligned
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments

Floats = NDArray[np.float64]


class MomentAlignment(Adapted):
    """Moves a batch of rows so that its mean and spread are those of the learned rows, class frequencies apart.

    For rows that come under other conditions: another sensor, light, noise, gain. The downside: a prediction depends
    on the batch; where the head is wrong about most rows, and a batch holds few of the classes, "mean" and "diagonal"
    take the wrong class frequencies and make it worse; "full" repairs most, and costs most.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba` and a state of class sums and Gram matrix, such as `LDAClassifier`; used as it is.
    moments : {"mean", "diagonal", "full"}, default="diagonal"
        What is aligned: "mean" shifts; "diagonal" also scales each feature; "full" aligns the whole covariance, at
        about 10 d^3 operations a round.
    rounds : int, default=3
        Times that class frequencies and alignment are found in turn.
    memory : float from 0 to 1, default=0.0
        Share of what earlier batches said that counts beside the next one, for small batches of a stream. 0: each
        batch speaks for itself; 1: all rows count alike. Above 0 every call remembers its batch, `predict_proba` as
        `predict`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Those of the head.
    priors_ : ndarray of shape (n_classes,)
        Class frequencies found in the last batch; those of the learned rows before the first.

    Raises
    ------
    TypeError, ValueError
        When asked: for a head without `predict_proba`, or whose state has no Gram matrix.

    Notes
    -----
    Rows are aligned where the state's moments are, behind the quantizer and its projection, and rounded to integers
    again. So normalised rows are compared with normalised ones, and a batch that has not moved keeps its integers: the
    answers are the head's, bit for bit. A shift of rows ahead of a quantizer that normalises is also a change of
    scale, which "diagonal" follows and "mean" does not.

    The mean that is aimed at is that of the learned classes in the frequencies of the batch, not that of the learned
    rows: else other class frequencies would be taken for a shift. In each round these are the mean posteriors of the
    rows as they are aligned by then. What a batch says is shrunk by how much of it chance would say, by James and
    Stein's rule, and its covariance towards that of the state, which counts as d rows; so small batches move little.

    A batch of one row, with nothing remembered, says nothing of its own spread: its answer is the head's.

    Memory: none; with `memory` 3 n_features numbers, or d^2 for "full". A prediction depends on all rows of its batch,
    and with `memory` on those before.

    Forgetting: what the head forgets is forgotten here, too, as its moments are read at each change. Rows that were
    only predicted leave sums, which `reset` drops.

    Cost: a round is one prediction of the head and a few passes over the rows; "full" also 2 n d^2 and about 10 d^3
    operations. For each state of the head its scatter, 3 n_classes d^2.

    Exactness: a pure function of the state and the batches; algebraic.

    References
    ----------
    Jung et al., CAFA, ICCV 2023 (class-aware alignment; there by gradients on batch-norm parameters). Sun, Feng and
    Saenko, Return of frustratingly easy domain adaptation, AAAI 2016 (whole covariances; there without classes, and by
    a map that may turn the rows; here the symmetric one of optimal transport, which moves them least).

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import MomentAlignment
    >>> rng = np.random.default_rng(0)
    >>> def rows(y):
    ...     return rng.normal(size=(len(y), 4)) + 4 * np.eye(4)[y]
    >>> y = np.arange(600) % 3
    >>> head = LDAClassifier().fit(rows(y), y)
    >>> moved = rows(y) * [1, 2, 1, 3] + [3, 0, 0, 0]
    >>> bool(MomentAlignment(head).score(moved, y) > head.score(moved, y) + 0.05)
    True
    """

    _learned: tuple[tuple[Any, int, Which], Learned] | None = None  # a state, and its moments as floats

    def __init__(self, head: Any, moments: Which = "diagonal", rounds: int = 3, memory: float = 0.0) -> None:
        self.head = head
        self.moments = moments
        self.rounds = rounds
        self.memory = memory

    def _adapted(self, X: ArrayLike) -> Floats:
        rounds = self._check()
        base = self._base()
        _check_state(base)
        rows = integer_rows(base, X)
        there, before = with_rows(base), self.__dict__.get("_remembered")
        seen, counts_before = Seen.of(rows, self.moments), np.zeros(len(there))
        if before is not None:
            seen, counts_before = seen.with_earlier(before[0], self.memory), self.memory * before[1]
        answers = posteriors_of(base, rows)
        source = priors = frequencies(base)
        if seen.n > 1:
            learned, limit = self._moments_of(base), base.quantizer_.limit
            for _ in range(rounds):
                counts = _weighed(answers, priors, source).sum(axis=0) + counts_before
                priors = counts / counts.sum()
                moved = aligned(rows, seen, learned, priors[there], self.moments, limit)
                answers = posteriors_of(base, moved)
        self._last = priors
        if self.memory:
            self._remembered = seen, _weighed(answers, priors, source).sum(axis=0) + counts_before
            self._remembers(base)
        return answers

    def _check(self) -> int:
        if self.moments not in get_args(Which):
            raise ValueError(f"moments must be one of {', '.join(map(repr, get_args(Which)))}, got {self.moments!r}")
        if isinstance(self.memory, bool) or not isinstance(self.memory, int | float) or not 0 <= self.memory <= 1:
            raise ValueError(f"memory must be a number from 0 to 1, got {self.memory!r}")
        return as_integer("rounds", self.rounds, 1)

    def _moments_of(self, base: Any) -> Learned:
        """Made anew for each state of the head."""
        key = base.state_, base.state_.revision, self.moments
        known = self._learned
        if known is None or known[0][0] is not key[0] or known[0][1:] != key[1:]:
            known = self._learned = key, Learned.of(_moments(base.state_), self.moments)
        return known[1]

    @property
    def priors_(self) -> Floats:
        base = self._base()
        return np.asarray(self.__dict__.get("_last", frequencies(base)))

    def _forget_rows(self) -> None:
        for name in ("_remembered", "_last"):
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_learned"}  # it can be made again


def _moments(state: Any) -> Moments:
    return state if isinstance(state, Moments) else state.moments()


def _check_state(base: Any) -> None:
    """Raise ValueError for a state without class sums and Gram matrix."""
    lacks = {CLASS_SUMS, GRAM} - base.state_.provides
    if lacks:
        raise ValueError(
            f"{type(base).__name__} keeps no {' and no '.join(sorted(lacks))}, so that nothing says where its rows "
            "should lie: take LDAClassifier or GaussianClassifier, which learn the same rows"
        )


def _weighed(posteriors: Floats, priors: Floats, source: Floats) -> Floats:
    """Posteriors under other class frequencies."""
    out = posteriors * np.where(source > 0, priors / np.where(source > 0, source, 1.0), 0.0)
    totals = out.sum(axis=1, keepdims=True)
    return np.asarray(np.where(totals > 0, out / np.where(totals > 0, totals, 1.0), posteriors))
