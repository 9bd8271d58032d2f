"""The partitioned store: learn, answer requests and prove it, over many parts as if they were one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from analytic_cl.distributed.partitioned import forgetting, learning
from analytic_cl.distributed.partitioned.evidence import verify
from analytic_cl.distributed.partitioned.hosts import Elsewhere, Executor, Here
from analytic_cl.distributed.partitioned.line import Line, in_line
from analytic_cl.distributed.partitioned.merged import Merged
from analytic_cl.distributed.partitioned.register import Register, create_register, open_register
from analytic_cl.heads import Head
from analytic_cl.ledger import as_name
from analytic_cl.store import RefusedError, StoreError, StoreReceipt
from analytic_cl.store.files import size_of
from analytic_cl.store.names import selection, spread
from analytic_cl.store.rows import Batch
from analytic_cl.store.tasks import Forget
from analytic_cl.store.verification import Verification


class PartitionedStore:
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

    def __init__(self, path: Any, *, executor: Executor | None = None) -> None:
        self.path = Path(path)
        self._open: Register | None = open_register(self.path)
        self._host = Here(self.path) if executor is None else Elsewhere(self.path, executor)
        self._merged = Merged(self._host, self._open.n_parts)
        self._encoder = learning.Encoder(self._open)
        self.line = Line()
        try:
            self.line.do(self._settled)
        except BaseException:
            self.close()
            raise

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

    @classmethod
    def open(cls, path: Any, *, executor: Executor | None = None) -> Self:
        """Open a store that is there, and end what a kill broke off: a learning is taken back, a request carried out.

        Raises StoreError, or StoreLockedError naming the process that has it open.
        """
        return cls(path, executor=executor)

    def close(self) -> None:
        """Wait for what is being done, and let other processes open the store."""
        if self.line.at_home:
            self.line.end(self._close)

    def _close(self) -> None:
        if self._open is not None:
            register, self._open = self._open, None
            try:
                self._host.close()
            finally:
                register.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _settled(self) -> Register:
        """The record of the whole, after the end of what was broken off, if anything was."""
        register = self._open
        if register is None:
            raise StoreError(f"the store {self.path} is closed")
        if register.pending is not None:
            self._merged.drop()
            learning.take_back(register, self._host)
            forgetting.finish(register, self._host, self._merged)
        register.clean()
        return register

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
        keys = ("sample_id", "subject", "label", "session", "request_id", "skip_unknown")
        tasks = []
        for number, request in enumerate(wanted):
            if unknown := sorted(set(request) - set(keys)):
                raise ValueError(f"request {number} has unknown fields: {', '.join(unknown)}")
            tasks.append(Forget(*selection(*(request.get(key) for key in keys))))
        return forgetting.execute(self._settled(), self._host, self._merged, tasks)

    # ---- the model

    @property
    @in_line
    def head(self) -> Head:
        """The head of all parts as it is now, merged. To read from: what changes it goes through the store."""
        self._settled()
        return self._merged.head()

    @property
    @in_line
    def n_rows(self) -> int:
        """Rows in the state."""
        head = self.head
        return head.state_.n_rows if head.__sklearn_is_fitted__() else 0

    @in_line
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        head = self.head
        if not head.__sklearn_is_fitted__():
            raise NotFittedError(f"the store {self.path} has no rows in use: its model is not fitted")
        return head.predict(X)

    @in_line
    def state_digest(self) -> str:
        """SHA-256 of the state of the whole: that of one head over all rows. Keep it to yourself."""
        self._settled()
        return self._merged.digest()

    # ---- evidence

    @in_line
    def verify(
        self, *, head: str | None = None, certificate: Mapping[str, Any] | None = None, retrain: bool = False
    ) -> Verification:
        """Check the log of the whole, every part, that they tell of the same, and a certificate.

        Parameters
        ----------
        head : str, optional
            A published `audit_head` that the log must still pass through.
        certificate : mapping, optional
            One of this store's certificates: its signature, its place in the log, those of its parts.
        retrain : bool, default=False
            Also learn again, part by part, from all rows.

        Returns
        -------
        Verification

        Raises
        ------
        VerificationError
            Saying what does not hold.
        """
        return verify(self._settled(), self._host, self._merged, head, certificate, retrain)

    @in_line
    def receipt(self, request_id: str) -> StoreReceipt | None:
        """The receipt of an applied request."""
        return self._settled().requests.receipt(as_name("request_id", request_id))

    @in_line
    def requests(self) -> list[dict[str, Any]]:
        """Id, kind, status, times and reason of every request and named batch, oldest first."""
        return self._settled().requests.all()

    @in_line
    def audit(self) -> list[dict[str, Any]]:
        """The entries of the audit log of the whole, oldest first."""
        return list(self._settled().audit.entries())

    @property
    @in_line
    def audit_head(self) -> str:
        """Number and hash of the last entry: publish it, and later pass it to `verify`."""
        return self._settled().audit.head

    @in_line
    def public_keys(self) -> dict[str, str]:
        """Public keys of the certificates by id: give them to everyone who checks one."""
        return self._settled().keys.public_keys()

    @in_line
    def certificate_keys(self) -> dict[str, str]:
        """Keys of the certificates' state hashes by id: give them to an auditor, over a private channel."""
        return self._settled().keys.certificate_keys()

    @in_line
    def status(self) -> dict[str, Any]:
        """What the store holds, in counts."""
        register, head = self._settled(), self.head
        states = [request["status"] for request in register.requests.all()]
        return {
            "path": str(self.path),
            "head": repr(head),
            "parts": register.n_parts,
            "rows": self.n_rows,
            "classes": len(head.classes_) if head.__sklearn_is_fitted__() else 0,
            "requests": {state: states.count(state) for state in ("received", "applied", "refused")},
            "cleaning_due": bool(register.database.about("cleaning")),
            "tombstones": int(register.database.one("SELECT count(*) FROM tombstones")),
            "audit_head": register.audit.head,
            "size_bytes": size_of(self.path),
        }
