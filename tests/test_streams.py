"""A stream of batches is learned as by a loop of `partial_fit`, one batch ahead, and breaks off between batches."""

import signal
import threading
import time
import warnings
from itertools import pairwise

import numpy as np
import pipelines
import pytest
from common import HEADS, REGRESSORS, blobs, head_name, ignore_quantization
from sklearn.base import clone

from analytic_cl import (
    ContinualPipeline,
    LDAClassifier,
    NearestMeanClassifier,
    NotLearnedError,
    QuantizationWarning,
    use_backend,
)

X, Y = blobs(240, 6, 4, seed=3)
CUTS = [0, 1, 8, 60, 61, 130, 240]
PARTS = [slice(*pair) for pair in pairwise(CUTS)]


def batches(ids=False):
    for part in PARTS:
        yield (X[part], Y[part], np.arange(240)[part]) if ids else (X[part], Y[part])


def looped(head, parts=PARTS):
    for part in parts:
        head.partial_fit(X[part], Y[part])
    return head


def reaches(condition):
    """Wait for another thread, with an end."""
    assert condition.wait(30)


@ignore_quantization
@pytest.mark.parametrize("head", [*HEADS, *REGRESSORS], ids=head_name)
def test_every_head_learns_a_stream_as_by_a_loop(head):
    streamed = clone(head).partial_fit_stream(batches(ids=head.track != "none"))

    assert streamed.state_digest() == looped(clone(head)).state_digest()
    if head.track not in ("none", "digest"):
        streamed.forget(sample_id=range(130, 240))
        assert streamed.state_digest() == looped(clone(head), PARTS[:-1]).state_digest()


@ignore_quantization
def test_a_generator_that_fills_one_buffer_again_and_again_loses_nothing():
    def refilled(dtype, quantizer):
        rows, labels, ids = np.empty((40, 6), dtype), np.empty(40, np.int64), np.empty(40, np.int64)
        for start in range(0, 240, 40):
            source = np.round(X[start : start + 40] * 10) if quantizer == "integers" else X[start : start + 40]
            rows[:], labels[:], ids[:] = source, Y[start : start + 40], np.arange(start, start + 40)
            yield rows, labels, ids
            rows[:], labels[:], ids[:] = 99, 99, 0

    for quantizer, dtype in (("auto", float), ("embedding", np.float32), ("integers", np.int8)):
        head = LDAClassifier(quantizer=quantizer).partial_fit_stream(refilled(dtype, quantizer))
        rows = np.round(X * 10) if quantizer == "integers" else X

        assert head.state_digest() == LDAClassifier(quantizer=quantizer).fit(rows.astype(dtype), Y).state_digest()
        assert len(head.learner_.ledger.find_ids(list(range(240)))) == 240


def test_the_next_batch_is_fetched_while_the_last_is_learned(monkeypatch):
    fetched, learn = threading.Event(), LDAClassifier.learn_encoded

    def slow(self, *arguments):
        reaches(fetched)  # else the third batch would be fetched only after the second is learned
        return learn(self, *arguments)

    def source():
        yield X[:80], Y[:80]
        yield X[80:160], Y[80:160]
        fetched.set()
        yield X[160:], Y[160:]

    monkeypatch.setattr(LDAClassifier, "learn_encoded", slow)
    assert LDAClassifier().partial_fit_stream(source()).state_digest() == LDAClassifier().fit(X, Y).state_digest()


def test_a_stream_may_predict_and_runs_where_it_was_called():
    head, here = LDAClassifier().fit(X, Y), threading.get_ident()

    def source():
        for batch in batches():
            assert threading.get_ident() == here
            head.predict(X)  # waits for the batch that is being learned
            yield batch

    assert head.partial_fit_stream(source()).state_.n_rows == 480


@pytest.mark.parametrize("place", [1, 2, 5])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda X, y, ids: (X * np.nan, y, ids), ValueError),
        (lambda X, y, ids: (X[:, :4], y, ids), ValueError),
        (lambda X, y, ids: (X, y.astype(str), ids), ValueError),  # seen where it is learned
        (lambda X, y, ids: (X, y, ids * 0), ValueError),
        (lambda X, y, ids: (X, y, [0, *ids[1:]]), ValueError),  # learned already: seen where it is learned
        (lambda X, y, ids: X, TypeError),
        (lambda X, y, ids: (X,), TypeError),
    ],
)
def test_a_batch_that_is_wrong_leaves_those_before_learned_and_is_named(place, wrong, error):
    def source():
        try:
            for number, batch in enumerate(batches(ids=True)):
                yield wrong(*batch) if number == place else batch
        finally:
            closed.append(True)

    head, closed = LDAClassifier(), []
    if place == 1:
        place = 3  # a batch of more than one row
    with pytest.raises(error) as raised:
        head.partial_fit_stream(source())

    n = CUTS[place]
    note = f"in batch {place + 1} of the stream; learned before it: {n} rows in {place} batches, and nothing else"
    assert note in raised.value.__notes__[0]
    assert closed
    assert head.state_digest() == looped(LDAClassifier(), PARTS[:place]).state_digest()
    head.partial_fit_stream(list(batches(ids=True))[place:])
    assert head.state_digest() == LDAClassifier().fit(X, Y).state_digest()


