"""On the data set that ships with the package: one digest for any order, partition, number of threads and backend."""

import os

import numba
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from threadpoolctl import threadpool_limits

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    get_backend,
    use_backend,
    use_threads,
)
from analytic_cl._config import BACKENDS
from analytic_cl.datasets import load_clinc150
from analytic_cl.statistics import class_sums


@pytest.fixture(scope="module")
def clinc():
    return load_clinc150()


def test_the_backend_that_should_be_tested_is_the_one_that_runs():
    """CI names the backend that it expects; elsewhere any will do."""
    expected = os.environ.get("ANALYTIC_CL_EXPECT_BACKEND", get_backend())

    assert get_backend() == expected
    if expected != "numpy":
        assert isinstance(class_sums._add_rows, numba.core.dispatcher.Dispatcher)
        assert not numba.config.DISABLE_JIT


@pytest.fixture(scope="module")
def joint(clinc):
    return LDAClassifier().fit(clinc.X_train, clinc.y_train)


def test_loader_gives_rows_labels_and_their_origin(clinc):
    assert clinc.X_train.shape == (15000, 384) and clinc.X_train.dtype == np.float32
    assert clinc.X_test.shape == (4500, 384) and clinc.y_test.dtype == np.int64
    assert np.bincount(clinc.y_train).tolist() == [100] * 150
    assert len(clinc.classes) == 150 and len(clinc.domains) == 10 and set(clinc.class_domain) == set(range(10))
    assert "CC BY 3.0" in clinc.DESCR and "Apache-2.0" in clinc.DESCR and "oos-eval" in clinc.DESCR
    np.testing.assert_array_equal(clinc.X_train * 512, np.rint(clinc.X_train * 512))


@pytest.mark.parametrize("seed", range(10))
def test_any_order_and_partition_give_one_digest(clinc, joint, seed):
    random = np.random.RandomState(seed)
    order = random.permutation(15000)
    sessions = random.randint(1, 201)
    cuts = np.sort(random.choice(np.arange(1, 15000), sessions - 1, replace=False))
    head = LDAClassifier()
    for batch in np.split(order, cuts):
        head.partial_fit(clinc.X_train[batch], clinc.y_train[batch])

    assert head.state_digest() == joint.state_digest()
    np.testing.assert_array_equal(head.predict(clinc.X_test), joint.predict(clinc.X_test))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_and_backends_give_one_digest(clinc, threads, backend):
    X, y = clinc.X_train[:1500], clinc.y_train[:1500]
    expected = LDAClassifier().fit(X, y).state_digest()
    with threadpool_limits(threads), use_threads(threads), use_backend(backend):
        head = LDAClassifier().fit(X, y)
        lifted = RLSClassifier(projection=RandomProjection(200)).fit(X, y)

    assert head.state_digest() == expected
    assert lifted.state_digest() == RLSClassifier(projection=RandomProjection(200)).fit(X, y).state_digest()


@pytest.mark.parametrize(
    ("head", "accuracy"),
    [
        (NearestMeanClassifier(), 0.9164),
        (LDAClassifier(), 0.9302),
        (RLSClassifier(), 0.9096),
        (RLSClassifier(projection=RandomProjection(5000)), 0.9519),
    ],
    ids=repr,
)
def test_default_accuracy_is_the_one_on_record(clinc, head, accuracy):
    assert head.fit(clinc.X_train, clinc.y_train).score(clinc.X_test, clinc.y_test) == pytest.approx(
        accuracy, abs=0.004
    )


def test_integers_cost_no_accuracy_against_floats(clinc):
    """The same ridge on the float rows; the packaged rows are int8 themselves, so noise below their step is added."""
    random = np.random.RandomState(0)
    X = clinc.X_train + (random.uniform(-0.5, 0.5, clinc.X_train.shape) / 512).astype(np.float32)
    floats = RidgeClassifier(1.0).fit(X, clinc.y_train).score(clinc.X_test, clinc.y_test)

    assert RLSClassifier(1.0).fit(X, clinc.y_train).score(clinc.X_test, clinc.y_test) == pytest.approx(
        floats, abs=0.003
    )


def test_features_extracted_anew_rarely_are_the_same_integers(clinc):
    """Why rows that may have to be forgotten should be learned with ids."""
    X = clinc.X_train[:2000] + (np.random.RandomState(1).uniform(-0.5, 0.5, (2000, 384)) / 512).astype(np.float32)
    again = X + 1e-5 * np.random.RandomState(0).normal(size=X.shape)  # rows have length 1
    quantizer = LDAClassifier().fit(X, clinc.y_train[:2000]).quantizer_
    changed = (quantizer.quantise(X) != quantizer.quantise(again)).any(axis=1).mean()

    assert changed > 0.4


def test_class_incremental_forgetting_ends_where_retraining_starts(clinc):
    """Ten sessions of new intents, then 200 deletions, against a model that never saw the 200 rows."""
    head = RLSClassifier()
    for session in np.array_split(np.random.RandomState(0).permutation(150), 10):
        rows = np.flatnonzero(np.isin(clinc.y_train, session))
        head.partial_fit(clinc.X_train[rows], clinc.y_train[rows], sample_id=rows)
    gone = np.random.RandomState(1).choice(15000, 200, replace=False)
    rest = np.setdiff1d(np.arange(15000), gone)

    head.forget(sample_id=gone)
    retrained = RLSClassifier().fit(clinc.X_train[rest], clinc.y_train[rest])

    assert head.state_digest() == retrained.state_digest()
    np.testing.assert_array_equal(head.decision_function(clinc.X_test), retrained.decision_function(clinc.X_test))
