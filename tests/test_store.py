"""What a store learns, serves and refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from common import blobs, head_name, ignore_quantization
from sklearn.base import clone
from stores import HEADS, IDS, SUBJECTS, X, Y, plain, reopened, tables, without

from analytic_cl import (
    FixedPoint,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    Store,
)
from analytic_cl.statistics import EMPTY
from analytic_cl.store import (
    AlreadyErasedError,
    RefusedError,
    certificate,
)

# ---- learning


def test_learning_is_refused_whole(store):
    before = tables(store)
    for wrong in (
        dict(X=X[:2], y=Y[:2], sample_id=["new", "visit 1"]),
        dict(X=X[:2], y=Y[:2], sample_id=["new"]),
        dict(X=X[:2], y=Y[:2], subject=["one"]),
        dict(X=X[:2], y=Y[:2], subject=[1, 2]),
        dict(X=X[:2] * np.nan, y=Y[:2]),
        dict(X=X[:2, :3], y=Y[:2]),
        dict(X=X[:2], y=["a", "b"]),
    ):
        with pytest.raises(ValueError, match=r"ids|rows|NaN|features|labels|string"):
            store.learn(**wrong)
    assert tables(store) == before
    assert store.state_digest() == plain(range(60))


def test_when_all_rows_are_restricted_other_widths_and_labels_are_refused(store):
    store.restrict(sample_id=IDS[:5])
    for subject in SUBJECTS[5::5]:
        store.restrict(subject=subject)
    assert store.state_digest() == EMPTY

    with pytest.raises(ValueError, match="7 features"):
        store.learn(np.ones((2, 7)), [0, 1])
    with pytest.raises(ValueError, match="labels"):
        store.learn(X[:2], ["a", "b"])
    assert store.unrestrict(session="ward 0").removed == 20
    assert store.state_digest() == plain(range(20))


def test_a_store_of_restricted_rows_alone_has_nothing_to_predict_with(store):
    for subject in SUBJECTS[::5]:
        store.restrict(subject=subject)
    message = "not fitted"
    with pytest.raises(ValueError, match=message):
        store.predict(X)
    with reopened(store) as again:
        assert again.state_digest() == EMPTY
        with pytest.raises(ValueError, match=message):
            again.predict(X)
        assert again.verify(retrain=True).rows == 0


def test_after_everything_was_erased_another_width_and_other_labels_may_come(store):
    for label in range(3):
        store.forget(label=label)
    assert store.state_digest() == EMPTY
    assert tables(store)["labels"] == []

    wide, names = blobs(20, 9, 2)
    names = np.array(["yes", "no"])[names]
    with reopened(store) as again:
        again.learn(wide, names)
        assert again.state_digest() == LDAClassifier().fit(wide, names).state_digest()
        with reopened(again) as third:
            assert third.verify(retrain=True).rows == 20


@pytest.mark.parametrize(
    "labels",
    [[True, False], ["a", "é"], ["1", "\u2028'\""], [2**62, -5], [0, 1], [np.int8(3), np.int8(4)]],
    ids=["bool", "str", "odd str", "big int", "int", "int8"],
)
def test_labels_of_every_kind_come_back_as_they_were(tmp_path, labels):
    labels = np.array(labels * 30)
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, labels, sample_id=IDS)
        head = LDAClassifier().fit(X, labels)
        assert store.head.classes_.tolist() == head.classes_.tolist()
        with reopened(store) as again:
            assert again.state_digest() == head.state_digest()
            assert again.forget(label=labels[0]).removed == 30
            with reopened(again) as third:
                assert third.state_digest() == LDAClassifier().fit(X[1::2], labels[1::2]).state_digest()


@ignore_quantization
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_every_head_serves_what_a_plain_fit_serves(tmp_path, head):
    with Store.create(tmp_path / "store", head) as store:
        store.learn(X, Y, subject=SUBJECTS)
        store.forget(subject="patient 2")
        kept = without(*range(10, 15))
        expected = clone(head).fit(X[kept], Y[kept])
        np.testing.assert_array_equal(store.decision_function(X), expected.decision_function(X))
        with reopened(store) as again:
            assert again.state_digest() == expected.state_digest()
            np.testing.assert_array_equal(again.decision_function(X), expected.decision_function(X))


def test_feature_names_are_kept_and_checked(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcde"))
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(frame, Y, subject=SUBJECTS)
        store.forget(subject="patient 2")
        with reopened(store) as again:
            assert again.head.feature_names_in_.tolist() == list("abcde")
            with pytest.raises(ValueError, match="feature names"):
                again.learn(frame[list("edcba")], Y)
            again.predict(frame)


def test_ids_that_differ_in_kind_are_two(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X[:3], Y[:3], sample_id=[1, "1", 2**80])
        assert store.forget(sample_id=["1"]).removed == 1
        assert store.forget(sample_id=np.array([1])).removed == 1
        assert store.state_digest() == plain([2])


def test_a_head_that_learned_before_moves_in(tmp_path):
    head = LDAClassifier().fit(X, Y, sample_id=IDS)
    with Store.create(tmp_path / "store", head) as store:
        assert store.state_digest() == head.state_digest()
        store.forget(sample_id=IDS[:30])
        assert store.state_digest() == plain(range(30, 60))
    assert head.state_digest() == plain(range(60))


def test_a_head_that_kept_no_rows_leaves_no_half_made_store(tmp_path):
    with pytest.raises(ValueError, match="ledger keeps 0 of its 60 rows"):
        Store.create(tmp_path / "store", LDAClassifier(track="none").fit(X, Y))
    assert not (tmp_path / "store").exists()
    Store.create(tmp_path / "store", LDAClassifier()).close()


@ignore_quantization
def test_merging_refuses_other_quantizers_also_into_an_empty_store(tmp_path, store):
    with Store.create(tmp_path / "coarse", LDAClassifier(quantizer=FixedPoint(8))) as coarse:
        with pytest.raises(ValueError, match="quantizer"):
            coarse.merge(LDAClassifier(quantizer=FixedPoint(16)).fit(X, Y, sample_id=IDS))
        with pytest.raises(ValueError, match="quantizer"):
            coarse.merge(store)
        assert coarse.n_rows == 0
        coarse.learn(X, Y, sample_id=IDS)
        with pytest.raises(ValueError, match="quantizer"):
            coarse.merge(store)
    with pytest.raises(ValueError, match="store has"):
        store.merge(store)


def test_merging_takes_subjects_along_and_leaves_what_is_restricted_or_was_erased(tmp_path, store):
    store.restrict(subject="patient 1")
    with Store.create(tmp_path / "other", LDAClassifier()) as other:
        assert other.merge(store) == 55
        assert other.forget(subject="patient 2").removed == 5
        assert other.forget(session="ward 2").removed == 20
        assert other.state_digest() == plain(without(*range(5, 15), *range(40, 60)))
        with pytest.raises(ValueError, match="store has"):
            other.merge(store)
        other.forget(session="ward 0")
        other.forget(session="ward 1")
        with pytest.raises(AlreadyErasedError):
            other.merge(store)


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf"), 1e9, "x"])
def test_tombstones_that_would_break_forgetting_are_refused_at_once(tmp_path, days):
    with pytest.raises(ValueError, match="tombstone_days"):
        Store.create(tmp_path / "store", LDAClassifier(), tombstone_days=days)
    assert not (tmp_path / "store").exists()


def test_status_counts(store):
    store.forget(subject="patient 3")
    store.restrict(subject="patient 4")
    with pytest.raises(RefusedError):
        store.forget(subject="patient 3")
    status = store.status()
    assert (status["rows"], status["restricted"], status["classes"]) == (50, 5, 3)
    assert status["requests"] == {"received": 0, "applied": 2, "refused": 1}
    assert status["tombstones"] == 6
    json.dumps(status)


def test_key_counts_are_held_forgotten_and_certified_like_moments(tmp_path):
    head = KeyValueBottleneckClassifier(n_codebooks=32)
    with Store.create(tmp_path / "store", head) as store:
        store.learn(X, Y, sample_id=IDS)
        proof = store.forget(sample_id=IDS[:7]).certificate
        kept = KeyValueBottleneckClassifier(n_codebooks=32).fit(X[7:], Y[7:])
        assert store.state_digest() == kept.state_digest()
        assert store.verify(retrain=True, certificate=proof).certificate_is_current
        certificate.check_retrained(proof, kept.state_, store.certificate_keys())
    with Store.open(tmp_path / "store") as store:
        np.testing.assert_array_equal(store.predict(X), kept.predict(X))
