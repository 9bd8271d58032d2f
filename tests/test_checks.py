"""Every head passes the public checks, and the checks catch heads that break the contract."""

import numpy as np
import pytest
from common import HEADS, REGRESSORS, blobs, head_name, ignore_quantization

from analytic_cl import NearestMeanClassifier, checks


@ignore_quantization
@pytest.mark.parametrize(
    ("head", "check"),
    [
        pytest.param(head, check, id=f"{head_name(head)}-{check.__name__}")
        for head in [*HEADS, *REGRESSORS]
        for check in checks.checks_of(head)
    ],
)
def test_head_passes(head, check):
    check(head, *blobs(40, 5, 4), seed=0)


@pytest.mark.parametrize("kind", ["str", "bool", "negative", "float"])
def test_checks_hold_for_labels_of_every_kind(kind):
    X, y = blobs(40, 5, 2)
    labels = {"str": np.array(["b", "a"])[y], "bool": y == 1, "negative": -5 * y, "float": y.astype(float)}[kind]

    checks.check_head(NearestMeanClassifier(), X, labels)


class KeepsAnError(NearestMeanClassifier):
    """Forgets one row too few."""

    def forget(self, X=None, y=None, **options):
        return (
            super().forget(X[1:], y[1:], **options) if X is not None and len(X) > 1 else super().forget(X, y, **options)
        )


class DependsOnOrder(NearestMeanClassifier):
    """Shifts every batch after the first."""

    def partial_fit(self, X, y, classes=None, *, sample_id=None):
        shift = 0.01 if self.__sklearn_is_fitted__() else 0.0
        return super().partial_fit(np.asarray(X) + shift, y, classes, sample_id=sample_id)


class ForgetsUnknownRows(NearestMeanClassifier):
    """Takes whatever it is told to take."""

    def forget(self, X=None, y=None, **options):
        try:
            return super().forget(X, y, **options)
        except ValueError:
            return None


class MergesByHalves(NearestMeanClassifier):
    """Learns from one of the two only."""

    def merge(self, other):
        return self


@pytest.mark.parametrize(
    "broken", [KeepsAnError(), DependsOnOrder(), ForgetsUnknownRows(), MergesByHalves()], ids=head_name
)
def test_a_broken_head_is_caught(broken):
    with pytest.raises(AssertionError):
        checks.check_head(broken, *blobs(40, 5, 4))
