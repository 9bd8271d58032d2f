"""A linear softmax probe, fine-tuned session by session: the plain gradient method."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from analytic_cl.comparison.features import unit_rows
from analytic_cl.extractors._torch import needs

_BATCH, _MOMENTUM = 128, 0.9


class TorchProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Softmax regression on unit rows by SGD with momentum, `epochs` over the rows of each call of `partial_fit`.

    Values of unit rows are small, so the learning rate is large. The known weakness: without earlier rows it forgets
    earlier classes, all but completely.
    """

    def __init__(self, learning_rate: float = 10.0, epochs: int = 5, random_state: int = 0) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.random_state = random_state

    def partial_fit(self, X: NDArray[Any], y: NDArray[Any], classes: NDArray[Any]) -> Self:
        """Train on; `classes` are all that will ever come, as scikit-learn asks for."""
        torch = needs("torch", "torch")
        if not hasattr(self, "classes_"):
            self.classes_ = classes
            self.coef_ = np.zeros((len(classes), X.shape[1]), dtype=np.float32)
            self.intercept_ = np.zeros(len(classes), dtype=np.float32)
            self._random = np.random.default_rng(self.random_state)
        weights, bias = (torch.tensor(part, requires_grad=True) for part in (self.coef_, self.intercept_))
        optimiser = torch.optim.SGD([weights, bias], lr=self.learning_rate, momentum=_MOMENTUM)
        rows, targets = unit_rows(X, np.float32), np.searchsorted(self.classes_, y)
        for _ in range(self.epochs):
            order = self._random.permutation(len(rows))
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                scores = torch.nn.functional.linear(torch.from_numpy(rows[batch]), weights, bias)
                loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(targets[batch]))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self.coef_, self.intercept_ = (part.detach().numpy().copy() for part in (weights, bias))
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.classes_[(unit_rows(X, np.float32) @ self.coef_.T + self.intercept_).argmax(axis=1)])
