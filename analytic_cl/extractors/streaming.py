"""A stream of inputs: the next batch is extracted while the head learns the last one."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any, Self

from numpy.typing import ArrayLike

from analytic_cl._containers import local
from analytic_cl.extractors.extracted import Extracted, width_of
from analytic_cl.heads import Head
from analytic_cl.heads.ahead import Ready, has_no_rows, learn_ahead
from analytic_cl.heads.streaming import BatchReader, check_learned_rows
from analytic_cl.ledger import SampleId, as_ids


class StreamedPipeline:
    """The part of a pipeline that learns batch after batch."""

    head: Head
    progress: bool
    _input_width: int | None

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        raise NotImplementedError

    def _extracted(self, X: Any, y: Any = None, *, afresh: bool = False) -> Extracted:
        raise NotImplementedError

    def _keep(self, run: Extracted, ids: list[SampleId] | None) -> None:
        raise NotImplementedError

    def partial_fit_stream(
        self,
        batches: Iterable[Any],
        *,
        classes: ArrayLike | None = None,
        progress: bool = False,
        n_rows: int | None = None,
    ) -> Self:
        """Learn from batches of inputs that come one by one; see `Head.partial_fit_stream`.

        The next batch is extracted while the head learns the last one. Inputs are cached once they are learned.
        """
        quiet = copy(self)  # one bar is enough
        quiet.progress = False
        reader = BatchReader(self.head, classes)

        def ready(X: Any, y: Any, sample_id: Any) -> Ready:
            if has_no_rows(X, y):
                return Ready(0, None)
            if not self.head.__sklearn_is_fitted__():
                quiet.partial_fit(X, y, reader.classes, sample_id=sample_id)
                self._input_width = width_of(X)
                return Ready(self.head.state_.n_rows, None)
            ids, y = None if sample_id is None else as_ids(sample_id), local(y, "y")
            run, width = quiet._extracted(X, y), width_of(X)
            batch = reader.ready(run.features, y, ids)

            def learn() -> None:
                assert batch.learn is not None  # the head was fitted
                batch.learn()
                self._input_width = width
                self._keep(run, ids)

            return Ready(batch.n_rows, learn)

        learn_ahead(batches, ready, at_once=reader.at_once, progress=progress, n_rows=n_rows)
        check_learned_rows(self.head)
        return self
