"""Rows, labels and ids count by value, whatever a user holds them in; dates, text and lazy frames are refused."""

import datetime as dt
import warnings

import dask.array as da
import dask.dataframe as dd
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from common import blobs, needs
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import FunctionTransformer

from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    FixedPoint,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)

X, Y = blobs(40, 3, 2)
X[:, 1] = np.round(X[:, 1])
X[:, 2] = X[:, 2] > 0
Y = np.array(["no", "yes"])[Y]
NAMES = ["a", "b", "c"]
NUMBERS = FunctionTransformer(np.asarray, kw_args={"dtype": float})
QUANTIZER = FixedPoint(32, bounds=(-20, 20))
MAKE = {
    "LDA": lambda: LDAClassifier(),
    "RLS": lambda: RLSClassifier(alpha=1.0, solver="recursive"),
    "keys": lambda: KeyValueBottleneckClassifier(8, 4),
    "neighbours": lambda: NearestNeighborsClassifier(3),
    "pipeline": lambda: ContinualPipeline(NUMBERS, LDAClassifier(quantizer=QUANTIZER)),
    "error memory": lambda: ErrorMemory(LogisticRegression().fit(X, Y), weight=0.9),
}


def columns(rows):
    """Columns of three kinds."""
    rows = np.asarray(rows)
    return {"a": rows[:, 0], "b": rows[:, 1].astype(np.int64), "c": rows[:, 2].astype(bool)}


def in_chunks(table):
    return pa.concat_tables([table.slice(0, 2), table.slice(2)])


FRAMES = {
    "pandas": lambda rows: pd.DataFrame(columns(rows), index=range(100, 100 + len(rows))),
    "pandas nullable": lambda rows: pd.DataFrame(columns(rows)).convert_dtypes(),
    "pandas of arrow": lambda rows: pd.DataFrame(columns(rows)).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda rows: pl.DataFrame(columns(rows)),
    "narwhals of polars": lambda rows: nw.from_native(pl.DataFrame(columns(rows))),
    "narwhals of pandas": lambda rows: nw.from_native(pd.DataFrame(columns(rows))),
    "narwhals of arrow": lambda rows: nw.from_native(pa.table(columns(rows))),
    "arrow table": lambda rows: in_chunks(pa.table(columns(rows))),
    "arrow batch": lambda rows: pa.RecordBatch.from_pydict(columns(rows)),
    "dask frame": lambda rows: dd.from_pandas(pd.DataFrame(columns(rows)), npartitions=2),
}
ARRAYS = {
    "list": lambda rows: np.asarray(rows).tolist(),
    "objects": lambda rows: np.asarray(rows).astype(object),
    "dask array": lambda rows: da.from_array(np.asarray(rows), chunks=3),
    "Fortran": np.asfortranarray,
}
SERIES = {
    "list": list,
    "objects": lambda labels: np.array(labels, dtype=object),
    "pandas": pd.Series,
    "pandas categories": lambda labels: pd.Series(labels, dtype="category", index=range(7, 7 + len(labels))),
    "pandas Categorical": pd.Categorical,
    "pandas index": pd.Index,
    "polars": lambda labels: pl.Series(list(labels)),
    "polars Categorical": lambda labels: pl.Series(list(labels), dtype=pl.Categorical),
    "polars Enum": lambda labels: pl.Series(list(labels), dtype=pl.Enum(["yes", "never", "no"])),
    "narwhals": lambda labels: nw.from_native(pl.Series(list(labels)), series_only=True),
    "arrow array": lambda labels: pa.array(list(labels)),
    "arrow chunks": lambda labels: pa.chunked_array([list(labels)[:1], list(labels)[1:]]),
    "arrow dictionary": lambda labels: pa.array(list(labels)).dictionary_encode(),
    "dask": lambda labels: dd.from_pandas(pd.Series(labels), npartitions=2),
    "one column of polars": lambda labels: pl.DataFrame({"label": list(labels)}),
    "one column of pandas": lambda labels: pd.DataFrame({"label": list(labels)}),
    "one column of arrow": lambda labels: pa.table({"label": list(labels)}),
}


