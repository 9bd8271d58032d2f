"""What a partitioned store tells: the model, the record of requests, the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from analytic_cl.distributed.partitioned import forgetting, learning
from analytic_cl.distributed.partitioned.evidence import verify
from analytic_cl.distributed.partitioned.hosts import Elsewhere, Executor, Here, Host
from analytic_cl.distributed.partitioned.line import Line, in_line
from analytic_cl.distributed.partitioned.merged import Merged
from analytic_cl.distributed.partitioned.register import Register, open_register
from analytic_cl.heads import Head
from analytic_cl.ledger import as_name
from analytic_cl.store import StoreError, StoreReceipt
from analytic_cl.store.files import size_of
from analytic_cl.store.verification import Verification


class PartitionedReading:
    """An open partitioned store, and all that it tells. `PartitionedStore` adds what changes it.

    Every public operation stands in line (`in_line`); what is private expects to be called within one.
    """

    def __init__(self, path: Any, *, executor: Executor | None = None) -> None:
        self.path = Path(path)
        self._open: Register | None = open_register(self.path)
        self._host: Host = Here(self.path) if executor is None else Elsewhere(self.path, executor)
        self._merged = Merged(self._host, self._open.n_parts)
        self._encoder = learning.Encoder(self._open)
        self.line = Line()
        try:
            self.line.do(self._settled)
        except BaseException:
            self.close()
            raise

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
    def export_tombstones(self) -> list[list[str | None]]:
        """Keyed hashes of what was erased, and when each expires: keep them apart from the backups."""
        return self._settled().tombstones.export()

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
