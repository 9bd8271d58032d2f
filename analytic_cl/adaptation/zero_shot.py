"""What a row has in common with the names of classes, beside what a head learned of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.log_posteriors import (
    Labelled,
    bias_corrected_temperature,
    check_base,
    held_out_logs,
    log_posteriors,
)
from analytic_cl.adaptation.names import cosines, known_labels
from analytic_cl.adaptation.state_cache import OfState
from analytic_cl.heads.validation import validated_rows
from analytic_cl.statistics.labels import label_array

Floats = NDArray[np.float64]

WEIGHTS = (0.0, 10.0, 30.0, 100.0, 300.0)  # of names, in units of a head's log-posteriors; rows of a class need less
_LEAST_UNSEEN = 10.0  # what is known by name alone is found by nothing else
_NO_FOLDS = 300.0  # for a row a class


class _Found(NamedTuple):
    """What held-out rows of a state say: the weight of names, and how to calibrate log-posteriors."""

    weight: float = _NO_FOLDS
    factor: float = 1.0
    bias: Floats | float = 0.0


class ZeroShot(Adapted):
    """Scores of a head, plus the cosine of a row and each class's name, which one network has embedded both.

    For classes of which there are one to five rows, or none. The downside: with 20 rows a class names add nothing, and
    with too large a weight they take much away.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba`; used as it is.
    embeddings : mapping of label to array-like of shape (n_features,) or (n_templates, n_features)
        Embedded names of classes, as wide as rows. Several rows are several texts: each is scaled to length 1, and so
        is their mean.
    weight : "folds" or float >= 0, default="folds"
        What the cosine counts beside the head's log-posteriors. "folds": of 0, 10, 30, 100 and 300 the one that names
        most held-out rows right, the smallest of equals, and 10 at least where classes have no rows; 300 where the
        ledger does not keep all rows, behind a projection, and where there is one row a class.
    unseen : float, default=4.0
        What a class without rows gets in place of a log-posterior: how much more than an even share of the learned
        classes. Larger gives more rows to classes without any.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that the head knows, or that have an embedding.
    weight_ : float
        The weight in use.

    Notes
    -----
    Memory: an embedding a class. A prediction does not depend on the batch. Forgetting: what the head forgets is
    forgotten, and the weight chosen anew; names of classes are the user's own.

    Where there are classes without rows, the head's log-posteriors are calibrated on held-out rows first.

    Cost: the head's prediction, and 2 n_classes n_features operations a row; "folds": five solves for each state.

    Exactness: a pure function of the state, the ledger's rows and the embeddings; algebraic.

    References
    ----------
    Wang et al., A hard-to-beat baseline for training-free CLIP-based adaptation, ICLR 2024. There: an LDA of its own,
    uniform priors, and a weight chosen on validation rows; here any head with probabilities, and folds of its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import ZeroShot
    >>> names = {"sun": [1.0, 0.0, 0.0], "rain": [0.0, 1.0, 0.0], "snow": [0.0, 0.0, 1.0]}
    >>> X = [[0.9, 0.2, 0.1], [0.8, 0.1, 0.2], [0.1, 0.8, 0.3], [0.2, 0.9, 0.2]]
    >>> head = LDAClassifier().fit(X, ["sun", "sun", "rain", "rain"])
    >>> model = ZeroShot(head, names, weight=30.0)
    >>> model.predict([[0.1, 0.2, 0.9], [0.9, 0.1, 0.1]]).tolist()          # no row of snow was learned
    ['snow', 'sun']
    """

    def __init__(
        self, head: Any, embeddings: Mapping[Any, ArrayLike], weight: str | float = "folds", unseen: float = 4.0
    ) -> None:
        self.head = head
        self.embeddings = embeddings
        self.weight = weight
        self.unseen = unseen

    @property
    def classes_(self) -> NDArray[Any]:
        return label_array(known_labels(check_base(self.head), self.embeddings))

    @property
    def weight_(self) -> float:
        base = self._base()
        return self._weight(base, known_labels(base, self.embeddings))

    def _adapted(self, X: ArrayLike) -> Floats:
        base = self._base()
        if isinstance(self.unseen, bool) or not isinstance(self.unseen, int | float) or not np.isfinite(self.unseen):
            raise ValueError(f"unseen must be a finite number, got {self.unseen!r}")
        rows: NDArray[Any] = np.asarray(validated_rows(base, X))
        labels, learned = known_labels(base, self.embeddings), base.classes_.tolist()
        logs = log_posteriors(base, rows)
        if len(labels) > len(learned):
            everything = np.full((len(rows), len(labels)), float(self.unseen) - np.log(len(learned)))
            found = self._found(base)
            columns = [labels.index(label) for label in learned]
            everything[:, columns] = log_softmax(found.factor * logs + found.bias, axis=1)
            logs = everything
        scores = logs + self._weight(base, labels) * cosines(rows, labels, self.embeddings)
        return np.asarray(softmax(scores, axis=1))

    def _weight(self, base: Any, labels: list[Any]) -> float:
        if self.weight == "folds":
            return max(self._found(base).weight, _LEAST_UNSEEN if len(labels) > len(base.classes_) else 0.0)
        if isinstance(self.weight, bool | str) or not 0 <= self.weight < np.inf:
            raise ValueError(f"weight must be 'folds' or a number, 0 or more, got {self.weight!r}")
        return float(self.weight)

    def _found(self, base: Any) -> _Found:
        found: OfState[_Found] = self.__dict__.setdefault("_by_rows", OfState())
        return found.get(base, id(self.embeddings), lambda: self._by_folds(base))

    def _by_folds(self, base: Any) -> _Found:
        held = held_out_logs(base)
        if held is None:
            return _Found()
        calibration = bias_corrected_temperature(Labelled(held.logs, held.places))
        if base.quantizer_.projection is not None:
            return _Found(_NO_FOLDS, *calibration)  # the ledger keeps random features, which have no cosine with a name
        names = cosines(base.quantizer_.dequantise(held.rows), base.classes_.tolist(), self.embeddings)
        right = [((held.logs + weight * names).argmax(axis=1) == held.places).sum() for weight in WEIGHTS]
        return _Found(WEIGHTS[int(np.argmax(right))], *calibration)
