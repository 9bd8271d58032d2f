"""Heads over Ray: the digest of one process. With ANALYTIC_CL_REQUIRE_RAY set, a missing Ray is a failure."""

import logging
import os
import signal

import numpy as np
import pytest
from common import needs
from engines import FEATURES, check_learned_and_forgets_by_id, clinc, random_rows, table_of, whole

from analytic_cl import LDAClassifier, NearestNeighborsClassifier, distributed

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray, about its own changes


@pytest.fixture(scope="module")
def ray():
    module = needs("ray", "ANALYTIC_CL_REQUIRE_RAY")
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield module
    module.shutdown()


def dataset_of(ray, rows, n_blocks=5, named=False):
    return ray.data.from_arrow(table_of(rows, named)).repartition(n_blocks)


def fit(head, dataset, features="x", **columns):
    return distributed.fit_ray(head, dataset, features=features, label="label", **{"sample_id": "sid", **columns})


@pytest.mark.parametrize("make", [random_rows, clinc])
def test_blocks_have_the_digest_of_one_process_and_rows_are_forgotten_by_id(ray, make):
    rows = make()
    check_learned_and_forgets_by_id(fit(LDAClassifier(), dataset_of(ray, rows)), rows)


def test_tensors_are_learned_and_many_states_go_through_a_tree(ray, monkeypatch):
    monkeypatch.setattr(distributed.ray_engine, "BATCH_ROWS", 3)
    X, y, _ = random_rows(240)
    dataset = ray.data.from_numpy([X[at : at + 3] for at in range(0, 240, 3)]).map_batches(
        lambda batch: {"x": batch["data"], "label": [y[np.flatnonzero((row == X).all(1))[0]] for row in batch["data"]]}
    )
    head = fit(NearestNeighborsClassifier(), dataset, sample_id=None)
    assert head.state_digest() == NearestNeighborsClassifier().fit(X, y).state_digest()


def test_named_columns_are_remembered_and_more_rows_join_them(ray):
    rows = random_rows()
    dataset = dataset_of(ray, rows, named=True)
    head = fit(LDAClassifier(), dataset.filter(expr="sid < 300"), FEATURES)
    assert head.feature_names_in_.tolist() == FEATURES

    rest = dataset.filter(expr="sid >= 300")
    distributed.partial_fit_ray(head, rest, features=FEATURES, label="label", sample_id="sid")

    assert head.state_digest() == whole(rows).state_digest()


@pytest.mark.parametrize("named", [False, True])
def test_predictions_are_a_column(ray, named):
    rows = random_rows()
    features = FEATURES if named else "x"
    dataset = dataset_of(ray, rows, named=named)
    head = fit(LDAClassifier(), dataset, features)

    found = distributed.predict_ray(head, dataset, features=features, output="class").take_all()

    found = {row["sid"]: row["class"] for row in found}
    assert [found[name] for name in rows[2]] == whole(rows).predict(rows[0]).tolist()


def test_a_worker_that_is_killed_is_replaced_and_the_digest_is_the_same(ray, tmp_path):
    rows, mark = random_rows(), tmp_path / "killed"

    def deadly(table):
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return table

    head = fit(LDAClassifier(), dataset_of(ray, rows).map_batches(deadly, batch_format="pyarrow"))

    assert mark.exists()
    assert head.state_digest() == whole(rows).state_digest()


def without(name):
    """A change of blocks that makes the value of one row null."""

    def change(table):
        import pyarrow as pa

        values, ids, place = table[name].to_pylist(), table["sid"].to_pylist(), table.column_names.index(name)
        values = [None if key == 77 else value for key, value in zip(ids, values, strict=True)]
        return table.set_column(place, name, pa.array(values, table.schema.field(name).type))

    return change


def ids_twice():
    def change(table):  # in a function, so that it travels without this file
        import pyarrow as pa

        ids = pa.array(np.asarray(table["sid"]) % 1000)
        return table.set_column(table.column_names.index("sid"), "sid", ids)

    return change


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        (without("label"), {}, r"^the block whose first sid is \d+: y has no label \(NaN\) in row"),
        (without("x"), {}, r"^the block .*: column 'x' holds no array \(null\) in row"),
        (without("sid"), {}, r"^the block .*: sample_id must be one integer or string a row"),
        (ids_twice(), {}, "sample ids"),
        (lambda table: table, {"sample_id": "name"}, "no column 'name'"),
        (lambda table: table.slice(0, 0), {}, "no rows to learn"),
    ],
)
def test_what_can_t_be_learned_is_said_in_our_words_and_changes_nothing(ray, change, columns, message):
    rows = random_rows()
    head = LDAClassifier().fit(*rows[:2])
    before = head.state_digest()

    with pytest.raises((ValueError, TypeError), match=message):
        fit(head, dataset_of(ray, rows).map_batches(change, batch_format="pyarrow"), **columns)

    assert head.state_digest() == before


def test_what_is_no_data_set_is_refused(ray):
    with pytest.raises(TypeError, match=r"needs a data set of ray\.data, got list"):
        fit(LDAClassifier(), [])
