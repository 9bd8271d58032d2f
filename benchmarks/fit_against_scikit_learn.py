"""Claim: one pass over 50,000 x 1280 rows of 100 classes, weights included, is faster than scikit-learn's fit."""

from _common import generated_rows, race
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
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
