"""The learned state of a store: a snapshot on disk, and the rows that came since."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from sklearn.base import clone

from analytic_cl._files import sync_directory
from analytic_cl.heads import BaseHead, head_classes, load
from analytic_cl.heads.persistence import head_from_text, parameters_text
from analytic_cl.learner import Learner
from analytic_cl.ledger import SampleId
from analytic_cl.quantizers import Losses, Quantizer
from analytic_cl.statistics import EMPTY, LabelledState, State, Targets, label_kind
from analytic_cl.store.audit import Audit
from analytic_cl.store.database import Database
from analytic_cl.store.errors import DamagedError, StoreError
from analytic_cl.store.keys import Keys
from analytic_cl.store.rows import Rows


class Incoming(NamedTuple):
    """Rows that passed validation and the quantizer."""

    rows: NDArray[Any]
    targets: Targets
    ids: list[SampleId] | None
    quantizer: Quantizer
    n_features: int
    feature_names: list[str] | None
    other_columns: list[str]

    def about(self) -> dict[str, Any]:
        """What has to be written down to read such rows again."""
        return {
            "quantizer": self.quantizer.spec(),
            "n_features": self.n_features,
            "feature_names": self.feature_names,
            "other_columns": self.other_columns,
        }


class Model:
    """A head over the rows in the state; the rows themselves are in the database.

    The file that ``about.snapshot`` names holds the state as it was after one entry of the log; rows learned later are
    added when the store is opened. Whatever takes rows out writes a new snapshot before it commits, so nothing but
    learning ever has to be replayed.
    """

    def __init__(self, folder: Path, database: Database, rows: Rows, keys: Keys, *, mend: bool) -> None:
        self._folder = folder
        self._keys = keys
        self._db = database
        self._rows = rows
        self.damaged = ""  # why the snapshot could not be used, if so
        self._digest: tuple[State, int, str] | None = None  # of which state, at which revision
        self.dirty = False  # changed within a transaction that has not committed yet
        self._losses: Losses | None = None  # at the quantizer, of rows learned since the store was opened
        self._load(mend)

    def _load(self, mend: bool) -> None:
        """Read the snapshot and add what came since; where it is damaged, and `mend`, learn again from all rows."""
        snapshot = self._db.about("snapshot")
        if snapshot is None:
            raise DamagedError(f"{self._db.path} does not name its snapshot any more: restore the store from a backup")
        after: int = snapshot["after"]
        try:
            if re.fullmatch(r"[0-9a-z]+\.safetensors", snapshot["name"]) is None:  # it stays within the folder
                raise ValueError(f"{snapshot['name']!r} is not the name of a snapshot")
            self.head: BaseHead = load(self._folder / snapshot["name"])
            if not self._sealed(snapshot):
                raise ValueError(f"{snapshot['name']} is a snapshot of another state")
        except (OSError, ValueError, SafetensorError) as error:
            if isinstance(error, FileNotFoundError) and not mend:
                raise
            self.damaged = str(error)
            self.head = head_from_text(self._db.about("head"), head_classes())
        self.since = 0  # rows that the snapshot lacks
        about = self._db.about("rows")
        if about is not None:
            self._expect(about)
        if self.damaged:
            # What takes rows out writes a snapshot, so the rows from before it give exactly its state.
            if about is not None:
                self._add(self._rows.batches(self.head.quantizer_, until=after))
            if not self._sealed(snapshot):
                raise DamagedError(
                    f"{self._db.path}: the snapshot can't be used ({self.damaged}), and the rows do not give its state "
                    "either: restore the store from a backup"
                )
        before, expected = self.since, Audit(self._db).rows_learned(after=after)
        if about is not None:
            self._add(self._rows.batches(self.head.quantizer_, after=after))
        if self.since - before != expected:
            raise DamagedError(
                f"{self._db.path} holds {self.since - before} rows that were learned after entry {after} of the log, "
                f"which tells of {expected}: restore the store from a backup"
            )

    def _add(self, batches: Iterable[tuple[NDArray[Any], Targets]]) -> None:
        for rows, targets in batches:
            self.learner.learn(rows, targets)
            self.since += len(rows)

    def _sealed(self, snapshot: dict[str, Any]) -> bool:
        """Whether the state is the one that the database wrote down."""
        digest = self.head.state_digest() if self.head.__sklearn_is_fitted__() else EMPTY
        return self._keys.matches("ledger", snapshot["seal"], seal_text(digest, snapshot["after"]))

    def _expect(self, about: dict[str, Any]) -> None:
        """Be ready for rows as `Incoming.about` describes them."""
        if not self.head.__sklearn_is_fitted__():
            self.head.adopt(Learner(self.head.empty_state(Quantizer.from_spec(about["quantizer"])), track="none"))
        if about["feature_names"] is not None:
            self.head.feature_names_in_ = np.array(about["feature_names"], dtype=object)

    @staticmethod
    def describe(database: Database, head: BaseHead) -> None:
        """Write down what kind of head a store holds, within a transaction."""
        database.set_about("head", parameters_text(head))
        database.set_about("shown", repr(head))

    @property
    def learner(self) -> Learner:
        """What learns and forgets; its ledger keeps no record of rows, which the tables do."""
        if not self.head.__sklearn_is_fitted__():
            about = self._db.about("rows")
            if about is None:
                raise StoreError("the store has learned nothing yet")
            self._expect(about)
        return self.head.learner_

    @property
    def state(self) -> LabelledState:
        return cast(LabelledState, self.learner.state)

    def forget(self, rows: NDArray[Any], targets: Targets) -> None:
        """Take rows out of the state."""
        learner = self.learner
        learner.forget(learner.find(rows, targets), rows, targets)

    def quantizer(self) -> Quantizer:
        """The quantizer of the rows that the store holds, in the state or not."""
        return Quantizer.from_spec(self._db.about("rows")["quantizer"])

    @property
    def n_rows(self) -> int:
        return self.head.state_.n_rows if self.head.__sklearn_is_fitted__() else 0

    def digest(self) -> str:
        """Digest of the state, computed once for each of its revisions: a request asks several times."""
        if not self.n_rows:
            return EMPTY
        state = self.state
        if self._digest is None or self._digest[0] is not state or self._digest[1] != state.revision:
            self._digest = state, state.revision, state.digest()
        return self._digest[2]

    def labels(self) -> list[Any]:
        return self.state.labels if self.n_rows and self.has_classes else []

    @property
    def has_classes(self) -> bool:
        """Whether labels say something of rows; those of a regression are all alike."""
        return self.head.task == "classification"

    # ---- learn

    def incoming(
        self,
        X: Any,
        y: Any,
        sample_id: Any,
        feature_names: Sequence[str] | None = None,
        other_columns: Sequence[str] = (),
    ) -> Incoming:
        """Validate rows and take them through the quantizer, changing nothing."""
        about, labels = self._db.about("rows"), list(self._rows.labels().values())
        known = about is not None
        if known:
            self._expect(about)
        head = self.head if known else clone(self.head)
        if feature_names is not None:
            head = _compared(head, feature_names)
        head.losses = self._losses
        new = head.encode(X, y, sample_id).with_one_label_each("a store")
        kind = label_kind(new.targets.values[0])
        if labels and label_kind(labels[0]) != kind:  # those of restricted rows as well
            raise ValueError(
                f"labels of mixed types: {new.targets.values[0]!r} is a {kind}, the store's are "
                f"{label_kind(labels[0])}s such as {labels[0]!r}"
            )
        (head.state_ if known else head.empty_state(new.quantizer)).check_learnable(new.rows, new.targets)
        width = new.quantizer.n_features
        names = getattr(head, "feature_names_in_", None)
        if feature_names is not None and len(feature_names) != width:
            raise ValueError(f"X has {width} columns, but feature_names names {len(feature_names)}")
        given = list(feature_names) if feature_names is not None else None if names is None else names.tolist()
        self._losses = head.losses
        return Incoming(new.rows, new.targets, new.ids, new.quantizer, width, given, sorted(set(other_columns)))

    def note(self, about: dict[str, Any]) -> None:
        """Write down what is new about rows that come, within a transaction: the first names of columns are kept."""
        known = self._db.about("rows")
        if known is not None:
            others = sorted({*known.get("other_columns", []), *about.get("other_columns", [])})
            about = known | {"feature_names": known["feature_names"] or about["feature_names"], "other_columns": others}
        if about != known:
            self._db.set_about("rows", about)

    def learn(self, rows: NDArray[Any], targets: Targets, about: dict[str, Any]) -> None:
        """Learn rows, within a transaction."""
        self.dirty = True
        self._expect(about)
        self.learner.learn(rows, targets)
        self.since += len(rows)

    # ---- snapshots

    def write_snapshot(self) -> str:
        """Write the state to a new file; its name. It counts from when ``about.snapshot`` names it."""
        name = f"{secrets.token_hex(8)}.safetensors"
        if self._losses is not None:
            self._losses.restart()  # rows may be going out
        if not self.n_rows:
            self.head.become_unfitted()
        self.head.save(self._folder / name)
        return name

    def point_to(self, name: str, after: int) -> None:
        """Make a snapshot the one that counts, within a transaction."""
        seal = self._keys.hash("ledger", seal_text(self.digest(), after))
        self._db.set_about("snapshot", {"name": name, "after": after, "seal": seal})

    def settle(self, after: int) -> None:
        """Write the state without rows that went out, within the transaction of an entry of the log."""
        if not self._rows.any():
            self._db.run("DELETE FROM about WHERE name = 'rows'")  # the next rows may be of any width
        self.point_to(self.write_snapshot(), after)

    def remove_other_snapshots(self) -> None:
        current = self._db.about("snapshot")["name"]
        for path in self._folder.iterdir():
            if path.name != current and (path.is_symlink() or not path.is_dir()):
                path.unlink(missing_ok=True)
        sync_directory(self._folder)


def _compared(head: BaseHead, names: Sequence[str]) -> BaseHead:
    """A head over the same state that needn't be told the names of columns, because they are compared here."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ValueError("feature_names must be strings, all different")
    known = getattr(head, "feature_names_in_", None)
    if known is not None and known.tolist() != list(names):
        raise ValueError(
            f"the store learned from other columns, or in another order: {known.tolist()[:10]} and {list(names)[:10]}"
        )
    head = copy(head)
    head.__dict__.pop("feature_names_in_", None)
    return head


def seal_text(digest: str, after: int) -> bytes:
    """What is hashed of a state and of its place in the log, so that the database knows its snapshot."""
    return f"snapshot\0{digest}\0{after}".encode()
