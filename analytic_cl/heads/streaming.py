"""Learning from an iterator of batches, of which memory holds two."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any, Self

from numpy.typing import ArrayLike

from analytic_cl._device import get_device
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._locks import holding
from analytic_cl.heads.ahead import Ready, has_no_rows, learn_ahead
from analytic_cl.heads.declared import declared_with_rows
from analytic_cl.heads.encoded import Encoded
from analytic_cl.heads.prediction import Prediction
from analytic_cl.heads.validation import declared_labels
from analytic_cl.heads.watching import Watched
from analytic_cl.learner import Learner
from analytic_cl.statistics import Label


class Streamed(Watched, Prediction):
    """The part of a head that learns batch after batch."""

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        raise NotImplementedError

    def _encode(self, X: Any, y: Any, sample_id: Any, reset: bool, sample_weight: Any = None) -> Encoded:
        raise NotImplementedError

    def partial_fit_stream(
        self,
        batches: Iterable[Any],
        *,
        classes: ArrayLike | None = None,
        progress: bool = False,
        n_rows: int | None = None,
    ) -> Self:
        """Learn from batches that come one by one, of which there may be more than memory holds.

        While one batch is learned, in a thread of its own, the next one is fetched, validated and quantised.

        Parameters
        ----------
        batches : iterable of (X, y) or (X, y, sample_id)
            Each as `partial_fit` takes it; a few thousand rows or more are best. It runs in the calling thread, one
            batch ahead of what is learned, and may fill the same arrays again: nothing of them is kept. Batches
            without rows are passed over.
        classes : array-like, optional
            As in `partial_fit`, for every batch.
        progress : bool, default=False
            Show a bar on standard error, with rows a second and, where `n_rows` is given, the time left.
        n_rows : int, optional
            Rows of all batches together, for the bar alone.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `partial_fit`, and where an unfitted head gets no rows at all. This error and any other, of the iterator
            or Ctrl-C, has a note that says in which batch it came: those before are learned, whole, and nothing else.
            A generator is closed.
        RuntimeError
            Where another thread fits the head anew, or forgets everything, before the stream ends.

        Notes
        -----
        Cost: that of `partial_fit`. Time is saved where the batches take time to come, as from a disk or the network;
        less where quantising and products keep all cores busy by themselves. Memory: a batch as it comes, and two in
        integers. The ledger's record of rows grows with the stream: ``track="none"`` keeps none.

        Exactness: bit for bit as `partial_fit` with each batch in turn.

        Other threads may use the head meanwhile, and see it after whole batches. On a GPU (`use_device`) the calling
        thread does it all, as the GPU's queue works on by itself.

        Examples
        --------
        >>> import numpy as np
        >>> from analytic_cl import LDAClassifier
        >>> def batches():
        ...     random = np.random.default_rng(0)
        ...     for _ in range(3):
        ...         yield random.normal(size=(50, 4)), random.integers(0, 2, 50)
        >>> head, other = LDAClassifier(track="none").partial_fit_stream(batches()), LDAClassifier()
        >>> for X, y in batches():
        ...     other = other.partial_fit(X, y)
        >>> head.state_digest() == other.state_digest()
        True
        """
        reader = BatchReader(self, classes)
        learn_ahead(batches, reader.ready, at_once=reader.at_once, progress=progress, n_rows=n_rows)
        check_learned_rows(self)
        return self

    def learn_encoded(self, new: Encoded, learner: Learner, classes: list[Label] | None = None) -> None:
        """Learn what `encode` made, provided that `learner` is still the one that this head serves."""
        with holding(changed=(self,)):
            if self.__dict__.get("learner_") is not learner:
                raise RuntimeError("the model was fitted anew, or forgot everything, while it learned from a stream")
            self._learn_encoded(new, classes)

    def _learn_encoded(self, new: Encoded, classes: Any) -> None:
        declared = declared_with_rows(self._declared, classes, new)
        with deferred_interrupts():
            self.learner_.learn(new.rows, new.targets, new.ids, new.weights)
            self.declare(declared)

    def _twin(self) -> Self:
        """A copy that encodes rows beside this head; what they lose on the way is counted here."""
        self.check_parameters()
        if self.losses is None:
            self._watch_afresh(self.quantizer_)
        twin = copy(self)
        twin.losses = self.losses
        return twin


class BatchReader:
    """Makes the batches of a stream ready for a head to learn."""

    def __init__(self, head: Streamed, classes: Any = None) -> None:
        self.head = head
        self.classes = None if classes is None else declared_labels(classes)
        # Another thread would wait for this one, which holds the head; on a GPU it would have another queue and card.
        self.at_once = not holding(changed=(head,)).wanted or get_device() != "cpu"
        self._twin: Streamed | None = None

    def ready(self, X: Any, y: Any, sample_id: Any) -> Ready:
        """Validate and quantise a batch; of a head without rows it is learned, since those to come depend on it."""
        if has_no_rows(X, y):
            return Ready(0, None)
        head, classes = self.head, self.classes
        if self._twin is None:
            if not head.__sklearn_is_fitted__():
                declared = () if classes is None else (classes,)  # heads without classes take none
                head.partial_fit(X, y, *declared, sample_id=sample_id)
                return Ready(head.state_.n_rows, None)
            self._twin = head._twin()
        new, learner = self._twin._encode(X, y, sample_id, reset=False), self._twin.learner_
        return Ready(len(new.targets.codes), lambda: head.learn_encoded(new, learner, classes))


def check_learned_rows(head: Streamed) -> None:
    """Raise ValueError where a stream has left a head unfitted."""
    if not head.__sklearn_is_fitted__():
        raise ValueError("the stream had no rows: nothing was learned. An iterator that was used before has none left")
