"""What a store tells: the model, the record of requests, the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from analytic_cl.heads import BaseHead
from analytic_cl.ledger import as_name
from analytic_cl.quantizers import JointQuantizer
from analytic_cl.store.copy_register import Copy, copies_in
from analytic_cl.store.errors import RefusedError, StoreError
from analytic_cl.store.opening import close_parts, open_parts
from analytic_cl.store.parts import Parts
from analytic_cl.store.receipt import StoreReceipt
from analytic_cl.store.record import status_of
from analytic_cl.store.turns import Turns, in_turn
from analytic_cl.store.verification import Verification, verify


class StoreReading:
    """An open store, and all that it tells. `Store` adds what changes it.

    Every public operation takes its turn (`in_turn`); what is private expects to be called within one.
    """

    def __init__(self, path: Any, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self.turns = Turns()
        self._open: Parts | None = open_parts(self.path, read_only=read_only)

    @property
    def parts(self) -> Parts:
        """What the store is made of; for functions of a store, which take their turn before they use it."""
        if self._open is None:
            raise StoreError(f"the store {self.path} is closed")
        return self._open

    @classmethod
    def open(cls, path: Any, *, read_only: bool = False) -> Self:
        """Open a store that is there. Raises StoreError, or StoreLockedError naming the process that writes to it."""
        return cls(path, read_only=read_only)

    def close(self) -> None:
        """Write down what was learned since the last snapshot, and let other processes write.

        In a process that was forked from the one that opened the store, this does nothing.
        """
        if self.turns.at_home:
            self._close()

    @in_turn
    def _close(self) -> None:
        if self._open is not None:
            parts, self._open = self._open, None
            close_parts(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- the model

    @property
    @in_turn
    def head(self) -> BaseHead:
        """The head as it is now. To read from: what changes it goes through the store.

        Other threads may learn and forget while you use it: in several threads, ask the store itself.
        """
        return self.parts.model.head

    @property
    @in_turn
    def n_rows(self) -> int:
        """Rows in the state."""
        return self.parts.model.n_rows

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the columns that were learned from, in order; None where they had none."""
        about = self.parts.database.about("rows")
        return None if about is None else about["feature_names"]

    @property
    def other_columns(self) -> list[str]:
        """Names of the columns that stood beside the features, such as that of the labels."""
        return list((self.parts.database.about("rows") or {}).get("other_columns", []))

    def _serving(self) -> BaseHead:
        model = self.parts.model
        if not model.n_rows:
            raise NotFittedError(f"the store {self.path} has no rows in use: its model is not fitted")
        return model.head

    @in_turn
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,), or what a regressor predicts."""
        return np.asarray(self._serving().predict(X))

    @in_turn
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of each row, as the head gives them."""
        return np.asarray(self._serving().decision_function(X))

    @in_turn
    def state_digest(self) -> str:
        """SHA-256 of the state; keep it to yourself: see `Moments.digest` and the threat model."""
        return self.parts.model.digest()

    def snapshot(self) -> None:
        """Write the state to disk; the writer's business."""

    # ---- look

    @in_turn
    def access(self, subject: str) -> dict[str, Any]:
        """All that the store holds about a subject: rows with ids, labels (or targets, in their units), sessions,
        times and integers.

        The log, where it is written to, notes that someone asked, under a hash of the subject.

        Raises
        ------
        RefusedError
            Nothing is held about the subject: never learned, or erased.
        """
        subject = as_name("subject", subject)
        model = self.parts.model
        with self.parts.database.transaction("DEFERRED" if self.read_only else "IMMEDIATE"):
            about = self.parts.database.about("rows")
            self.parts.rows.choose("subject", subject)
            rows = [] if about is None else list(self.parts.rows.about_chosen(model.quantizer()))
            if not self.read_only:
                self.parts.audit.append(
                    "access", subject=self.parts.keys.hash("ledger", subject.encode()), rows=len(rows)
                )
            quantizer = model.quantizer() if rows else None
        if isinstance(quantizer, JointQuantizer):
            for row in rows:
                row["target"] = quantizer.target_values(np.array([row["integers"]]))[0].tolist()
                del row["label"]  # which all rows share
        if about is None or not rows:
            raise RefusedError(f"no rows of subject {subject!r} are in the store: never learned, or erased")
        return {"subject": subject, "quantizer": about["quantizer"], "rows": rows}

    @in_turn
    def requests(self) -> list[dict[str, Any]]:
        """Id, kind, status, times and reason of every request, oldest first."""
        return self.parts.requests.all()

    @in_turn
    def receipt(self, request_id: str) -> StoreReceipt | None:
        """The receipt of an applied request."""
        return self.parts.requests.receipt(as_name("request_id", request_id))

    @in_turn
    def audit(self) -> list[dict[str, Any]]:
        """The entries of the audit log, oldest first."""
        return list(self.parts.audit.entries())

    @property
    @in_turn
    def audit_head(self) -> str:
        """Number and hash of the last entry: publish it, and later pass it to `verify`."""
        return self.parts.audit.head

    @in_turn
    def status(self) -> dict[str, Any]:
        """What the store holds, in counts."""
        parts = self.parts
        return status_of(self.path, parts.database, parts.requests, parts.audit)

    @in_turn
    def copies(self) -> list[Copy]:
        """Files that `analytic_cl.export` made of the model, the last of each path, and which of them are stale.

        A file that was deleted stays on the list: the store can't see whether there are others.
        """
        return copies_in(self.parts.audit)

    @in_turn
    def verify(
        self,
        *,
        head: str | None = None,
        certificate: Mapping[str, Any] | None = None,
        retrain: bool = False,
        deep: bool = False,
    ) -> Verification:
        """Check the log, the state against the rows, and a certificate; see `verification.verify`.

        With `deep`, also that no byte of the whole file is left of what was deleted: what no row uses is zero.
        """
        return verify(self.parts, head, certificate, retrain, deep)

    @in_turn
    def public_keys(self) -> dict[str, str]:
        """Public keys of the certificates by id: give them to everyone who checks one."""
        self.parts.keys.reload()
        return self.parts.keys.public_keys()

    @in_turn
    def certificate_keys(self) -> dict[str, str]:
        """Keys of the certificates' state hashes by id: give them to an auditor, over a private channel."""
        self.parts.keys.reload()
        return self.parts.keys.certificate_keys()

    @in_turn
    def export_tombstones(self) -> list[list[str | None]]:
        """Keyed hashes of what was erased, and when each expires: keep them apart from the backups."""
        return self.parts.tombstones.export()
