"""Claim: one pass over 50,000 x 1280 rows of 100 classes, weights included, is faster than scikit-learn's fit."""

import numpy as np
from _common import generated_rows, race
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid

from analytic_cl import LDAClassifier, NearestMeanClassifier, RLSClassifier

X, y = generated_rows()


def learn(head):
    return lambda: head.fit(X, y).decision_function(X[:1])


race(
    "fit 50,000 x 1280: LDA",
    {
        "LDAClassifier": learn(LDAClassifier()),
        "LDAClassifier, track='none'": learn(LDAClassifier(track="none")),
        "scikit-learn LDA lsqr, shrinkage='auto'": lambda: LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto"
        ).fit(X, y),
    },
    once={"scikit-learn LDA svd": lambda: LinearDiscriminantAnalysis().fit(X, y)},
)
race(
    "fit 50,000 x 1280: ridge",
    {"RLSClassifier": learn(RLSClassifier()), "scikit-learn RidgeClassifier": lambda: RidgeClassifier().fit(X, y)},
)
race(
    "fit 50,000 x 1280: nearest mean",
    {
        "NearestMeanClassifier": learn(NearestMeanClassifier("euclidean")),
        "NearestMeanClassifier, track='none'": learn(NearestMeanClassifier("euclidean", track="none")),
        "scikit-learn NearestCentroid": lambda: NearestCentroid().fit(X, y),
    },
)


def in_batches(estimator):
    def run():
        for start in range(0, len(X), 1000):
            estimator.partial_fit(X[start : start + 1000], y[start : start + 1000], classes=np.arange(100))
        return estimator

    return run


def in_our_batches():
    head = LDAClassifier()
    for start in range(0, len(X), 1000):
        head.partial_fit(X[start : start + 1000], y[start : start + 1000])
    head.prepare()


race(
    "learn 50,000 x 1280 in batches of 1,000: what scikit-learn has partial_fit for",
    {"LDAClassifier": in_our_batches},
    once={
        "scikit-learn GaussianNB": in_batches(GaussianNB()),
        "scikit-learn SGDClassifier": in_batches(SGDClassifier()),
    },
)