def life(make, rows=np.asarray, labels=np.asarray, ids=list):
    """Every operation on rows once; what comes of it."""
    model = make().fit(rows(X[:20]), labels(Y[:20]), sample_id=ids(range(20)))
    model.partial_fit(rows(X[20:30]), labels(Y[20:30]), labels(np.array(["no", "yes"])), sample_id=ids(range(20, 30)))
    model.merge(make().fit(rows(X[30:]), labels(Y[30:])))
    model.forget(rows(X[:3]), labels(Y[:3]), sample_id=ids(range(3)))
    model.forget(rows(X[30:33]), labels(Y[30:33]))
    model.forget(sample_id=ids([4, 5]))
    model.rectify(rows(X[6:8] + np.array([1, 1, 0])), labels(Y[6:8]), sample_id=ids([6, 7]))
    scores = model.predict_proba(rows(X)) if hasattr(model, "predict_proba") else model.decision_function(rows(X))
    return model.state_digest(), model.predict(rows(X)).tolist(), model.score(rows(X), labels(Y)), np.asarray(scores)


def assert_same(found, expected):
    assert found[:-1] == expected[:-1]
    np.testing.assert_allclose(found[-1], expected[-1], rtol=1e-10, atol=1e-12)  # a base may not be exact


@pytest.fixture(scope="module")
def expected():
    return {name: life(make) for name, make in MAKE.items()}


@pytest.mark.filterwarnings("ignore:X has feature names")  # of the base, which saw an array
@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("container", [*FRAMES, *ARRAYS])
def test_rows_count_by_value_in_every_container(expected, make, container):
    assert_same(life(MAKE[make], rows=(FRAMES | ARRAYS)[container]), expected[make])


@pytest.mark.filterwarnings("ignore:.*class labels:UserWarning")
@pytest.mark.parametrize("make", ["LDA", "keys", "pipeline", "error memory"])
@pytest.mark.parametrize("container", SERIES)
def test_labels_count_by_value_in_every_container(expected, make, container):
    assert_same(life(MAKE[make], labels=SERIES[container]), expected[make])


@pytest.mark.parametrize(
    "ids",
    [
        pl.Series,
        lambda ids: nw.from_native(pl.Series(ids), series_only=True),
        lambda ids: pa.array(list(ids)),
        lambda ids: pa.chunked_array([list(ids)]),
        lambda ids: dd.from_pandas(pd.Series(ids), npartitions=1),
        lambda ids: da.from_array(np.array(ids)),
        lambda ids: pd.Series(ids, dtype="Int64"),
    ],
    ids=["polars", "narwhals", "arrow", "chunks", "dask series", "dask array", "Int64"],
)
def test_ids_count_by_value_in_every_container(expected, ids):
    assert_same(life(MAKE["LDA"], ids=ids), expected["LDA"])
    assert_same(life(MAKE["pipeline"], ids=ids), expected["pipeline"])


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize("make", MAKE)
def test_tensors_count_by_value(expected, make, dispatch, monkeypatch):
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    if make == "pipeline":
        pytest.skip("an extractor gets tensors as they are")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    model = MAKE[make]
    if make == "error memory":
        model = lambda: ErrorMemory(LogisticRegression().fit(X, Y == "yes"), weight=0.9)  # noqa: E731
    plain = life(model, labels=lambda labels: labels == "yes")
    with config_context(array_api_dispatch=dispatch):
        found = life(
            model,
            rows=lambda rows: torch.tensor(np.asarray(rows), requires_grad=True),
            labels=lambda labels: torch.tensor(labels == "yes"),
            ids=torch.tensor,
        )
    assert_same(found, plain)


def test_tensors_of_every_kind_of_number():
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    rows, labels = np.arange(12.0).reshape(4, 3), [0, 1, 0, 1]
    expected = LDAClassifier().fit(rows, labels).state_digest()

    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8):
        assert LDAClassifier().fit(torch.tensor(rows).to(dtype), torch.tensor(labels)).state_digest() == expected
    assert LDAClassifier().fit(torch.tensor(rows.T.copy()).T, torch.tensor(labels)).state_digest() == expected
    with pytest.raises(TypeError, match="sparse tensor, but dense"):
        LDAClassifier().fit(torch.tensor(rows).to_sparse(), labels)


