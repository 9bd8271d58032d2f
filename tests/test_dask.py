"""Heads over Dask: the bits of one process, for any chunks, workers and losses of workers."""

import os
import signal
import sys

import cloudpickle
import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.callbacks import Callback
from distributed import Client, LocalCluster
from sklearn.exceptions import NotFittedError

from analytic_cl import (
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    RLSRegressor,
    distributed,
)
from analytic_cl._config import get_threads
from analytic_cl.comparison.engine import run
from analytic_cl.distributed import dask_engine, dask_graph, dask_rows, states
from analytic_cl.extractors import CallableExtractor, ContinualPipeline
from analytic_cl.heads import head_entries

N, D = 600, 12
COLUMNS = [f"feature {number}" for number in range(D)]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no tests to import


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch):
    """Tasks of 50 rows, so that few rows make a tree."""
    monkeypatch.setattr(dask_rows, "_LEAST_ROWS", 50)
    monkeypatch.setattr(dask_rows, "_MOST_ROWS", 50)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), np.arange(N) % 4, np.arange(N)


def random_chunks(rng, n=N, k=11):
    edges = np.sort(rng.integers(0, n + 1, k - 1))  # some are empty
    return tuple(np.diff([0, *edges, n]).tolist())


def cut(rng, values):
    chunks = (random_chunks(rng), *((size // 2, size - size // 2) for size in values.shape[1:]))
    return da.from_array(values, chunks=chunks)


# ---- on processes


@pytest.mark.parametrize(
    "head",
    [LDAClassifier(), NearestMeanClassifier(track="rows"), NearestNeighborsClassifier()],
    ids=lambda head: type(head).__name__,
)
def test_random_chunks_on_processes_give_the_bits_of_one_process(client, head):
    X, y, ids = rows()
    rng = np.random.default_rng(1)
    with client.as_current():
        learned = distributed.fit(head, cut(rng, X), cut(rng, y), cut(rng, ids))
        labels = distributed.predict(learned, cut(rng, X)).compute()
    whole = type(head)(**head.get_params(deep=False)).fit(X, y, sample_id=ids)

    assert learned is head
    assert learned.state_digest() == whole.state_digest()
    np.testing.assert_array_equal(labels, whole.predict(X))
    assert learned.forget(sample_id=ids[::3]).removed == 200
    assert learned.state_digest() == whole.fit(X[ids % 3 > 0], y[ids % 3 > 0]).state_digest()


def test_a_worker_killed_in_the_middle_changes_no_bit(client, tmp_path):
    X, y, ids = rows()
    mark = tmp_path / "killed"

    def load(number):
        if number == 20 and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        here = slice(20 * number, 20 * number + 20)
        return X[here], y[here], ids[here]

    columns = zip(*(dask.delayed(load, nout=3)(number) for number in range(30)), strict=True)
    with client.as_current():
        learned = distributed.fit(LDAClassifier(), *map(list, columns))

    assert int(mark.read_text()) != os.getpid()
    assert learned.state_digest() == LDAClassifier().fit(X, y).state_digest()
    assert learned.forget(sample_id=ids[:30]).removed == 30


def test_an_error_on_a_worker_names_the_chunk_and_leaves_the_head(client, capsys):
    X, y, ids = rows()
    head = LDAClassifier().fit(X, y)
    before = head.state_digest()
    X[130, 3] = np.nan
    bad = da.from_array(X, chunks=(50, D))
    with client.as_current():
        with pytest.raises(ValueError, match=r"^chunk 2, which is rows 100 to 149: Input X contains NaN in row 30"):
            distributed.fit(head, bad, y)
        with pytest.raises(ValueError, match="both models learned the sample ids 0"):
            distributed.partial_fit(head, bad[:100], y[:100], da.from_array(ids % 50, chunks=50)[:100])
        distributed.fit(LDAClassifier(), bad[:100], y[:100], progress=True)

    assert head.state_digest() == before
    assert "Completed" in capsys.readouterr().out


def test_a_comparison_whose_seeds_run_on_workers_finds_the_same(client, tmp_path):
    X, y, _ = rows()
    given = (X[:400], y[:400], X[400:], y[400:]), "class-incremental:2", "lda,nearest-mean", "ridge-joint", 2

    def on_workers(run_seed, seeds):
        return (future.result() for future in client.map(run_seed, seeds))

    def without_times(runs):
        return [
            [
                (run["method"], run["seed"]),
                [{k: v for k, v in s.items() if "seconds" not in k} for s in run["sessions"]],
            ]
            for run in runs
        ]

    there = run(*given, tmp_path, map_seeds=on_workers)

    assert without_times(there) == without_times(run(*given))
    assert without_times(run(*given, tmp_path)) == without_times(there)  # from the files that were left


# ---- without a client


def frame():
    X, y, ids = rows()
    return pd.DataFrame(X, columns=COLUMNS).assign(label=[f"class {label}" for label in y], person=ids)


HELD_BY = {
    "dask frames": lambda table: [dd.from_pandas(table, npartitions=5)[part] for part in (COLUMNS, "label", "person")],
    "arrays of frames": lambda table: [
        dd.from_pandas(table.assign(label=table["label"].str[-1:].astype(int)), npartitions=5)[part].to_dask_array()
        for part in (COLUMNS, "label", "person")
    ],
    "frame, arrays with lengths": lambda table: [
        dd.from_pandas(table, npartitions=5)[COLUMNS],
        da.from_array(table["label"].to_numpy(object), chunks=120),
        da.from_array(table["person"].to_numpy(), chunks=120),
    ],
    "array, lists": lambda table: [
        da.from_array(table[COLUMNS].to_numpy(), chunks=(77, 5)),
        table["label"].tolist(),
        table["person"].tolist(),
    ],
    "pandas": lambda table: [table[COLUMNS], table["label"], table["person"]],
    "numpy, dask": lambda table: [
        table[COLUMNS].to_numpy(),
        da.from_array(table["label"].to_numpy(object), chunks=77),
        table["person"],
    ],
}


@pytest.mark.parametrize("held_by", HELD_BY)
def test_rows_count_by_value_whatever_holds_them(held_by):
    table = frame()
    whole = LDAClassifier(track="rows").fit(table[COLUMNS], table["label"], sample_id=table["person"])
    if held_by == "arrays of frames":
        whole.fit(table[COLUMNS], table["label"].str[-1:].astype(int), sample_id=table["person"])

    learned = distributed.fit(LDAClassifier(track="rows"), *HELD_BY[held_by](table))

    assert learned.state_digest() == whole.state_digest()
    assert hasattr(learned, "feature_names_in_") == (held_by in NAMED)
    assert learned.forget(sample_id=range(7)).removed == 7


NAMED = ("dask frames", "frame, arrays with lengths", "pandas")


@pytest.mark.parametrize(
    "head",
    [RLSClassifier(), GaussianClassifier()],
    ids=lambda head: type(head).__name__,
)
def test_more_chunks_join_what_was_learned(head):
    X, y, _ = rows()
    head.fit(X[:100], y[:100])
    distributed.partial_fit(head, da.from_array(X[100:], chunks=(70, D)), y[100:])

    assert head.state_digest() == type(head)(**head.get_params(deep=False)).fit(X, y).state_digest()
    assert head.forget(X[:300], y[:300]).removed == 300


@pytest.mark.parametrize("track", ["auto", "rows", "none"])
@pytest.mark.parametrize("named", [True, False])
def test_rows_in_chunks_are_forgotten_and_the_rest_is_left(track, named):
    X, y, ids = rows()
    gone = ids % 3 == 0
    given = (ids if named and track != "none" else None,)
    of = [None if each is None else each[gone] for each in given]
    head = distributed.fit(LDAClassifier(track=track), da.from_array(X, chunks=(77, D)), y, *given)
    lazy = da.from_array(X[gone], chunks=(60, D))

    receipt = distributed.forget(head, lazy, y[gone], *of)

    left = LDAClassifier().fit(X[~gone], y[~gone]).state_digest()
    assert receipt.removed == 200
    assert head.state_digest() == left
    with pytest.raises(ValueError, match=r".") as refusal:
        distributed.forget(head, lazy + 1, y[gone], *of)
    assert "rows" in str(refusal.value) or "id" in str(refusal.value)
    assert head.state_digest() == left


def test_nothing_is_forgotten_of_a_head_that_learned_nothing():
    X, y, _ = rows()
    with pytest.raises(NotFittedError):
        distributed.forget(LDAClassifier(), X, y)


def test_what_rows_and_labels_are_both_made_from_is_read_once():
    read = []

    def load(number):
        read.append(number)
        return frame()[100 * number : 100 * number + 100]

    table = dd.from_map(load, range(6), meta=frame()[:0])
    head = distributed.fit(LDAClassifier(), table[COLUMNS], table["label"])

    assert sorted(read) == list(range(6))
    assert head.state_digest() == LDAClassifier().fit(frame()[COLUMNS], frame()["label"]).state_digest()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_are_lazy_and_have_the_shape_and_type_of_the_heads(method, n_classes, monkeypatch):
    X, y, _ = rows()
    names = np.array(["a", "bb", "ccc"])[y % n_classes]
    head, unpacked = LDAClassifier().fit(X, names), []
    monkeypatch.setattr(dask_engine, "unpack", lambda data: unpacked.append(1) or states.unpack(data))
    array = distributed.predict(head, da.from_array(X, chunks=(random_chunks(np.random.default_rng(0)), 5)), method)
    table = distributed.predict(head, dd.from_pandas(pd.DataFrame(X), npartitions=3), method)
    expected = getattr(head, method)(X)
    head.fit(-X, names)  # of what comes later a prediction knows nothing

    assert not unpacked
    for answer in (array, table):
        assert answer.dtype == expected.dtype
        assert answer.ndim == expected.ndim
        computed = answer.compute()
        assert computed.dtype == expected.dtype
        np.testing.assert_allclose(computed, expected, rtol=1e-9) if computed.dtype.kind == "f" else None
        assert computed.tolist() == expected.tolist() or computed.dtype.kind == "f"
    assert array.shape == expected.shape
    assert array.blocks[3:5].compute().shape[0] == sum(array.chunks[0][3:5])
    assert len(unpacked) == 3  # once a computation, not once a chunk
    assert isinstance(distributed.predict(head, X, method), np.ndarray)


def test_a_task_uses_one_thread_and_nothing_of_its_input_changes(monkeypatch):
    X, y, ids = rows()
    threads = []
    monkeypatch.setattr(
        dask_graph, "learn_part", lambda *given: threads.append(get_threads()) or states.learn_part(*given)
    )
    before = X.copy()
    start = states.template(LDAClassifier(track="rows"), afresh=True)
    graph = dask_graph.learned(start, dask_rows.pieces_of(X, y, ids))
    first, again = graph.compute(scheduler="synchronous"), graph.compute()

    assert set(threads) == {1}
    assert first == again
    np.testing.assert_array_equal(X, before)


class Counting(Callback):
    """How many states are in memory at most."""

    most = made = 0

    def _posttask(self, key, result, dsk, state, worker_id):
        held = [name for name in state["cache"] if str(name).startswith(("learn-", "combine-"))]
        self.made += key in held
        self.most = max(self.most, len(held))


@pytest.mark.parametrize(("n_chunks", "most"), [(64, 10), (256, 13)])
def test_few_states_wait_however_many_chunks_there_are(n_chunks, most):
    X = da.zeros((n_chunks * 50, 4), chunks=(50, 4))
    graph = dask_graph.learned(
        states.template(NearestMeanClassifier(track="none"), afresh=True),
        dask_rows.pieces_of(X + 1, np.arange(len(X)) % 3),
    )
    with Counting() as counting:
        graph.compute(scheduler="synchronous")

    assert counting.made > n_chunks
    assert counting.most <= most  # 3 a level of the tree, and one that is made


def test_consecutive_chunks_are_learned_together_and_large_ones_alone(monkeypatch):
    def sizes(X, y):
        return [[piece.n_rows for piece in group] for group in dask_rows.pieces_of(X, y)]

    X, y = rows()[:2]
    ones = da.from_array(X[:120], chunks=(10, D))
    assert sizes(ones, y[:120]) == [[10] * 5, [10] * 5, [10] * 2]
    assert sizes(ones.rechunk((60, D)), y[:120]) == [[60], [60]]
    assert [len(group) for group in sizes(ones[ones[:, 0] > 0], ones[ones[:, 0] > 0, 1])] == [1] * 12
    assert sizes(X[:120], y[:120]) == [[40]] * 3
    monkeypatch.setattr(dask_rows, "_MOST_BYTES", 20 * 8 * D)
    assert sizes(ones, y[:120]) == [[10, 10]] * 6


def unlike(name):
    """X, y and ids that are not of the same rows, or can't be learned in chunks."""
    X, y, ids = rows()
    lazy = da.from_array(X, chunks=(100, D))
    table = dd.from_pandas(frame(), npartitions=5)
    order = next(entry.make(0) for entry in head_entries().values() if entry.make(0).depends_on_order)
    pipeline = ContinualPipeline(CallableExtractor(np.sin, name="sine"), LDAClassifier())
    return {
        "lengths": (LDAClassifier(), lazy, y[1:], None),
        "lengths of arrays": (LDAClassifier(), lazy, da.from_array(y[1:], chunks=7), None),
        "ids": (LDAClassifier(), lazy, y, ids[1:]),
        "unknown": (LDAClassifier(), table[COLUMNS], y, None),
        "partitions": (LDAClassifier(), table[COLUMNS], dd.from_pandas(frame(), npartitions=4)["label"], None),
        "divisions": (LDAClassifier(), table[COLUMNS], dd.from_pandas(frame()[9:], npartitions=5)["label"], None),
        "chunks": (LDAClassifier(), lazy, table["label"], None),
        "vector": (LDAClassifier(), lazy[:, 0], y, None),
        "order": (order, lazy, y, None),
        "pipeline": (pipeline, lazy, y, None),
        "no head": (3, lazy, y, None),
        "nothing": (LDAClassifier(), lazy[:0], y[:0], None),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lengths", "X has 600 rows but y has 599"),
        ("lengths of arrays", "X has 600 rows but y has 599"),
        ("ids", "X has 600 rows but sample_id has 599"),
        ("unknown", "compute_chunk_sizes"),
        ("partitions", "X comes in 5 chunks and y in 4"),
        ("divisions", "other values of the index"),
        ("chunks", "X comes in 6 chunks and y in 5"),
        ("vector", "2 dimensions"),
        ("order", "depends on the order"),
        ("pipeline", "extract features first"),
        ("no head", "needs a head"),
        ("nothing", "no rows to learn"),
    ],
)
def test_what_can_not_be_learned_in_chunks_is_refused(name, message):
    head, X, y, ids = unlike(name)
    with pytest.raises((ValueError, TypeError), match=message):
        distributed.fit(head, X, y, ids)
    assert not getattr(head, "__sklearn_is_fitted__", lambda: False)()


def test_chunks_whose_lengths_differ_are_refused_while_learning():
    table = dd.from_pandas(frame(), npartitions=5)
    with pytest.raises(ValueError, match=r"chunk 0: Found input variables with inconsistent numbers of samples"):
        distributed.fit(LDAClassifier(), table[COLUMNS], table["person"][table["person"] > 3])


def test_predictions_that_a_head_has_not_are_refused_before_computing():
    X, y, _ = rows()
    with pytest.raises(ValueError, match="method must be"):
        distributed.predict(LDAClassifier().fit(X, y), X, "forget")
    with pytest.raises(ValueError, match="RLSClassifier has no predict_proba"):
        distributed.predict(RLSClassifier().fit(X, y), da.from_array(X), "predict_proba")


@pytest.mark.parametrize("outputs", [None, 3])
def test_numbers_as_targets_give_the_bits_and_answers_of_one_process(outputs):
    X, _, _ = rows()
    y = X @ np.random.default_rng(1).normal(size=(D, outputs) if outputs else D)
    chunks = (100, *y.shape[1:])
    head = distributed.fit(RLSRegressor(), da.from_array(X, chunks=(100, D)), da.from_array(y, chunks=chunks))
    answers = distributed.predict(head, da.from_array(X, chunks=(150, D)))

    assert head.state_digest() == RLSRegressor().fit(X, y).state_digest()
    assert answers.shape == y.shape
    np.testing.assert_allclose(answers.compute(), head.predict(X), rtol=1e-12)
