"""Several heads that know different classes, and which of them to believe (MOS's self-refined retrieval)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from analytic_cl._integers import as_integer
from analytic_cl.heads.scoring import LabelScore
from analytic_cl.statistics.labels import label_array

Floats = NDArray[np.float64]
Rule = Literal["confidence", "mean", "router", "retrieval"]


class Experts(LabelScore, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """One classifier of several fitted ones, which may know different classes.

    For heads that can't be merged, because their extractors, quantizers or owners differ. The downside: heads that can
    be merged are better merged, which gives the head of all rows, bit for bit; experts that know only their own classes
    are sure of rows of others, too.

    Parameters
    ----------
    heads : sequence of fitted classifiers
        Heads, pipelines or wrappers with `predict_proba` for the same X, used as they are. Posteriors are compared
        between them: take ``temperature="folds"``.
    rule : {"confidence", "mean", "router", "retrieval"}, default="confidence"
        "confidence": the one that is surest answers. "mean": the mean of all posteriors, 0 for classes that an expert
        does not know. "router": the owner of the class that the router names answers, the best rule where the router is
        good. "retrieval": so does this owner, and if it names a class of another owner, that one is asked next, until
        an owner names a class of its own, at most `rounds` times; the answer is the mean of its posteriors and the
        router's. For experts that know classes of others, behind a router that is poor.
    router : fitted classifier, optional
        Knows classes of all experts, perhaps roughly. "retrieval" and "router" need it.
    owners : mapping from class to position in `heads`, optional
        By default a class is owned by the first head that knows it.
    rounds : int >= 0, default=4

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes of all experts and the router.

    Notes
    -----
    Nothing is remembered, so `reset` changes nothing; a row's answer does not depend on its batch; forgetting is the
    experts' own, and answers follow their state.

    Cost: the predictions of all experts and of the router, and n_samples n_classes numbers for each.

    Exactness: a pure function of the experts' answers.

    References
    ----------
    Sun et al., MOS: Model surgery for pre-trained model-based class-incremental learning, AAAI 2025, for retrieval.
    There: experts are adapters of one network, and the router's cosines are multiplied by the number of sessions; here
    posteriors of any heads.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import Experts
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 4
    >>> X = rng.normal(size=(400, 6)) + 4 * np.eye(6)[y]
    >>> few = LDAClassifier().fit(X[:40], y[:40])
    >>> heads = [LDAClassifier().fit(X[np.isin(y, own)], y[np.isin(y, own)]) for own in ([0, 1], [2, 3])]
    >>> Experts(heads, "router", router=few).predict(4 * np.eye(6)[:4]).tolist()
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        heads: Sequence[Any],
        rule: Rule = "confidence",
        *,
        router: Any = None,
        owners: Mapping[Any, int] | None = None,
        rounds: int = 4,
    ) -> None:
        self.heads = heads
        self.rule = rule
        self.router = router
        self.owners = owners
        self.rounds = rounds

    def __sklearn_is_fitted__(self) -> bool:
        return True  # its heads are, or it says which is not

    @property
    def classes_(self) -> NDArray[Any]:
        return label_array(sorted(set().union(*(one.classes_.tolist() for one in self._all()))))

    def predict(self, X: Any) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each class, shape (n_samples, n_classes), rows summing to 1."""
        classes = self._checked()
        found = np.stack([_spread(head, X, classes) for head in self.heads])
        rows = np.arange(found.shape[1])
        if self.rule == "mean":
            return np.asarray(found.mean(axis=0))
        if self.rule == "confidence":
            return np.asarray(found[found.max(axis=2).argmax(axis=0), rows])
        owner = self._owners(classes)
        routed = _spread(self.router, X, classes)
        expert = owner[routed.argmax(axis=1)]
        if self.rule == "router":
            return np.asarray(found[expert, rows])
        for _ in range(as_integer("rounds", self.rounds, 0)):
            implied = owner[found[expert, rows].argmax(axis=1)]
            if (implied == expert).all():
                break
            expert = implied
        return np.asarray((found[expert, rows] + routed) / 2)

    def reset(self) -> Self:
        """Nothing is remembered: returns self."""
        return self

    def _all(self) -> list[Any]:
        heads = list(self.heads)
        if not heads:
            raise ValueError("heads must hold at least one fitted classifier")
        every = heads if self.router is None else [*heads, self.router]
        for one in every:
            if not hasattr(one, "predict_proba"):
                raise ValueError(f"experts and router need predict_proba, which {type(one).__name__} has not")
            check_is_fitted(one)
        kinds = {one.classes_.dtype.kind in "OUS" for one in every}
        if len(kinds) > 1:
            raise ValueError("the labels of some heads are strings, and those of others are numbers")
        return every

    def _checked(self) -> NDArray[Any]:
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(map(repr, get_args(Rule)))}, got {self.rule!r}")
        if self.router is None and self.rule in ("retrieval", "router"):
            raise ValueError(
                f"rule={self.rule!r} needs a router: a fitted classifier that knows the classes of all heads"
            )
        return self.classes_

    def _owners(self, classes: NDArray[Any]) -> NDArray[np.intp]:
        """Position of the head that owns each class."""
        owners: dict[Any, int] = {}
        for at, head in enumerate(self.heads):
            for label in head.classes_.tolist():
                owners.setdefault(label, at)
        for label, at in (self.owners or {}).items():
            owners[label] = as_integer(f"owner of {label!r}", at, 0, len(self.heads) - 1)
        missing = [label for label in classes.tolist() if label not in owners]
        if missing:
            raise ValueError(f"the router knows classes that no head knows: {', '.join(map(repr, missing[:5]))}")
        return np.array([owners[label] for label in classes.tolist()])


def _spread(head: Any, X: ArrayLike, classes: NDArray[Any]) -> Floats:
    """A head's posteriors in columns for all classes, 0 for those that it does not know."""
    place = {label: at for at, label in enumerate(classes.tolist())}
    part = np.asarray(head.predict_proba(X))
    found = np.zeros((len(part), len(classes)))
    found[:, [place[label] for label in head.classes_.tolist()]] = part
    return found
