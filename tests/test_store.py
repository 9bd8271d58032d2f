"""A store holds what a plain fit on the rows that should be in it holds, and answers every request once."""

import json
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from common import blobs, head_name, ignore_door
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sklearn.base import clone

from analytic_cl import (
    FixedPoint,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    Store,
)
from analytic_cl.statistics import EMPTY
from analytic_cl.store import (
    AlreadyErasedError,
    RefusedError,
    StoreError,
    VerificationError,
    audit,
    certificate,
    check_certificate,
    clock,
    keys,
    requests,
    tombstones,
)

X, Y = blobs(60, 5, 3)
IDS = [f"visit {i}" for i in range(60)]
SUBJECTS = [f"patient {i // 5}" for i in range(60)]
SESSIONS = [f"ward {i // 20}" for i in range(60)]

HEADS = [
    NearestMeanClassifier("euclidean", door=FixedPoint(16)),
    LDAClassifier(),
    RLSClassifier(alpha=1.0, door="embedding"),
    RLSClassifier(projection=RandomProjection(20)),
]

POOL, LABELS = blobs(30, 4, 5, seed=7)
POOL = np.concatenate([POOL, POOL[:10]])  # identical rows of different people are normal
LABELS = np.array(["ant", "bee", "cat", "dog", "elk"])[np.concatenate([LABELS, LABELS[:10]])].tolist()

picks = st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8)
some = st.integers(0, 2**30)


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as opened:
        opened.learn(X, Y, sample_id=IDS, subject=SUBJECTS, session=SESSIONS)
        yield opened


def plain(kept, head=None):
    """Digest of a plain fit on some of the rows."""
    kept = list(kept)
    return clone(head or LDAClassifier()).fit(X[kept], Y[kept]).state_digest()


def without(*gone):
    return [i for i in range(60) if i not in gone]


