"""Parts of the rows, learned apart and brought together: the same bits as one process."""

import copy
import json

import numpy as np
import pytest

from analytic_cl import (
    GaussianClassifier,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    QuantizationWarning,
    RandomProjection,
    RLSClassifier,
    distributed,
)
from analytic_cl.distributed import states
from analytic_cl.heads import head_entries

HEADS = [
    LDAClassifier(),
    RLSClassifier(projection=RandomProjection(40, random_state=1)),
    NearestMeanClassifier(track="rows"),
    GaussianClassifier(),
    NearestNeighborsClassifier(),
    KeyValueBottleneckClassifier(),
]


def rows(n=240, d=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), np.arange(n) % 4, np.arange(n)


def parts_of(head, X, y, ids, sizes, afresh=True):
    start, parts, at = states.template(head, afresh=afresh), [], 0
    for number, size in enumerate(sizes):
        here = slice(at, at + size)
        parts.append(states.learn_part(start, [states.Rows(f"part {number}", X[here], y[here], ids[here])]))
        at += size
    return parts


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_parts_of_any_size_combined_in_any_order_have_the_digest_of_one_fit(head):
    X, y, ids = rows()
    rng = np.random.default_rng(1)
    whole = copy.deepcopy(head).fit(X, y, sample_id=ids)
    parts = parts_of(head, X, y, ids, [100, 0, 1, 70, 69])
    order = [parts[place] for place in rng.permutation(len(parts))]
    tree = states.combine([states.combine(order[:2]), states.combine(order[2:])])

    learned = states.adopt_part(copy.deepcopy(head), tree)

    assert learned.state_digest() == whole.state_digest()
    np.testing.assert_array_equal(learned.predict(X), whole.predict(X))
    learned.forget(sample_id=ids[::3])
    assert (
        learned.state_digest()
        == whole.__class__(**head.get_params(deep=False))
        .fit(np.delete(X, slice(None, None, 3), 0), np.delete(y, slice(None, None, 3)))
        .state_digest()
    )


@pytest.mark.parametrize("head", HEADS[:1], ids=["lda"])
def test_parts_join_what_a_head_had_learned_and_their_digests_are_made_under_one_key(head):
    X, y, _ = rows()
    begun = copy.deepcopy(head).fit(X[:50], y[:50])
    start = states.template(begun, afresh=False)
    anonymous = [
        states.learn_part(start, [states.Rows("", X[at : at + 95], y[at : at + 95])]) for at in range(50, 240, 95)
    ]

    states.merge_part(begun, states.combine(anonymous))

    assert begun.state_digest() == copy.deepcopy(head).fit(X, y).state_digest()
    assert len(begun.learner_.ledger.keys) == 1
    assert begun.forget(X[:200], y[:200]).removed == 200


def test_reduce_states_leaves_its_heads_alone_and_takes_a_generator():
    X, y, _ = rows()
    heads = [LDAClassifier(), *(LDAClassifier().fit(X[at : at + 60], y[at : at + 60]) for at in range(0, 240, 60))]
    before = [head.state_digest() for head in heads]

    total = distributed.reduce_states(head for head in heads)

    assert total.state_digest() == LDAClassifier().fit(X, y).state_digest()
    assert [head.state_digest() for head in heads] == before
    with pytest.raises(ValueError, match="at least one head"):
        distributed.reduce_states([])
    with pytest.raises(TypeError, match="needs a head"):
        distributed.reduce_states([1])


def test_heads_that_depend_on_order_are_refused():
    head = next(entry.make(0) for entry in head_entries().values() if entry.make(0).depends_on_order)
    for refused in (lambda: states.template(head, afresh=True), lambda: distributed.reduce_states([head])):
        with pytest.raises(ValueError, match="depends on the order"):
            refused()


def test_an_id_in_two_parts_is_refused_by_name():
    X, y, ids = rows()
    parts = parts_of(LDAClassifier(), X, y, ids % 200, [200, 40])

    with pytest.raises(ValueError, match=r"both models learned the sample ids 0, 1"):
        states.combine(parts)


def test_bad_rows_are_named_with_their_part():
    X, y, ids = rows()
    X[130, 3] = np.nan
    with pytest.raises(ValueError, match=r"^part 1: Input X contains NaN in row 30"):
        parts_of(LDAClassifier(), X, y, ids, [100, 140])


def test_no_rows_at_all_leave_the_head_as_it_was():
    X, y, _ = rows()
    head = LDAClassifier().fit(X, y)
    nothing = states.learn_part(states.template(head, afresh=True), [states.Rows("", X[:0], y[:0])])
    before = head.state_digest()
    for take in (states.adopt_part, states.merge_part):
        with pytest.raises(ValueError, match="all parts are empty"):
            take(head, nothing)
    assert head.state_digest() == before


def test_what_is_sent_and_altered_is_refused():
    packed = bytearray(states.pack(LDAClassifier().fit(*rows()[:2])))
    for place in (5, 300, len(packed) - 9):
        altered = packed.copy()
        altered[place] ^= 1
        with pytest.raises(ValueError, match=r"what was sent|Error while deserializing"):
            states.unpack(bytes(altered))
    for foreign in (b"", b"\x00" * 64, len(b"{}").to_bytes(8, "little") + b"{}"):
        with pytest.raises(ValueError, match="what was sent"):
            states.unpack(foreign)


def test_what_is_sent_has_no_pickle_and_reads_as_the_file_does(tmp_path):
    head = LDAClassifier().fit(*rows()[:2])
    packed = states.pack(head)
    head.save(tmp_path / "head")

    assert packed == (tmp_path / "head").read_bytes()
    assert json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])


def test_what_rows_lose_in_a_part_is_said_where_the_parts_come_together():
    X, y, ids = rows(240, 300)
    X[:, 0] = 1e4  # one huge column starves the others
    part = parts_of(LDAClassifier(), X, y, ids, [120, 120])

    with pytest.warns(QuantizationWarning, match=r"Said of 2 parts"):
        states.adopt_part(LDAClassifier(), states.combine(part))
