"""Rows that lose much at the quantizer are told of, once, with what to do; and doing it helps."""

import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    QuantizationWarning,
    RandomProjection,
    Store,
    resolve_quantizer,
    use_backend,
)
from analytic_cl.quantizers import Losses, loss_kernels, loss_reference

random = np.random.RandomState(0)

TIMES = np.array([[1.70e9, 0.0], [1.70e9 + 1, 1.0], [1.71e9, 0.0], [1.71e9 + 1, 1.0]] * 10)
MONTHS = np.array(["jan", "jan", "may", "may"] * 10)


def embeddings(n, d=384, n_classes=5):
    y = np.arange(n) % n_classes
    X = np.random.RandomState(1).normal(size=(n, d)) / 2 + np.random.RandomState(2).normal(size=(n_classes, d))[y]
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def told(work):
    """What is said while `work` runs, and its result."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = work()
    return [str(w.message) for w in caught if w.category is QuantizationWarning], result


def loss(quantizer, X):
    messages, _ = told(lambda: Losses(resolve_quantizer(quantizer, None, X.shape[1])).saw(X))
    return "".join(messages)


def advised(message):
    """The quantizer that a message says to use."""
    code = re.search(r"quantizer=(\"tabular\"|FixedPoint\([^)]*\))", message).group(1)
    return eval(code, {"FixedPoint": FixedPoint})


# ---- every kind of loss is told of, and the advice is right


@pytest.mark.parametrize("n", [4, 40])
@pytest.mark.parametrize("kind", [LDAClassifier, lambda **quantizer: NearestNeighborsClassifier(1, **quantizer)])
def test_unix_seconds_are_said_to_be_out_of_range_and_the_advice_tells_the_months_apart(n, kind):
    messages, _ = told(lambda: kind().fit(TIMES[:n], MONTHS[:n]))

    assert len(messages) == 1
    assert "column 0 of X are beyond the range" in messages[0]
    right = kind(quantizer=advised(messages[0])).fit(TIMES[:n], MONTHS[:n])
    assert right.predict(TIMES[:4]).tolist() == ["jan", "jan", "may", "may"]


@pytest.mark.parametrize("step", [1, 3])
def test_a_stream_of_small_batches_is_judged_as_a_whole_and_told_once_at_the_callers_line(step):
    head = NearestMeanClassifier()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(0, 40, step):
            head.partial_fit(TIMES[i : i + step], MONTHS[i : i + step])

    assert [w.category for w in caught] == [QuantizationWarning]
    assert caught[0].filename == __file__
    assert "head.partial_fit(" in Path(__file__).read_text().splitlines()[caught[0].lineno - 1]


def tiny(n, scale):
    y = np.arange(n) % 2
    return np.c_[scale * (random.normal(size=n) + 9 * y), random.normal(size=n)], y


@pytest.mark.parametrize(("n", "scale"), [(6, 1e-9), (40, 1e-6), (300, 2e-5)])
def test_columns_that_collapse_to_one_integer_are_named_and_the_advised_scale_keeps_them_apart(n, scale):
    X, y = tiny(n, scale)

    messages, _ = told(lambda: LDAClassifier().fit(X, y))

    assert "values of column 0 of X differ by less than one integer step" in messages[0]
    assert LDAClassifier(quantizer=advised(messages[0])).fit(X, y).score(X, y) == 1


def test_columns_of_both_sizes_are_sent_to_bounds_which_hold_them():
    X, y = tiny(40, 1e-7)
    X[:, 1] *= 1e7

    messages, _ = told(lambda: LDAClassifier().fit(X, y))

    assert "FixedPoint.for_rows(rows)" in messages[0]
    assert LDAClassifier(quantizer=FixedPoint.for_rows(X[::2])).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("n", [4, 40, 600])
@pytest.mark.parametrize(("scale", "offset"), [(100, 0), (1e4, 1e5), (1e7, 1.7e9)])
def test_a_column_of_another_unit_among_embeddings_is_named_and_wide_is_right(n, scale, offset):
    X, y = embeddings(n)
    X = np.c_[X, offset + scale * random.uniform(0.2, 1, n)]

    messages, _ = told(lambda: LDAClassifier().fit(X, y))

    assert len(messages) == 1
    assert 'in column 384 of X; little is left of the others: use quantizer="tabular"' in messages[0]
    assert ("left out" in messages[0]) == (offset > 1e6)
    if n == 600:
        X[:, 384] /= 1e4 if "left out" in messages[0] else 1
        right, head = told(lambda: LDAClassifier(quantizer=advised(messages[0])).fit(X, y))
        assert not right
        assert head.score(X, y) > 0.97


def test_a_small_column_beside_embeddings_is_named_and_the_advice_keeps_it():
    X = np.c_[embeddings(60)[0], 1e-6 * random.uniform(0.2, 1, 60)]

    message = loss("auto", X)

    assert "column 384 of X, small beside" in message or "column 384 of X become one" in message
    assert not loss(advised(message), X)


@pytest.mark.parametrize("n", [4, 40, 500])
def test_lengths_that_vary_are_told_of_where_they_are_thrown_away_and_wide_keeps_them(n):
    rows = np.repeat(np.arange(n + 0.0)[:, None], 768, axis=1)

    messages, _ = told(lambda: NearestNeighborsClassifier(1).fit(rows, np.arange(n) % 4))

    assert len(messages) == 1
    assert "throws the length away" in messages[0]
    silent, head = told(
        lambda: NearestNeighborsClassifier(1, quantizer=advised(messages[0])).fit(
            rows, np.arange(n), sample_id=range(n)
        )
    )
    assert not silent
    assert head.neighbors(rows[1:2], k=1).ids.tolist() == [[1]]


def test_rows_of_one_direction_become_one_row_and_are_told_of_though_lengths_are_alike():
    X = np.repeat(random.normal(size=(10, 300)), 3, axis=0) * np.tile([1, 1.1, 1.2], 10)[:, None]

    message = loss("auto", X)

    assert "100% of the rows become the integers of another row" in message
    assert not loss(advised(message), X)


def test_different_rows_that_become_one_integer_row_are_told_of():
    halves = np.repeat(random.randint(1, 11, size=(100, 1)) / 2, 2, axis=1)

    message = loss(FixedPoint(8, scale=1), halves)

    assert "become the integers of another row that differs from them" in message
    assert not loss(advised(message), halves)


def test_rows_with_few_values_are_told_to_take_16_bits_which_clip_nothing():
    X = np.zeros((50, 1500))
    X[np.arange(50)[:, None], random.randint(0, 1500, size=(50, 3))] = 1

    message = loss("auto", X)

    assert "most rows are clipped to less than half of their length" in message
    assert advised(message) == FixedPoint(16, norm="l2")
    assert not loss(advised(message), X)


def test_a_few_large_columns_of_embeddings_are_named_and_16_bits_hold_them():
    X, _ = embeddings(200)
    X[:, [7, 99]] = random.uniform(0.5, 0.6, size=(200, 2))

    message = loss("auto", X)

    assert "columns 7, 99 of X are" in message
    assert not loss(advised(message), X)


def test_a_projection_takes_no_other_quantizer_so_the_advice_is_another():
    X, y = embeddings(40)
    X[:, 3] = 50 * random.uniform(1, 2, size=40)

    messages, _ = told(lambda: LDAClassifier(projection=RandomProjection(512)).fit(X, y))

    assert "standardise the columns first, or leave the projection out" in messages[0]


def test_columns_of_a_frame_are_named_as_it_names_them():
    frame = pytest.importorskip("pandas").DataFrame(TIMES, columns=["seconds", "flag"])

    messages, _ = told(lambda: LDAClassifier().fit(frame, MONTHS))

    assert "column 'seconds' of X" in messages[0]


# ---- what loses nothing is no reason to warn


def relu(n):
    return np.maximum(random.normal(size=(n, 600)) - random.uniform(0, 2, 600), 0) * random.uniform(0.2, 3, 600)


def replay(n):
    rows = np.repeat(random.normal(size=(n, 300)), 4, axis=0)
    return rows * (1 + 1e-7 * random.normal(size=rows.shape))


def near_zero(n):
    return np.c_[embeddings(n)[0], random.uniform(-0.5, 0.5, size=(n, 3)) / 512]


def with_a_dead_column(n):
    """As MiniLM's: a column that the network left unused holds what float32 rounds away."""
    return np.c_[embeddings(n)[0], 3e-9 * random.normal(size=n)]