def tables(store):
    """Everything that the database holds."""
    names = ("about", "labels", "rows", "requests", "audit", "tombstones")
    return {name: store._db.run(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}


def reopened(store, **how):
    store.close()
    return Store.open(store.path, **how)


class Entry:
    """A row that was learned, and whose."""

    def __init__(self, row, name, subject, session):
        self.row, self.label, self.name, self.subject, self.session = row, LABELS[row], name, subject, session
        self.restricted = False


class Life(RuleBasedStateMachine):
    """Holds a store and, beside it, the plain list of what should be in it."""

    template = LDAClassifier()

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.create(self.folder / "store", self.template)
        self.held, self.erased, self.next_id = [], set(), 0

    def teardown(self):
        if hasattr(self, "store"):
            assert self.store.verify(retrain=True).rows == sum(not entry.restricted for entry in self.held)
            self.store.close()
            shutil.rmtree(self.folder)

    def entries(self, rows, with_ids, seed):
        self.next_id += len(rows)
        names = range(self.next_id - len(rows), self.next_id)
        return [
            Entry(
                row,
                (f"person {i}" if i % 2 else i) if with_ids else None,
                f"subject {(seed + i) % 4}" if seed % 3 else None,
                f"session {seed % 3}" if seed % 2 else None,
            )
            for row, i in zip(rows, names, strict=True)
        ]

    def learn_into(self, target, entries, **how):
        target.learn(
            POOL[[entry.row for entry in entries]],
            [entry.label for entry in entries],
            sample_id=None if entries[0].name is None else [entry.name for entry in entries],
            subject=[entry.subject for entry in entries],
            session=[entry.session for entry in entries],
            **how,
        )

    def chosen(self, seed, suits):
        """Some entries that can be named together: with ids, and of one subject at most."""
        fit = [entry for entry in self.held if entry.name is not None and suits(entry)]
        order = np.random.RandomState(seed).permutation(len(fit))[: 1 + seed % 5]
        subjects = {fit[i].subject for i in order} - {None}
        keep = {None, min(subjects, default=None)}
        return [fit[i] for i in order if fit[i].subject in keep]

    def drop(self, gone):
        self.held = [entry for entry in self.held if entry not in gone]

    @rule(rows=picks, with_ids=st.booleans(), seed=some)
    def learn(self, rows, with_ids, seed):
        entries = self.entries(rows, with_ids, seed)
        erased = {entry.subject for entry in entries} & self.erased
        if erased:
            with pytest.raises(AlreadyErasedError):
                self.learn_into(self.store, entries)
            self.erased -= erased
        self.learn_into(self.store, entries, allow_erased=bool(erased))
        self.held += entries

    @rule(rows=picks, seed=some)
    def merge(self, rows, seed):
        with Store.create(self.folder / f"other {self.next_id}", self.template) as other:
            entries = [entry for entry in self.entries(rows, True, seed) if entry.subject not in self.erased]
            if entries:
                self.learn_into(other, entries)
            assert self.store.merge(other) == len(entries)
        self.held += entries

    @rule(seed=some)
    def forget_by_ids(self, seed):
        gone = self.chosen(seed, lambda entry: True)
        if gone:
            names = [entry.name for entry in gone]
            receipt = self.store.forget(sample_id=[*names, "nobody"], skip_unknown=True)
            assert (receipt.requested, receipt.removed, receipt.unknown) == (len(gone) + 1, len(gone), 1)
            self.drop(gone)

    @precondition(lambda self: self.held)
    @rule(seed=some, by=st.sampled_from(["subject", "session", "label"]))
    def forget_by(self, seed, by):
        value = getattr(self.held[seed % len(self.held)], by)
        if value is not None:
            gone = [entry for entry in self.held if getattr(entry, by) == value]
            before = {entry.label for entry in self.held if not entry.restricted}
            receipt = self.store.forget(**{by: value})
            self.drop(gone)
            emptied = before - {entry.label for entry in self.held if not entry.restricted}
            assert (receipt.removed, receipt.classes_emptied) == (len(gone), len(emptied))
            self.erased |= {value} if by == "subject" else set()

    @rule(seed=some, rows=picks)
    def rectify(self, seed, rows):
        old = self.chosen(seed, lambda entry: not entry.restricted)[: len(rows)]
        rows = rows[: len(old)]
        if old:
            labels = [LABELS[row] for row in rows]
            self.store.rectify(POOL[rows], labels, sample_id=[entry.name for entry in old])
            for entry, row, label in zip(old, rows, labels, strict=True):
                entry.row, entry.label = row, label

    @rule(seed=some, back=st.booleans())
    def restrict_or_not(self, seed, back):
        moved = self.chosen(seed, lambda entry: entry.restricted == back)
        if moved:
            move = self.store.unrestrict if back else self.store.restrict
            assert move(sample_id=[entry.name for entry in moved]).removed == len(moved)
            for entry in moved:
                entry.restricted = not back

    @rule(with_snapshot=st.booleans())
    def close_and_open(self, with_snapshot):
        if not with_snapshot:
            self.store._loaded = None
        self.store = reopened(self.store)

    @invariant()
    def the_state_is_that_of_a_plain_fit(self):
        kept = [entry for entry in self.held if not entry.restricted]
        if not kept:
            assert self.store.state_digest() == EMPTY
            return
        head = clone(self.template).fit(POOL[[entry.row for entry in kept]], [entry.label for entry in kept])
        assert self.store.state_digest() == head.state_digest()
        assert self.store.n_rows == len(kept)
        np.testing.assert_array_equal(self.store.predict(POOL[:5]), head.predict(POOL[:5]))


@ignore_door
@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_any_life_of_a_store_ends_in_the_state_of_a_plain_fit(head):
    machine = type("LifeOfOne", (Life,), {"template": head})
    run_state_machine_as_test(machine, settings=settings(max_examples=8, stateful_step_count=12))


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


@ignore_door
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


def test_merging_refuses_other_doors_also_into_an_empty_store(tmp_path, store):
    with Store.create(tmp_path / "coarse", LDAClassifier(door=FixedPoint(8))) as coarse:
        with pytest.raises(ValueError, match="door"):
            coarse.merge(LDAClassifier(door=FixedPoint(16)).fit(X, Y, sample_id=IDS))
        with pytest.raises(ValueError, match="door"):
            coarse.merge(store)
        assert coarse.n_rows == 0
        coarse.learn(X, Y, sample_id=IDS)
        with pytest.raises(ValueError, match="door"):
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


def at(monkeypatch, time):
    """Stop all clocks of the package."""
    for module in (clock, audit, requests, tombstones, keys):
        monkeypatch.setattr(module, "now", lambda: time)


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
            again.rotate_key("door")


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
        [row["integers"] for row in found["rows"]], store.head.moments_.door.quantise(X[15:20])
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


# ---- nothing of what was erased is left in the files


def everything(path):
    """All bytes of a directory, read by another process: closing a file drops this one's locks on it."""
    listed = subprocess.run(["find", path, "-type", "f", "-exec", "cat", "{}", "+"], capture_output=True, check=True)
    return listed.stdout


def distinct_slices(rows):
    """16 bytes out of the middle of each row, None where another row has the same."""
    middle = rows.shape[1] // 2
    slices = [row[middle : middle + 16].tobytes() for row in rows]
    counted = {piece: slices.count(piece) for piece in set(slices)} if len(slices) < 2000 else {}
    if not counted:
        for piece in slices:
            counted[piece] = counted.get(piece, 0) + 1
    return [piece if counted[piece] == 1 else None for piece in slices]


def survivors(path, patterns):
    """Which of these byte strings occur in the directory, found by their first three bytes, then looked at."""
    data = everything(path)
    content = np.frombuffer(data, np.uint8).astype(np.uint32)
    threes = content[:-2] | content[1:-1] << 8 | content[2:] << 16
    firsts, starts = {}, np.zeros(2**24, bool)
    for pattern in patterns:
        firsts.setdefault(pattern[:6], []).append(pattern)
        starts[int.from_bytes(pattern[:3], "little")] = True
    places = np.flatnonzero(starts[threes]).tolist()
    return sorted({p for at in places for p in firsts.get(data[at : at + 6], ()) if data.startswith(p, at)})


@pytest.fixture(scope="module")
def real():
    from analytic_cl.datasets import load_clinc150

    data = load_clinc150()
    return data.X_train, data.classes[data.y_train]


class Erasures:
    """A store of real rows, and what of them must not be found in its files any more."""

    def __init__(self, path, real, seed, n=5000):
        random = self.random = np.random.RandomState(seed)
        picked = random.permutation(15_000)[:n]
        self.X, self.y = real[0][picked], np.array([f"intent:{name}" for name in real[1][picked]])
        if seed % 2:
            self.ids = [f"sample-{random.randint(2**30):08x}-{i:05d}" for i in range(n)]
        else:
            self.ids = (70_000_000_000_000_000 + random.randint(2**40, size=n) * 10_007 + np.arange(n)).tolist()
        self.subjects = [f"subject-{random.randint(n // 5):05d}-zz" for _ in range(n)]
        self.sessions = [f"session-{i // 500}-{seed}-zz" for i in range(n)]
        self.store = Store.create(path, NearestMeanClassifier(door="embedding"))  # its state holds sums, not rows
        for start in range(0, n, 500):
            part = slice(start, start + 500)
            named = dict(sample_id=self.ids[part], subject=self.subjects[part], session=self.sessions[part])
            self.store.learn(self.X[part], self.y[part], **named)
        self.rows = self.store.head.moments_.door.quantise(self.X)
        self.unique = distinct_slices(self.rows)
        self.alive, self.gone, self.texts = random.permutation(n).tolist(), [], []
        self.corrected, self.replacements = [], []

    def forgotten(self, gone, *texts):
        gone = set(gone)
        self.gone += gone
        self.texts += texts
        self.alive = [i for i in self.alive if i not in gone]

    def forget_ids(self, number):
        gone = self.alive[:number]
        self.store.forget_all([{"sample_id": [self.ids[i]]} for i in gone])
        self.forgotten(gone)

    def forget_subjects(self, number):
        subjects = sorted({self.subjects[i] for i in self.alive})
        asked = [subjects[k] for k in self.random.permutation(len(subjects))[:number]]
        self.store.forget_all([{"subject": subject} for subject in asked])
        self.forgotten([i for i in self.alive if self.subjects[i] in set(asked)], *asked)

    def forget_by(self, kind, values):
        value = values[self.alive[0]]
        self.store.forget(**{kind: value})
        self.forgotten([i for i in self.alive if values[i] == value], str(value))

    def rectify(self, number):
        for old, new in zip(self.alive[:number], self.alive[-number:], strict=True):
            self.store.rectify(self.X[[new]], self.y[[new]], sample_id=[self.ids[old]])
            self.corrected.append(old)
            self.replacements.append(new)

    def check(self):
        held = {self.rows[i].tobytes() for i in self.alive if i not in set(self.corrected)}
        held |= {self.rows[i].tobytes() for i in self.replacements}
        dead = [i for i in self.gone + self.corrected if self.rows[i].tobytes() not in held]
        patterns = [self.rows[i].tobytes() for i in dead] + [self.unique[i] for i in dead if self.unique[i]]
        patterns += [str(self.ids[i]).encode() for i in self.gone] + [text.encode() for text in self.texts]
        left = survivors(self.store.path, patterns)
        assert not left, f"{len(left)} of {len(patterns)} strings survive, such as {left[0]}"


@pytest.mark.parametrize("seed", range(2))
def test_no_file_keeps_a_byte_of_what_was_erased(tmp_path, real, seed):
    life = Erasures(tmp_path / "store", real, seed)
    with life.store as store:
        for step in (
            lambda: life.forget_ids(400),
            lambda: life.forget_subjects(200),
            lambda: life.forget_by("session", life.sessions),
            lambda: life.forget_by("label", life.y),
            lambda: life.rectify(20),
            # Most rows, in random order: pages of the B-trees are merged.
            lambda: life.forget_ids(len(life.alive) // 2),
            lambda: life.forget_subjects(200),
            lambda: life.forget_ids(len(life.alive) // 2),
        ):
            step()
            life.check()
        assert store.verify(retrain=True).rows == len(life.alive)
    life.check()


def test_a_reader_in_the_way_of_an_erasure_does_not_keep_the_rows_unnoticed(tmp_path):
    """A reader that stays within one transaction keeps the log from being emptied: the caller must hear of it."""
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=IDS)
        store._db.run("PRAGMA busy_timeout = 200")
        reader = sqlite3.connect(store.path / "store.sqlite", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rows").fetchone()
        try:
            store.forget(sample_id=["visit 7"])
        except StoreError:
            told = True
        except Warning:
            told = True
        else:
            told = False
        left = b'"visit 7"' in everything(store.path)
        reader.execute("ROLLBACK")
        reader.close()
        assert told or not left
        store.learn(X[:1], Y[:1])
        store.forget(sample_id=["visit 8"])
        assert b'"visit 7"' not in everything(store.path)


def test_what_a_refused_request_asked_for_is_in_no_file(store):
    with pytest.raises(RefusedError):
        store.forget(sample_id=["Jane Doe of Springfield"], request_id="r")
    with pytest.raises(RefusedError):
        store.forget(subject="Jane Doe of Springfield", request_id="s")
    assert b"Springfield" not in everything(store.path)
    store.close()
    assert b"Springfield" not in everything(store.path)


def test_key_counts_are_held_forgotten_and_certified_like_moments(tmp_path):
    head = KeyValueBottleneckClassifier(n_codebooks=32)
    with Store.create(tmp_path / "store", head) as store:
        store.learn(X, Y, sample_id=IDS)
        proof = store.forget(sample_id=IDS[:7]).certificate
        kept = KeyValueBottleneckClassifier(n_codebooks=32).fit(X[7:], Y[7:])
        assert store.state_digest() == kept.state_digest()
        assert store.verify(retrain=True, certificate=proof).certificate_is_current
        certificate.check_retrained(proof, kept.moments_, store.certificate_keys())
    with Store.open(tmp_path / "store") as store:
        np.testing.assert_array_equal(store.predict(X), kept.predict(X))
