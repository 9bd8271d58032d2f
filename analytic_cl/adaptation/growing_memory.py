"""A head beside a memory that grows by the rows that it is sure of, and that says where each of them came from."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.integer_rows import integer_rows
from analytic_cl.adaptation.log_posteriors import log_posteriors
from analytic_cl.adaptation.provenance import CascadeReceipt, Provenance
from analytic_cl.adaptation.state_cache import OfState
from analytic_cl.heads import NearestNeighborsClassifier
from analytic_cl.learner import Learner, keeps_all_rows
from analytic_cl.ledger import SampleId, as_ids, as_name
from analytic_cl.memory import LearnedRows
from analytic_cl.statistics import encode_labels

Floats = NDArray[np.float64]


class GrowingMemory(Adapted):
    """Neighbours among learned rows and among test rows that were labelled with confidence vote beside the head.

    For streams that drift away from the learned rows by and by. Most of the gain is that of the neighbours; what grows
    adds to it where rows move step by step, and costs a little where nothing moves and few rows were learned. The
    downside: machine labels are wrong at times, and then wrong for good; the memory has no bound; and a prediction
    reads all of it.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba`; used as it is. Best with a ledger that keeps its rows: they calibrate, and vote.
    memory : NearestNeighborsClassifier, optional
        How neighbours vote: a template, which is cloned. Rows come to it through the head's quantizer.
    confidence : float from 0 to 1, default=0.9
        Probability of the label from which on a row is remembered; 1 can be reached only by rounding.
    weight : float from 0 to 1, default=0.5
        Share of the vote in an answer, where the learned rows vote too; 1: the vote alone, as published. Without them
        it is multiplied by n / (n + N), n remembered rows and N learned ones.
    source_rows : bool, default=True
        Whether learned rows vote too, where the head's ledger keeps all of them.
    online : bool, default=True
        Whether `predict` and `predict_proba` remember, too, after they have answered; else only `adapt` does.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Those of the head.
    memory_ : NearestNeighborsClassifier
        The remembered rows, by their ids; not fitted before the first.
    provenance_ : list of Provenance
        Where each of them came from, oldest first.

    Raises
    ------
    ValueError
        When asked: for a head without `predict_proba`, for parameters out of range, and, until `reset`, where the head
        has lost a class of which rows are remembered, or changed its quantizer. Classes may come at any time.

    Notes
    -----
    As long as nothing is remembered the answers are the head's, bit for bit. A call answers with what was remembered
    before it: a prediction does not depend on the other rows of its batch, but on all batches before.

    Confidences are those of the mixed posteriors; the head's part of them is calibrated on folds of the learned rows
    where the ledger keeps these, else an `UncalibratedWarning` says so. A row that is asked about twice is remembered
    twice.

    Forgetting: a machine label depends on every row that was learned or remembered before, through the model that gave
    it. So when a source row is erased, *every* machine-labelled row that was added after it has to go: `forget` does
    that, and the receipt counts them. Learn by `partial_fit` of this wrapper: then it is known which rows were
    remembered before; rows that the head learned by itself count as learned before all of them, and so do rows that
    are named by their values, without an id. What is erased by the head's own `forget` takes nothing along.

    Memory: the remembered rows, d bytes each behind the embedding quantizer, and a copy of the learned ones.

    Cost: that of the head and of the neighbours; one calibration for each state of the head (see `estimate_priors`).

    Exactness: the memory is bit for bit a function of its rows, in any order; which rows are remembered depends on
    order.

    References
    ----------
    Zhang et al., AdaNPC, ICML 2023. There: the vote alone (``weight=1``); the confidence is a softmax of probabilities,
    which can't reach the thresholds that were searched; a random first row stays for ever. ILASR (Amazon, incremental
    learning from machine-labelled data, 2022): rows that a frozen teacher is sure of; here a model that changes, and so
    the record of which one it was.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import GrowingMemory
    >>> rng = np.random.default_rng(0)
    >>> def rows(y):
    ...     return rng.normal(size=(len(y), 4)) + 4 * np.eye(4)[y]
    >>> y = np.arange(60) % 3
    >>> model = GrowingMemory(LDAClassifier(), confidence=0.8).fit(rows(y), y, sample_id=range(60))
    >>> before = model.adapt(rows(y), session="Monday")
    >>> _ = model.partial_fit(rows(y), y, sample_id=range(60, 120))
    >>> after = model.adapt(rows(y), session="Tuesday")
    >>> model.provenance_[0].session, model.provenance_[-1].order
    ('Monday', 2)
    >>> receipt = model.forget(sample_id=[77])
    >>> receipt.head.removed, receipt.cascaded == after, len(model.provenance_) == before
    (1, True, True)
    """

    _provenance: list[Provenance]
    _learned_after: dict[SampleId, int]  # ids of learned rows, and the calls that remembered before
    _calls: int
    _named: int
    _key: bytes
    _prefix: str

    def __init__(
        self,
        head: Any,
        memory: NearestNeighborsClassifier | None = None,
        confidence: float = 0.9,
        weight: float = 0.5,
        *,
        source_rows: bool = True,
        online: bool = True,
    ) -> None:
        self.head = head
        self.memory = memory
        self.confidence = confidence
        self.weight = weight
        self.source_rows = source_rows
        self.online = online
        self._forget_rows()

    # ---- answer

    def _adapted(self, X: ArrayLike) -> Floats:
        base = self._ready()
        own = self._own(base, X)
        if not self._provenance:
            mixed, answers = own, np.asarray(base.predict_proba(X))
        else:
            answers = mixed = self._mixed(base, own, integer_rows(base, X))
        if self.online:
            self._remember(base, X, mixed, None, None)
        return answers

    def adapt(self, X: ArrayLike, session: str | None = None, *, sample_id: Any = None) -> int:
        """Remember the rows whose label is sure enough; how many.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows without labels.
        session : str, optional
            When or from where they came.
        sample_id : sequence of int or str, optional
            A name for each row, by which it can be forgotten. Raises ValueError for one that the head or the memory
            has.
        """
        base = self._ready()
        own = self._own(base, X)
        ids = None if sample_id is None else as_ids(sample_id, len(own))
        if ids is not None:
            base.learner_.ledger.check_new(ids)
            if self._provenance:
                self.memory_.learner_.ledger.check_new(ids)
        name = None if session is None else as_name("session", session)
        mixed = self._mixed(base, own, integer_rows(base, X)) if self._provenance else own
        return self._remember(base, X, mixed, ids, name)

    def _ready(self) -> Any:
        for name in ("confidence", "weight"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")
        if self.memory is not None and not isinstance(self.memory, NearestNeighborsClassifier):
            raise TypeError(f"memory must be a NearestNeighborsClassifier, got {type(self.memory).__name__}")
        base = self._base()
        if self._provenance:
            here = set(base.classes_.tolist())
            gone = sorted({record.label for record in self._provenance if record.label not in here})
            if gone:
                raise ValueError(f"rows are remembered of classes that the head has lost, {gone[:5]}: call reset()")
            if self.memory_.quantizer_ != base.quantizer_:
                raise ValueError("rows are remembered behind another quantizer than the head has now: call reset()")
        return base

    def _own(self, base: Any, X: ArrayLike) -> Floats:
        """The head's posteriors, calibrated."""
        known = self._calibrated(base)
        return np.asarray(np.exp(known.of(log_posteriors(base, X))))

    def _mixed(self, base: Any, own: Floats, rows: NDArray[Any]) -> Floats:
        voters = self._voters_of(base)
        places = {label: at for at, label in enumerate(base.classes_.tolist())}
        votes, n = np.zeros_like(own), voters.state_.n_rows
        columns = [places[label] for label in voters.classes_.tolist()]
        votes[:, columns] = voters.probabilities_of(voters.scores_of(rows))
        silent = 0 if n > len(self._provenance) else base.state_.n_rows
        share = self.weight * n / (n + silent)
        return np.asarray((1 - share) * own + share * votes)

    def _voters_of(self, base: Any) -> NearestNeighborsClassifier:
        """The remembered rows, and the learned ones where these are there and wanted."""
        if not (self.source_rows and keeps_all_rows(base.learner_)):
            return self.memory_

        def joined() -> NearestNeighborsClassifier:
            voters, ledger = self._empty(base), base.learner_.ledger
            for each in (ledger, self.memory_.learner_.ledger):
                rows, targets = each.rows_of(each.find_all())
                voters.learner_.learn(rows.copy(), targets)
            return voters

        return self._voters.get(base, repr(self.memory), joined)

    def _empty(self, base: Any) -> NearestNeighborsClassifier:
        made: NearestNeighborsClassifier = NearestNeighborsClassifier() if self.memory is None else clone(self.memory)
        made.quantizer, made.projection = base.quantizer_.parameter(), base.quantizer_.projection
        made.adopt(Learner(LearnedRows(base.quantizer_), track="rows"))
        return made

    # ---- remember

    def _remember(self, base: Any, X: ArrayLike, mixed: Floats, ids: list[SampleId] | None, session: str | None) -> int:
        places, sure = mixed.argmax(axis=1), np.flatnonzero(mixed.max(axis=1) >= self.confidence)
        self._calls += 1
        if not len(sure):
            return 0
        n, first = len(sure), self._named + 1
        names: list[SampleId]
        names = [f"{self._prefix}-{first + at}" for at in range(n)] if ids is None else [ids[at] for at in sure]
        rows, targets = integer_rows(base, X)[sure], encode_labels(base.classes_[places[sure]])
        mark = self.keyed_digest(self._digest.get(base, None, base.state_digest))
        labels = [targets.values[code] for code in targets.codes]
        records = [
            Provenance(name, label, confidence, session, self._calls, mark)
            for name, label, confidence in zip(names, labels, mixed.max(axis=1)[sure].tolist(), strict=True)
        ]
        memory = self.__dict__.get("memory_") or self._empty(base)
        with deferred_interrupts():
            memory.learner_.learn(rows.copy(), targets, names)
            self.memory_ = memory
            self._provenance += records
            self._named += n
            self._voters.drop()
        return n

    @property
    def provenance_(self) -> list[Provenance]:
        return list(self._provenance)

    def keyed_digest(self, digest: str) -> str:
        """What `Provenance.model` is for a head whose `state_digest` is this: HMAC-SHA-256 under a key of this memory.

        A plain digest would let a reader test guesses about rows that were erased since.
        """
        return hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: Any = None, *, sample_id: Any = None) -> Self:
        """Let the head learn more rows, and note which rows were remembered before. Parameters as the head's."""
        self.head.partial_fit(X, y, classes, sample_id=sample_id)
        if sample_id is not None and self._calls:
            self._learned_after |= dict.fromkeys(as_ids(sample_id), self._calls)
        return self

    # ---- forget

    def forget(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None, *, sample_id: Any = None, cascade: bool = True
    ) -> CascadeReceipt:
        """Erase rows from the head, or remembered ones, and all remembered rows that depend on them.

        Parameters
        ----------
        X, y, sample_id
            As `Head.forget` takes them; ids of remembered rows, as `provenance_` has them, go alone or with others.
        cascade : bool, default=True
            Erase also every machine-labelled row that was remembered after the first of these rows was learned or
            remembered: its label came from a model that had seen it. False: keep them, and count them in the receipt.

        Returns
        -------
        CascadeReceipt

        Raises
        ------
        NotLearnedError
            A ValueError that names rows or ids that neither has. Nothing is changed.

        Notes
        -----
        Exactness: bit for bit. After a cascade head and memory are those of a history in which neither the erased rows
        nor what was remembered after them ever came.
        """
        mine = {record.sample_id: record for record in self._provenance}
        ids = [] if sample_id is None else as_ids(sample_id)
        asked = [mine[name] for name in ids if name in mine] if X is None else []
        others = [name for name in ids if name not in mine] if X is None else ids
        since = min(
            [record.order for record in asked]
            + [self._learned_after.get(name, 0) for name in others]
            + [0] * (X is not None and sample_id is None),
            default=0,
        )
        with deferred_interrupts():
            receipt = None
            if X is not None or others or not asked:
                receipt = self.head.forget(X, y, sample_id=others if sample_id is not None else None)
            for name in others:
                self._learned_after.pop(name, None)
            after = [record for record in self._provenance if record.order > since and record.sample_id not in ids]
            self._drop([*asked, *after] if cascade else asked)
        return CascadeReceipt(receipt, len(asked), *((len(after), 0) if cascade else (0, len(after))), since)

    def _drop(self, records: list[Provenance]) -> None:
        if records:
            going = {record.sample_id for record in records}
            self.memory_.forget(sample_id=list(going))
            self._provenance = [record for record in self._provenance if record.sample_id not in going]
            if not self._provenance:
                del self.memory_
        self._voters.drop()

    def _forget_rows(self) -> None:
        self.__dict__.pop("memory_", None)
        self._provenance, self._learned_after, self._calls, self._named = [], {}, 0, 0
        self._key, self._prefix = secrets.token_bytes(32), f"machine-{secrets.token_hex(4)}"  # no id of learned rows
        self._voters: OfState[NearestNeighborsClassifier] = OfState()
        self._digest: OfState[str] = OfState()
