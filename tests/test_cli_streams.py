"""Rows in many files, of every kind, are learned a chunk at a time, whatever their files are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from common import blobs
from safetensors.numpy import save_file
from store_commands import call

from analytic_cl import LDAClassifier, Store
from analytic_cl.reading import open_features, read_column, read_features

N = 240
X, Y = blobs(N, 5, 3)
X = X.astype(np.float32)
LABELS = np.array(["a", "b", "c"])[Y]
SIZES = {2: slice(0, 100), 10: slice(100, 170), 11: slice(170, N)}  # part-2 before part-10
STATE = LDAClassifier().fit(X, LABELS).state_digest()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(part, lists=False, names="pqrst"):
    columns = {"e": pa.FixedSizeListArray.from_arrays(pa.array(X[part].ravel()), 5)} if lists else {}
    columns |= {} if lists else {name: X[part, "pqrst".index(name)] for name in names}
    return pa.table(columns | {"label": LABELS[part], "code": Y[part], "id": np.arange(N)[part]})


def write_stream(rows, path):
    with pa.ipc.new_stream(path, rows.schema) as file:
        file.write_table(rows, max_chunksize=33)


WRITERS = {
    "parquet": lambda rows, path: pa.parquet.write_table(rows, path, row_group_size=31),
    "feather": lambda rows, path: pa.feather.write_feather(rows, path, chunksize=33),
    "arrow": write_stream,
}


def write_shards(write, ending, where="rows", **options):
    Path(where).mkdir()
    for number, part in SIZES.items():
        write(table(part, **options), f"{where}/part-{number}.{ending}")


def digest(store):
    with Store.open(store, read_only=True) as opened:
        return opened.state_digest()


def learn(*arguments):
    call("init", "s")
    result = call("learn", "s", *arguments)
    assert f"{N} rows learned" in result.stdout
    return result.stderr


@pytest.mark.parametrize("name", ["rows", "rows/part-*"])
@pytest.mark.parametrize("ending", WRITERS)
def test_a_folder_of_tables_is_one_table_with_labels_and_ids(ending, name):
    write_shards(WRITERS[ending], ending)
    Path("rows/dataset_info.json").write_text("{}")
    name += f".{ending}" if "*" in name else ""
    said = learn(name, f"{name}:label", "--ids", "rows:id", "--chunk", 37)

    assert f"{name}: left out, as no features: label, id" in said
    together = np.column_stack([X, Y])
    assert digest("s") == LDAClassifier().fit(together, LABELS).state_digest()
    call("forget", "s", "--id", "239", "--integer-ids", "--request-id", "r")
    with Store.open("s", read_only=True) as opened:
        assert opened.n_rows == N - 1


@pytest.mark.parametrize("ending", WRITERS)
def test_a_column_of_lists_in_many_files(ending):
    write_shards(WRITERS[ending], ending, lists=True)
    learn("rows:e", "rows:label", "--chunk", 37)

    assert digest("s") == STATE
    assert call("predict", "s", "rows:e").stdout.split() == LDAClassifier().fit(X, LABELS).predict(X).tolist()


def test_columns_of_later_files_are_taken_by_name_and_other_ones_refused():
    Path("rows").mkdir()
    for (number, part), names in zip(SIZES.items(), ("pqrst", "tsrqp", "qprts"), strict=True):
        pa.parquet.write_table(table(part, names=names).drop_columns(["code", "id"]), f"rows/part-{number}.parquet")
    learn("rows", "rows:label", "--chunk", 99)
    assert digest("s") == STATE

    pa.parquet.write_table(table(SIZES[11], names="pqrs"), "rows/part-11.parquet")
    assert (
        "part-11.parquet has other columns than part-2.parquet"
        in call("learn", "s", "rows", "rows:label", code=2).stderr
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_safetensors_shards(dtype):
    Path("rows").mkdir()
    rows = X
    if dtype == "bfloat16":
        rows = (X.view(np.uint32) & 0xFFFF0000).view(np.float32)
    for number, part in SIZES.items():
        path, labels = f"rows/part-{number}.safetensors", Y[part].astype(np.int32)
        if dtype == "bfloat16":
            content = {"X": (rows[part].view(np.uint32) >> 16).astype(np.uint16), "y": labels}
            save_file(content, path)
            data = Path(path).read_bytes()
            Path(path).write_bytes(data.replace(b'"dtype":"U16"', b'"dtype":"BF16"').replace(*_longer(data)))
        else:
            save_file({"X": rows[part].astype(dtype), "y": labels}, path)
    learn("rows:X", "rows:y", "--chunk", 37)

    assert digest("s") == LDAClassifier().fit(rows, Y).state_digest()
    assert np.array_equal(read_features("rows").values, rows)
    assert np.array_equal(read_column("rows").values, Y)
    assert [len(part) for part in open_features("rows").batches(100, 30)] == [100, 100, 10]


def _longer(data):
    """The header's length, one more for the letter that BF16 has more than U16."""
    size = int.from_bytes(data[:8], "little")
    return data[:8], (size + 1).to_bytes(8, "little")


