"""A head whose predictions follow the class frequencies of the rows that it is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.log_posteriors import Calibrated, log_posteriors
from analytic_cl.adaptation.priors import Method, check_method, priors_of

Floats = NDArray[np.float64]


class LabelShift(Adapted):
    """Corrects a head's posteriors by the class frequencies of the rows at hand.

    Takes back most of what other frequencies cost, where that is all that has changed. The downside: a prediction
    depends on the batch; and where frequencies have not changed, or rows of a class look different, it costs a little.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba`; used as it is. Best with a ledger that keeps its rows: see `estimate_priors`.
    method : {"em", "bbse", "rlls"}, default="em"
        As in `estimate_priors`.
    pseudo_rows : float >= 0 or None, default=None
        Of "em": rows of the learned frequencies that count beside each batch; None: a quarter of the number of classes.
    memory : float from 0 to 1, default=0.0
        Of "em": share of what earlier batches said that counts beside the next one, for small batches of a stream. 0:
        each batch speaks for itself; 1: all count alike. Above 0 every call remembers its batch, `predict_proba` as
        `predict`.
    labelled : (X, y), optional
        As in `estimate_priors`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Those of the head.
    priors_ : ndarray of shape (n_classes,)
        Of the last batch; those of the learned rows before the first.

    Notes
    -----
    Memory: n_classes numbers. A prediction depends on all rows of its batch, and with `memory` on those before.

    Forgetting: what the head forgets is forgotten here, too, as calibration and frequencies are made anew when its
    state changes. Rows that were only predicted leave a sum over classes, which `reset` drops.

    A batch of one row is mostly the learned frequencies'. Classes without a row in the batch get frequencies near 0,
    and come back with the next one.

    Cost: one calibration for each state of the head (see `estimate_priors`); then the head's prediction, and n_samples
    n_classes a round of EM.

    Exactness: a pure function of the state, the ledger's rows and the batches; algebraic.

    References
    ----------
    See `estimate_priors`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import LabelShift
    >>> rng = np.random.default_rng(0)
    >>> def rows(y):
    ...     return rng.normal(size=(len(y), 4)) + 1.5 * np.eye(4)[y]
    >>> y = np.arange(600) % 3
    >>> head = LDAClassifier(track="rows").fit(rows(y), y)
    >>> y = rng.choice(3, size=900, p=[0.9, 0.05, 0.05])
    >>> X = rows(y)
    >>> bool(LabelShift(head).score(X, y) > head.score(X, y) + 0.1)
    True
    """

    def __init__(
        self,
        head: Any,
        method: Method = "em",
        pseudo_rows: float | None = None,
        memory: float = 0.0,
        labelled: tuple[Any, Any] | None = None,
    ) -> None:
        self.head = head
        self.method = method
        self.pseudo_rows = pseudo_rows
        self.memory = memory
        self.labelled = labelled

    def _adapted(self, X: ArrayLike) -> Floats:
        self._check()
        base = self._base()
        known = self._calibrated(base)
        after = known.of(log_posteriors(base, X))
        priors = priors_of(known, after, self.method, self._pseudo_counts(known))
        weighed = after + np.log(np.maximum(priors, np.finfo(np.float64).tiny)) - _log_of(known.source)
        posteriors = np.asarray(softmax(weighed, axis=1))
        self._last = priors
        if self.memory:
            self._counts = self.memory * (self.__dict__.get("_counts", 0.0) + posteriors.sum(axis=0))
            self._remembers(base)
        return posteriors

    def _check(self) -> None:
        check_method(self.method, 0.0 if self.pseudo_rows is None else self.pseudo_rows)
        if isinstance(self.memory, bool) or not isinstance(self.memory, int | float) or not 0 <= self.memory <= 1:
            raise ValueError(f"memory must be a number from 0 to 1, got {self.memory!r}")
        if self.memory and self.method != "em":
            raise ValueError(f"memory goes with method='em', not with {self.method!r}")

    def _pseudo_counts(self, known: Calibrated) -> Floats:
        rows = len(known.source) / 4 if self.pseudo_rows is None else self.pseudo_rows
        return np.asarray(rows * known.source + self.__dict__.get("_counts", 0.0))

    @property
    def priors_(self) -> Floats:
        base = self._base()
        return np.asarray(self.__dict__.get("_last", self._calibrated(base).source))

    def _forget_rows(self) -> None:
        for name in ("_counts", "_last"):
            self.__dict__.pop(name, None)


def _log_of(source: Floats) -> Floats:
    """0 for classes without rows, whose posteriors are 0 anyway."""
    return np.asarray(np.log(np.where(source > 0, source, 1.0)))
