"""Accuracy on packs of real features that don't ship with the project; `ANALYTIC_CL_DATA` says where they are."""

import os

import pytest
from common import DATA, ignore_quantization, pack

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)

RECORD = {
    "clinc150_minilm": {
        (NearestMeanClassifier(), None): 0.9164,
        (LDAClassifier(), None): 0.9302,
        (RLSClassifier(), None): 0.9096,
        (KeyValueBottleneckClassifier(), None): 0.938,
        (NearestNeighborsClassifier(), None): 0.9129,
        (LDAClassifier(), 1500): 0.8904,
        (RLSClassifier(), 1500): 0.8071,
    },
    "cifar100_mnv2": {
        (NearestMeanClassifier(), None): 0.5416,
        (LDAClassifier(), None): 0.6293,
        (RLSClassifier(), None): 0.6252,
        (KeyValueBottleneckClassifier(), None): 0.5802,
        (NearestNeighborsClassifier(), None): 0.6183,
        (LDAClassifier(), 1500): 0.4525,
        (RLSClassifier(), 1500): 0.4753,
    },
}


@pytest.mark.parametrize("name", RECORD)
@ignore_quantization
def test_default_accuracy_is_the_one_on_record(name):
    if not (DATA / f"{name}.npz").exists() and "ANALYTIC_CL_REQUIRE_DATA" not in os.environ:
        pytest.skip(f"{name}.npz is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
    data = pack(name)
    for (head, n), expected in RECORD[name].items():
        head.fit(data["X_train"][:n], data["y_train"][:n])

        assert head.score(data["X_test"], data["y_test"]) == pytest.approx(expected, abs=0.004), (head, n)
