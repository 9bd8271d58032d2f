"""Machine-labelled rows in a store: on record, erased with what they depend on, named by the certificate."""

import json

import numpy as np
import pytest
from stores import IDS, SUBJECTS, X, Y, plain, without

from analytic_cl import LDAClassifier, Store
from analytic_cl.store import VerificationError, check_certificate
from analytic_cl.store.report import report

NEW = X[:20] + 0.1


def label(store, session, ids, rows=NEW, **more):
    """What a model is sure of, learned at once."""
    guess = store.head.predict_proba(rows)
    labels = store.head.classes_[guess.argmax(axis=1)]
    return store.learn(rows, labels, sample_id=ids, session=session, confidence=guess.max(axis=1), **more)


def names(prefix):
    return [f"{prefix} {i}" for i in range(20)]


def test_an_erasure_takes_along_what_was_labelled_after_its_row_came_and_the_certificate_says_so(store):
    label(store, "machine: Monday", names("early"))
    expected = store.state_digest()
    store.learn(X[:1] + 5, [2], sample_id=["x"], subject="mr x")
    label(store, "machine: Tuesday", names("late"), subject="somebody else")
    label(store, "machine: Wednesday", names("later"))

    asked = dict(subject="mr x", request_id="r")
    trial = store.forget(**asked, dry_run=True)
    receipt = store.forget(**asked)
    assert store.state_digest() == expected  # of a history without the row, and without what was labelled after it
    assert (receipt.requested, receipt.removed) == (1, 41)
    assert receipt.cascade == trial.cascade == {"machine_rows": 40, "kept": 0, "since": 3 + 1}
    assert (trial.removed, trial.classes_emptied) == (receipt.removed, receipt.classes_emptied)
    assert receipt.certificate["cascade"] == receipt.cascade
    check_certificate(receipt.certificate, store.public_keys())
    assert store.verify(certificate=receipt.certificate, retrain=True).certificate_is_current
    assert store.forget(**asked) == receipt
    assert "1 of 1 requested rows were erased" in report(receipt.certificate)
    assert "40 machine-labelled rows went with them" in report(receipt.certificate)
    with pytest.raises(ValueError, match="erased"):
        store.learn(X[:1] + 5, [2], sample_id=["x"])
    assert label(store, "machine: again", names("late")) == 20  # nobody asked for these to be erased


def test_rows_that_were_there_first_take_all_machine_rows_along(store):
    label(store, "machine: Monday", names("early"))
    receipt = store.forget(sample_id=[IDS[7]])

    assert receipt.cascade["machine_rows"] == 20
    assert store.state_digest() == plain(without(7))


def test_without_a_cascade_they_stay_and_the_certificate_counts_them(store):
    label(store, "machine: Monday", names("early"))
    whole = store.n_rows
    receipt = store.forget(subject=SUBJECTS[0], cascade=False)

    assert (receipt.removed, store.n_rows) == (5, whole - 5)
    assert receipt.certificate["cascade"] == {"machine_rows": 0, "kept": 20, "since": 2}
    assert "20 machine-labelled rows stay" in report(receipt.certificate)
    assert store.restrict(subject=SUBJECTS[10]).cascade["kept"] == 20
    assert store.rectify(X[20:21], [0], sample_id=[IDS[20]]).cascade["kept"] == 20
    assert store.unrestrict(subject=SUBJECTS[10]).cascade == {}
    store.verify(retrain=True)


def test_an_erased_machine_row_takes_later_ones_along_and_not_those_of_its_own_session(store):
    label(store, "machine: Monday", names("early"))
    label(store, "machine: Tuesday", names("late"))
    receipt = store.forget(sample_id=["early 3"])

    assert (receipt.removed, receipt.cascade["machine_rows"]) == (21, 20)
    assert store.n_rows == 60 + 19


def test_the_log_says_which_model_labelled_and_how_surely_and_access_says_that_one_did(store):
    before = store.forget(sample_id=[IDS[0]]).certificate["state_after"]
    label(store, "machine: Monday", names("early"), subject="mr y")
    entry = store.audit()[-1]

    assert entry["model"] == before
    assert 0 < entry["confidence"] <= 1
    assert all(row["machine_labelled"] for row in store.access("mr y")["rows"])
    assert not any(row["machine_labelled"] for row in store.access(SUBJECTS[10])["rows"])


def test_requests_of_one_transaction_and_reopened_stores_see_one_cascade(store):
    label(store, "machine: Monday", names("early"))
    first, second = store.forget_all([dict(sample_id=[IDS[0]]), dict(sample_id=[IDS[1]], cascade=False)])
    assert (first.cascade["machine_rows"], second.cascade) == (20, {})
    store.close()
    with Store.open(store.path) as again:
        assert again.state_digest() == plain(without(0, 1))
        again.verify(retrain=True)


def test_a_merged_store_brings_its_machine_rows_as_such(store, tmp_path):
    label(store, "machine: Monday", names("early"))
    with Store.create(tmp_path / "other", LDAClassifier()) as other:
        assert other.merge(store) == 80
        assert other.state_digest() == store.state_digest()
        assert other.forget(sample_id=[IDS[0]]).cascade["machine_rows"] == 20
        other.verify(retrain=True)


def test_an_altered_cascade_is_found(store):
    label(store, "machine: Monday", names("early"))
    store.forget(sample_id=[IDS[0]], request_id="r")
    (text,) = store.parts.database.run("SELECT receipt FROM requests").fetchone()
    receipt = json.loads(text)
    receipt["cascade"]["machine_rows"] = 0
    store.parts.database.run("UPDATE requests SET receipt = ?", json.dumps(receipt))
    with pytest.raises(VerificationError, match="another cascade"):
        store.verify()


@pytest.mark.parametrize("confidence", [1.5, "sure", [0.5], np.nan, True])
def test_confidences_that_can_not_be_are_refused(store, confidence):
    before = store.audit_head
    with pytest.raises(ValueError, match="confidence must be a number from 0 to 1"):
        store.learn(NEW, Y[:20], confidence=confidence)
    assert store.audit_head == before


def test_a_model_that_has_learned_nothing_has_labelled_nothing(tmp_path):
    with (
        Store.create(tmp_path / "empty", LDAClassifier()) as empty,
        pytest.raises(ValueError, match="has learned nothing yet"),
    ):
        empty.learn(X, Y, confidence=0.9)