FITTING = {
    "embeddings with a dead column": ("auto", with_a_dead_column),
    "embeddings with a few columns near zero": ("auto", near_zero),
    "embeddings": ("auto", lambda n: embeddings(n)[0]),
    "ReLU features": ("auto", relu),
    "the same row again, extracted in another batch": ("auto", replay),
    "standardised": (FixedPoint(8), lambda n: random.normal(size=(n, 200))),
    "few ReLU features": (FixedPoint(8), lambda n: np.maximum(random.normal(size=(n, 200)), 0)),
    "one-hot": ("auto", lambda n: np.eye(40)[random.randint(0, 40, n)]),
    "pixels at both ends": (FixedPoint(8, bounds=(0, 255)), lambda n: random.choice([0, 128, 255], size=(n, 64))),
    "constants": ("auto", lambda n: np.c_[np.full(n, 3.3), random.normal(size=n), 0.1 * np.full(n, 3)]),
    "rounding errors": ("auto", lambda n: np.c_[0.3 + 1e-16 * random.normal(size=n), random.normal(size=n)]),
    "whole numbers": (FixedPoint(8, scale=1), lambda n: np.c_[np.arange(n) % 2, random.randint(0, 9, n)]),
    "float32": ("auto", lambda n: random.normal(size=(n, 20)).astype(np.float32) * 1000),
    "zeros": ("auto", lambda n: np.zeros((n, 300))),
    "as it is": ("integers", lambda n: np.full((n, 3), 127)),
}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 50, 300])
@pytest.mark.parametrize(("quantizer", "rows"), FITTING.values(), ids=FITTING)
def test_rows_that_fit_are_no_reason_to_warn(quantizer, rows, n):
    for _ in range(3):
        assert not loss(quantizer, rows(n))


