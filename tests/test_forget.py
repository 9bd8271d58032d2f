"""What a ledger lets go: by row, by id, by class, each as often as it was learned."""

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from common import blobs

from analytic_cl import LDAClassifier, NearestMeanClassifier, NotLearnedError, Receipt, RLSClassifier
from analytic_cl.statistics import EMPTY

X, Y = blobs(20, 4, 2)
NAMES = np.array(["cat", "dog"])[Y]


def fresh(rows, y=Y, head=None):
    return (head or LDAClassifier()).fit(X[rows], y[rows]).state_digest()


def test_receipt_says_what_happened():
    head = LDAClassifier().fit(X, NAMES, sample_id=range(20))
    before = head.state_digest()
    dogs = np.flatnonzero(NAMES == "dog")

    receipt = head.forget(sample_id=dogs, digests=True)

    assert isinstance(receipt, Receipt)
    assert (receipt.requested, receipt.removed, receipt.classes_emptied) == (10, 10, ["dog"])
    assert (receipt.digest_before, receipt.digest_after) == (before, head.state_digest())
    assert receipt.quantizer["bits"] == 32
    assert receipt.versions["numpy"] == np.__version__
    assert abs(datetime.fromisoformat(receipt.time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert json.loads(json.dumps(receipt.as_dict()))["removed"] == 10
    assert head.forget(sample_id=0).digest_before is None


def test_identical_rows_are_a_count_not_a_set():
    head = LDAClassifier().fit(np.repeat(X, 3, axis=0), np.repeat(Y, 3))

    head.forget(X, Y)
    assert head.state_digest() == LDAClassifier().fit(np.repeat(X, 2, axis=0), np.repeat(Y, 2)).state_digest()
    head.forget(X, Y)
    head.forget(X[2:], Y[2:])
    with pytest.raises(NotLearnedError, match=r"rows 1, 3 of X"):
        head.forget(X[[0, 2, 1, 1]], Y[[0, 2, 1, 1]])
    assert head.state_digest() == fresh([0, 1])
    head.forget(X[:2], Y[:2])
    assert head.state_digest() == EMPTY


def test_rows_without_an_id_go_before_rows_with_one():
    head = LDAClassifier(track="rows").fit(X, Y).partial_fit(X[:2], Y[:2], sample_id=["a", "b"])

    head.forget(X[:1], Y[:1])

    assert head.forget(sample_id="a").removed == 1
    assert head.state_digest() == LDAClassifier().fit(X[1:], Y[1:]).partial_fit(X[1:2], Y[1:2]).state_digest()


@pytest.mark.parametrize("track", ["auto", "rows", "digest"])
def test_a_choice_between_ids_is_refused_and_no_choice_is_not(track):
    twins = X[[0, 0, 1]]
    head = LDAClassifier(track=track).fit(twins, Y[[0, 0, 1]], sample_id=["anna", "bert", "carl"])
    before = head.state_digest()

    with pytest.raises(ValueError, match=r"row 0 of X was learned under the sample ids 'anna', 'bert'.*sample_id"):
        head.forget(X[:1], Y[:1])
    assert head.state_digest() == before
    assert head.forget(X[1:2], Y[1:2]).removed == 1
    assert head.forget(X[[0, 0]], Y[[0, 0]]).removed == 2
    assert head.state_digest() == EMPTY


def test_digest_ledger_needs_the_rows_and_checks_them():
    head = LDAClassifier(track="digest").fit(X, Y, sample_id=range(20))
    before = head.state_digest()

    with pytest.raises(ValueError, match="does not keep the rows themselves of 2 of the 2 rows"):
        head.forget(sample_id=[3, 4])
    with pytest.raises(NotLearnedError, match="sample ids 3, 4 were learned with other rows"):
        head.forget(X[[4, 3]], Y[[4, 3]], sample_id=[3, 4])
    with pytest.raises(NotLearnedError, match="sample ids 3 were learned"):
        head.forget(X[[3]], 1 - Y[[3]], sample_id=[3])
    assert head.state_digest() == before
    head.forget(X[[3, 4]], Y[[3, 4]], sample_id=[3, 4])
    assert head.state_digest() == fresh(np.delete(np.arange(20), [3, 4]))


def test_right_row_under_the_wrong_label_is_explained():
    head = LDAClassifier().fit(X, NAMES)

    with pytest.raises(NotLearnedError, match=r"row 1 of X.*row 1 was learned as 'dog', not as 'cat'"):
        head.forget(X[:2], ["cat", "cat"])


def test_forget_class_needs_rows_at_order_two_and_none_at_order_one():
    anonymous, kept = LDAClassifier().fit(X, Y), LDAClassifier(track="rows").fit(X, Y)
    with pytest.raises(ValueError, match="keeps 0 of the 10 rows of class 1"):
        anonymous.forget_class(1)
    assert kept.forget_class(1).removed == 10
    assert kept.state_digest() == fresh(Y == 0)

    for track in ("auto", "rows", "digest", "none"):
        nearest = NearestMeanClassifier(track=track).fit(X, Y)
        assert nearest.forget_class(np.int64(1), dry_run=True).removed == 10
        assert nearest.forget_class(1).classes_emptied == [1]
        assert nearest.state_digest() == fresh(Y == 0, head=NearestMeanClassifier())
        assert nearest.learner_.ledger.n_rows == 10


def test_erased_rows_leave_the_ledgers_memory():
    head = LDAClassifier(track="rows").fit(X, Y, sample_id=[f"id-{i}" for i in range(20)])
    row = head.quantizer_.quantise(X[7:8]).tobytes()
    assert row in head.learner_.ledger.kept.payload.tobytes()

    head.forget(sample_id=["id-7"])

    assert row not in head.learner_.ledger.kept.payload.tobytes()
    assert "id-7" not in repr(head.learner_.ledger.kept.ids) + repr(head.learner_.ledger.kept.by_id)
    with pytest.raises(NotLearnedError, match="'id-7'"):
        head.forget(sample_id=["id-7"])
    head.partial_fit(X[7:8], Y[7:8], sample_id=["id-7"])
    assert head.state_digest() == fresh(np.arange(20))


def test_ledger_shrinks_with_what_it_holds():
    head = LDAClassifier().fit(X, Y, sample_id=range(20))
    for i in range(18):
        head.forget(sample_id=i)

    assert head.learner_.ledger.kept.payload.shape[0] <= 4
    assert head.forget(sample_id=[18, 19]).removed == 2


def test_rectify_replaces_rows_and_labels_in_one_step():
    head = LDAClassifier().fit(X, NAMES, sample_id=range(20))
    wrong = head.state_digest()
    corrected = X.copy()
    corrected[[2, 5]] += 1
    labels = NAMES.copy()
    labels[5] = "cow"

    receipt = head.rectify(corrected[[2, 5]], labels[[2, 5]], sample_id=[2, 5], digests=True)

    assert (receipt.requested, receipt.removed, receipt.classes_emptied) == (2, 2, [])
    assert receipt.digest_before == wrong
    assert receipt.digest_after == head.state_digest() == LDAClassifier().fit(corrected, labels).state_digest()
    head.rectify(X[[5, 2]], NAMES[[5, 2]], sample_id=[5, 2])
    assert head.state_digest() == wrong
    assert "cow" not in head.classes_


def test_rectify_keeps_ids_and_records_whatever_the_ledger_would_keep_of_new_rows():
    head = LDAClassifier(track="none").fit(X, Y).merge(LDAClassifier().fit(X, Y, sample_id=range(20)))

    for shift in (1, 2):
        head.rectify(X[:2] + shift, Y[:2], sample_id=[0, 1])
    assert head.forget(sample_id=range(20)).removed == 20
    assert head.state_digest() == fresh(np.arange(20))


def test_names_of_classes_without_rows_are_not_kept(tmp_path):
    head = NearestMeanClassifier(track="rows").fit(X, np.array(["alice", "bob"])[Y], sample_id=range(20))

    head.forget_class("alice")
    head.rectify(X[1:2], ["carl"], sample_id=[1])
    head.rectify(X[1:2], ["bob"], sample_id=[1])
    head.save(tmp_path / "head")

    assert head.learner_.ledger.number_of.keys() == {"bob"}
    assert b"alice" not in (tmp_path / "head").read_bytes()
    assert b"carl" not in (tmp_path / "head").read_bytes()


def test_rows_are_found_after_many_erasures_without_sorting_again():
    head = LDAClassifier().fit(X, Y)
    for i in range(8):
        head.forget(X[i : i + 1], Y[i : i + 1])
        with pytest.raises(ValueError, match="row 0"):
            head.forget(X[i : i + 1], Y[i : i + 1])
    head.partial_fit(X[:4], Y[:4])
    head.forget(X[2:4], Y[2:4])

    assert head.state_digest() == fresh([0, 1, *range(8, 20)])


def test_rectify_may_replace_every_row():
    head = LDAClassifier().fit(X, Y, sample_id=range(20))

    receipt = head.rectify(X[::-1], 5 + Y, sample_id=range(20))

    assert receipt.classes_emptied == [0, 1]
    assert head.state_digest() == LDAClassifier().fit(X[::-1], 5 + Y).state_digest()


@pytest.mark.parametrize("track", ["auto", "rows", "digest"])
def test_merged_ledgers_keep_their_keys_and_stay_independent(track):
    one = LDAClassifier(track=track).fit(X[:10], Y[:10])
    two = LDAClassifier(track=track).fit(X[5:], Y[5:])
    three = LDAClassifier(track=track).fit(X[:3], Y[:3])
    one.merge(two).merge(three).merge(three)
    before = two.state_digest()

    one.forget(X[5:], Y[5:])
    one.forget(X[:3], Y[:3])
    one.forget(X[:3], Y[:3])

    assert one.state_digest() == fresh(np.arange(10))
    assert two.state_digest() == before
    assert two.forget(X[5:], Y[5:]).removed == 15
    with pytest.raises(NotLearnedError, match="row 0 of X"):
        one.forget(X[15:16], Y[15:16])


def test_merge_refuses_an_id_that_both_hold():
    one = LDAClassifier().fit(X[:10], Y[:10], sample_id=range(10))
    two = LDAClassifier().fit(X[10:], Y[10:], sample_id=range(9, 19))
    before = one.state_digest()

    with pytest.raises(ValueError, match=re.escape("both models learned the sample ids 9;")):
        one.merge(two)
    assert one.state_digest() == before


def test_heads_of_one_quantizer_and_order_merge_whatever_their_class():
    lda, rls = LDAClassifier().fit(X[:10], Y[:10]), RLSClassifier().fit(X[10:], Y[10:])

    assert lda.merge(rls).state_digest() == fresh(np.arange(20))
    with pytest.raises(ValueError, match="order"):
        lda.merge(NearestMeanClassifier().fit(X, Y))
    with pytest.raises(TypeError, match="needs another head"):
        lda.merge(lda.state_)


def test_untracked_rows_can_go_when_the_state_does_not_forbid_it():
    state = LDAClassifier().fit(X, Y).state_
    head = LDAClassifier.from_moments(state)

    head.forget(X[:4], Y[:4])
    head.partial_fit(X[:4], Y[:4], sample_id=list("abcd"))
    with pytest.raises(ValueError, match="sample ids 'a'"):
        head.forget(X[:1], Y[:1])
    head.forget(sample_id=list("abcd"))

    assert head.state_digest() == fresh(np.arange(4, 20))


def test_what_the_ledger_keeps_depends_on_track_and_ids():
    ids = range(20)
    for track, with_ids, kept, hashed in (
        ("auto", True, 20, 0),
        ("auto", False, 0, 20),
        ("rows", False, 20, 0),
        ("digest", True, 0, 20),
        ("none", False, 0, 0),
    ):
        ledger = LDAClassifier(track=track).fit(X, Y, sample_id=ids if with_ids else None).learner_.ledger
        assert (ledger.kept.n_alive, ledger.hashed.n_alive, ledger.n_rows) == (kept, hashed, 20)


def test_digests_in_two_ledgers_are_under_different_keys():
    one, two = LDAClassifier().fit(X, Y), LDAClassifier().fit(X, Y)

    assert one.state_digest() == two.state_digest()
    assert not np.isin(one.learner_.ledger.hashed.payload, two.learner_.ledger.hashed.payload).any()
