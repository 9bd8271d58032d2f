"""Claim: weights cost little: less than repeated rows, and a fit with them is faster than scikit-learn's."""

import numpy as np
from _common import generated_rows, race
from sklearn.linear_model import RidgeClassifier

from analytic_cl import NearestMeanClassifier, RLSClassifier

X, y = generated_rows(n=20_000, d=512)
random = np.random.default_rng(1)
small, large = random.integers(0, 10, len(X)), random.integers(0, 1000, len(X))


def learn(head, **how):
    return lambda: head.fit(X, y, **how).decision_function(X[:1])


def repeat(head):
    return lambda: head.fit(X.repeat(small, axis=0), y.repeat(small)).decision_function(X[:1])


def ways(head):
    return {
        "weights 0 to 9": learn(head, sample_weight=small),
        "weights 0 to 999": learn(head, sample_weight=large),
        "no weights": learn(head),
        "rows repeated 0 to 9 times": repeat(head),
    }


peer = {"scikit-learn RidgeClassifier, weights 0 to 9": lambda: RidgeClassifier().fit(X, y, sample_weight=small)}
race("fit 20,000 x 512 with weights: ridge", ways(RLSClassifier(track="none")) | peer)
race("fit 20,000 x 512 with weights: nearest mean", ways(NearestMeanClassifier(track="none")))

few = slice(0, 4)
head = RLSClassifier(track="none").fit(X, y)
race(
    "learn 4 more rows of 512 features",
    {
        "no weights": lambda: head.partial_fit(X[few], y[few]),
        "weights 1 to 4": lambda: head.partial_fit(X[few], y[few], sample_weight=[1, 2, 3, 4]),
        "weights of 1,000": lambda: head.partial_fit(X[few], y[few], sample_weight=[1000] * 4),
    },
)
