import numpy as np
import pytest

import analytic_cl.scenarios
from analytic_cl import LDAClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.scenarios import (
    DeletionRequest,
    Session,
    class_incremental,
    continual_forgetting,
    domain_incremental,
    few_shot_class_incremental,
    i_blurry,
    online,
    parse,
    scole,
    si_blurry,
    time_ordered,
)

Y = np.random.default_rng(5).integers(0, 23, 1500)  # 23 classes: nothing divides them
NAMES = np.array([f"class {k:02}" for k in range(23)])
WHERE = np.random.default_rng(6).integers(0, 7, len(Y))
WHEN = np.random.default_rng(7).normal(size=len(Y))

# Scenarios that show every row exactly once.
ONE_PASS = {
    "class-incremental": lambda y, seed: class_incremental(y, 7, seed=seed),
    "class-incremental, base": lambda y, seed: class_incremental(y, 5, base=10, seed=seed),
    "class-incremental, increment": lambda y, seed: class_incremental(y, base=10, increment=5, seed=seed),
    "domain-incremental": lambda y, seed: domain_incremental(y, WHERE, seed=seed),
    "online": lambda y, seed: online(y, 64, seed=seed),
    "online, class-incremental": lambda y, seed: online(y, 64, seed, sessions=class_incremental(y, 7, seed=seed)),
    "si-blurry": lambda y, seed: si_blurry(y, seed=seed),
    "si-blurry, first rows": lambda y, seed: si_blurry(y, seed=seed, blur_first_rows=True),
    "si-blurry, no disjoint classes": lambda y, seed: si_blurry(y, disjoint=0, blurry=100, seed=seed),
    "si-blurry, no blurry classes": lambda y, seed: si_blurry(y, disjoint=100, seed=seed),
    "i-blurry": lambda y, seed: i_blurry(y, seed=seed),
    "i-blurry, all blurred": lambda y, seed: i_blurry(y, disjoint=0, blurry=100, seed=seed),
}
SOME_ROWS = {
    "few-shot": lambda y, seed: few_shot_class_incremental(y, base=11, way=4, shot=5, seed=seed),
    "si-blurry, as published": lambda y, seed: si_blurry(y, seed=seed, drop_remainder=True, blur_first_rows=True),
    "scole": lambda y, seed: scole(y, 40, 3, seed=seed),
}
SEEDED = ONE_PASS | SOME_ROWS


def trains(sessions):
    return [session.train.tolist() for session in sessions]


@pytest.mark.parametrize("name", ONE_PASS)
@pytest.mark.parametrize("y", [Y, NAMES[Y]], ids=["integers", "strings"])
def test_every_row_comes_once(name, y):
    for seed in range(5):
        sessions = ONE_PASS[name](y, seed)

        assert np.array_equal(np.sort(np.concatenate([s.train for s in sessions])), np.arange(len(y)))
        assert all(session.train.dtype == np.int64 for session in sessions)


@pytest.mark.parametrize("name", SEEDED)
def test_classes_are_new_once_and_seen_from_then_on(name):
    seen = set()
    for session in SEEDED[name](Y, 3):
        here = set(Y[session.train].tolist())
        assert len(set(session.train.tolist())) == len(session.train)
        assert session.new_classes.tolist() == sorted(here - seen)
        seen |= here
        assert session.seen_classes.tolist() == sorted(seen)
    if name in ONE_PASS or name == "few-shot":
        assert seen == set(range(23))


@pytest.mark.parametrize("name", SEEDED)
def test_the_same_seed_gives_the_same_sessions_and_another_seed_others(name):
    make = SEEDED[name]

    assert trains(make(Y, 1)) == trains(make(Y, 1))
    assert trains(make(Y, 1)) != trains(make(Y, 2))


@pytest.mark.parametrize("name", SEEDED)
def test_names_of_classes_make_no_difference(name):
    assert trains(SEEDED[name](Y, 4)) == trains(SEEDED[name](NAMES[Y].tolist(), 4))


def test_class_incremental_sizes():
    def sizes(**settings):
        return [len(session.new_classes) for session in class_incremental(np.arange(100), **settings)]

    assert sizes() == [10] * 10
    assert sizes(n_sessions=6, base=50) == [50] + [10] * 5
    assert sizes(increment=30) == [30, 30, 30, 10]
    assert sizes(base=40, increment=20) == [40, 20, 20, 20]
    assert sizes(n_sessions=3) == [34, 33, 33]
    assert sizes(n_sessions=1) == [100]


