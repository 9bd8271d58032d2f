"""The audit log, certificates and keys of a store: what was altered is found."""

import json
import shutil
import sqlite3

import numpy as np
import pytest
from stores import IDS, X, Y, at, reopened, without

from analytic_cl import (
    LDAClassifier,
    Store,
)
from analytic_cl.store import (
    AlreadyErasedError,
    RefusedError,
    VerificationError,
    certificate,
    check_certificate,
    keys,
)

# ---- evidence


def altered(store, statement, *values):
    """The same store after somebody with an editor was at its database."""
    store.close()
    database = sqlite3.connect(store.path / "store.sqlite")
    assert database.execute(statement, values).rowcount
    database.commit()
    database.close()
    return Store.open(store.path)


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE audit SET entry = replace(entry, '\"rows\": 60', '\"rows\": 61') WHERE number = 2", "entry 2 was alt"),
        ("DELETE FROM audit WHERE number = 3", "entry 3 is missing"),
        ("UPDATE audit SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4)", "entry 1"),
        ("UPDATE audit SET entry = '{' WHERE number = 3", "entry 3 is not JSON"),
        ("UPDATE audit SET hash = 'x' WHERE number = 3", "entry 3 was altered"),
        ("UPDATE audit SET entry = (SELECT entry FROM audit WHERE number = 4) WHERE number = 3", "entry 3 does not"),
        ("DELETE FROM audit WHERE number = 5", "audit"),
        ("DELETE FROM requests WHERE request = 'b'", "request"),
        ("UPDATE requests SET status = 'refused' WHERE request = 'b'", "request"),
        ("UPDATE requests SET content = 'l1:00' WHERE request = 'b'", "request"),
        ("UPDATE requests SET receipt = replace(receipt, 'state_after', 'state_before')", "altered"),
        ("UPDATE requests SET receipt = replace(receipt, '\"removed\": 5', '\"removed\": 6')", "altered"),
        ('UPDATE requests SET receipt = replace(receipt, \', "time": "2\', \', "time": "1\')', "altered"),
        ("DELETE FROM rows WHERE row = 45", "rows"),
        ("UPDATE rows SET label = 1 WHERE row = 45", "rows|labels"),
    ],
)
def test_tampering_is_found_and_located(store, statement, where):
    for name, number in (("a", 3), ("b", 4), ("c", 5)):
        store.forget(subject=f"patient {number}", request_id=name)
    assert store.verify().entries == 5
    with altered(store, statement) as again, pytest.raises(VerificationError, match=where):
        again.verify()


def test_a_row_whose_integers_were_altered_is_found_by_training_again(store):
    with altered(store, "UPDATE rows SET integers = zeroblob(length(integers)) WHERE row = 7") as again:
        assert again.verify().rows == 60
        with pytest.raises(VerificationError, match="not the one of the rows"):
            again.verify(retrain=True)


def test_a_log_that_was_cut_or_rewritten_whole_does_not_pass_through_a_published_head(store):
    store.forget(subject="patient 3")
    store.learn(X[:1], Y[:1])
    published = store.audit_head
    store.learn(X[:1], Y[:1])
    assert store.verify(head=published).entries == 5

    shutil.copytree(store.path, store.path.with_name("copy"))
    with altered(store, "DELETE FROM audit WHERE number >= 4") as cut:
        with pytest.raises(VerificationError, match="published head"):
            cut.verify(head=published)
        cut.learn(X[:2], Y[:2])
        with pytest.raises(VerificationError, match="published head"):
            cut.verify(head=published)
    for nonsense in ("", "4", published.upper(), "4:" + "0" * 64):
        with Store.open(store.path.with_name("copy")) as copy, pytest.raises(VerificationError, match="published"):
            copy.verify(head=nonsense)


def test_certificates_of_a_store_hold_and_are_current_until_the_next_change(store):
    receipt = store.forget(subject="patient 3", request_id="r")
    known = store.public_keys()
    check_certificate(receipt.certificate, known)
    check_certificate(json.loads(json.dumps(receipt.certificate)), known)
    assert store.verify(certificate=receipt.certificate).certificate_is_current
    store.learn(X[:1], Y[:1])
    assert not store.verify(certificate=receipt.certificate).certificate_is_current
    assert (receipt.certificate["removed"], receipt.certificate["request"]) == (5, "r")
    assert receipt.certificate["state_before"] != receipt.certificate["state_after"]
    assert not any(name in json.dumps(receipt.certificate) for name in ("patient", "visit", store.state_digest()))


def test_an_altered_byte_anywhere_in_a_certificate_is_found(store):
    certificate_ = store.forget(subject="patient 3", request_id="r").certificate
    text, known = json.dumps(certificate_), store.public_keys()
    found = 0
    for place in range(0, len(text), 3):
        forged = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        try:
            document = json.loads(forged)
        except ValueError:
            continue
        if document != certificate_:
            with pytest.raises(VerificationError):
                check_certificate(document, known)
            found += 1
    assert found > 200
    for forged in ({}, {**certificate_, "more": 1}, {**certificate_, "signature": None}):
        with pytest.raises(VerificationError):
            check_certificate(forged, known)


