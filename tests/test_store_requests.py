"""Every request is answered once, and what was erased does not come back by accident."""

import json
import shutil

import pytest
from stores import IDS, SUBJECTS, X, Y, at, plain, reopened, tables, without

from analytic_cl import (
    LDAClassifier,
    Store,
)
from analytic_cl.store import (
    AlreadyErasedError,
    RefusedError,
)

# ---- requests


def test_the_same_request_again_changes_nothing(store):
    first = store.forget(subject="patient 3", request_id="r")
    before = tables(store)

    assert store.forget(subject="patient 3", request_id="r") == first
    assert store.receipt("r") == first
    with reopened(store) as again:
        assert again.forget(subject="patient 3", request_id="r") == first
        assert tables(again) == before


def test_a_request_id_stands_for_one_content(store):
    store.forget(subject="patient 3", request_id="r")
    before = tables(store)

    for other in (
        lambda: store.forget(subject="patient 4", request_id="r"),
        lambda: store.forget(session="patient 3", request_id="r"),
        lambda: store.restrict(subject="patient 3", request_id="r"),
        lambda: store.rectify(X[:1], Y[:1], sample_id=IDS[:1], request_id="r"),
    ):
        with pytest.raises(RefusedError, match="another content"):
            other()
    assert tables(store) == before


def test_a_rectification_again_changes_nothing_and_with_other_rows_is_refused(store):
    first = store.rectify(X[10:12], Y[10:12], sample_id=IDS[:2], request_id="r")
    assert store.rectify(X[10:12], Y[10:12], sample_id=IDS[:2], request_id="r") == first
    with pytest.raises(RefusedError, match="another content"):
        store.rectify(X[11:13], Y[11:13], sample_id=IDS[:2], request_id="r")
    assert store.state_digest() == plain([10, 11, *range(2, 60)])


def test_the_same_request_twice_in_one_call_is_carried_out_once(store):
    first, second = store.forget_all([{"sample_id": [IDS[0]], "request_id": "r"}] * 2)

    assert first == second
    assert first.removed == 1
    assert [entry["event"] for entry in store.audit()] == ["create", "learn", "forget"]
    assert store.requests()[0]["reason"] is None
    assert store.state_digest() == plain(range(1, 60))


def test_refusals_are_on_record_and_name_nobody(store):
    rows = tables(store)["rows"]
    refused = {
        "unknown": lambda: store.forget(sample_id=["visit 1", "Jane Doe"], request_id="unknown"),
        "nothing known": lambda: store.forget(sample_id=["Jane Doe"], skip_unknown=True, request_id="nothing known"),
        "two": lambda: store.forget(sample_id=["visit 1", "visit 9"], request_id="two"),
        "other": lambda: store.forget(sample_id=["visit 1"], subject="patient 7", request_id="other"),
        "subject": lambda: store.forget(subject="Jane Doe", request_id="subject"),
        "label": lambda: store.forget(label=17, request_id="label"),
        "rectify": lambda: store.rectify(X[:1], Y[:1], sample_id=["Jane Doe"], request_id="rectify"),
        "unrestrict": lambda: store.unrestrict(sample_id=["visit 1"], request_id="unrestrict"),
    }
    for request in refused.values():
        with pytest.raises(RefusedError):
            request()

    on_record = {request["request"]: request for request in store.requests()}
    assert set(on_record) == set(refused)
    assert {request["status"] for request in on_record.values()} == {"refused"}
    recorded = json.dumps([tables(store)["requests"], tables(store)["audit"], store.requests()])
    assert not any(name in recorded for name in ("Jane", "visit", "patient", "ward"))
    assert tables(store)["rows"] == rows
    with pytest.raises(RefusedError, match="refused before"):
        refused["two"]()
    assert store.state_digest() == plain(range(60))
    assert store.verify(retrain=True).entries == 10


def test_a_dry_run_says_what_would_go_and_changes_nothing(store):
    before, size = tables(store), sum(file.stat().st_size for file in store.path.rglob("*"))
    for what in ({"sample_id": IDS[:3]}, {"subject": "patient 3"}, {"label": 1}, {"session": "ward 1"}):
        tried = store.forget(**what, dry_run=True)
        assert tables(store) == before
        assert tried.dry_run
        with Store.create(store.path.with_name(next(iter(what))), LDAClassifier()) as other:
            other.merge(store)
            done = other.forget(**what)
        assert [getattr(tried, name) for name in ("requested", "removed", "unknown", "classes_emptied")] == [
            getattr(done, name) for name in ("requested", "removed", "unknown", "classes_emptied")
        ]
    with pytest.raises(RefusedError):
        store.forget(sample_id=["nobody"], dry_run=True)
    assert tables(store) == before
    assert sum(file.stat().st_size for file in store.path.rglob("*")) == size
    with Store.open(store.path, read_only=True) as reader:
        assert reader.forget(subject="patient 3", dry_run=True).removed == 5


