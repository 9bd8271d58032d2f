"""What Spark and Ray share, without either: columns of Arrow as rows, and errors that travel as text."""

import numpy as np
import pyarrow as pa
import pytest

from analytic_cl import LDAClassifier
from analytic_cl.distributed import arrow_batches, refusals, spark_engine, states

ROWS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def lists(rows, kind=None):
    return pa.table(
        {"x": pa.array([None if row is None else list(row) for row in rows], kind or pa.list_(pa.float32()))}
    )


@pytest.mark.parametrize(
    "column",
    [
        lists(ROWS)["x"],
        lists(ROWS, pa.large_list(pa.float32()))["x"],
        lists(ROWS, pa.list_(pa.float32(), 3))["x"],
        pa.chunked_array([lists(ROWS[:2])["x"].chunk(0), lists(ROWS[:0])["x"].chunk(0), lists(ROWS[2:])["x"].chunk(0)]),
        pa.concat_tables([lists(ROWS[:1]), lists(ROWS)]).slice(1)["x"],
        pa.chunked_array([pa.FixedShapeTensorArray.from_numpy_ndarray(ROWS)]),
    ],
    ids=["list", "large list", "fixed list", "chunks", "slice", "tensor"],
)
def test_a_column_of_arrays_is_a_matrix(column):
    np.testing.assert_array_equal(arrow_batches.matrix_of(pa.table({"x": column})), ROWS)


def test_columns_of_numbers_stay_a_table():
    for names in (["a"], ["a", "b"]):
        table = pa.table(dict.fromkeys(names, ROWS[:, 0]))
        assert arrow_batches.matrix_of(table) is table


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:2], None, *ROWS[2:]], r"here: column 'x' holds no array \(null\) in row 2"),
        ([*ROWS[:2], ROWS[2, :2], *ROWS[3:]], "here: column 'x' holds arrays of 3 numbers, but of 2 in row 2"),
    ],
)
def test_rows_without_the_array_are_named(rows, message):
    with pytest.raises(ValueError, match=message):
        arrow_batches.rows_of("here", lists(rows), None, None)


def test_chunks_of_different_widths_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        arrow_batches.matrix_of(pa.concat_tables([lists(ROWS), lists(ROWS[:, :2])]))


@pytest.mark.parametrize("features", [[], ["a", "a"], [1]])
def test_features_are_names(features):
    with pytest.raises(ValueError, match="names of columns"):
        arrow_batches.names_of(features)


def test_another_order_of_columns_is_refused():
    head = LDAClassifier().fit(pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]}), [0, 1] * 3)
    arrow_batches.check_order(head, ["a", "b"])
    with pytest.raises(ValueError, match="another order"):
        arrow_batches.check_order(head, ["b", "a"])


def test_a_model_predicts_tables_of_any_length():
    y = np.array(["a", "b"] * 3)
    head = LDAClassifier().fit(ROWS, y)
    for n in (6, 1, 0):
        classes = arrow_batches.predicted(states.pack(head), lists(ROWS[:n]))
        assert classes.dtype.kind == "U"
        np.testing.assert_array_equal(classes, head.predict(ROWS)[:n])


@pytest.mark.parametrize("error", [ValueError("rows 3,\n4: 'é\ud800'"), TypeError("no head")])
def test_what_a_worker_refuses_is_raised_as_it_was_said(error):
    def wrapped():
        try:
            with refusals.refusals_marked():
                raise error
        except ValueError as marked:
            raise RuntimeError(f"Job aborted\n  {marked}\n\tat org.apache.spark") from None

    with pytest.raises(type(error)) as raised, refusals.refusals_found():
        wrapped()
    assert str(raised.value) == str(error)


def test_other_errors_of_engines_pass():
    with pytest.raises(OSError, match="no space"), refusals.refusals_found(), refusals.refusals_marked():
        raise OSError("no space")


def test_parts_cut_into_pieces_come_together_in_any_order(monkeypatch):
    monkeypatch.setattr(spark_engine, "PIECE_BYTES", 100)
    head = LDAClassifier().fit(ROWS, [0, 1] * 3)
    parts = [states.Part(states.pack(head), 6, ("lost",)), states.Part(b"", 0)]
    pieces = [piece for number, part in enumerate(parts) for piece in spark_engine.pieces_of(number, part)]
    assert len(pieces) > 10
    mixed = [pieces[place] for place in np.random.default_rng(0).permutation(len(pieces))]

    assert sorted(spark_engine.parts_of(mixed)) == sorted(parts)