def test_few_shot_sessions_have_way_times_shot_rows():
    base, *later = few_shot_class_incremental(Y, base=11, way=4, shot=5, seed=2)

    assert np.array_equal(base.train, np.flatnonzero(np.isin(Y, base.new_classes)))
    assert [np.unique(Y[s.train], return_counts=True)[1].tolist() for s in later] == [[5] * 4] * 3
    assert len(few_shot_class_incremental(Y, base=23)) == 1


def test_scole_brings_classes_back_with_all_their_rows():
    sessions = scole(Y, 400, 2, seed=0)
    times = np.bincount(np.concatenate([s.train for s in sessions]), minlength=len(Y))

    assert {len(np.unique(Y[s.train])) for s in sessions} == {2}
    assert all(np.array_equal(s.train, np.flatnonzero(np.isin(Y, np.unique(Y[s.train])))) for s in sessions)
    assert 400 * 2 / 23 / 2 < times.min() <= times.max() < 400 * 2 / 23 * 2  # about 35 times each


def test_domains_come_in_order_of_appearance_and_keep_their_names():
    sessions = domain_incremental(Y, WHERE.astype(str))

    assert [s.name for s in sessions] == list(dict.fromkeys(WHERE.astype(str).tolist()))
    assert all((WHERE[s.train] == int(s.name)).all() for s in sessions)


def test_time_ordered_blocks_are_predicted_before_they_are_learned():
    sessions = time_ordered(Y, WHEN, 7)

    assert np.array_equal(np.concatenate([s.train for s in sessions]), np.argsort(WHEN))
    assert not len(sessions[0].test)
    assert all(np.array_equal(s.test, s.train) for s in sessions[1:])
    assert {len(s.train) for s in sessions} == {214, 215}
    same_times = time_ordered(Y, np.arange(len(Y)) % 2, 3)
    expected = np.concatenate([np.arange(0, len(Y), 2), np.arange(1, len(Y), 2)])
    assert np.array_equal(np.concatenate([s.train for s in same_times]), expected)
    dates = np.datetime64("2024-01-01") + np.argsort(np.argsort(WHEN))
    assert trains(time_ordered(Y, dates, 7)) == trains(sessions)


def test_the_order_of_rows_is_not_the_order_of_classes_of_the_same_seed():
    y = np.arange(100)
    order = np.concatenate([s.train for s in class_incremental(y, 100, seed=5)])

    assert not np.array_equal(online(y, 100, seed=5)[0].train, order)


def test_online_batches_stay_within_their_session():
    whole = class_incremental(Y, 7, seed=1)
    batches = online(Y, 50, seed=1, sessions=whole)

    for k, session in enumerate(whole, 1):
        own = [b for b in batches if b.name.startswith(f"session {k},")]
        assert sorted(np.concatenate([b.train for b in own]).tolist()) == session.train.tolist()
        assert all(len(b.train) == 50 for b in own[:-1])
        assert np.array_equal(own[-1].seen_classes, session.seen_classes)


def test_online_keeps_deletion_requests_after_the_last_batch_of_their_session():
    whole = continual_forgetting(Y, 7, "classes", seed=1)
    batches = online(Y, 50, sessions=whole)

    assert [b.requests for b in batches if b.requests] == [s.requests for s in whole]
    for k, session in enumerate(whole, 1):
        last = [b for b in batches if b.name.startswith(f"session {k},")][-1]
        assert last.requests == session.requests
        assert np.array_equal(last.seen_classes, session.seen_classes)