def test_one_strange_row_among_many_is_no_reason_to_warn():
    X = random.normal(size=(500, 10))
    X[17, 3] = 1e9

    assert not loss("auto", X)


@pytest.mark.parametrize("quantizer", ["tabular", FixedPoint(8, norm="l2")])
def test_floats_at_the_ends_of_their_range_are_counted_without_overflow(quantizer):
    X = np.array([[1e308, -1e308, 5e-324], [1e-310, 0, 1], [0, 0, 0], [1e30, 1, 1]])

    loss(quantizer, X)
    with use_backend("numpy"):
        loss(quantizer, X)


# ---- the sample


@pytest.mark.parametrize("quantizer", ["tabular", FixedPoint(16, norm="l2"), FixedPoint(8, bounds=(-1, 3))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_counts_what_its_numpy_twin_counts(quantizer, dtype):
    X = np.r_[random.normal(size=(30, 7)), 1e7 * random.normal(size=(5, 7)), np.zeros((2, 7))].astype(dtype)
    resolved = resolve_quantizer(quantizer, None, 7)
    counts = []
    for run in (loss_kernels, loss_reference):
        columns, rows, keys = np.zeros((len(loss_kernels.COLUMNS), 7)), np.empty((37, 3)), np.empty(37, np.int64)
        columns[0] = np.nan
        unit = resolved.rule.norm == "l2"
        run.count_losses(X, np.arange(37.0), unit, *resolved.affine, float(resolved.limit), columns, rows, keys)
        counts.append((columns, rows, keys))

    for fast, slow in zip(*counts, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


def test_batches_make_no_difference_to_what_is_said_of_many_rows():
    X = np.c_[random.normal(size=5000), 1e6 * (random.uniform(size=5000) < 0.3)]
    whole = Losses(resolve_quantizer("tabular", None, 2))
    parts = Losses(resolve_quantizer("tabular", None, 2))

    first, _ = told(lambda: whole.saw(X))
    second, _ = told(lambda: [parts.saw(part) for part in np.array_split(X, 700)])

    assert len(first) == len(second) == 1
    assert "column 1 of X" in first[0]
    assert "column 1 of X" in second[0]


def test_a_stream_that_goes_wrong_late_is_told_of():
    head = NearestMeanClassifier()
    fine, wrong = random.normal(size=(2000, 3)), 1e7 + random.normal(size=(4000, 3))

    silent, _ = told(lambda: head.fit(fine, np.arange(2000) % 2))
    messages, _ = told(lambda: [head.partial_fit(part, np.arange(100) % 2) for part in np.split(wrong, 40)])

    assert not silent
    assert len(messages) == 1


# ---- one stream, one warning; and no trace


def test_fit_begins_a_new_stream_and_prediction_and_forgetting_say_nothing():
    head = NearestMeanClassifier()

    def life():
        head.fit(TIMES, MONTHS)
        for i in range(20):
            head.predict(TIMES)
            head.forget(TIMES[i : i + 1], MONTHS[i : i + 1])
            head.partial_fit(TIMES[i : i + 1], MONTHS[i : i + 1])

    assert len(told(life)[0]) == 1
    assert len(told(life)[0]) == 1


def test_a_warning_that_is_an_error_leaves_the_state_as_it_was():
    head = NearestMeanClassifier().fit([[0.0, 1.0]], ["jan"])
    before = head.state_digest()

    with pytest.raises(QuantizationWarning):
        head.partial_fit(TIMES, MONTHS)

    assert head.state_digest() == before
    with pytest.raises(QuantizationWarning):
        NearestMeanClassifier().fit(TIMES, MONTHS)


def test_counts_change_no_digest_and_leave_no_trace_in_a_pickle():
    X, y = random.normal(size=(8, 3)), np.arange(8) % 2
    head = NearestMeanClassifier().fit(X, y)
    assert head.__dict__["_losses"]._columns is not None

    again = pickle.loads(pickle.dumps(head))

    assert "_losses" not in again.__dict__
    assert again.state_digest() == head.state_digest()
    head.forget(X[:1], y[:1])
    assert head.__dict__["_losses"]._columns is None


class Doubled:
    """A frozen extractor."""

    def transform(self, X):
        return np.asarray(X) * 2

    def fingerprint(self):
        return "doubled"


def test_a_pipeline_an_error_memory_and_a_store_say_it_at_the_callers_line_and_once(tmp_path):
    base = LDAClassifier(quantizer=FixedPoint(32, scale=1)).fit(TIMES, MONTHS)
    pipeline = ContinualPipeline(Doubled(), NearestMeanClassifier())
    memory = ErrorMemory(base)
    with Store.create(tmp_path / "store", NearestMeanClassifier()) as store:
        for learn in (pipeline.partial_fit, memory.partial_fit, store.learn):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for i in range(0, 20, 4):
                    learn(TIMES[i : i + 4], MONTHS[i : i + 4])
            assert [(w.category, w.filename) for w in caught] == [(QuantizationWarning, __file__)]
