"""What `predict` calls classes: names are kept between calls, and follow every change."""

import numpy as np
import pytest

from analytic_cl import NearestMeanClassifier, NearestNeighborsClassifier, RLSClassifier

X = np.eye(6)


@pytest.mark.parametrize("head", [NearestMeanClassifier(), NearestNeighborsClassifier(1), RLSClassifier()])
def test_names_follow_what_is_learned_and_forgotten(head):
    def named(labels):
        assert head.predict(X[: len(labels)]).tolist() == labels
        assert head.predict(X[:1]).tolist() == labels[:1]

    head.fit(X[:3], ["b", "c", "d"])
    named(["b", "c", "d"])
    head.partial_fit(X[3:5], ["a", "a longer name"])
    named(["b", "c", "d", "a", "a longer name"])
    head.forget(X[:1], ["b"])
    head.partial_fit(X[:1], ["e"])
    named(["e", "c", "d", "a", "a longer name"])
    head.fit(X[:2], [1, 0])
    named([1, 0])
    head.fit(X[:2], [True, False])
    named([True, False])
    assert head.predict(X).dtype == bool


def test_what_predict_returns_can_be_written_to():
    head = NearestMeanClassifier().fit(X[:2], [5, 7])
    head.predict(X[:2])[:] = 0
    head.classes_[:] = 0

    assert head.predict(X[:2]).tolist() == [5, 7]
    assert head.classes_.tolist() == [5, 7]