@pytest.mark.parametrize("container", FRAMES)
def test_names_of_columns_are_taken_and_compared(container):
    make = FRAMES[container]
    head = LDAClassifier().fit(make(X), Y)
    swapped = FRAMES["polars"](X).select(["b", "a", "c"])

    assert head.feature_names_in_.tolist() == NAMES
    for call in (head.predict, lambda rows: head.partial_fit(rows, Y), lambda rows: head.forget(rows, Y)):
        for other in (swapped, swapped.to_arrow(), nw.from_native(swapped), swapped.to_pandas()):
            with pytest.raises(ValueError, match="feature names should match"):
                call(other)
    with pytest.raises(ValueError, match="feature names should match"):
        LDAClassifier().fit(swapped, Y).predict(make(X))


def test_cross_validation_over_polars_frames():
    frame, labels = pl.DataFrame(columns(X)), pl.Series(Y.tolist())

    found = cross_val_score(LDAClassifier(), frame, labels, cv=4)
    np.testing.assert_array_equal(found, cross_val_score(LDAClassifier(), X, Y, cv=4))


# ---- refused

DAYS = [dt.date(2026, 1, 1 + i % 28) for i in range(40)]
TIMES = [dt.datetime(2026, 1, 1, i % 24) for i in range(40)]
SPANS = [dt.timedelta(hours=i) for i in range(40)]
CLOCK = [dt.time(i % 24) for i in range(40)]
DIGITS = [str(i) for i in range(40)]


TABLES = {
    "pandas": lambda values: pd.DataFrame({"x": 1.0, "when": values}),
    "pandas object": lambda values: pd.DataFrame({"x": 1.0, "when": pd.Series(values, dtype=object)}),
    "polars": lambda values: pl.DataFrame({"x": [1.0] * 40, "when": values}),
    "polars object": lambda values: pl.DataFrame({"x": [1.0] * 40, "when": pl.Series(values, dtype=pl.Object)}),
    "narwhals": lambda values: nw.from_native(pl.DataFrame({"x": [1.0] * 40, "when": values})),
    "arrow": lambda values: pa.table({"x": [1.0] * 40, "when": values}),
    "arrow dictionary": lambda values: pa.table({"x": [1.0] * 40, "when": pa.array(values).dictionary_encode()}),
    "pandas of arrow": lambda values: pd.DataFrame(
        {"x": 1.0, "when": pd.Series(values, dtype=pd.ArrowDtype(pa.array(values).type))}
    ),
    "dask": lambda values: dd.from_pandas(pd.DataFrame({"x": 1.0, "when": values}), npartitions=2),
}
OBJECTS = {
    "object array": lambda values: np.array([[1.0, value] for value in values], dtype=object),
    "list": lambda values: [[1.0, value] for value in values],
}


@pytest.mark.parametrize("container", [*TABLES, *OBJECTS])
@pytest.mark.parametrize("values", [DAYS, TIMES, SPANS, CLOCK], ids=["dates", "datetimes", "durations", "times of day"])
def test_dates_are_refused_by_the_name_of_the_column(container, values):
    if container == "dask" and values in (DAYS, CLOCK):
        pytest.skip("dask makes text of them by itself")
    rows = (TABLES | OBJECTS)[container](values)
    column = "'when'" if container in TABLES else "1"
    head = LDAClassifier().fit(rows[["x"]] if container in ("pandas", "polars") else np.zeros((40, 2)), Y)
    digest = head.state_digest()

    for call in (head.predict, lambda rows: head.partial_fit(rows, Y), lambda rows: LDAClassifier().fit(rows, Y)):
        with pytest.raises(ValueError, match=f"X holds dates or durations in column {column}: turn"):
            call(rows)
    assert head.state_digest() == digest


@pytest.mark.parametrize("container", [*TABLES, *OBJECTS])
def test_columns_of_digits_in_text_are_refused_by_name(container):
    with pytest.raises(ValueError, match=r"X holds text in columns? ('when'|1|0, 1): turn"):
        LDAClassifier().fit((TABLES | OBJECTS)[container](DIGITS), Y)


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"x": 1.0, "when": pd.period_range("2026-01", periods=40, freq="M")}),
        pd.DataFrame({"x": 1.0, "when": pd.date_range("2026-01-01", periods=40, tz="CET")}),
        np.array([[1.0, np.datetime64("2026-01-01")]] * 40, dtype=object),
        np.array([[1.0, np.timedelta64(3, "s")]] * 40, dtype=object),
        np.array([[1.0, pd.NaT]] * 40, dtype=object),
        pl.DataFrame({"x": [1.0] * 40, "when": pl.Series([None] * 40, dtype=pl.Datetime("ns", "UTC"))}),
    ],
    ids=["periods", "with a zone", "datetime64", "timedelta64", "NaT", "polars, all missing"],
)
def test_times_of_rarer_kinds_are_refused_too(rows):
    with pytest.raises(ValueError, match="X holds dates or durations in column"):
        LDAClassifier().fit(rows, Y)


