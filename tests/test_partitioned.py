"""A partitioned store is one store: the same answers, the same bits, one certificate; and nothing erased is left."""

import json
import random
import shutil
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from common import blobs
from sklearn.base import clone
from stores import survivors, together

from analytic_cl import LDAClassifier, NearestNeighborsClassifier, RandomProjection, RLSClassifier, Store
from analytic_cl.distributed import PartitionedStore
from analytic_cl.distributed.partitioned import work
from analytic_cl.distributed.partitioned.routing import deal, part_of_subject
from analytic_cl.statistics import encode_labels
from analytic_cl.store import (
    AlreadyErasedError,
    LeftoverWarning,
    RefusedError,
    StoreError,
    StoreLockedError,
    VerificationError,
    check_certificate,
)
from analytic_cl.store.certificate import check_retrained
from analytic_cl.store.rows import Batch

X, Y = blobs(60, 5, 3)
IDS = [f"visit {i}" for i in range(60)]
SUBJECTS = [f"patient {i // 5}" if i % 6 else None for i in range(60)]
SESSIONS = [f"ward {i // 20}" for i in range(60)]
NAMED = dict(sample_id=IDS, subject=SUBJECTS, session=SESSIONS)


def plain(kept, head=None):
    kept = list(kept)
    return clone(head or LDAClassifier()).fit(X[kept], Y[kept]).state_digest()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("partitioned") / "original"
    with PartitionedStore.create(path, LDAClassifier(), n_parts=3) as store:
        store.learn(X, Y, **NAMED)
    return path


@pytest.fixture
def store(original, tmp_path):
    shutil.copytree(original, tmp_path / "store")
    with PartitionedStore.open(tmp_path / "store") as opened:
        yield opened


# ---- one store


def outcome(results):
    shown = ("requested", "removed", "unknown", "classes_emptied")
    return [
        str(result) if isinstance(result, RefusedError) else [getattr(result, name) for name in shown]
        for result in results
    ]


def test_requests_are_answered_as_by_one_store_also_where_they_overlap(store, tmp_path):
    chance = random.Random(0)
    with Store.create(tmp_path / "one", LDAClassifier()) as one:
        one.learn(X, Y, **NAMED)
        for _ in range(3):
            together_ = [
                {"sample_id": chance.sample(IDS, 2)},
                {"sample_id": chance.sample(IDS, 3), "skip_unknown": True},
                {"sample_id": [chance.choice(IDS)], "subject": "patient 3"},
                {"subject": f"patient {chance.randrange(13)}"},
                {"sample_id": [7]},
                {"session": chance.choice([*SESSIONS, "ward 9"])} if chance.random() < 0.3 else {"subject": "nobody"},
            ]
            chance.shuffle(together_)
            tried = [answer(lambda each=each, one=one: one.forget(**each, dry_run=True)) for each in together_]
            assert tried == [answer(lambda each=each: store.forget(**each, dry_run=True)) for each in together_]
            assert outcome(store.forget_all(together_)) == outcome(one.forget_all(together_))
            assert store.state_digest() == one.state_digest()
        assert outcome([store.forget(label=1)]) == outcome([one.forget(label=1)])
        assert store.state_digest() == one.state_digest()
        assert (store.predict(X) == one.predict(X)).all()
        assert store.n_rows == one.n_rows == store.verify(retrain=True).rows


def answer(request):
    try:
        return outcome([request()])
    except RefusedError as error:
        return str(error)


@pytest.mark.parametrize("head", [NearestNeighborsClassifier(), RLSClassifier(projection=RandomProjection(20))])
def test_the_digest_is_that_of_one_head_until_nothing_is_left_and_other_rows_may_come(tmp_path, head):
    with PartitionedStore.create(tmp_path / "store", head, n_parts=2) as store:
        assert store.state_digest() == head.state_digest()
        store.learn(X[:40], Y[:40], session="first")
        store.learn(X[40:], Y[40:], session="second")
        assert store.state_digest() == plain(range(60), head)
        assert store.forget(session="first").removed == 40
        assert store.state_digest() == plain(range(40, 60), head)
        assert store.forget(session="second").classes_emptied == 3
        assert store.state_digest() == head.state_digest()
        store.learn(X[:, :3], Y.astype(str))
        assert store.n_rows == store.verify(retrain=True).rows == 60


