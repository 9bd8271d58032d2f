"""Claim: one pass over the rows, weights included, is faster than scikit-learn's fit.

On 50,000 x 1280 generated rows of 100 classes, and on real ones: CIFAR-100 features where ANALYTIC_CL_DATA has them,
else the packaged CLINC150.
"""

import numpy as np
from _common import race, row_sets
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid

from analytic_cl import LDAClassifier, NearestMeanClassifier, RLSClassifier


def fits(title, X, y):
    def learn(head):
        return lambda: head.fit(X, y).decision_function(X[:1])

    race(
        f"fit {title}: LDA",
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
        f"fit {title}: ridge",
        {"RLSClassifier": learn(RLSClassifier()), "scikit-learn RidgeClassifier": lambda: RidgeClassifier().fit(X, y)},
    )
    race(
        f"fit {title}: nearest mean",
        {
            "NearestMeanClassifier": learn(NearestMeanClassifier("euclidean")),
            "NearestMeanClassifier, track='none'": learn(NearestMeanClassifier("euclidean", track="none")),
            "scikit-learn NearestCentroid": lambda: NearestCentroid().fit(X, y),
        },
    )


def batches(title, X, y):
    classes = np.unique(y)

    def peer(estimator):
        def run():
            for start in range(0, len(X), 1000):
                estimator.partial_fit(X[start : start + 1000], y[start : start + 1000], classes=classes)

        return run

    def ours():
        head = LDAClassifier()
        for start in range(0, len(X), 1000):
            head.partial_fit(X[start : start + 1000], y[start : start + 1000])
        head.prepare()

    race(
        f"learn {title} in batches of 1,000: what scikit-learn has partial_fit for",
        {"LDAClassifier": ours},
        once={"scikit-learn GaussianNB": peer(GaussianNB()), "scikit-learn SGDClassifier": peer(SGDClassifier())},
    )


for title, X, y in row_sets():
    fits(title, X, y)
    batches(title, X, y)
