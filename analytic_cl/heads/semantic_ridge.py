"""Ridge onto class embeddings: classes without a row get scores too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.heads.class_vectors import class_vectors, unit_vectors
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.solvers import LinearScores, semantic_ridge
from analytic_cl.statistics import Label, Moments, State
from analytic_cl.statistics.labels import check_one_kind, label_array

Floats = NDArray[np.float64]


class SemanticRidgeClassifier(LinearHead):
    """Ridge from rows to embeddings of their classes; what has an embedding gets a score, with rows or without.

    For names, descriptions or attributes of classes, embedded by a network, and classes that come as a name before they
    come as rows. The downside: the more the map fits the classes with rows, the less it says of those without, and
    these lose rows to them; see `alpha` and `same_space`.

    Parameters
    ----------
    embeddings : mapping of label to array-like of shape (n_dimensions,) or (n_templates, n_dimensions), optional
        Where each class has its place. Several rows are several texts about a class: each is scaled to length 1, and so
        is their mean (OpenAI's recipe for CLIP; taking the mean first would weigh by length). Every learned class needs
        one. May be replaced at any time by ``set_params``: it is no part of the state. None gives each class an axis of
        its own, which is ridge on 0 and 1 without an intercept.
    alpha : float >= 0, default=10.0
        The penalty on the map, in units of the dequantised rows, as scikit-learn's. Larger keeps more of what the map
        is pulled towards; with `same_space` a hundredth of the number of rows served classes with rows and without.
    same_space : bool, default=False
        Rows and embeddings come from one network and may be compared as they are: the map is pulled towards the
        identity, in place of 0, so that a large `alpha` compares rows and embeddings by their product.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows or an embedding, or were declared by ``partial_fit(classes=)``.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows, of all classes that have a score; the intercept is 0.
    moments_ : Moments
        The learned state: that of `RLSClassifier` and `LDAClassifier`.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: d^3 / 3 + 2 n_dimensions d^2 once, 2 n_classes d a row. Memory
    2 to 4 d^2 bytes, 8 d^2 more while solving, and the ledger.

    Exactness: state bit for bit; weights a pure function of it and of the embeddings, bit for bit on one machine and
    number of threads; scores algebraic.

    References
    ----------
    Romera-Paredes and Torr, An embarrassingly simple approach to zero-shot learning, ICML 2015. There: a penalty on
    the embedded classes, too, and a fit from rows; here ridge from class sums, and a pull towards the identity.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import SemanticRidgeClassifier
    >>> rng = np.random.default_rng(0)
    >>> attributes = {"horse": [1, 0, 1], "tiger": [0, 1, 1], "panda": [1, 1, 0], "zebra": [1, 1, 1]}
    >>> mixing = rng.normal(size=(3, 8))
    >>> y = np.repeat(["horse", "tiger", "panda"], 40)
    >>> X = np.array([attributes[label] for label in y]) @ mixing + 0.1 * rng.normal(size=(120, 8))
    >>> head = SemanticRidgeClassifier(attributes, alpha=1.0).fit(X, y)
    >>> head.predict([np.ones(3) @ mixing]).tolist()          # no row of a zebra was learned
    ['zebra']
    """

    needs = semantic_ridge.needs

    def __init__(
        self,
        embeddings: Mapping[Any, ArrayLike] | None = None,
        alpha: float = 10.0,
        same_space: bool = False,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.embeddings = embeddings
        self.alpha = alpha
        self.same_space = same_space
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ())
        if not isinstance(self.same_space, bool | np.bool_):
            raise ValueError(f"same_space must be True or False, got {self.same_space!r}")
        if self.embeddings is not None:
            unit_vectors("embeddings", self.embeddings)
        elif self.same_space:
            raise ValueError("same_space=True needs embeddings: without them classes have no space to share with rows")

    def empty_state(self, quantizer: Quantizer) -> State:
        if self.same_space:  # refused before a row is learned
            _check_width(unit_vectors("embeddings", self.embeddings), quantizer.width)
        return super().empty_state(quantizer)

    def _scored_labels(self) -> list[Label]:
        learned = self._labelled.labels
        if self.embeddings is None:
            return learned
        known = list(class_vectors("embeddings", self.embeddings, 2))
        check_one_kind([*learned, *known])
        return sorted({*learned, *known})

    def _scored_classes(self) -> NDArray[Any]:
        return self._labelled.classes if self.embeddings is None else label_array(self._scored_labels())

    def _solve(self, moments: Moments) -> LinearScores:
        if self.embeddings is None:
            axes = np.eye(len(moments.labels))
            return semantic_ridge(moments, axes, axes, float(self.alpha))
        places, known = unit_vectors("embeddings", self.embeddings), self._scored_labels()
        without = [label for label in moments.labels if label not in places]
        if without:
            raise ValueError(
                f"classes with rows need an embedding; without one: {', '.join(map(repr, without[:10]))}. Give it by "
                "set_params(embeddings=...), or forget their rows"
            )
        if self.same_space:
            _check_width(places, moments.quantizer.width)
        targets, embeddings = (np.stack([places[label] for label in labels]) for labels in (moments.labels, known))
        return semantic_ridge(moments, targets, embeddings, float(self.alpha), bool(self.same_space))


def _check_width(places: Mapping[Label, Floats], width: int) -> None:
    length = len(next(iter(places.values())))
    if length != width:
        raise ValueError(f"same_space=True needs embeddings as wide as rows: they have {length} numbers, rows {width}")