def test_a_row_goes_where_its_subject_else_its_id_else_its_integers_say():
    """Numbers that must never change: people look for their rows by them."""
    rows = np.arange(10, dtype=np.int8).reshape(5, 2)
    batch = Batch(
        rows, encode_labels([0, 1, 0, 1, 2]), ["a", "b", 7, None, None], ["p", "p", None, None, "q"], [None] * 5
    )
    dealt = deal(batch, 1000)

    assert dealt.keys() == {part_of_subject("p", 1000), part_of_subject("q", 1000), 732, 928}
    assert dealt[part_of_subject("p", 1000)].ids == ["a", "b"]
    assert (dealt[732].ids, dealt[928].rows.tolist()) == ([7], [[6, 7]])
    assert part_of_subject("p", 1000) == 482


def test_a_part_changes_only_through_the_whole(store):
    store.close()
    with Store.open(store.path / "part-00") as part:
        for change in (lambda: part.learn(X[:1], Y[:1]), lambda: part.forget(label=0), part.snapshot):
            with pytest.raises(StoreError, match="is a part of the store in"):
                change()


# ---- whole or not at all


def test_what_is_refused_changes_nothing_in_any_part(store):
    before = store.state_digest(), store.audit_head
    for error, change in (
        (ValueError, lambda: store.learn(X[:2], Y[:2], sample_id=["new", "visit 1"], batch_id="b")),
        (ValueError, lambda: store.learn(X[:2], ["a", "b"])),
        (ValueError, lambda: store.learn(X[:2, :3], Y[:2])),
        (RefusedError, lambda: store.forget(sample_id=["visit 1", "visit 40"], dry_run=True)),
        (RefusedError, lambda: store.forget(sample_id=[1], request_id="kind")),
        (ValueError, lambda: store.forget_all([{"who": 1}])),
    ):
        with pytest.raises(error):
            change()
    assert (store.state_digest(), store.audit_head) == before
    assert store.requests() == []
    store.learn(X[:2], Y[:2], batch_id="b")
    with pytest.raises(RefusedError, match="another content"):
        store.learn(X[1:3], Y[1:3], batch_id="b")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_where_a_part_fails_the_others_take_the_batch_back_and_erase_it(store, monkeypatch, moment):
    before = store.state_digest()
    store.forget(subject="patient 3")
    held, kept = store.state_digest(), [i for i in range(60) if SUBJECTS[i] != "patient 3"]
    assert held == plain(kept) != before
    real, calls = work.learn, []

    def failing(part, *arguments):
        calls.append((part, *arguments))
        if len(calls) == 3 and moment == "before":
            raise OSError("the disk is full")
        head = real(part, *arguments)
        if len(calls) == 3:
            raise OSError("the network is down")
        return head

    monkeypatch.setattr(work, "learn", failing)
    batch = dict(sample_id=[f"later {i}" for i in range(30)], subject=[f"patient {i}" for i in range(30)])
    rows = store.head.quantizer_.quantise(X[:30] + 0.1)
    with pytest.raises(OSError, match=r"is full|is down"):
        store.learn(X[:30] + 0.1, Y[:30], **batch, batch_id="b", allow_erased=True)
    assert len(calls) == 3
    assert store.state_digest() == held
    assert not survivors(store.path, [*(row.tobytes() for row in rows), b"later 7"])
    assert store.verify(retrain=True).rows == len(kept)
    with pytest.raises(AlreadyErasedError):  # its tombstone stands again
        store.learn(X[:30], Y[:30], **batch)
    for call in calls:  # from a worker that was taken for dead, and only slow
        real(*call)
    assert store.verify(retrain=True).rows == len(kept)
    monkeypatch.setattr(work, "learn", real)
    assert store.learn(X[:30] + 0.1, Y[:30], **batch, batch_id="b", allow_erased=True) == 30
    assert store.verify(retrain=True).rows == len(kept) + 30


