"""The contract of every head: validation and a quantizer in front of a `Learner`, a solver behind it."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike

from analytic_cl._containers import plain_scalar
from analytic_cl._locks import changing, reading
from analytic_cl.heads import persistence
from analytic_cl.heads.classification import Classification
from analytic_cl.heads.declared import Declared, declared_with_rows
from analytic_cl.heads.encoded import Encoded
from analytic_cl.heads.label_targets import is_label_sets, matrix_columns
from analytic_cl.heads.merging import Merging
from analytic_cl.heads.notebook import NotebookHead
from analytic_cl.heads.streaming import Streamed
from analytic_cl.heads.validation import check_known, plain_labels, plain_rows, validated
from analytic_cl.heads.weights import as_weights, with_weights, without_zeros
from analytic_cl.learner import Learner, Receipt
from analytic_cl.ledger import as_ids
from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers import check_provides
from analytic_cl.statistics import EMPTY, GRAM, Moments, Targets, as_label, encode_labels


class BaseHead(NotebookHead, Streamed, Merging):
    """What heads share, whatever their targets are: `Head` is the base of classifiers, `RLSRegressor` has numbers.

    It learns labels; a head with other targets says its ``task``, and defines ``_validated_rows``, ``_quantizer_for``
    and ``_joined``.

    For engines over heads (a store, a distributed engine), which learn by a `Learner`: `encode`, `empty_state`,
    `adopt`, and of `Prediction` `prepare`, `drop_caches`.
    """

    @changing
    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows, forgetting everything learned before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers: an array, tensor or data frame; a SciPy sparse matrix where the head `takes_sparse_rows`.
        y : array-like of shape (n_samples,)
            Integers, strings or booleans, of one kind; `LDAClassifier` and `RLSClassifier` also take any number of
            labels a row, see there. Spaces around a string and its Unicode form make no difference:
            `classes_` and `predict` have it without spaces, in NFC. The same holds for ids.
        sample_id : sequence of int or str, optional
            A name for each row, by which it can be forgotten or rectified later.
        sample_weight : array-like of shape (n_samples,), optional
            Whole numbers from 0 on: how often each row counts, as if it were there so often. A row of weight 0 is
            checked and not learned, nor is its id. A row with an id belongs to it with all its weight. Fractions are
            refused: choose a scale, such as ``np.rint(1000 * w)``.

        Returns
        -------
        self

        Notes
        -----
        Exactness: bit for bit equal to any sequence of `partial_fit` over the rows, unless the head `depends_on_order`;
        with `sample_weight`, to repeated rows.

        Cost of weights: that of as many rows as they have bits that are set, where the state can be unmerged; else, as
        of nearest neighbours, that of the repeated rows.
        """
        return self._whole(lambda: self._learn_afresh(X, y, None, sample_id, sample_weight, ()), afresh=True)

    @changing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn more rows. New classes may come at any time.

        Parameters
        ----------
        X, y, sample_id, sample_weight
            As in `fit`. An id that was learned already is refused.
        classes : array-like, optional
            Labels that are to be in `classes_`, with or without rows, until the next `fit`; never needed. Other labels
            are refused in this call. A class without rows has the lowest score and probability 0, and is no part of
            the state.

        Returns
        -------
        self
        """
        if not self.__sklearn_is_fitted__():
            return self._whole(
                lambda: self._learn_afresh(X, y, classes, sample_id, sample_weight, self._declared), afresh=True
            )
        return self._whole(lambda: self._learn_more(X, y, classes, sample_id, sample_weight))

    def _learn_afresh(self, X: Any, y: Any, classes: Any, sample_id: Any, sample_weight: Any, before: Declared) -> None:
        new = self._encode(X, y, sample_id, reset=True, sample_weight=sample_weight)
        declared = declared_with_rows(before, classes, new)
        learner = Learner(self.empty_state_for(new.quantizer, new.has_label_sets), track=self.track)
        learner.learn(new.rows, new.targets, new.ids, new.weights)
        self.declare(declared)
        self.adopt(learner)

    def _learn_more(self, X: Any, y: Any, classes: Any, sample_id: Any, sample_weight: Any) -> None:
        self._learn_encoded(self._encode(X, y, sample_id, reset=False, sample_weight=sample_weight), classes)

    def encode(self, X: Any, y: Any, sample_id: Any = None) -> Encoded:
        """Validate rows, labels and ids and quantise the rows, as if they were to be learned.

        An unfitted head takes them for its first rows, and remembers how many features they have and what these are
        called.
        """
        self.check_parameters()
        return self._encode(X, y, sample_id, reset=not self.__sklearn_is_fitted__()).on_host()

    def _encode(self, X: Any, y: Any, sample_id: Any, reset: bool, sample_weight: Any = None) -> Encoded:
        X, targets = self._validated_rows(X, y, reset)
        ids = None if sample_id is None else as_ids(sample_id, X.shape[0])
        weights = as_weights(sample_weight, X.shape[0])
        quantizer = self._quantizer_for(X, targets, None if reset else self.quantizer_.source)
        if not reset and quantizer != self.quantizer_:
            raise ValueError(
                "quantizer or projection changed since the first rows were learned behind "
                f"{self.quantizer_.describe()}: fit a new head"
            )
        rows = quantizer.rows_to_learn(X)
        if reset:
            self._watch_afresh(quantizer)
        self._watch(X, quantizer)
        rows, targets = self._joined(rows, targets, quantizer)
        new = Encoded(rows, targets, ids, quantizer, getattr(self, "feature_names_in_", None))
        if new.has_label_sets:
            new = new._replace(n_columns=matrix_columns(y))
        return new if weights is None else with_weights(new, weights)

    # ---- forget

    @changing
    def forget(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: ArrayLike | None = None,
        dry_run: bool = False,
        digests: bool = False,
    ) -> Receipt:
        """Unlearn rows: afterwards the state is the one of a model that never saw them.

        Parameters
        ----------
        X, y : array-like, optional
            The rows as they were learned, with their labels. Rows that were learned without an id go first; where
            one of several ids would have to be chosen, the call is refused.
        sample_id : sequence of int or str, optional
            Names of rows, which go with all their weight. Where the ledger keeps only digests, X and y are needed as
            well.
        sample_weight : array-like of shape (n_samples,), optional
            How often each row of X goes, once by default; not with `sample_id`.
        dry_run : bool, default=False
            Check everything and change nothing.
        digests : bool, default=False
            Put the state digests before and after into the receipt.

        Returns
        -------
        Receipt

        Raises
        ------
        NotLearnedError
            A ValueError that names rows or ids which are not in the state. Nothing is changed.

        Notes
        -----
        Exactness: bit for bit. A row learned twice, or with weight 2, is forgotten once. Forgetting everything leaves
        an unfitted head.
        """
        self.check_learned_something()
        if sample_id is None and (X is None or y is None):
            raise ValueError("forget needs X and y, or sample_id")
        if (X is None) != (y is None):
            raise ValueError("forget needs X and y together")
        if sample_weight is not None and sample_id is not None:
            raise ValueError("forget takes sample_id or sample_weight: the row of an id goes with all its weight")
        learner = self.learner_
        if X is None:
            found = learner.ledger.find_ids(as_ids(sample_id))
            receipt = learner.forget(found, dry_run=dry_run, digests=digests)
        else:
            rows, targets = self._integer_rows(X, y)
            ids = None if sample_id is None else as_ids(sample_id, len(rows))
            weights = as_weights(sample_weight, len(rows))
            meant = without_zeros(rows, targets, weights)
            check_known(self._labelled, meant[1])
            found = learner.find(rows, targets, ids, weights)
            if ids is not None:
                meant = (rows, targets, learner.ledger.weights_of(ids))
            receipt = learner.forget(found, *meant, dry_run=dry_run, digests=digests)
        self._has_forgotten(dry_run)
        return receipt

    # ---- replace

    @changing
    def rectify(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any, digests: bool = False) -> Receipt:
        """Replace the rows and labels of known ids, in one step.

        Parameters
        ----------
        X, y : array-like
            The corrected rows and labels. They have the weights of the rows that they replace.
        sample_id : sequence of int or str
            Ids that were learned, one a row. The ledger must keep their rows.

        Returns
        -------
        Receipt
            Of the rows that were replaced.

        Notes
        -----
        Exactness: bit for bit equal to a model trained on the corrected rows.
        """
        self.check_learned_something()
        ids = as_ids(sample_id)
        self.learner_.ledger.find_ids(ids)  # refused by name before rows are looked at
        rows, targets = self._integer_rows(X, y, watched=True)
        if len(ids) != len(rows):
            raise ValueError(f"{len(rows)} rows but {len(ids)} sample ids")
        receipt = self.learner_.rectify(ids, rows, targets, digests=digests)
        self._stop_watching()
        return receipt

    # ---- identity and disk

    @reading
    def state_digest(self) -> str:
        """SHA-256 of the learned state, in hexadecimal; see `Moments.digest`.

        Examples
        --------
        >>> from analytic_cl import LDAClassifier, RLSClassifier
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]], ["a", "b", "b"]
        >>> LDAClassifier().fit(X, y).state_digest() == RLSClassifier().fit(X, y).state_digest()
        True
        """
        return self.learner_.state.digest() if self.__sklearn_is_fitted__() else EMPTY

    @reading
    def save(self, path: Any) -> None:
        """Write the head, its ledger and the ledger's key to one safetensors file, readable by the owner only.

        The file appears under its name only when it is complete. It holds personal data: see the README.
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read a head of this class that `save` wrote. Raises ValueError saying what is wrong with a file."""
        head = persistence.load(path, {cls.__name__: cls})
        assert isinstance(head, cls)
        return head

    # ---- checks

    def _validated_rows(self, X: Any, y: Any, reset: bool = False) -> tuple[Any, Targets]:
        if not reset and plain_rows(self, X) and plain_labels(y, len(X)):
            return X, encode_labels(y)
        if is_label_sets(y):
            raise ValueError(
                f"{type(self).__name__} learns one label a row, and y holds an indicator matrix or sets of labels, "
                "which LDAClassifier and RLSClassifier learn; y should be a 1d array"
            )
        X, y = validated(self, X, y, reset)
        return X, encode_labels(y)

    def _quantizer_for(self, X: Any, targets: Any, source: str | None) -> Quantizer:
        """The quantizer that the parameters mean for what `_validated_rows` returned."""
        return self._quantizer_of(X.shape[1], source)

    def _joined(self, rows: Any, targets: Any, quantizer: Quantizer) -> tuple[Any, Targets]:
        """Rows and targets as the state learns them, from integer rows and what `_validated_rows` made of targets."""
        return rows, targets

    def _integer_rows(self, X: Any, y: Any, *, watched: bool = False) -> tuple[Any, Targets]:
        """Rows to forget, or (to be `watched` for losses) to put in the place of others, as they are in the state."""
        X, targets = self._validated_rows(X, y)
        rows = self.quantizer_.quantise(X)
        if watched:
            self._watch(X, self.quantizer_)
        return self._joined(rows, targets, self.quantizer_)


class Head(Classification, BaseHead):
    """Base of all classifiers. A subclass says what it needs of a state, and how its scores come out of that.

    It defines ``__init__`` with at least `quantizer`, `projection` and `track`, and

    * ``needs``: what its solver needs of a state;
    * ``_compare_rows(rows, prepared)`` and ``_prepared()``: how integer rows get scores; `LinearHead` has them for
      scores that are linear in the row;
    * ``empty_state(quantizer)``, if its state is not `Moments`;
    * ``check_parameters()``: raise for parameters that are invalid;
    * ``depends_on_order = True``, if its state does (see `Prediction`).

    For engines over heads (a store, a comparison), which learn by a `Learner`: what `BaseHead` names, and of
    `Classification` `scores_of`, `labels_of`, `probabilities_of`.
    """

    @changing
    def forget_class(self, label: Any, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all rows of a class.

        The rows must be in the ledger (learned with ids, or ``track="rows"``), except by heads that keep class sums
        only, such as `NearestMeanClassifier`. Parameters, result and exactness as in `forget`.
        """
        self.check_learned_something()
        label = as_label(plain_scalar(label))
        if not self.learner_.state.count(label):
            raise ValueError(f"no rows of class {label!r} were learned; classes are {self._labelled.labels}")
        receipt = self.learner_.forget_class(label, dry_run=dry_run, digests=digests)
        self._has_forgotten(dry_run)
        return receipt

    @classmethod
    def from_moments(cls, moments: Moments, **parameters: Any) -> Self:
        """A fitted head over a copy of a state, without touching any row again.

        Parameters
        ----------
        moments : Moments
            Of the order that this head needs, or higher.
        **parameters
            Of the constructor. The quantizer is the state's.

        Notes
        -----
        The head has no record of the rows: `forget` takes X and y and refuses only what the state can disprove.
        """
        if {"quantizer", "projection"} & parameters.keys():
            raise TypeError("the quantizer comes with the moments: give neither quantizer nor projection")
        if not isinstance(moments, Moments):
            raise TypeError(f"from_moments needs Moments, such as head.moments_; got {type(moments).__name__}")
        check_provides(moments, cls.needs, cls.__name__)
        quantizer = moments.quantizer
        head = cls(**parameters)
        head.check_parameters()
        head.projection = quantizer.projection
        head.quantizer = quantizer.parameter()
        if moments.n_rows:
            head.adopt(Learner(moments.of_order(2 if GRAM in cls.needs else 1), track=head.track))
        return head