@pytest.mark.parametrize("order", "CF")
def test_npy_shards_of_rows_and_of_labels(order):
    for where, values in (("X", X), ("y", LABELS)):
        Path(where).mkdir()
        for number, part in SIZES.items():
            np.save(f"{where}/part-{number}.npy", np.array(values[part], order=order))
    learn("X", "y", "--chunk", 37)
    assert digest("s") == STATE
    np.save("y/part-11.npy", Y[SIZES[11]])
    assert "some of the rows are numbers, others text" in call("learn", "s", "X", "y", code=2).stderr


def test_a_chunk_that_is_wrong_names_the_rows_that_are_in_and_start_goes_on(monkeypatch):
    write_shards(WRITERS["parquet"], "parquet", lists=True)
    broken = table(SIZES[11], lists=True).to_pydict()
    broken["e"][40][2] = float("nan")
    pa.parquet.write_table(pa.table(broken), "rows/part-11.parquet")
    call("init", "s")

    assert (
        "Rows 1 to 200 are in the store; continue with --start 200."
        in call("learn", "s", "rows:e", "rows:label", "--chunk", 50, code=2).stderr
    )
    pa.parquet.write_table(table(SIZES[11], lists=True), "rows/part-11.parquet")
    call("learn", "s", "rows:e", "rows:label", "--chunk", 50, "--start", 200)
    assert digest("s") == STATE


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.npy", "b.parquet"], "files of .npy, .parquet: many files must be of one kind"),
        (["a.npy", "b.csv"], "files of .csv, .npy: many files must be of one kind"),
        (["a.json"], "there are no files of rows"),
        (["sub/a.npy"], "holds folders, such as sub"),
    ],
)
def test_a_folder_that_is_no_table_is_refused(names, message):
    Path("rows/sub" if "sub/a.npy" in names else "rows").mkdir(parents=True)
    for name in names:
        np.save(f"rows/{name}.npy", X)
        Path(f"rows/{name}.npy").rename(f"rows/{name}")
    call("init", "s")
    Path("y.txt").write_text("a\n" * N)

    assert message in call("learn", "s", "rows", "y.txt", code=2).stderr


@pytest.mark.parametrize("ending", ["npy", "safetensors", "parquet", "feather", "arrow"])
def test_a_file_that_is_cut_short_is_refused_and_says_which(ending):
    path = Path(f"x.{ending}")
    if ending == "npy":
        np.save(path, X)
    elif ending == "safetensors":
        save_file({"X": X}, path)
    else:
        WRITERS[ending](table(slice(0, N), lists=True), path)
    path.write_bytes(path.read_bytes()[:-1000])
    call("init", "s")
    Path("y.txt").write_text("a\n" * N)

    assert (
        f"x.{ending}"
        in call("learn", "s", f"x.{ending}" + ":e" * (ending not in ("npy", "safetensors")), "y.txt", code=2).stderr
    )


def test_a_file_that_is_cut_short_while_it_is_read_is_an_error():
    np.save("x.npy", np.zeros((100_000, 5)))
    batches = open_features("x.npy").batches(1000)
    next(batches)
    with Path("x.npy").open("r+b") as file:
        file.truncate(2_000_000)
    with pytest.raises(ValueError, match=r"x\.npy ends too early"):
        list(batches)


def test_memory_holds_a_few_chunks_of_one_large_group_of_rows():
    """In a process of its own: 160 MB of rows in one group, in chunks of a megabyte."""
    rows = np.zeros((160_000, 250), np.float32)
    lists = pa.table({"e": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 250)})
    pa.parquet.write_table(lists, "x.parquet", compression="none", use_dictionary=False)
    np.save("x.npy", rows)
    code = """
import re
from pathlib import Path
from analytic_cl.reading import open_features
import pyarrow.parquet
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
assert [sum(map(len, open_features(name).batches(1000))) for name in ("x.npy", "x.parquet:e")] == [160_000] * 2
print(peak() - before)
"""
    assert float(subprocess.check_output([sys.executable, "-c", code])) < 100