def test_an_error_of_the_iterator_keeps_its_type_and_a_bad_first_batch_leaves_nothing():
    def source():
        yield from list(batches())[:4]
        raise NotLearnedError("the network is down")

    head = LDAClassifier()
    with pytest.raises(NotLearnedError, match="down") as raised:
        head.partial_fit_stream(source())
    assert "in batch 5 of the stream; learned before it: 61 rows" in raised.value.__notes__[0]
    assert head.state_digest() == looped(LDAClassifier(), PARTS[:4]).state_digest()

    head = LDAClassifier()
    with pytest.raises(ValueError, match="NaN"):
        head.partial_fit_stream([(X * np.nan, Y)])
    assert not vars(clone(head)).keys() ^ vars(head).keys()


def test_the_earlier_of_two_wrong_batches_is_the_one_that_is_told():
    head = LDAClassifier().fit(X, Y, sample_id=range(240))

    with pytest.raises(ValueError, match="ids") as raised:
        head.partial_fit_stream([(X, Y, range(240, 480)), (X, Y, range(240)), (X * np.nan, Y)])
    assert "batch 2 of the stream" in raised.value.__notes__[0]
    assert head.state_.n_rows == 480


def test_ctrl_c_ends_a_stream_after_a_whole_batch_with_no_thread_left(monkeypatch):
    """Pressed in the iterator, while a batch is being learned."""
    pressed, learn = threading.Event(), LDAClassifier.learn_encoded

    def slow(self, new, *arguments):
        if len(new.rows) == 69:
            reaches(pressed)
            time.sleep(0.05)  # until the stream waits for this batch
        return learn(self, new, *arguments)

    def source():
        try:
            for number, batch in enumerate(batches()):
                if number == 5:
                    pressed.set()
                    signal.raise_signal(signal.SIGINT)
                yield batch
        finally:
            closed.append(True)

    monkeypatch.setattr(LDAClassifier, "learn_encoded", slow)
    head, closed, threads = LDAClassifier(), [], threading.active_count()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            head.partial_fit_stream(source())
    finally:
        signal.signal(signal.SIGINT, before)

    assert closed
    assert threading.active_count() == threads
    assert "batch 6 of the stream; learned before it: 130 rows" in raised.value.__notes__[0]
    assert head.state_digest() == looped(LDAClassifier(), PARTS[:5]).state_digest()


def test_ctrl_c_again_and_again_while_the_stream_waits_for_a_batch_to_be_learned(monkeypatch):
    waiting, learn = threading.Event(), LDAClassifier.learn_encoded

    def interrupted(self, *arguments):
        reaches(waiting)
        for _ in range(3):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.03)
        return learn(self, *arguments)

    def source():
        yield X[:80], Y[:80]
        yield X[80:160], Y[80:160]
        waiting.set()

    monkeypatch.setattr(LDAClassifier, "learn_encoded", interrupted)
    head, threads = LDAClassifier(), threading.active_count()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            head.partial_fit_stream(source())
    finally:
        signal.signal(signal.SIGINT, before)
    assert threading.active_count() == threads
    assert "learned before it: 160 rows in 2 batches" in raised.value.__context__.__notes__[0]  # of the first
    assert head.state_digest() == LDAClassifier().fit(X[:160], Y[:160]).state_digest()


def test_batches_without_rows_are_passed_over_and_a_stream_without_any_is_refused():
    none = (X[:0], Y[:0])
    head = LDAClassifier().partial_fit_stream([none, (X[:9], Y[:9]), ([], []), (X[9:], Y[9:]), none])
    assert head.state_digest() == LDAClassifier().fit(X, Y).state_digest()
    assert head.partial_fit_stream([]) is head

    used = batches()
    list(used)
    with pytest.raises(ValueError, match="the stream had no rows"):
        LDAClassifier().partial_fit_stream(used)
    with pytest.raises(TypeError, match="iterable of batches"):
        LDAClassifier().partial_fit_stream(3)
    with pytest.raises(TypeError, match="a batch of a stream is"):
        LDAClassifier().partial_fit_stream((X, Y))