@pytest.mark.parametrize("what", ["rows", "classes", "subjects"])
@pytest.mark.parametrize(
    "base",
    [SEEDED["class-incremental"], SEEDED["si-blurry"], lambda y, seed: scole(y, 8, 6, seed=seed)],
    ids=["class-incremental", "si-blurry", "scole"],
)
def test_only_rows_that_are_learned_are_forgotten_and_they_never_come_back(what, base):
    sessions = continual_forgetting(Y, 7, what, 2, seed=3, subjects=WHERE, sessions=base(Y, 3))
    learned, forgotten = set(), set()
    for session in sessions:
        assert not forgotten & set(session.train.tolist())
        learned |= set(session.train.tolist())
        for request in session.requests:
            rows = set(request.rows.tolist())
            assert rows <= learned
            assert len(rows) == len(request.rows) > 0
            if what == "classes":
                assert {f"class {y}" for y in Y[request.rows]} == {request.reason}
                assert rows == {i for i in learned if f"class {Y[i]}" == request.reason}
            elif what == "subjects":
                assert rows == {i for i in learned if f"subject {WHERE[i]}" == request.reason}
            else:
                assert len(rows) == 2
            learned -= rows
            forgotten |= rows
        assert len(session.requests) == (1 if what == "rows" else 2)
        assert session.seen_classes.tolist() == sorted({int(Y[i]) for i in learned})
    again = continual_forgetting(Y, 7, what, 2, seed=3, subjects=WHERE, sessions=base(Y, 3))
    other = continual_forgetting(Y, 7, what, 2, seed=4, subjects=WHERE, sessions=base(Y, 3))
    assert [r.rows.tolist() for s in sessions for r in s.requests] == [
        r.rows.tolist() for s in again for r in s.requests
    ]
    assert [r.rows.tolist() for s in sessions for r in s.requests] != [
        r.rows.tolist() for s in other for r in s.requests
    ]


def test_a_row_that_is_learned_again_after_a_request_counts_again():
    y, rows, none = np.array([0, 1]), np.array([0, 1]), np.zeros(0, dtype=int)
    first = Session("first", rows, y, y[:1], requests=(DeletionRequest(rows[1:], "class 1"),))
    batches = online(y, 2, sessions=[first, Session("second", rows[1:], none, y)])

    assert [b.seen_classes.tolist() for b in batches] == [[0], [0, 1]]
    assert [b.new_classes.tolist() for b in batches] == [[0, 1], [1]]


def test_requests_of_a_scenario_come_before_those_that_are_added():
    first = continual_forgetting(Y, 5, "classes", seed=1)
    both = continual_forgetting(Y, 5, "subjects", seed=2, subjects=WHERE, sessions=first)

    assert [[r.reason.split()[0] for r in s.requests] for s in both] == [["class", "subject"]] * 5
    assert np.array_equal(both[0].requests[0].rows, first[0].requests[0].rows)
    rows = np.concatenate([r.rows for s in both for r in s.requests])
    assert len(set(rows.tolist())) == len(rows)


def test_a_head_that_follows_continual_forgetting_is_one_trained_on_the_rest():
    data = load_clinc150()
    X, y = data.X_train[:3000], data.y_train[:3000]
    head, rest = LDAClassifier(), np.zeros(len(y), dtype=bool)
    for session in continual_forgetting(y, 4, "classes", 5, seed=9):
        head.partial_fit(X[session.train], y[session.train], sample_id=session.train)
        rest[session.train] = True
        for request in session.requests:
            head.forget(sample_id=request.rows)
            rest[request.rows] = False
        assert head.classes_.tolist() == session.seen_classes.tolist()
        test = session.test_rows(data.y_test)
        assert set(data.y_test[test].tolist()) == set(session.seen_classes.tolist())

    assert head.state_digest() == LDAClassifier().fit(X[rest], y[rest]).state_digest()


# ---- text


def test_text_becomes_the_scenario_that_it_names():
    assert trains(parse("class-incremental:10").sessions(Y)) == trains(class_incremental(Y, 10))
    assert len(parse("class-incremental:10").sessions(Y)) == 10
    text = " si-blurry:4, disjoint=20,blurry=30,seed=8,blur_first_rows=yes "
    expected = si_blurry(Y, 4, 20, 30, 8, blur_first_rows=True)
    assert trains(parse(text).sessions(Y)) == trains(expected)
    assert trains(parse("online:50,seed=1").sessions(Y)) == trains(online(Y, 50, 1))
    assert trains(parse("few-shot-class-incremental:11,way=4").sessions(Y)) == trains(
        few_shot_class_incremental(Y, 11, 4)
    )
    assert trains(parse("domain-incremental").sessions(Y, domains=WHERE)) == trains(domain_incremental(Y, WHERE))
    assert trains(parse("time-ordered:4").sessions(Y, times=WHEN, domains=WHERE)) == trains(time_ordered(Y, WHEN, 4))
    asked = parse("continual-forgetting:4,what=subjects").sessions(Y, subjects=WHERE)
    assert asked[0].requests[0].reason.startswith("subject ")


