"""The partitioned store: learn, answer requests and prove it, over many parts as if they were one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from analytic_cl.distributed.partitioned import forgetting, learning
from analytic_cl.distributed.partitioned.hosts import Executor
from analytic_cl.distributed.partitioned.line import in_line
from analytic_cl.distributed.partitioned.reading import PartitionedReading
from analytic_cl.distributed.partitioned.register import create_register
from analytic_cl.heads import Head
from analytic_cl.ledger import as_name
from analytic_cl.store import RefusedError, StoreReceipt
from analytic_cl.store.names import selection, selections, spread
from analytic_cl.store.rows import Batch
from analytic_cl.store.tasks import Forget


class PartitionedStore(PartitionedReading):
    """One store in n parts, each a `Store` that a worker can open: `PartitionedStore.create`, `PartitionedStore.open`.

    A row lies in the part that SHA-256 of its subject (else of its id, else of its integers) names. Every operation is
    whole or not at all, over all parts, also where a worker or this process is killed in the middle. One process has
    the store open; its threads take turns, in the order in which they come. The downside: an operation is written down
    in every part that it changes, and in the record of the whole, so one small batch costs more than in a `Store`.

    Parameters
    ----------
    path : path-like
        The directory.
    executor : executor of `concurrent.futures`, or client of Dask, optional
        Whose processes work on the parts: they must reach the directory under the same path. By default this process
        does, with all parts open. Processes must be started afresh ("spawn"), not forked.

    Notes
    -----
    Cost: learning writes what `Store` writes, once in each part that gets rows. A request about a subject changes one
    part: 4 d^2 bytes and 8 d a class. Its certificate, and a prediction after a change, merge the states of all parts.
    Memory is that of the states of all parts in this process, or with an executor of one part a worker, and two here.

    Exactness: bit for bit. The state is that of one head fitted on the rows that are in the store, however they are
    dealt to parts and whatever was killed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.distributed import PartitionedStore
    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    >>> people = [f"patient {i // 4}" for i in range(40)]
    >>> with PartitionedStore.create(tempfile.mkdtemp() + "/clinics", LDAClassifier(), n_parts=3) as store:
    ...     learned = store.learn(X, y, sample_id=range(40), subject=people, batch_id="monday")
    ...     again = store.learn(X, y, sample_id=range(40), subject=people, batch_id="monday")
    ...     receipt = store.forget(subject="patient 0", request_id="2026-017")
    ...     same = store.state_digest() == LDAClassifier().fit(X[4:], y[4:]).state_digest()
    >>> learned, again, receipt.removed, same
    (40, 40, 4, True)
    """

    @classmethod
    def create(
        cls,
        path: Any,
        head: Head,
        *,
        n_parts: int,
        tombstone_days: float | None = None,
        executor: Executor | None = None,
    ) -> Self:
        """Make a store of n parts for a head that has learned nothing, and open it.

        Parameters
        ----------
        path : path-like
            A directory that does not exist yet, or is empty.
        head : Head
            One that a `Store` can hold.
        n_parts : int
            From 1 to 1000; it stays.
        tombstone_days : float, optional
            How long an erased id or subject is refused when it is learned again: for ever by default; 0: never.
        executor : optional
            See the class.

        Returns
        -------
        PartitionedStore
        """
        create_register(Path(path), head, n_parts, tombstone_days)
        return cls(path, executor=executor)

    # ---- learn

    @in_line
    def learn(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_id: Any = None,
        subject: Any = None,
        session: Any = None,
        batch_id: str | None = None,
        allow_erased: bool = False,
    ) -> int:
        """Learn rows, all or none; what comes back is how many.

        Parameters
        ----------
        X, y, sample_id, subject, session, allow_erased
            As in `Store.learn`.
        batch_id : str, optional
            Sent again under the same id, the same rows are not learned twice. For callers who may not hear of the
            answer; nobody's name.

        Raises
        ------
        ValueError
            Bad rows or labels, or ids that any part has. Nothing is learned.
        AlreadyErasedError
            Ids or subjects that were erased.
        RefusedError
            A `batch_id` that stands for other rows.

        Notes
        -----
        Exactness: bit for bit as `Head.partial_fit`. Committed in all parts when the call returns; where it raises, in
        none.
        """
        register = self._settled()
        incoming = self._encoder(X, y, sample_id)
        n = len(incoming.rows)
        ids = [None] * n if incoming.ids is None else list(incoming.ids)
        subjects, sessions = spread("subject", subject, n), spread("session", session, n)
        batch = Batch(incoming.rows, incoming.targets, ids, subjects, sessions)
        name = None if batch_id is None else as_name("batch_id", batch_id)
        self._merged.drop()
        return learning.learn(register, self._host, incoming.about(), batch, name, allow_erased)

    # ---- requests

    @in_line
    def forget(
        self,
        *,
        sample_id: Any = None,
        subject: str | None = None,
        label: Any = None,
        session: str | None = None,
        request_id: str | None = None,
        skip_unknown: bool = False,
        dry_run: bool = False,
    ) -> StoreReceipt:
        """Erase rows from the state and from the files of all parts.

        Parameters, errors and promises as in `Store.forget`. The certificate counts for the whole, and names the digest
        of the certificate of every part that was changed.

        Returns
        -------
        StoreReceipt
        """
        task = Forget(*selection(sample_id, subject, label, session, request_id, skip_unknown))
        register = self._settled()
        if dry_run:
            return forgetting.try_out(register, self._host, self._merged, task)
        (result,) = forgetting.execute(register, self._host, self._merged, [task])
        if isinstance(result, RefusedError):
            raise result
        return result

    @in_line
    def forget_all(self, wanted: Iterable[Mapping[str, Any]]) -> list[StoreReceipt | RefusedError]:
        """Carry out several requests together: one transaction and one snapshot in each part that is changed.

        Parameters
        ----------
        wanted : iterable of mappings
            Keyword arguments of `forget`, without dry_run.

        Returns
        -------
        list of StoreReceipt or RefusedError
            One each, in order. What is refused does not stop the others.
        """
        tasks = [Forget(*selected) for _, selected in selections(wanted)]
        return forgetting.execute(self._settled(), self._host, self._merged, tasks)

    @in_line
    def replay_tombstones(self, tombstones: Iterable[Any] = ()) -> list[StoreReceipt]:
        """Erase again what a restored backup brought back: a request for each person, and each id of nobody.

        Parameters
        ----------
        tombstones : iterable, optional
            From `export_tombstones`, taken after the backup, of which keys.json must be. Without them, the store's own.

        Returns
        -------
        list of StoreReceipt
        """
        register = self._settled()
        with register.database.transaction():
            register.tombstones.bring(list(tombstones))
        wanted = forgetting.brought_back(register, self._host)
        tasks = [Forget(*selected) for _, selected in selections(wanted)]
        results = forgetting.execute(register, self._host, self._merged, tasks)
        return [result for result in results if isinstance(result, StoreReceipt)]