def test_many_requests_take_one_snapshot_and_one_refusal_stops_nobody(store, monkeypatch):
    written = []
    save = LDAClassifier.save
    monkeypatch.setattr(LDAClassifier, "save", lambda head, path: (written.append(path), save(head, path))[1])
    results = store.forget_all(
        [
            {"sample_id": ["visit 0", "visit 1"], "request_id": "a"},
            {"sample_id": ["visit 1"], "request_id": "b"},
            {"subject": "patient 3"},
            {"session": "ward 2"},
        ]
    )

    assert len(written) == 1
    assert [getattr(result, "removed", None) for result in results] == [2, None, 5, 20]
    assert isinstance(results[1], RefusedError)
    assert store.state_digest() == plain(without(0, 1, *range(15, 20), *range(40, 60)))
    for receipt in (results[0], results[2], results[3]):
        assert receipt.certificate["requests_together"] == 3
        assert store.verify(certificate=receipt.certificate, retrain=True).certificate_is_current


def test_requests_that_name_rows_in_no_way_or_in_several_are_refused(store):
    for wrong in (
        {},
        {"subject": "patient 1", "label": 1},
        {"subject": 3},
        {"session": b"ward"},
        {"sample_id": [1.5]},
        {"sample_id": []},
        {"sample_id": ["visit 1", "visit 1"]},
        {"subject": "patient 1", "request_id": ""},
        {"subject": "patient 1", "request_id": 3},
    ):
        with pytest.raises(ValueError, match=r"exactly one|must be a string|sample_id|sample ids|request_id"):
            store.forget(**wrong)
    with pytest.raises(ValueError, match="unknown fields: subjects"):
        store.forget_all([{"subjects": "patient 1"}])
    assert store.requests() == []


def test_ids_with_their_subject_are_erased_only_if_they_are_its(store):
    with pytest.raises(RefusedError, match="not of subject"):
        store.forget(sample_id=["visit 0", "visit 5"], subject="patient 0")
    assert store.forget(sample_id=["visit 0", "visit 4"], subject="patient 0").removed == 2
    assert store.state_digest() == plain(without(0, 4))


# ---- tombstones


def test_what_was_erased_does_not_come_back_by_accident(store):
    store.forget(subject="patient 3")
    store.forget(sample_id=["visit 0"])
    before = tables(store)
    for again in (
        dict(sample_id=["visit 15"]),
        dict(sample_id=["visit 0"]),
        dict(subject="patient 3"),
    ):
        with pytest.raises(AlreadyErasedError):
            store.learn(X[:1], Y[:1], **again)
    assert tables(store) == before
    store.learn(X[:1], Y[:1], sample_id=["visit 0"], subject="patient 3", allow_erased=True)
    store.learn(X[1:2], Y[1:2], subject="patient 3")  # the tombstone was lifted
    with pytest.raises(AlreadyErasedError):
        store.learn(X[:1], Y[:1], sample_id=["visit 15"])


def test_a_tombstone_stands_for_the_days_that_were_agreed(tmp_path, monkeypatch):
    at(monkeypatch, "2026-01-01T12:00:00.000+00:00")
    with Store.create(tmp_path / "store", LDAClassifier(), tombstone_days=30) as store:
        store.learn(X, Y, sample_id=IDS)
        store.forget(sample_id=["visit 0"])
        at(monkeypatch, "2026-01-31T11:59:59.000+00:00")
        with pytest.raises(AlreadyErasedError):
            store.learn(X[:1], Y[:1], sample_id=["visit 0"])
        at(monkeypatch, "2026-01-31T12:00:01.000+00:00")
        store.learn(X[:1], Y[:1], sample_id=["visit 0"])
        with reopened(store) as again:
            assert again.export_tombstones() == []


def test_no_days_no_tombstones(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier(), tombstone_days=0) as store:
        store.learn(X, Y, sample_id=IDS, subject=SUBJECTS)
        store.forget(subject="patient 3")
        assert store.export_tombstones() == []
        store.learn(X[15:20], Y[15:20], sample_id=IDS[15:20], subject="patient 3")
        assert store.state_digest() == plain(range(60))


@pytest.mark.parametrize("with_ids", [True, False])
def test_a_backup_that_was_restored_is_brought_to_the_erasures_since(tmp_path, with_ids):
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS if with_ids else None, subject=SUBJECTS)
    shutil.copytree(tmp_path / "store", tmp_path / "backup")
    with Store.open(tmp_path / "store") as store:
        store.forget(subject="patient 3")
        store.forget(subject="patient 5")
        erased, digest = store.export_tombstones(), store.state_digest()
        assert store.replay_tombstones() is None
    with Store.open(tmp_path / "backup") as backup:
        assert backup.replay_tombstones() is None
        assert backup.replay_tombstones(erased).removed == 10
        assert backup.state_digest() == digest
        assert backup.replay_tombstones(erased) is None
        with pytest.raises(AlreadyErasedError):
            backup.learn(X[:1], Y[:1], subject="patient 3")
        assert backup.verify(retrain=True).rows == 50


def test_tombstones_outlive_their_key(store):
    store.forget(subject="patient 3")
    store.rotate_key("ledger")
    store.forget(subject="patient 4")
    for subject in ("patient 3", "patient 4"):
        with pytest.raises(AlreadyErasedError):
            store.learn(X[:1], Y[:1], subject=subject)
    store.learn(X[:1], Y[:1], subject="patient 3", allow_erased=True)
    store.learn(X[:1], Y[:1], subject="patient 3")
