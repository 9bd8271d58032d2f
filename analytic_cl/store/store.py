"""The store: learn, answer requests, prove it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from numpy.typing import ArrayLike

from analytic_cl.heads import BaseHead
from analytic_cl.ledger import SampleId
from analytic_cl.store.creation import create_directory
from analytic_cl.store.errors import RefusedError
from analytic_cl.store.execution import execute
from analytic_cl.store.learning import Group, insert, machine_labelled
from analytic_cl.store.merging import check_keeps_rows, merge_head, merge_store
from analytic_cl.store.names import named_request, selection, selections, spread
from analytic_cl.store.reading import StoreReading
from analytic_cl.store.receipt import StoreReceipt
from analytic_cl.store.record import has_classes
from analytic_cl.store.rows import Batch
from analytic_cl.store.targets import check_selector, with_other_targets
from analytic_cl.store.tasks import Forget, Rectify, Replay, Restrict, Task
from analytic_cl.store.turns import in_turn
from analytic_cl.store.upkeep import write_snapshot


class Store(StoreReading):
    """A directory that holds one model, its rows, and the record of every request: `Store.create`, `Store.open`.

    Every operation is one transaction: after a kill, a full disk or a power cut, the store opens in the state before or
    after it. One process writes; any number read, and see what was last committed. The downside: a request that takes
    rows out writes the whole state to disk again, so send requests that come together in one `forget_all`.

    Parameters
    ----------
    path : path-like
        The directory.
    read_only : bool, default=False
        Read beside a writer, changing nothing.

    Notes
    -----
    Cost: learning n rows writes n times width integers; a request writes the state, 4 d^2 bytes and 8 d a class. Memory
    is that of the head, and of 32 MB of rows, however many there are. Opening reads the state, and adds at most 50,000
    rows that came since it was written.

    Exactness: bit for bit. The state is that of the head fitted on the rows that are in the store and not restricted;
    weights always come from it by a fresh solve.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, Store
    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    >>> with Store.create(tempfile.mkdtemp() + "/clinic", LDAClassifier()) as store:
    ...     learned = store.learn(X, y, sample_id=range(40), subject=[f"patient {i // 4}" for i in range(40)])
    ...     receipt = store.forget(subject="patient 3", request_id="2026-017")
    ...     again = store.forget(subject="patient 3", request_id="2026-017")
    >>> learned, receipt.removed, receipt == again
    (40, 4, True)
    """

    @classmethod
    def create(cls, path: Any, head: BaseHead, *, tombstone_days: float | None = None) -> Self:
        """Make a store for a head, and open it.

        Parameters
        ----------
        path : path-like
            A directory that does not exist yet, or is empty.
        head : Head
            One of this package's heads. What it has learned moves in, if its ledger kept the rows. The store keeps
            rows whatever the head's `track`.
        tombstone_days : float, optional
            How long an erased id or subject is refused when it is learned again: for ever by default; 0: never.

        Returns
        -------
        Store
        """
        if head.__sklearn_is_fitted__():
            check_keeps_rows(head)
        create_directory(Path(path), head, tombstone_days)
        store = cls(path)
        try:
            if head.__sklearn_is_fitted__():
                store.merge(head)
        except BaseException:
            store.close()
            shutil.rmtree(path, ignore_errors=True)
            raise
        return store

    @in_turn
    def snapshot(self) -> None:
        """Write the state to disk, so that opening the store has nothing to add; and look through the whole file.

        What is left in it of rows that were erased or moved is set to zero, though there should be nothing.
        """
        self.parts.check_writable()
        write_snapshot(self.parts)
        self.parts.database.empty_log(everything=True)

    # ---- learn

    @in_turn
    def learn(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_id: Any = None,
        subject: Any = None,
        session: Any = None,
        allow_erased: bool = False,
        feature_names: Sequence[str] | None = None,
        other_columns: Sequence[str] = (),
        confidence: Any = None,
    ) -> int:
        """Learn rows; what comes back is how many.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or, for a regressor, (n_samples, n_outputs)
        sample_id : sequence of int or str, optional
            A name for each row.
        subject, session : str, or sequence of str or None, optional
            Whom a row is about, and when or from where it came; one for all rows, or one each. As with ids and labels,
            spaces around a name, and its Unicode form, make no difference.
        allow_erased : bool, default=False
            Learn rows although their id or subject was erased, and lift the tombstones.
        feature_names, other_columns : sequence of str, optional
            Names of the columns of X, if it is no data frame, and of those beside them, as the labels'; kept, compared.
        confidence : number from 0 to 1, or one each, optional
            The labels come from a model over this store as it is now, which gave them this probability. The log says
            so, with the least of them and a keyed hash of the state, and `forget` erases such rows together with any
            row that was learned before them. Label and learn with nothing erased between.

        Raises
        ------
        ValueError
            Bad rows or labels, other feature names, ids that the store has, confidences out of range or in a store
            without rows. Nothing is learned.
        AlreadyErasedError
            Ids or subjects that were erased.

        Notes
        -----
        Exactness: bit for bit as `Head.partial_fit`. Committed when the call returns.
        """
        self.parts.check_writable()
        incoming = self.parts.model.incoming(X, y, sample_id, feature_names, other_columns)
        n = len(incoming.rows)
        ids: list[SampleId | None] = [None] * n if incoming.ids is None else list(incoming.ids)
        subjects, sessions = spread("subject", subject, n), spread("session", session, n)
        labelled = {} if confidence is None else machine_labelled(self.parts, confidence, n)
        batch = Batch(incoming.rows, incoming.targets, ids, subjects, sessions)
        return insert(self.parts, incoming.about(), [Group([batch], labelled)], allow_erased)

    def merge(self, other: Store | BaseHead) -> int:
        """Learn all rows of another store, or of a head whose ledger kept them; how many came.

        Raises ValueError for ids that both have and for another quantizer, AlreadyErasedError for what was erased here.
        """
        if isinstance(other, Store):
            if other is self:
                raise ValueError("a store has its own rows already: merge another one")
            first, second = sorted((self, other), key=id)  # one order for all threads, or two could wait for each other
            with first.turns.mine(), second.turns.mine():
                self.parts.check_writable()
                return merge_store(self.parts, other.parts)
        with self.turns.mine():
            self.parts.check_writable()
            return merge_head(self.parts, other)

    # ---- requests

    @in_turn
    def forget(
        self,
        *,
        sample_id: Any = None,
        subject: str | None = None,
        label: Any = None,
        session: str | None = None,
        request_id: str | None = None,
        skip_unknown: bool = False,
        cascade: bool = True,
        dry_run: bool = False,
    ) -> StoreReceipt:
        """Erase rows from the state and from the directory.

        Parameters
        ----------
        sample_id : sequence of int or str, optional
        subject, session : str, optional
        label : int, str or bool, optional
            Which rows: exactly one of these; or sample_id and the subject that they must all belong to.
        request_id : str, optional
            Sent again under the same id, the same request changes nothing and returns the same receipt.
        skip_unknown : bool, default=False
            Erase the ids that are known, and count the others, instead of refusing all.
        cascade : bool, default=True
            Erase also machine-labelled rows (``learn(confidence=...)``) that were learned after the first of these
            rows, whoever they are about: their labels came from a model that had seen it. False: keep them; the
            certificate counts them. What went so may be learned again.
        dry_run : bool, default=False
            Say what would go, and change nothing, the record of requests included.

        Returns
        -------
        StoreReceipt
            With a signed certificate.

        Raises
        ------
        RefusedError
            Unknown ids, ids of several subjects, a request id that stands for another request. Nothing is erased.

        Notes
        -----
        Exactness: bit for bit; the state is that of a model that never saw the rows. When the call returns, the rows,
        their ids and the old snapshot are gone from the files.
        """
        selected = selection(sample_id, subject, label, session, request_id, skip_unknown)
        return self._one(Forget(*selected, cascade=bool(cascade)), dry_run)

    def forget_all(self, requests: Iterable[Mapping[str, Any]]) -> list[StoreReceipt | RefusedError]:
        """Carry out several requests in one transaction, with one snapshot.

        Parameters
        ----------
        requests : iterable of mappings
            Keyword arguments of `forget`, without dry_run.

        Returns
        -------
        list of StoreReceipt or RefusedError
            One each, in order. What is refused does not stop the others.
        """
        tasks: list[Task] = [
            Forget(*selected, cascade=bool(request.get("cascade", True)))
            for request, selected in selections(requests, others=("cascade",))
        ]
        with self.turns.mine():
            self.parts.check_writable()
            for task in tasks:
                check_selector(self.parts, task)
            return execute(self.parts, tasks)

    @in_turn
    def rectify(
        self, X: ArrayLike | None, y: ArrayLike, *, sample_id: Any, request_id: str | None = None
    ) -> StoreReceipt:
        """Replace rows and labels of known ids; subjects and sessions stay. Receipt, errors and notes as `forget`.

        In a store of a regressor X may be None: then the targets alone are replaced.
        """
        self.parts.check_writable()
        if X is None:
            incoming = with_other_targets(self.parts, y, sample_id)
        else:
            incoming = self.parts.model.incoming(X, y, sample_id)
        if incoming.ids is None:
            raise ValueError("rectify needs sample_id: the ids whose rows are to be replaced")
        return self._one(Rectify(named_request(request_id), incoming))

    @in_turn
    def restrict(
        self,
        *,
        sample_id: Any = None,
        subject: str | None = None,
        label: Any = None,
        session: str | None = None,
        request_id: str | None = None,
    ) -> StoreReceipt:
        """Take rows out of the state but keep them, until `unrestrict`. Parameters, receipt and errors as `forget`."""
        return self._one(Restrict(*selection(sample_id, subject, label, session, request_id), "restrict"))

    @in_turn
    def unrestrict(
        self,
        *,
        sample_id: Any = None,
        subject: str | None = None,
        label: Any = None,
        session: str | None = None,
        request_id: str | None = None,
    ) -> StoreReceipt:
        """Use restricted rows again. Parameters, receipt and errors as `forget`."""
        return self._one(Restrict(*selection(sample_id, subject, label, session, request_id), "unrestrict"))

    def _one(self, task: Task, dry_run: bool = False) -> StoreReceipt:
        check_selector(self.parts, task)
        if dry_run:
            return self._try(task)
        self.parts.check_writable()
        (result,) = execute(self.parts, [task])
        if isinstance(result, RefusedError):
            raise result
        return result

    def _try(self, task: Task) -> StoreReceipt:
        with self.parts.database.transaction("DEFERRED"):  # the selection is a temporary table: nothing is written
            asked, unknown = task.choose(self.parts.rows)
            cascade = task.dependents(self.parts.rows)
            emptied = self.parts.rows.labels_without_others() if has_classes(self.parts.database) else 0
            return StoreReceipt(
                task.request,
                task.kind,
                asked,
                self.parts.rows.chosen(),
                unknown,
                emptied,
                self.parts.audit.last()[2],
                dry_run=True,
                cascade=cascade,
            )

    # ---- keys and tombstones

    @in_turn
    def rotate_key(self, kind: Literal["ledger", "certificate", "signing"]) -> str:
        """Use a new key from now on; the old ones stay, so that what was made with them can be checked."""
        self.parts.check_writable()
        name = self.parts.keys.rotate(kind)
        with self.parts.database.transaction():
            self.parts.audit.append("key", kind=kind, id=name)
        return name

    def replay_tombstones(
        self, tombstones: Iterable[Any] = (), *, request_id: str | None = None
    ) -> StoreReceipt | None:
        """Erase again what a restored backup brought back.

        Parameters
        ----------
        tombstones : iterable, optional
            From `export_tombstones`, taken after the backup; made with keys that this store has. Without them, the
            store's own.

        Returns
        -------
        StoreReceipt or None
            None if there was nothing to erase.
        """
        entries, request = list(tombstones), named_request(request_id)
        with self.turns.mine():
            self.parts.check_writable()
            with self.parts.database.transaction():
                self.parts.tombstones.bring(entries)
            numbers = tuple(self.parts.rows.erased(self.parts.tombstones))
            return self._one(Replay(request, numbers=numbers)) if numbers else None
