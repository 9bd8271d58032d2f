"""A head whose class directions follow the rows that it is surest of (T3A)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from analytic_cl._integers import as_integer
from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.log_posteriors import log_posteriors
from analytic_cl.heads import LDAClassifier
from analytic_cl.heads.validation import validated_rows
from analytic_cl.ledger.siphash import siphash_rows

Floats = NDArray[np.float64]
Trust = Callable[[Floats, Floats], NDArray[np.bool_]]

_OWN = 20  # supports that a class's own mean counts as


class Supports(NamedTuple):
    """Remembered rows, in order of arrival: integers, columns of their classes, entropies and unit coordinates."""

    rows: NDArray[Any]
    digests: NDArray[np.uint64]
    columns: NDArray[np.intp]
    entropies: Floats
    directions: Floats

    def at(self, places: NDArray[Any]) -> Supports:
        return Supports(*(part[places] for part in self))

    def and_then(self, others: Supports) -> Supports:
        return Supports(*(np.concatenate(both) for both in zip(self, others, strict=True)))

    def once(self) -> Supports:
        """Each row the first time that it came."""
        return self.at(np.sort(np.unique(self.digests, return_index=True)[1]))

    def limits(self, n: int, n_classes: int) -> Floats:
        """Entropy that a row of each class must be below to be among its n surest, shape (n_classes,)."""
        highest = np.full(n_classes, -np.inf)
        np.maximum.at(highest, self.columns, self.entropies)
        return np.where(np.bincount(self.columns, minlength=n_classes) < n, np.inf, highest)

    def surest(self, n: int) -> Supports:
        """The n of lowest entropy in each class; of equal ones those that came first."""
        order = np.lexsort((self.entropies, self.columns))
        columns = self.columns[order]
        place = np.arange(len(order)) - np.searchsorted(columns, columns)
        return self.at(np.sort(order[place < n]))


class T3A(Adapted):
    """Turns each class's direction towards the rows of a stream that the head is surest are of that class.

    For streams of rows whose classes have moved, each its own way, as handwriting at a slant. The downside: it believes
    the head, so where that is mostly wrong nothing is won; where nothing has moved it costs a little, and where all
    rows have moved alike, points (`MomentAlignment` is for that).

    Parameters
    ----------
    head : LDAClassifier
        Fitted; used as it is.
    n_supports : int >= 1, default=100
        Rows of lowest entropy that are kept of each class.
    online : bool, default=True
        Whether `predict` and `predict_proba` remember the rows that they were asked about, once they have answered. If
        not, only `adapt` does. A row that is remembered already is not remembered again.
    trust : callable, optional
        ``trust(adapted, source)``, posteriors with and without what was remembered, gives a bool for each row: whether
        it may be remembered, as `trust.still_favoured`, or ``lambda adapted, source: trust.reliable(source)``. Neither
        has helped reliably: the surest rows mostly pass.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Those of the head.
    n_supports_ : ndarray of shape (n_classes,)
        How many rows are remembered of each class.

    Notes
    -----
    In discriminant space (`transform`), where a class is its mean m_c: s_c is the sum of the unit vectors of the
    supports, less what those of all classes have moved by on average, and 20 times the unit vector of m_c. m'_c has the
    direction of s_c and the length of m_c, and y (m'_c - m_c) is added to the head's log-posterior of a row at y. With
    nothing remembered, answers are the head's, bit for bit; without supports of a class its score stays.

    A row's answer depends on what was remembered before the call, not on the rest of its batch. Classes come from the
    head, not from the supports, so a support that leaves changes no other. Memory: n_classes n_supports integer rows
    and min(n_classes, d) numbers for each.

    Forgetting: supports are rows of the stream, personal data where these are, and `reset` erases them. The class and
    entropy that a support came with are of the head as it then was: what the head forgets later is not taken out of
    them, so `reset` after an erasure that must reach that far. Templates are placed anew in the space of the head as it
    is; if its classes or its quantizer have changed, the next call is refused until `reset`.

    Cost: the head's prediction, twice at the first call; 4 d min(n_classes, d) a row; and, for a call whose rows are
    among the surest, a copy of the supports.

    Exactness: depends on order: of equal entropies the first stays, and what was displaced does not come back.
    Algebraic; `reset` bit for bit.

    References
    ----------
    Iwasawa and Matsuo, Test-time classifier adjustment module for model-agnostic domain generalization, NeurIPS 2021.
    There: templates of a network's features, which alone are the score, so that lengths and priors are lost and
    probabilities far off; the class's own direction counts as one support, and a move that all classes share as theirs,
    which costs many points where rows move alike or not at all; and a row's own batch counts. The public code's
    n_supports of -1 drops a row of each class at each call.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import T3A
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(600) % 3
    >>> head = LDAClassifier().fit(rng.normal(size=(600, 4)) + 3 * np.eye(4)[y], y)
    >>> X = rng.normal(size=(600, 4)) + 3 * np.eye(4)[y] + np.array([[0, 2.5, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])[y]
    >>> model = T3A(head)
    >>> bool(np.array_equal(model.predict_proba(X[:300]), head.predict_proba(X[:300])))
    True
    >>> bool(model.score(X[300:], y[300:]) > head.score(X[300:], y[300:]) + 0.02)
    True
    """

    _supports: Supports | None = None
    _space: Any = None  # in which the supports' directions are
    _turned: Floats | None = None  # what these amount to
    _quantizer: Any = None

    def __init__(self, head: Any, n_supports: int = 100, online: bool = True, trust: Trust | None = None) -> None:
        self.head = head
        self.n_supports = n_supports
        self.online = online
        self.trust = trust

    def adapt(self, X: ArrayLike) -> Self:
        """Remember the surest of these rows, shape (n_samples, n_features)."""
        self._answer(X, remember=True)
        return self

    @property
    def n_supports_(self) -> NDArray[np.int64]:
        n = len(self.classes_)
        return np.zeros(n, np.int64) if self._supports is None else np.bincount(self._supports.columns, minlength=n)

    def _adapted(self, X: ArrayLike) -> Floats:
        if not isinstance(self.online, bool):
            raise ValueError(f"online must be True or False, got {self.online!r}")
        return self._answer(X, remember=self.online)

    def _answer(self, X: ArrayLike, remember: bool) -> Floats:
        n_supports = as_integer("n_supports", self.n_supports, 1)
        base = self._base()
        supports = self._placed(base)
        if supports is None and not remember:
            return np.asarray(base.predict_proba(X))
        rows = base.quantizer_.quantise(validated_rows(base, X))
        logs, y = log_posteriors(base, X), self._coordinates(base, rows)
        found: Floats
        if supports is None:
            found = np.asarray(base.predict_proba(X))
        else:
            found = np.asarray(softmax(logs + base.calibration_.factor * (y @ self._turns(base, supports).T), axis=1))
        if remember:
            digests = siphash_rows(rows, np.zeros((len(rows), 2), np.uint64))[:, 0]
            new = Supports(rows, digests, logs.argmax(axis=1), _entropies(logs), _unit(y))
            if self.trust is not None:
                new = new.at(self._trusted(found, np.exp(log_softmax(logs, axis=1))))
            if supports is not None:
                new = new.at(new.entropies < supports.limits(n_supports, logs.shape[1])[new.columns])
                new = new.at(~np.isin(new.digests, supports.digests))
            if len(new.rows):
                new = new.once()
                self._supports = (new if supports is None else supports.and_then(new)).surest(n_supports)
                self._turned, self._space, self._quantizer = None, base.discriminants_, base.quantizer_
                self._remembers(base)
        return found

    def _base(self) -> Any:
        base = super()._base()
        if not isinstance(base, LDAClassifier):  # elsewhere a turned mean is no change of score by a product
            raise TypeError(f"T3A turns the class means of an LDAClassifier, got {type(base).__name__}")
        return base

    def _trusted(self, adapted: Floats, source: Floats) -> NDArray[np.bool_]:
        keep = np.asarray(self.trust(adapted, source))  # type: ignore[misc]  # is there
        if keep.shape != (len(adapted),) or keep.dtype != np.bool_:
            raise ValueError(
                f"trust must give a bool for each of {len(adapted)} rows, got {keep.dtype} of shape {keep.shape}"
            )
        return keep

    def _placed(self, base: Any) -> Supports | None:
        """The supports, with directions in the space of the head as it is."""
        supports = self._supports
        if supports is None:
            return None
        if base.quantizer_ != self._quantizer:
            raise ValueError("the head has another quantizer than when rows were remembered; call reset()")
        if base.discriminants_ is not self._space:
            supports = supports._replace(directions=_unit(self._coordinates(base, supports.rows)))
            self._supports, self._space, self._turned = supports, base.discriminants_, None
        return supports

    def _coordinates(self, base: Any, rows: NDArray[Any]) -> Floats:
        space = base.discriminants_
        return np.asarray(space.coordinates(base.quantizer_.deviations(rows, space.centre)))

    def _turns(self, base: Any, supports: Supports) -> Floats:
        """By how much each class's mean turns, shape (n_classes, r); exactly 0 without supports."""
        if self._turned is not None:
            return self._turned
        turns = np.zeros((len(base.classes_), supports.directions.shape[1]))
        np.add.at(turns, supports.columns, supports.directions)
        place = {label: at for at, label in enumerate(base.classes_.tolist())}
        own = np.zeros_like(turns)
        own[[place[label] for label in base.state_.labels]] = base.discriminants_.contrasted
        lengths, counts = np.linalg.norm(own, axis=1, keepdims=True), self.n_supports_[:, None]
        there = counts[:, 0] > 0
        turns -= counts * (turns[there] / counts[there] - _unit(own[there])).mean(
            axis=0
        )  # what all moved by says nothing
        turned: Floats = lengths * _unit(_OWN * _unit(own) + turns) - own
        turned[~there] = 0
        self._turned = turned
        return turned

    def _forget_rows(self) -> None:
        for name in ("_supports", "_space", "_turned", "_quantizer"):
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_space"}


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def _entropies(logs: Floats) -> Floats:
    """By logarithms, so that rows of which a head is all but certain keep their order."""
    logs = log_softmax(logs, axis=1)
    return np.asarray(-np.einsum("ij,ij->i", np.exp(logs), logs))
