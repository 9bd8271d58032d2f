"""A cache of labelled rows beside the names of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from analytic_cl.adaptation.base import Adapted
from analytic_cl.adaptation.names import cosines, known_labels, unit_rows
from analytic_cl.adaptation.state_cache import OfState
from analytic_cl.heads import Head
from analytic_cl.heads.validation import validated_rows
from analytic_cl.learner import keeps_all_rows
from analytic_cl.statistics.labels import label_array

Floats = NDArray[np.float64]

_BLOCK = 2**22  # similarities at a time


class TipAdapter(Adapted):
    """Cosines of a row and the names of classes, plus votes of the learned rows near it.

    The best-known cache behind CLIP, as a baseline: on text features `ZeroShot` over LDA beat it at every number of
    rows. It needs no posterior of the head, only the rows in its ledger.

    Parameters
    ----------
    head : Head
        Fitted; its ledger keeps all rows, and there is no projection. Its own scores are not asked for.
    embeddings : mapping of label to array-like of shape (n_features,) or (n_templates, n_features)
        As in `ZeroShot`.
    alpha : float >= 0, default=1.17
        What votes count; as published for ImageNet.
    beta : float > 0, default=5.5
        How fast a vote fades: exp(-beta (1 - cosine)).
    scale : float > 0, default=100.0
        What cosines with names count: CLIP's.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that the head knows, or that have an embedding.

    Notes
    -----
    Memory: the head's rows, as floats, 8 n_rows n_features bytes. A prediction does not depend on the batch.
    Forgetting: a row that the head forgets votes no more.

    Cost: 2 (n_rows + n_classes) n_features operations a row.

    Exactness: a pure function of the ledger's rows and the embeddings; algebraic.

    References
    ----------
    Zhang et al., Tip-Adapter: training-free adaptation of CLIP for few-shot classification, ECCV 2022. There: rows are
    means over ten augmented views, and alpha and beta are searched for on validation rows.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import NearestNeighborsClassifier
    >>> from analytic_cl.adaptation import TipAdapter
    >>> head = NearestNeighborsClassifier().fit([[0.9, 0.2], [0.2, 0.9]], ["sun", "rain"])
    >>> TipAdapter(head, {"sun": [1.0, 0.0], "rain": [0.0, 1.0]}).predict([[0.8, 0.3]]).tolist()
    ['sun']
    """

    def __init__(
        self,
        head: Any,
        embeddings: Mapping[Any, ArrayLike],
        alpha: float = 1.17,
        beta: float = 5.5,
        scale: float = 100.0,
    ) -> None:
        self.head = head
        self.embeddings = embeddings
        self.alpha = alpha
        self.beta = beta
        self.scale = scale

    def _base(self) -> Any:
        head = self.head
        if not isinstance(head, Head):
            raise TypeError(f"this needs a fitted head with rows in its ledger, got {type(head).__name__}")
        check_is_fitted(head)
        if not keeps_all_rows(head.learner_):
            raise ValueError(
                "the ledger does not keep all learned rows, which are the cache: learn with track='rows', or with a "
                "sample_id for every row"
            )
        if head.quantizer_.projection is not None:
            raise ValueError("the ledger keeps random features, which have no cosine with a row: take no projection")
        return head

    @property
    def classes_(self) -> NDArray[Any]:
        return label_array(known_labels(self._base(), self.embeddings))

    def _adapted(self, X: ArrayLike) -> Floats:
        base = self._base()
        for name, low in (("alpha", -1.0), ("beta", 0.0), ("scale", 0.0)):
            value = getattr(self, name)
            if isinstance(value, bool | str) or not (low < value < np.inf and value >= 0):
                raise ValueError(f"{name} must be a positive number, got {value!r}")
        asked: NDArray[Any] = np.asarray(validated_rows(base, X))
        labels = known_labels(base, self.embeddings)
        scores = self.scale * cosines(asked, labels, self.embeddings)
        rows, columns = self._cache(base, labels)
        own = np.eye(len(labels))[columns]
        queries, step = unit_rows(asked), max(1, _BLOCK // len(rows))
        for first in range(0, len(asked), step):
            here = slice(first, first + step)
            scores[here] += self.alpha * (np.exp(-self.beta * (1 - queries[here] @ rows.T)) @ own)
        return np.asarray(softmax(scores, axis=1))

    def _cache(self, base: Any, labels: list[Any]) -> tuple[Floats, NDArray[np.int64]]:
        def make() -> tuple[Floats, NDArray[np.int64]]:
            rows, targets = base.learner_.ledger.rows_of(base.learner_.ledger.find_all())
            columns = np.array([labels.index(value) for value in targets.values])[targets.codes]
            return unit_rows(base.quantizer_.dequantise(rows)), columns

        kept: OfState[tuple[Floats, NDArray[np.int64]]] = self.__dict__.setdefault("_kept", OfState())
        return kept.get(base, labels, make)
