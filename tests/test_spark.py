"""Heads over Spark: the digest of one process. With ANALYTIC_CL_REQUIRE_SPARK a missing Spark or Java is a failure."""

import os
import shutil
import sys

import pytest
from common import needs
from engines import FEATURES, check_learned_and_forgets_by_id, clinc, random_rows, table_of, whole

from analytic_cl import LDAClassifier, NearestNeighborsClassifier, distributed

SWITCH = "ANALYTIC_CL_REQUIRE_SPARK"
pytestmark = pytest.mark.filterwarnings("ignore")  # of Spark, about pandas, and of its sockets


@pytest.fixture(scope="module")
def spark():
    needs("pyspark", SWITCH)
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        (pytest.fail if SWITCH in os.environ else pytest.skip)("Spark needs Java: there is none")
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = (
            SparkSession.builder.master("local[2,4]")  # two tasks at a time, each of which may fail three times
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "250")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


def frame_of(spark, rows, n_parts=3, named=False):
    return spark.createDataFrame(table_of(rows, named)).repartition(n_parts)


def fit(head, frame, features="x", **columns):
    return distributed.fit_spark(head, frame, features=features, label="label", **{"sample_id": "sid", **columns})


@pytest.mark.parametrize("make", [random_rows, clinc])
def test_partitions_have_the_digest_of_one_process_and_rows_are_forgotten_by_id(spark, make):
    rows = make()
    check_learned_and_forgets_by_id(fit(LDAClassifier(), frame_of(spark, rows)), rows)


def test_many_partitions_some_of_them_empty_go_through_a_tree(spark):
    rows = random_rows(40)
    head = fit(NearestNeighborsClassifier(), frame_of(spark, rows).repartitionByRange(20, "label"))
    X, y, ids = rows
    assert head.state_digest() == NearestNeighborsClassifier().fit(X, y, sample_id=ids).state_digest()


def test_named_columns_are_remembered_and_more_rows_join_them(spark):
    rows = random_rows()
    frame = frame_of(spark, rows, named=True)
    head = fit(LDAClassifier(), frame.where("sid < 300"), FEATURES)
    assert head.feature_names_in_.tolist() == FEATURES
    before = head.state_digest()
    with pytest.raises(ValueError, match="another order"):
        distributed.partial_fit_spark(head, frame, features=FEATURES[::-1], label="label")
    assert head.state_digest() == before

    rest = frame.where("sid >= 300")
    distributed.partial_fit_spark(head, rest, features=FEATURES, label="label", sample_id="sid")

    assert head.state_digest() == whole(rows).state_digest()


def test_vectors_of_spark_are_learned_as_arrays(spark):
    from pyspark.ml.functions import array_to_vector

    rows = random_rows(90)
    frame = frame_of(spark, rows)
    vectors = frame.withColumn("x", array_to_vector(frame["x"]))
    assert fit(LDAClassifier(), vectors).state_digest() == whole(rows).state_digest()


@pytest.mark.parametrize("named", [False, True])
def test_predictions_are_a_column(spark, named):
    rows = random_rows()
    features = FEATURES if named else "x"
    frame = frame_of(spark, rows, named=named)
    head = fit(LDAClassifier(), frame, features)

    found = distributed.predict_spark(head, frame, features=features, output="class").select("sid", "class").collect()

    found = dict(map(tuple, found))
    assert [found[name] for name in rows[2]] == whole(rows).predict(rows[0]).tolist()
    with pytest.raises(ValueError, match="a column 'label' already"):
        distributed.predict_spark(head, frame, features=features, output="label")


def test_a_task_that_fails_once_is_run_again_to_the_same_digest(spark, tmp_path):
    rows, mark = random_rows(), tmp_path / "failed"

    def failing(batches):
        for batch in batches:
            if not mark.exists():
                mark.touch()
                raise OSError("a failure that was asked for")
            yield batch

    frame = frame_of(spark, rows)
    head = fit(LDAClassifier(), frame.mapInArrow(failing, frame.schema))

    assert mark.exists()
    assert head.state_digest() == whole(rows).state_digest()


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        ({"label": "IF(sid = 77, NULL, label)"}, {}, r"^partition 0.*: y has no label \(NaN\) in row"),
        ({"x": "IF(sid = 77, NULL, x)"}, {}, r"^partition 0.*: column 'x' holds no array \(null\) in row"),
        ({"x": "transform(x, v -> float('nan'))"}, {}, r"^partition 0.*: Input X contains NaN in row"),
        ({"x": "IF(sid = 77, array(float(1)), x)"}, {}, r"^partition 0.*: column 'x' holds arrays of"),
        ({"sid": "IF(sid = 77, NULL, sid)"}, {}, r"^partition 0.*: sample_id must be one integer or string a row"),
        ({"sid": "sid % 1000"}, {}, r"^partition 0, counting from its row 1000: sample ids already learned: 0"),
        ({"x": "'text'"}, {}, "column 'x' is of type string"),
        ({}, {"sample_id": "name"}, "no column 'name'"),
    ],
)
def test_what_can_t_be_learned_is_said_in_our_words_and_changes_nothing(spark, change, columns, message):
    rows = random_rows()
    head = LDAClassifier().fit(*rows[:2])
    before = head.state_digest()
    frame = frame_of(spark, rows, n_parts=1)
    for name, expression in change.items():
        frame = frame.selectExpr(*(f"{expression} AS {c}" if c == name else c for c in frame.columns))

    with pytest.raises((ValueError, TypeError), match=message):
        fit(head, frame, **columns)

    assert head.state_digest() == before


def test_an_id_in_two_partitions_and_no_rows_at_all_are_refused(spark):
    frame = frame_of(spark, random_rows(40))
    twice = frame.selectExpr("x", "label", "sid % 20 AS sid").repartitionByRange(2, "label")
    with pytest.raises(ValueError, match=r"sample ids"):
        fit(LDAClassifier(), twice)
    with pytest.raises(ValueError, match="no rows to learn"):
        fit(LDAClassifier(), frame.where("sid < 0"))
    with pytest.raises(TypeError, match="needs a DataFrame of Spark, got list"):
        fit(LDAClassifier(), [])
