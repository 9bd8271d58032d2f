"""Heads that learn one label a row, or any number of them."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit
from sklearn.utils.validation import check_consistent_length

from analytic_cl._containers import plain_scalar
from analytic_cl._locks import changing, reading
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.declared import LOWEST
from analytic_cl.heads.label_targets import is_label_sets, label_set_targets, matrix_columns
from analytic_cl.heads.solved import SolvedHead
from analytic_cl.heads.validation import label_input, labels_outside, plain_labels, plain_rows, validated_rows
from analytic_cl.learner import Receipt
from analytic_cl.ledger import NotLearnedError, Selection, as_ids
from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers import LinearScores
from analytic_cl.statistics import Label, LabelSetMoments, State, Targets, as_label, membership

Floats = NDArray[np.float64]


class LabelSetHead(SolvedHead):
    """The part of a head that learns any number of labels a row: from an indicator matrix, or a set for each row.

    A subclass defines, besides what `SolvedHead` asks for,

    * ``needs_of_label_sets``;
    * ``_solve_label_sets(state) -> LinearScores``, one column a label;
    * ``check_label_set_parameters()``: raise ValueError for parameters that only one label a row has an answer to.
    """

    needs_of_label_sets: ClassVar[frozenset[str]]

    def _solve_label_sets(self, state: LabelSetMoments) -> LinearScores:
        raise NotImplementedError(f"{type(self).__name__} must define _solve_label_sets")

    def check_label_set_parameters(self) -> None:
        """Raise ValueError for parameters that sets of labels have no answer to."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            self.check_label_set_parameters()
        except ValueError:
            return tags
        tags.classifier_tags.multi_label = tags.target_tags.multi_output = True
        return tags

    # ---- learn

    @property
    def has_label_sets(self) -> bool:
        """Whether rows were learned with any number of labels each."""
        return self.__sklearn_is_fitted__() and isinstance(self.learner_.state, LabelSetMoments)

    def empty_state_for(self, quantizer: Quantizer, label_sets: bool) -> State:
        if not label_sets:
            return self.empty_state(quantizer)
        self.empty_state(quantizer)  # refuses parameters that don't fit the rows
        self.check_label_set_parameters()
        return LabelSetMoments(quantizer)

    def needs_of(self, state: State) -> frozenset[str]:
        return self.needs_of_label_sets if isinstance(state, LabelSetMoments) else self.needs

    def _validated_rows(self, X: Any, y: Any, reset: bool = False) -> tuple[Any, Targets]:
        label_sets = not (type(y) is np.ndarray and plain_labels(y, y.size)) and is_label_sets(y)
        if not reset and label_sets != self.has_label_sets:
            if not label_sets:
                label_input(y)  # refuses frames, among others, and says why
            known, given = "one label a row, as a 1d array", "an indicator matrix or sets"
            if self.has_label_sets:
                known, given = "sets of labels", "one label a row"
            raise ValueError(f"this model has learned {known}, and y holds {given}: fit a new one")
        if not label_sets:
            return super()._validated_rows(X, y, reset)
        targets = label_set_targets(y)
        if not reset:
            self._check_columns(matrix_columns(y))
        rows: Any = X if not reset and plain_rows(self, X) else validated_rows(self, X, reset)
        check_consistent_length(rows, targets.codes)
        return rows, targets

    def _check_columns(self, n_columns: int) -> None:
        """Refuse an indicator matrix without a column for every label that is known."""
        known = self._all_labels()
        if not n_columns or not known:
            return
        last = known[-1]
        if isinstance(last, str | bool):
            raise ValueError(
                f"columns of an indicator matrix are labels 0 to {n_columns - 1}, and this model has labels such as "
                f"{known[0]!r}: give sets of labels"
            )
        if n_columns <= last:
            raise ValueError(
                f"y has {n_columns} columns, and this model has the label {last}: give a column for every label "
                "from 0 on, of zeros where no row has it"
            )

    # ---- single labels of rows

    @changing
    def withdraw_label(self, label: Any, *, sample_id: Any = None, digests: bool = False) -> Receipt:
        """Take a label from rows, which stay with their other labels: they were never said to have it.

        Only for rows that were learned with an indicator matrix or sets of labels; `forget_class` forgets the rows.

        Parameters
        ----------
        label : int, str or bool
        sample_id : sequence of int or str, optional
            Names of the rows; all rows that have the label by default, without or with a name. The ledger must keep
            them.
        digests : bool, default=False
            Put the state digests before and after into the receipt.

        Returns
        -------
        Receipt
            Of the rows that were replaced.

        Raises
        ------
        NotLearnedError
            A ValueError that names rows which have not the label. Nothing is changed.
        ValueError
            Where the ledger does not keep the rows. Nothing is changed.

        Notes
        -----
        A label that no row has any more is gone from `classes_`, unless it was declared, as columns of an indicator
        matrix are.

        Exactness: bit for bit equal to a model trained with the sets that are left.

        Cost: as learning the rows twice.

        Examples
        --------
        >>> from analytic_cl import RLSClassifier
        >>> X, sets = [[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]], [{"red", "round"}, {"red"}, set()]
        >>> head = RLSClassifier().fit(X, sets, sample_id=["a", "b", "c"])
        >>> head.withdraw_label("round", sample_id=["a"]).removed
        1
        >>> head.state_digest() == RLSClassifier().fit(X, [{"red"}, {"red"}, set()]).state_digest()
        True
        """
        label, state = self._label_of_sets(label)
        if sample_id is None:
            found = self.learner_.ledger.find_target(label)
            if found.n_kept < state.count(label):
                raise ValueError(
                    f"the ledger keeps {found.n_kept} of the {state.count(label)} rows with the label {label!r}: "
                    "learn with sample_id or track='rows', or pass the rows to forget(X, y), and learn them again"
                )
        else:
            found = self.learner_.ledger.find_ids(as_ids(sample_id))
        return self._relabel(found, label, has=True, digests=digests)

    @changing
    def add_label(self, label: Any, *, sample_id: Any, digests: bool = False) -> Receipt:
        """Give rows one more label, as if they had been learned with it: the inverse of `withdraw_label`.

        Parameters, result, errors and exactness as there; rows that have the label already are refused by name.
        """
        label, _ = self._label_of_sets(label, new=True)
        return self._relabel(self.learner_.ledger.find_ids(as_ids(sample_id)), label, has=False, digests=digests)

    def _label_of_sets(self, label: Any, new: bool = False) -> tuple[Label, LabelSetMoments]:
        self.check_learned_something()
        if not self.has_label_sets:
            raise ValueError(
                "this model has learned one label a row: rectify replaces it, forget_class forgets its rows"
            )
        label, state = as_label(plain_scalar(label)), cast(LabelSetMoments, self.learner_.state)
        if not new and not state.count(label):
            raise NotLearnedError(f"no rows with the label {label!r} were learned; labels are {state.labels}")
        return label, state

    def _relabel(self, found: Selection, label: Label, has: bool, digests: bool) -> Receipt:
        learner = self.learner_
        rows, old, _ = learner.ledger.weighted_rows_of(found)
        held = np.array([label in value for value in old.values])[old.codes]
        if (held != has).any():
            names = np.array(learner.ledger.names_of(found), dtype=object)[held != has].tolist()
            raise NotLearnedError(
                f"rows {str(names[:10])[1:-1]} {'have not' if has else 'have'} the label {label!r}"
                f"{'' if has else ' already'}; nothing was changed"
            )
        new = [value - {label} if has else value | {label} for value in old.values]
        receipt = learner.replace(found, rows, Targets(new, old.codes), digests=digests)
        self._stop_watching()
        return receipt

    # ---- predict

    def _calibrated(self, strength: Any, wanted: str | float) -> Calibration:
        if isinstance(wanted, str) and self.has_label_sets:
            raise AttributeError("probabilities of labels that overlap need a number as temperature")
        return super()._calibrated(strength, wanted)

    def _solve(self, state: Any) -> Any:
        if not isinstance(state, LabelSetMoments):
            return self._solve_by_classes(state)
        self.check_label_set_parameters()
        return self._solve_label_sets(state)

    def _solve_by_classes(self, state: Any) -> Any:
        """As `_solve`, for rows of one label each."""
        raise NotImplementedError(f"{type(self).__name__} must define _solve_by_classes")

    def _in_shape(self, scores: Floats) -> Floats:
        return scores if self.has_label_sets else super()._in_shape(scores)

    def _score_rows(self, rows: NDArray[Any], prepared: Any) -> Floats:
        return self._compare_rows(rows, prepared) if self.has_label_sets else super()._score_rows(rows, prepared)

    def _decisions_of_all(self, scores: Floats) -> Floats:
        return self._of_all_classes(scores, LOWEST) if self.has_label_sets else super()._decisions_of_all(scores)

    @reading
    def predict(self, X: ArrayLike, reject: float | None = None) -> NDArray[Any]:
        """Class of each row, shape (n_samples,); where rows have any number of labels, an indicator matrix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        reject : float, optional
            Rows whose `score_samples` is below this are rejected: their label is -1, or "" where labels are strings.
            Not where rows have any number of labels.
        """
        if not self.has_label_sets:
            return super().predict(X, reject)
        if reject is not None:
            raise ValueError("reject is of rows with one label each: here a row that is like none may have no label")
        return self.labels_of(self._scored(X, self._compare_rows))

    def empty_answer(self) -> NDArray[Any]:
        none = super().empty_answer()
        return np.zeros((0, len(self.classes_)), dtype=np.int64) if self.has_label_sets else none

    def labels_of(self, scores: Floats) -> NDArray[Any]:
        """Classes that scores name; for sets of labels an indicator matrix, 1 where the score is above 0."""
        if not self.has_label_sets:
            return super().labels_of(scores)
        return self._of_all_classes((scores > 0).astype(np.float64)).astype(np.int64)

    def _label_probabilities(self, scores: Floats, log: bool = False) -> Floats:
        """Of each label by itself."""
        scores = self.calibration_.of(scores)
        return np.asarray(log_expit(scores) if log else expit(scores))

    @reading
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is predicted right; of rows with sets of labels, whose whole set is."""
        if not self.has_label_sets or not is_label_sets(y):
            return super().score(X, y, sample_weight)
        targets = label_set_targets(y)
        self._check_columns(matrix_columns(y))
        labels = self._all_labels()
        known = np.array([not labels_outside(list(value), labels) for value in targets.values])[targets.codes]
        wanted, found = membership(targets.values, labels).toarray()[targets.codes], self.predict(X)
        check_consistent_length(found, wanted, sample_weight)
        return float(np.average((found == wanted).all(axis=1) & known, weights=sample_weight))