def test_a_request_that_one_part_could_not_carry_out_is_finished_by_the_next_operation(store, monkeypatch):
    real, calls = work.erase, []

    def failing(part, *arguments):
        calls.append(part.path.name)
        if len(calls) in (2, 3):
            raise OSError("the disk is full")
        return real(part, *arguments)

    monkeypatch.setattr(work, "erase", failing)
    for operation in (lambda: store.forget(label=0, request_id="r"), store.state_digest):
        with pytest.raises(OSError, match="is full"):
            operation()
    assert store.state_digest() == plain(i for i in range(60) if Y[i])
    receipt = store.receipt("r")
    assert (receipt.removed, receipt.classes_emptied) == (20, 1)
    assert store.forget(label=0, request_id="r") == receipt
    assert store.verify(certificate=receipt.certificate, retrain=True).certificate_is_current


# ---- threads and processes


def test_requests_come_between_the_batches_of_a_long_learning(store):
    """In the order in which they came: whoever learns batch after batch does not go before one that waits."""
    done = []

    def learn():
        for number in range(8):
            store.learn(X[:5] + number, Y[:5], sample_id=[f"{number} {i}" for i in range(5)])
            done.append("learned")

    def forget():
        for number in range(3):
            assert store.forget(subject=f"patient {number}").removed > 0
            done.append("forgotten")

    assert together(learn, forget) == []
    assert done.index("forgotten") < 3
    assert max(place for place, what in enumerate(done) if what == "forgotten") < 8
    gone = {"patient 0", "patient 1", "patient 2"}
    kept = [i for i in range(60) if SUBJECTS[i] not in gone]
    learned = [(X[:5] + number, Y[:5]) for number in range(8)] + [(X[kept], Y[kept])]
    assert store.state_digest() == LDAClassifier().fit(*map(np.concatenate, zip(*learned, strict=True))).state_digest()
    assert store.verify(retrain=True).requests == 3


def test_what_ctrl_c_takes_its_caller_from_is_carried_out_all_the_same(store, monkeypatch):
    real = work.erase

    def pressed(part, *arguments):
        signal.raise_signal(signal.SIGINT)  # it reaches the main thread, which waits
        time.sleep(0.1)
        return real(part, *arguments)

    monkeypatch.setattr(work, "erase", pressed)
    with pytest.raises(KeyboardInterrupt):
        store.forget(subject="patient 3", request_id="r")
    assert store.state_digest() == plain(i for i in range(60) if SUBJECTS[i] != "patient 3")
    assert store.receipt("r").removed == 4


def test_an_executor_does_the_same_as_this_process(store):
    store.close()
    with ThreadPoolExecutor(2) as executor, PartitionedStore.open(store.path, executor=executor) as elsewhere:
        elsewhere.learn(X[:9] + 1, Y[:9], sample_id=range(9))
        assert elsewhere.forget(label=2).removed == 23
        with pytest.raises(ValueError, match="sample ids that the store has"):
            elsewhere.learn(X[:9] + 1, Y[:9], sample_id=range(9))
        with pytest.raises(StoreLockedError):
            PartitionedStore.open(store.path)
        kept = np.flatnonzero(Y != 2)
        both = np.concatenate([X[kept], (X[:9] + 1)[Y[:9] != 2]]), np.concatenate([Y[kept], Y[:9][Y[:9] != 2]])
        assert elsewhere.state_digest() == LDAClassifier().fit(*both).state_digest()
        assert elsewhere.verify(retrain=True).rows == len(both[1])


# ---- evidence


def test_one_certificate_stands_for_the_whole_and_an_altered_one_does_not(store):
    receipt = store.forget(session="ward 1", request_id="2026-017")
    certificate = json.loads(json.dumps(receipt.certificate))
    shares = certificate["parts"]

    assert (sum(share["removed"] for share in shares), len(shares)) == (receipt.removed, 3) == (20, 3)
    check_certificate(certificate, store.public_keys())
    assert store.verify(certificate=certificate).certificate_is_current
    rest = LDAClassifier().fit(X[SESSIONS_ELSE], Y[SESSIONS_ELSE])
    check_retrained(certificate, rest.learner_.state, store.certificate_keys())
    shares[0]["removed"] -= 1
    shares[1]["removed"] += 1
    with pytest.raises(VerificationError, match="altered"):
        check_certificate(certificate, store.public_keys())
    with pytest.raises(VerificationError, match="altered"):
        store.verify(certificate=certificate)
    store.learn(X[:1], Y[:1])
    assert not store.verify(certificate=receipt.certificate).certificate_is_current