def test_classes_are_declared_and_limit_every_batch():
    head = NearestMeanClassifier().partial_fit_stream(batches(), classes=iter([7, 3, 2, 1, 0]))
    assert head.classes_.tolist() == [0, 1, 2, 3, 7]

    with pytest.raises(ValueError, match="not in classes: 3"):
        NearestMeanClassifier().partial_fit_stream([(X[Y < 3], Y[Y < 3]), (X, Y)], classes=[0, 1, 2])


def test_one_warning_a_stream_at_the_line_that_called():
    rows = np.random.default_rng(0).normal(size=(400, 300)) * np.where(np.arange(300) < 3, 1000, 1)
    parts = [(rows[i : i + 100], np.arange(100) % 2) for i in range(0, 400, 100)]

    for head in (LDAClassifier(), LDAClassifier.from_moments(LDAClassifier().fit(rows[:2], [0, 1]).moments_)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            head.partial_fit_stream(parts)
            head.partial_fit_stream(parts)
        assert [warning.category for warning in told] == [QuantizationWarning]
        assert told[0].filename == __file__


def test_the_backend_of_the_caller_is_that_of_the_stream(monkeypatch):
    from analytic_cl._config import get_backend

    seen, learn = [], LDAClassifier.learn_encoded
    monkeypatch.setattr(LDAClassifier, "learn_encoded", lambda *a: (seen.append(get_backend()), learn(*a)))
    with use_backend("numpy"):
        LDAClassifier().partial_fit_stream(batches())
    assert seen == ["numpy"] * 5


def test_a_model_that_another_thread_fits_anew_ends_the_stream():
    head = LDAClassifier().fit(X, Y)

    def source():
        yield X, Y
        yield X, Y
        head.fit(X[:50], Y[:50])  # any thread, between two batches
        yield X, Y

    with pytest.raises(RuntimeError, match="fitted anew"):
        head.partial_fit_stream(source())
    assert head.state_digest() == LDAClassifier().fit(X[:50], Y[:50]).state_digest()


def test_a_stream_in_a_head_that_this_thread_holds_waits_for_nobody():
    head = LDAClassifier()
    with head.rows_from("an extractor"):
        head.partial_fit_stream(batches())
    assert head.quantizer_.source == "an extractor"
    assert head.state_.n_rows == 240


def test_a_bar_shows_rows_a_second_and_the_time_left(capsys):
    LDAClassifier().partial_fit_stream(batches(), progress=True, n_rows=240)

    shown = capsys.readouterr().err
    assert "240/240" in shown
    assert "rows/s" in shown


# ---- pipelines


def test_a_pipeline_extracts_the_next_batch_while_the_last_is_learned(tmp_path, monkeypatch):
    inputs, labels, ids = pipelines.X, pipelines.Y, pipelines.IDS
    parts = [(inputs[i : i + 20], labels[i : i + 20], ids[i : i + 20]) for i in range(0, 60, 20)]
    extracted, learn = threading.Event(), LDAClassifier.learn_encoded

    class Slow(pipelines.Counting):
        def rows(self, batch):
            if len(self.batches) == 2:
                extracted.set()
            return super().rows(batch)

    def slow(self, *arguments):
        reaches(extracted)
        return learn(self, *arguments)

    monkeypatch.setattr(LDAClassifier, "learn_encoded", slow)
    settings = dict(head=LDAClassifier(), cache=tmp_path / "one", progress=True)
    pipeline = ContinualPipeline(Slow(), **settings).partial_fit_stream(iter(parts))
    settings = dict(head=LDAClassifier(), cache=tmp_path / "two")
    whole = ContinualPipeline(Slow(), **settings).fit(inputs, labels, sample_id=ids)

    assert pipeline.state_digest() == whole.state_digest()
    assert pipelines.contents(tmp_path / "one") == pipelines.contents(tmp_path / "two")
    assert pipeline.n_features_in_ == 5


def test_a_pipeline_caches_only_what_was_learned(tmp_path):
    inputs, labels, ids = pipelines.X, pipelines.Y, pipelines.IDS
    extractor = pipelines.Counting()
    pipeline = ContinualPipeline(extractor, LDAClassifier(), cache=tmp_path / "cache")
    batches = [(inputs[i : i + 20], labels[i : i + 20], ids[:20] if i == 40 else ids[i : i + 20]) for i in (0, 20, 40)]

    with pytest.raises(ValueError, match="ids") as raised:
        pipeline.partial_fit_stream(batches)
    assert "batch 3 of the stream; learned before it: 40 rows in 2 batches" in raised.value.__notes__[0]
    assert len(pipelines.contents(tmp_path / "cache")) == 2 * 40
    assert (
        pipeline.state_digest()
        == ContinualPipeline(extractor, LDAClassifier()).fit(inputs[:40], labels[:40]).state_digest()
    )
    with pytest.raises(ValueError, match="the stream had no rows"):
        ContinualPipeline(extractor, LDAClassifier()).partial_fit_stream([])