@pytest.mark.parametrize("container", SERIES)
@pytest.mark.parametrize("values", [DAYS, TIMES, SPANS], ids=["dates", "datetimes", "durations"])
def test_dates_are_no_labels(container, values):
    if container in ("polars Categorical", "polars Enum"):
        pytest.skip("holds text alone")
    if container == "dask" and values is DAYS:
        pytest.skip("dask makes text of them by itself")
    with pytest.raises(ValueError, match="y holds dates or durations"):
        LDAClassifier().fit(X, SERIES[container](values))


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(columns(X)).lazy(),
        nw.from_native(pl.DataFrame(columns(X)).lazy()),
        nw.from_native(pl.DataFrame(columns(X))).lazy(),
    ],
    ids=["polars", "narwhals", "narwhals, made lazy"],
)
def test_lazy_frames_are_to_be_collected_first(frame):
    head = LDAClassifier().fit(X, Y, sample_id=range(40))
    pipeline = ContinualPipeline(NUMBERS, LDAClassifier()).fit(X, Y)

    for call in (
        lambda: head.predict(frame),
        lambda: head.partial_fit(frame, Y),
        lambda: head.forget(frame, Y),
        lambda: pipeline.predict(frame),
        lambda: head.partial_fit(X, frame),
        lambda: head.forget(sample_id=frame),
    ):
        with pytest.raises(TypeError, match=r"lazy .*call collect\(\) first"):
            call()


MISSING = {
    "pandas": lambda values: pd.array(values, dtype="Int64"),
    "polars": pl.Series,
    "arrow": pa.array,
    "list": list,
    "floats": lambda values: np.array(values, dtype=float),
    "masked": lambda values: np.ma.masked_equal([7 if v is None else v for v in values], 7),
}


@pytest.mark.parametrize("container", MISSING)
def test_missing_values_are_refused_by_row(container):
    make = MISSING[container]
    labels = [None if i in (3, 8) else i % 2 for i in range(40)]

    with pytest.raises(ValueError, match=r"y has no label \(NaN\) in rows 3, 8"):
        LDAClassifier().fit(X, make(labels))
    column = make(labels)
    frames = {
        "pandas": lambda: pd.DataFrame({"a": column, "b": 1}),
        "polars": lambda: pl.DataFrame({"a": column, "b": [1] * 40}),
        "arrow": lambda: pa.table({"a": column, "b": [True] * 40}),
        "masked": lambda: np.ma.stack([column, column], axis=1),
    }
    if container in frames:
        with pytest.raises(ValueError, match="X contains NaN in rows 3, 8"):
            LDAClassifier().fit(frames[container](), Y)


def test_booleans_with_missing_values_are_refused_by_row():
    flags = [None if i == 5 else i % 2 == 0 for i in range(40)]
    frames = (
        pl.DataFrame({"a": flags, "b": [1.0] * 40}),
        pa.table({"a": flags, "b": [1.0] * 40}),
        pd.DataFrame({"a": pd.array(flags, dtype="boolean"), "b": 1.0}),
    )

    for frame in frames:
        with pytest.raises(ValueError, match="X contains NaN in row 5"):
            LDAClassifier().fit(frame, Y)
        with pytest.raises(ValueError, match=r"y has no label \(NaN\) in row 5"):
            LDAClassifier().fit(X, frame["a"])


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [[1.0, 2.0]] * 40}),
        pa.table({"a": [[1.0, 2.0]] * 40}),
        pa.table({"a": [["x"]] * 40}),
        pl.DataFrame({"a": [{"b": 1.0}] * 40}),
    ],
)
def test_nested_columns_are_refused_by_name(frame):
    with pytest.raises(ValueError, match=r"X holds .* in column 'a': give a column of numbers for each feature"):
        LDAClassifier().fit(frame, Y)