def test_certificates_under_foreign_keys_are_refused(tmp_path, store):
    with Store.create(tmp_path / "other", LDAClassifier()) as other:
        other.learn(X, Y, sample_id=IDS)
        foreign = other.forget(sample_id=["visit 0"]).certificate
        with pytest.raises(VerificationError, match="not among the trusted"):
            check_certificate(foreign, store.public_keys())
        with pytest.raises(VerificationError):
            store.verify(certificate=foreign)
        with pytest.raises(VerificationError):
            certificate.check_retrained(foreign, other.head.moments_, {"c9": "00"})
        with pytest.raises(VerificationError):
            certificate.check_retrained(foreign, other.head.moments_, store.certificate_keys())


def test_an_auditor_who_trains_again_gets_the_certified_state(store):
    certificate_ = store.forget(subject="patient 3").certificate
    known, kept = store.certificate_keys(), without(*range(15, 20))
    certificate.check_retrained(certificate_, LDAClassifier().fit(X[kept], Y[kept]).moments_, known)
    for wrong in (kept[1:], list(range(60))):
        with pytest.raises(VerificationError, match="another state"):
            certificate.check_retrained(certificate_, LDAClassifier().fit(X[wrong], Y[wrong]).moments_, known)


@pytest.mark.parametrize("kind", ["ledger", "certificate", "signing"])
def test_what_was_made_with_a_key_holds_after_it_was_replaced(store, kind):
    old = store.forget(subject="patient 3", request_id="a")
    name = store.rotate_key(kind)
    assert name == f"{kind[0]}2"
    new = store.forget(subject="patient 4", request_id="b")
    with reopened(store) as again:
        assert again.verify(certificate=old.certificate, retrain=True).requests == 2
        assert again.verify(certificate=new.certificate).certificate_is_current
        assert again.forget(subject="patient 3", request_id="a") == old
        assert again.forget(subject="patient 4", request_id="b") == new
        certificate.check_retrained(new.certificate, again.head.moments_, again.certificate_keys())
        with pytest.raises(ValueError, match="kind must be one of"):
            again.rotate_key("quantizer")


@pytest.mark.parametrize("kind", ["ledger", "certificate", "signing"])
def test_a_key_that_could_not_be_written_is_not_used(store, monkeypatch, kind):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys, "write_file", fail)
    with pytest.raises(OSError, match="No space"):
        store.rotate_key(kind)
    monkeypatch.undo()
    store.forget(subject="patient 3", request_id="r")
    with reopened(store) as again:
        assert again.verify(retrain=True).requests == 1
        again.forget(subject="patient 3", request_id="r")
        with pytest.raises(AlreadyErasedError):
            again.learn(X[:1], Y[:1], subject="patient 3")


def test_readers_know_keys_that_came_after_they_opened(store):
    with Store.open(store.path, read_only=True) as reader:
        assert reader.verify().requests == 0
        store.rotate_key("signing")
        store.rotate_key("certificate")
        store.forget(subject="patient 3")
        assert reader.verify().requests == 1
        assert reader.public_keys() == store.public_keys()


def test_access_tells_all_that_is_held_about_a_subject_and_leaves_a_trace_without_a_name(store):
    store.restrict(sample_id=["visit 16"])
    found = store.access("patient 3")

    assert [row["sample_id"] for row in found["rows"]] == IDS[15:20]
    assert [row["label"] for row in found["rows"]] == Y[15:20].tolist()
    assert [row["restricted"] for row in found["rows"]] == [False, True, False, False, False]
    assert {row["session"] for row in found["rows"]} == {"ward 0"}
    np.testing.assert_array_equal(
        [row["integers"] for row in found["rows"]], store.head.moments_.quantizer.quantise(X[15:20])
    )
    json.dumps(found, allow_nan=False)
    (entry,) = [entry for entry in store.audit() if entry["event"] == "access"]
    assert "patient" not in json.dumps(entry)
    with Store.open(store.path, read_only=True) as reader:
        assert reader.access("patient 3") == found
    store.forget(subject="patient 3")
    with pytest.raises(RefusedError, match="never learned, or erased"):
        store.access("patient 3")
    assert store.verify(retrain=True)


def test_a_clock_that_goes_backwards_is_noted_and_the_log_stands_still(store, monkeypatch):
    at(monkeypatch, "2031-05-05T00:00:00.000+00:00")
    store.learn(X[:1], Y[:1])
    at(monkeypatch, "2031-05-04T00:00:00.000+00:00")
    store.forget(subject="patient 3")
    later, back = store.audit()[-2:]

    assert back["time"] == later["time"] == "2031-05-05T00:00:00.000+00:00"
    assert back["clock"] == "2031-05-04T00:00:00.000+00:00"
    with reopened(store) as again:
        assert again.verify(retrain=True).entries == 4
        assert again.status()["rows"] == 56
