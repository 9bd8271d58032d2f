"""Heads that are transformers: scikit-learn's coordinates, names and output kinds, from the state alone."""

import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import blobs
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from analytic_cl import GaussianClassifier, LDAClassifier, RandomProjection, checks

KINDS = [LDAClassifier(), LDAClassifier(means="plain"), GaussianClassifier()]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("n_classes", [2, 4, 9])
def test_coordinates_are_those_of_scikit_learn_but_for_signs(kind, n_classes):
    X, y = blobs(200, 6, n_classes)
    head = clone(kind).set_params(shrinkage=0.0).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))

    ours, theirs = head.transform(X), LinearDiscriminantAnalysis(solver="svd").fit(Z, y).transform(Z)
    theirs *= np.sign((theirs * ours).sum(axis=0))

    assert ours.shape == (200, min(n_classes - 1, 6))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_transform_depends_on_what_is_learned_now_and_on_nothing_else(kind):
    X, y = blobs(150, 5, 4)
    whole = clone(kind).fit(X, y, sample_id=np.arange(150))
    fewer = clone(kind).fit(X[y < 3], y[y < 3])
    first = whole.transform(X[:9])
    backwards = clone(kind).fit(X[80:], y[80:]).partial_fit(X[:80], y[:80]).transform(X[:9])
    whole.forget(sample_id=np.flatnonzero(y == 3))

    np.testing.assert_array_equal(backwards, first)
    assert first.shape == (9, 3)
    assert whole.transform(X[:9]).shape == (9, 2)
    np.testing.assert_array_equal(whole.transform(X[:9]), fewer.transform(X[:9]))
    np.testing.assert_array_equal(clone(kind).fit_transform(X, y, sample_id=np.arange(150))[:9], first)
    assert (np.abs(first[0] - clone(kind).fit(X, y).transform(X[:1])[0]) < 1e-12 * np.abs(first).max()).all()


def test_means_and_priors_do_not_move_the_space_and_signs_are_settled():
    X, y = blobs(150, 5, 4)
    head = LDAClassifier().fit(X, y)
    plain = LDAClassifier(means="plain", priors=[0.7, 0.1, 0.1, 0.1]).fit(X, y)
    eye = np.vstack([np.zeros(5), np.eye(5)])
    loadings = head.transform(eye)[1:] - head.transform(eye)[0]

    np.testing.assert_array_equal(head.transform(X), plain.transform(X))
    assert (loadings[np.abs(loadings).argmax(axis=0), range(3)] > 0).all()


def test_output_is_in_the_container_asked_for_with_names():
    X, y = blobs(60, 5, 3)
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(60) + 100)
    head = LDAClassifier().set_output(transform="pandas").fit(frame, y)
    as_pandas = head.transform(frame)
    as_polars = clone(head).set_output(transform="polars").fit_transform(pl.from_pandas(frame), y)

    assert as_pandas.columns.tolist() == ["ldaclassifier0", "ldaclassifier1"]
    assert as_pandas.index.tolist() == frame.index.tolist()
    assert isinstance(as_polars, pl.DataFrame)
    np.testing.assert_array_equal(as_polars.to_numpy(), as_pandas.to_numpy())
    assert GaussianClassifier().fit(X, y).get_feature_names_out().tolist() == [
        "gaussianclassifier0",
        "gaussianclassifier1",
    ]


def test_one_class_and_an_unfitted_head_are_refused_by_name():
    X, y = blobs(20, 5, 2)
    for kind in KINDS:
        with pytest.raises(NotFittedError):
            clone(kind).transform(X)
        one = clone(kind).fit(X, np.zeros(20))
        for call in (lambda one=one: one.transform(X), one.get_feature_names_out):
            with pytest.raises(ValueError, match="two classes with rows, got 1"):
                call()
        with pytest.raises(ValueError, match="5 features"):
            clone(kind).fit(X, y).transform(X[:, :3])


def test_declared_classes_without_rows_add_no_direction_and_equal_means_have_none():
    X, y = blobs(40, 5, 2)
    same = np.repeat([[0.0, 1.0], [2.0, 0.0]], 2, axis=0)

    assert LDAClassifier().partial_fit(X, y, classes=range(9)).transform(X).shape == (40, 1)
    assert LDAClassifier().fit(same, [0, 1, 0, 1]).transform(same).shape == (4, 0)
    projected = LDAClassifier(projection=RandomProjection(7)).fit(normalize(blobs(90, 4, 9)[0]), np.arange(90) % 9)
    assert projected.transform(np.ones((1, 4))).shape == (1, 7)


@pytest.mark.parametrize(("load", "least"), [(load_wine, 0.94), (load_digits, 0.93)])
def test_neighbours_in_discriminant_space_are_as_good_as_scikit_learns(load, least):
    X, y = load(return_X_y=True)
    ours = cross_val_score(make_pipeline(LDAClassifier(), KNeighborsClassifier()), X, y, cv=3).mean()
    theirs = cross_val_score(make_pipeline(LinearDiscriminantAnalysis(), KNeighborsClassifier()), X, y, cv=3).mean()

    assert ours >= max(theirs - 0.01, least)


def test_names_and_columns_are_of_one_state_while_another_thread_learns():
    X, y = blobs(120, 6, 4)
    head = LDAClassifier().set_output(transform="pandas").fit(X[y < 3], y[y < 3])
    stop = threading.Event()

    def change():
        while not stop.is_set():
            head.partial_fit(X[y == 3], y[y == 3])
            head.forget(X[y == 3], y[y == 3])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        widths = {head.transform(X).shape[1] for _ in range(60)}
    finally:
        stop.set()
        thread.join()
    assert widths <= {2, 3}


def test_a_head_that_transforms_keeps_the_contract():
    checks.check_head(LDAClassifier().set_output(transform="pandas"), *blobs(40, 5, 4))