def test_numbers_of_every_kind_in_tables():
    values = [0, 1, 2, 3]
    expected = LDAClassifier().fit(np.array([values, values]).T, [0, 1, 0, 1]).state_digest()
    kinds = [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2), pl.Int128]
    frames = [pl.DataFrame({"a": values, "b": pl.Series(values).cast(kind)}) for kind in kinds]
    frames += [pl.DataFrame([pl.Series("a", values).cast(kind), pl.Series("b", values).cast(kind)]) for kind in kinds]
    arrows = [pa.int8(), pa.uint64(), pa.float16(), pa.decimal128(30, 2), pa.float64()]
    frames += [pa.table({"a": values, "b": pa.array(values, type=pa.int64()).cast(kind)}) for kind in arrows]
    frames += [pa.table({"a": values, "b": pa.array(values).dictionary_encode()})]
    frames += [pd.DataFrame({"a": values, "b": pd.Categorical(values)})]

    for frame in frames:
        assert LDAClassifier().fit(frame, [0, 1, 0, 1]).state_digest() == expected


def test_an_index_that_pandas_hides_in_a_table_is_no_feature():
    frame = pd.DataFrame(columns(X)).sample(20, random_state=0)
    table = pa.Table.from_pandas(frame)
    assert "__index_level_0__" in table.column_names

    with pytest.warns(UserWarning, match="left out '__index_level_0__', which the table calls an index of pandas"):
        head = LDAClassifier().fit(table, np.arange(20) % 2)
    assert head.feature_names_in_.tolist() == NAMES
    assert head.state_digest() == LDAClassifier().fit(frame, np.arange(20) % 2).state_digest()


@pytest.mark.parametrize(
    "ids", [pd.DataFrame({"id": range(40)}), pl.DataFrame({"id": range(40)}), pa.table({"id": range(40)})]
)
def test_a_frame_is_no_list_of_ids(ids):
    with pytest.raises(ValueError, match="sample_id must be one column"):
        LDAClassifier().fit(X, Y, sample_id=ids)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_sparse_frames_are_refused(fill):
    with pytest.raises(TypeError, match="sparse columns, but dense data is required"):
        LDAClassifier().fit(pd.DataFrame(X).astype(pd.SparseDtype(float, fill)), Y)


def test_masked_ids_are_refused():
    with pytest.raises(ValueError, match="at position 3"):
        LDAClassifier().fit(X, Y, sample_id=np.ma.masked_equal(np.arange(40), 3))


def test_scalars_of_other_libraries_name_rows_and_classes():
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")

    for scalar in (torch.tensor, pa.scalar):
        labels, ids = [scalar(i % 2) for i in range(40)], [scalar(i) for i in range(40)]
        head = LDAClassifier(track="rows").fit(X, labels, sample_id=ids)
        assert head.forget(sample_id=scalar(3)).removed == 1
        assert head.forget_class(scalar(1)).removed == 19


def test_two_columns_of_labels_are_refused_by_name():
    for frame in (pd.DataFrame, pl.DataFrame, pa.table):
        with pytest.raises(ValueError, match=r"y has 2 columns, \['label', 'id'\]: give one"):
            LDAClassifier().fit(X, frame({"label": Y.tolist(), "id": range(40)}))


def test_texts_reach_an_extractor_from_every_series(tmp_path):
    from sklearn.feature_extraction.text import HashingVectorizer

    texts, labels = ["fly home", "play jazz", "book a flight", "my song"], ["go", "hear", "go", "hear"]
    words = HashingVectorizer(n_features=64)
    expected = ContinualPipeline(words, LDAClassifier()).fit(texts, labels).state_digest()

    makes = [pd.Series, pl.Series, pa.array, lambda v: pa.chunked_array([v]), lambda v: dd.from_pandas(pd.Series(v))]
    for cache in (None, tmp_path / "cache"):
        for make in makes:
            pipeline = ContinualPipeline(words, LDAClassifier(), cache=cache).fit(make(texts), make(labels))
            assert pipeline.state_digest() == expected
            assert pipeline.score(make(texts), make(labels)) == 1


def test_a_plain_array_takes_the_short_way(monkeypatch):
    head = LDAClassifier().fit(X, Y)

    def refuse(*_):
        raise AssertionError("the long way")

    monkeypatch.setattr("analytic_cl.heads.base.validated", refuse)
    monkeypatch.setattr("analytic_cl.heads.prediction.validated_rows", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head.partial_fit(X[:1], Y[:1])
        head.predict(X[:1])