SESSIONS_ELSE = [i for i in range(60) if SESSIONS[i] != "ward 1"]


def test_a_part_that_was_put_back_exchanged_or_changed_by_itself_is_found(store, original, tmp_path):
    store.forget(session="ward 1")
    store.close()
    whole = tmp_path / "whole"
    shutil.copytree(store.path, whole)

    shutil.rmtree(store.path / "part-01")
    shutil.copytree(original / "part-01", store.path / "part-01")  # from a backup: rows that were erased
    with PartitionedStore.open(store.path) as again, pytest.raises(VerificationError, match=r"part-01.*pass through"):
        again.verify()

    with Store.open(whole / "part-02") as part, part.parts.database.transaction():
        part.parts.audit.append("learn", rows=0)
    with PartitionedStore.open(whole) as again, pytest.raises(VerificationError, match="part-02 was changed by itself"):
        again.verify()

    shutil.rmtree(whole / "part-00")
    Store.create(whole / "part-00", LDAClassifier()).close()
    with pytest.raises(StoreError, match="part-00 is a part of another store"):
        PartitionedStore.open(whole)


def test_a_certificate_of_a_part_that_is_signed_anew_is_not_the_one_that_the_whole_names(store):
    receipt = store.forget(subject="patient 3", request_id="r")
    store.close()
    name = f"part-{receipt.certificate['parts'][0]['part']:02d}"
    with Store.open(store.path / name) as part:
        old = part.receipt("r")
        document = {**old.certificate, "versions": {}}
        del document["signature"]
        forged = {**document, "signature": part.parts.keys.sign(document)}
        with part.parts.database.transaction():
            part.parts.requests.apply(replace(old, certificate=forged))
        part.verify()
    with PartitionedStore.open(store.path) as again, pytest.raises(VerificationError, match=f"on record in {name}"):
        again.verify()


# ---- nothing erased is left


def test_no_file_keeps_a_byte_of_what_was_erased_nor_of_what_was_asked(store):
    gone = [i for i in range(60) if Y[i] == 1 or SESSIONS[i] == "ward 2" or SUBJECTS[i] == "patient 4" or i in (2, 6)]
    rows = store.head.quantizer_.quantise(X)
    store.forget_all(
        [
            {"sample_id": ["visit 2", "visit 999"], "skip_unknown": True},
            {"sample_id": ["visit 6"]},
            {"subject": "patient 4"},
            {"session": "ward 2"},
            {"label": 1},
            {"subject": "Jane Doe of Springfield"},
        ]
    )
    with pytest.raises(AlreadyErasedError):
        store.learn(X[:1], Y[:1], sample_id=["another"], subject="patient 4")
    names = [b'"visit %d"' % i for i in gone] + [b"visit 999", b"patient 4", b"ward 2", b"Springfield"]
    patterns = [*(rows[i].tobytes() for i in gone), *names, *(name.replace(b'"', b'\\"') for name in names)]
    assert not survivors(store.path, patterns)
    assert store.state_digest() == plain(i for i in range(60) if i not in gone)
    store.close()
    assert not survivors(store.path, patterns)


def test_what_a_restored_backup_brought_back_is_erased_again(store, original, tmp_path):
    store.forget(subject="patient 3")
    store.forget(sample_id=["visit 0"])
    tombstones, digest = store.export_tombstones(), store.state_digest()
    store.close()
    shutil.copytree(original, tmp_path / "restored")
    with PartitionedStore.open(tmp_path / "restored") as restored:
        assert restored.replay_tombstones() == []
        assert [receipt.removed for receipt in restored.replay_tombstones(tombstones)] == [4, 1]
        assert restored.state_digest() == digest
        assert restored.replay_tombstones() == []


def test_a_reader_of_the_record_in_the_way_of_an_erasure_is_told_of_and_the_next_operation_erases(store):
    store._open.database.run("PRAGMA busy_timeout = 200")
    reader = sqlite3.connect(store.path / "whole.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM about").fetchone()
    with pytest.warns(LeftoverWarning) as told:
        store.forget(sample_id=["visit 7"])
    assert told[0].filename == __file__  # the line that asked, though another thread did it
    reader.execute("ROLLBACK")
    reader.close()
    store.status()
    assert not survivors(store.path, [b'"visit 7"', b'\\"visit 7\\"'])