def test_text_of_a_scenario_can_be_read_again():
    for text in ("scole", "si-blurry:4,drop_remainder=on", "continual-forgetting:what=classes,amount=2"):
        assert parse(str(parse(text))) == parse(text)
    assert str(parse("si-blurry:4,drop_remainder=on")) == "si-blurry:n_sessions=4,drop_remainder=yes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class-incremental-10", "unknown scenario 'class-incremental-10': choose one of class-incremental, few-shot"),
        ("", "unknown scenario ''"),
        ("class-incremental:ten", "n_sessions must be an integer of at least 0, got 'ten'"),
        ("class-incremental:-1", "got '-1'"),
        ("class-incremental:2.5", "got '2.5'"),
        ("class-incremental:", "got ''"),
        ("class-incremental:10,", "'' is not a setting"),
        ("class-incremental:10,5", "'5' is not a setting; write KEY=VALUE"),
        ("class-incremental:10,n_sessions=3", "n_sessions is set twice"),
        ("class-incremental:10,steps=3", "has no setting 'steps'; it has n_sessions, base, seed, increment"),
        ("si-blurry:5,drop_remainder=2", "drop_remainder must be yes or no, got '2'"),
        ("class-incremental:y=3", "no setting 'y'"),
    ],
)
def test_text_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class-incremental:0", "n_sessions must be an integer of at least 1, got 0"),
        ("class-incremental:24", "n_sessions=24 needs 24 classes; there are 23"),
        ("class-incremental:5,base=20", "needs 4 classes after the base of 20; there are 3"),
        ("class-incremental:1,base=20", "n_sessions must be an integer of at least 2"),
        ("class-incremental:2,base=23", "base must leave classes for later sessions: it is 23 of 23"),
        ("few-shot-class-incremental:24", "base must be an integer from 1 to 23, got 24"),
        ("few-shot-class-incremental:11", "way=5 doesn't divide the 12 classes after a base of 11"),
        ("few-shot-class-incremental:11,way=4,shot=1000", "shot=1000 needs 1000 rows a class; class "),
        ("scole:4,classes_per_session=24", "classes_per_session must be an integer from 1 to 23"),
        ("si-blurry:5,disjoint=101", "disjoint must be an integer from 0 to 100, got 101"),
        ("i-blurry:24", "n_sessions must be an integer from 1 to 23"),
        ("online:0", "batch_size must be an integer of at least 1"),
        ("domain-incremental", "domain-incremental needs domains"),
        ("time-ordered", "time-ordered needs times"),
        ("continual-forgetting:4,what=subjects", "needs subjects"),
        ("continual-forgetting:4,what=people", "what must be one of rows, classes, subjects; got 'people'"),
        (
            "continual-forgetting:4,what=classes,amount=6",
            "amount=6 would leave nothing learned: after session 1 there are 6",
        ),
    ],
)
def test_numbers_that_do_not_fit_the_data_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text).sessions(Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([], "y is empty"),
        ([[1, 2]], r"one value a row, shape \(n_rows,\); got shape \(1, 2\)"),
        ([0.0, np.nan], "row 1 is nan"),
        ([0.5, 1.0], "row 0 is 0.5"),
        ([1, "a"], "of one kind"),
        ([None, None], "of one kind"),
    ],
)
def test_bad_labels_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        class_incremental(y, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: domain_incremental(Y, WHERE[:-1]), "y has 1500 rows, domains has 1499"),
        (lambda: domain_incremental(Y, np.where(WHERE, 0.0, np.nan)), "domains must hold labels, but row"),
        (lambda: time_ordered(Y, np.where(np.arange(len(Y)) == 7, np.nan, WHEN)), "row 7 has nan"),
        (lambda: time_ordered(Y[:2], np.array(["2024-01-01", "NaT"], "M8[D]"), 1), "row 1 has NaT"),
        (lambda: time_ordered(Y, WHEN, 1501), "n_sessions must be an integer from 1 to 1500"),
        (lambda: class_incremental(Y, seed=None), "seed must be an integer of at least [01], got None"),
        (lambda: class_incremental(Y, 2.0), "n_sessions must be an integer of at least [01], got 2.0"),
        (lambda: class_incremental(Y, True), "n_sessions must be an integer of at least [01], got True"),
    ],
)
def test_other_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_scenario_says_what_it_costs_and_where_it_comes_from():
    for name, (function, _) in analytic_cl.scenarios.parsing.SCENARIOS.items():
        for part in ("Parameters\n", "Returns\n", "Cost:", "Exactness:", "downside:", "References\n", ">>>"):
            assert part in function.__doc__, (name, part)
