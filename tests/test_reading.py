"""The reader of tables: what is a feature, what is a header, and that nothing is skipped or guessed."""

import json

import numpy as np
import pandas as pd
import pytest

from analytic_cl.reading import read_column, read_features


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, content, name="x.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


# ---- header


@pytest.mark.parametrize("header", ["0,1,2", "2019,2020,2021", '"1","2","3"', "1e3, 2.5 ,-4", "0,nan,1"])
def test_a_first_line_of_numbers_is_refused_with_both_remedies_and_read_as_one_is_told(folder, header):
    name = written(folder, f"{header}\n1,2,3\n4,5,6\n")

    with pytest.raises(ValueError, match=r"x\.csv: the first line is numbers .* --header .* --no-header"):
        read_features(name)
    assert read_features(name, header=True).values.tolist() == [[1, 2, 3], [4, 5, 6]]
    if "nan" not in header:
        found = read_features(name, header=False)
        assert found.values.shape == (3, 3) and found.names is None


def test_labels_have_headers_by_the_same_rule(folder):
    name = written(folder, "3\n1\n2\n")

    with pytest.raises(ValueError, match="the first line is numbers"):
        read_column(name)
    assert read_column(name, True).values == ["1", "2"]
    assert read_column(name, False).values == ["3", "1", "2"]
    assert read_column(written(folder, "kind\n1\n2\n")).values == ["1", "2"]
    assert read_column(written(folder, "1\n2\n", "x.txt")).values == ["1", "2"]  # plain text has none


def test_a_header_of_numbers_is_one_where_it_has_the_columns_of_the_model(folder):
    name = written(folder, "2020,2019,7\n1,2,0\n3,4,1\n")

    assert read_features(name, known=["2019", "2020"], others=["7"]).values.tolist() == [[2, 1], [4, 3]]
    with pytest.raises(ValueError, match="the first line is numbers"):
        read_features(name, known=["2019", "2021"])
    with pytest.raises(ValueError, match="the first line is numbers"):
        read_column(f"{name}:7")  # or the seventh column


def test_columns_without_a_header_are_named_by_their_numbers(folder):
    name = written(folder, "1,2,a\n3,4,b\n")

    assert read_column(f"{name}:3", False).values == ["a", "b"]
    assert read_features(name, header=False, beside=[f"{name}:3"]).values.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="they are numbered 1 to 3"):
        read_column(f"{name}:0", False)


# ---- what is not a feature


def test_columns_that_others_are_read_from_are_no_features(folder):
    name = written(folder, "p,label,q,id\n1,a,2,7\n3,b,4,8\n")
    written(folder, "p,label\n1,a\n", "other.csv")

    found = read_features(name, beside=["./x.csv:label", None, str(folder / "x.csv") + ":id"])
    assert (found.names, found.values.tolist()) == (["p", "q"], [[1, 2], [3, 4]])
    assert found.notes == ["x.csv: left out, as no features: label, id"]
    assert read_features("x.csv", beside=["other.csv:p", "x.csv:label"]).names == ["p", "q", "id"]  # of another file
    with pytest.raises(ValueError, match="there are no columns of features"):
        read_features("other.csv", beside=["other.csv:p", "other.csv:label"])


FRAME = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [5.0, 6, 7, 8]})


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.sample(frac=1, random_state=0),
        FRAME[FRAME["a"] > 1],
        FRAME.set_index(pd.Index([4, 3, 2, 1], name="c")),
        FRAME.set_index(pd.MultiIndex.from_product([[1, 2], [3, 4]], names=["c", None])),
        FRAME.set_index(pd.Index([0, 1, 2, 3], name="c")),
    ],
)
def test_what_pandas_calls_an_index_is_no_feature(folder, frame):
    frame.to_parquet("x.parquet")
    found = read_features("x.parquet")

    assert found.names == ["a", "b"]
    assert found.values.tolist() == frame.to_numpy().tolist()
    hidden = not isinstance(frame.index, pd.RangeIndex)
    assert ["an index of pandas" in note for note in found.notes] == [True] * hidden


def test_an_index_is_known_by_its_name_where_another_program_dropped_what_pandas_says(folder):
    FRAME.sample(frac=1, random_state=0).rename_axis("__index_level_0__").reset_index().to_parquet("x.parquet")

    assert read_features("x.parquet").names == ["a", "b"]
    assert sorted(read_column("x.parquet:__index_level_0__").values) == [0, 1, 2, 3]  # it may be an id


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_without_a_name_is_refused(folder, again, ending):
    FRAME.to_csv("first.csv")
    frame = pd.read_csv("first.csv")
    if not again:
        frame = frame.rename(columns={"Unnamed: 0": ""})
    frame.to_csv("x.csv", index=False)
    frame.to_parquet("x.parquet")

    with pytest.raises(ValueError, match=rf"x\.{ending}: column 1 has no name.*index=False"):
        read_features(f"x.{ending}")


def test_two_columns_of_one_name_are_refused(folder):
    with pytest.raises(ValueError, match=r"x\.csv: two columns are called 'a'"):
        read_features(written(folder, "a,b,a\n1,2,3\n"))


# ---- columns of a model


def test_columns_in_another_order_are_taken_by_name_and_others_are_refused(folder):
    name = written(folder, "b,label,a\n2,x,1\n4,y,3\n")

    found = read_features(name, known=["a", "b"], others=["label"])
    assert (found.names, found.values.tolist()) == (["a", "b"], [[1, 2], [3, 4]])
    assert len(found.notes) == 2 and "another order" in found.notes[1]
    with pytest.raises(ValueError, match=r"from the columns 'a', 'b', 'c'; it lacks 'c', and it has 'label' besides"):
        read_features(name, known=["a", "b", "c"])
    np.save("x.npy", [[1.0, 2.0]])
    assert "taken to be 'a', 'b', in this order" in read_features("x.npy", known=["a", "b"]).notes[0]


def test_a_feature_stays_one_though_labels_elsewhere_have_its_name(folder):
    assert read_features(written(folder, "a,b\n1,2\n"), known=["a", "b"], others=["b"]).names == ["a", "b"]


# ---- rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c\n1,2,3\n#N/A,5,6\n7,8,9\n", "row 2, column 'a': '#N/A' is not a finite number"),
        ("a,b,c\n1,2,3#kg\n4,5,6\n", "row 1, column 'c': '3#kg'"),
        ("a,b\n#1,2\n", "row 1, column 'a': '#1'"),
        ("a,b\n1,2\n3,\n", "row 2, column 'b': it is empty"),
        ("a,b\n1,2\n3,nan\n", "row 2, column 'b': 'nan'"),
        ("a,b\n1,inf\n", "row 1, column 'b': 'inf'"),
        ("a,b\n1_0,2\n", "row 1, column 'a': '1_0'"),
        ("a,b\nx,y\n1,2\n", "row 1, column 'a': 'x' .* below a header of one line"),
        ("a,b\n1,2\n1,2,3\n", "row 2 has 3 values, the header 2"),
        ("a,b\n1,2\n1\n", "row 2 has 1 values, the header 2"),
        ("a\n1,2\n3,4\n", "row 1 has 2 values, the header 1"),
        ("a,b\n1,2\n\n3,4\n", "line 3 is empty, and rows follow"),
        ("\na,b\n1,2\n", "line 1 is empty; it should be the header"),
        (" \n1,2\n", "line 1 is empty"),
        ("a;b\n1;2\n", "there must be commas between columns"),
        ('a,b\n1,"2\n3,4\n', "line 3: unexpected end of data"),
        ('a,b\n"1"2,3\n', "line 2: ',' expected"),
        ("", "is empty: it needs a header"),
    ],
)
def test_what_is_no_row_of_numbers_is_refused_by_file_row_and_column(folder, content, message):
    with pytest.raises(ValueError, match=rf"^x\.csv[:, ].*{message}|^x\.csv {message}"):
        read_features(written(folder, content))


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n3,4",
        "a,b\r1,2\r3,4\r",
        "\ufeffa,b\n1,2\n3,4\n\n\n",
        'a,"b"\n"1", 2\n 3 ,"4"\n',
        '"a\nb",b\n1,2\n3,4\n',
        "a,b\n1e0,+2\n0003,4.\n",
    ],
)
def test_every_way_to_write_the_same_numbers_is_read(folder, content):
    assert read_features(written(folder, content)).values.tolist() == [[1, 2], [3, 4]]


def test_quoted_and_plain_rows_give_the_same_bits_in_many_blocks(folder):
    X = np.random.default_rng(0).normal(size=(1203, 3))
    plain = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in X.tolist())

    np.testing.assert_array_equal(read_features(written(folder, plain)).values, X)
    quoted = "a,note,b,c\n" + "".join(f'{a!r},"x, y\nz",{b!r},{c!r}\n' for a, b, c in X.tolist())
    found = read_features(written(folder, quoted), beside=["x.csv:note"])
    np.testing.assert_array_equal(found.values, X)


def test_an_empty_line_is_an_empty_cell_in_a_table_of_one_column(folder):
    assert read_column(written(folder, "who\nAnn\n\nBob\n")).values == ["Ann", "", "Bob"]


# ---- encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_other_unicode_encodings_are_refused_by_name(folder, encoding, name):
    written(folder, "a,b\n1,2\n".encode(encoding), name)

    with pytest.raises(ValueError, match=rf"{name} is not UTF-8 text but.* UTF-16"):
        read_column(name)


@pytest.mark.parametrize("name", ["x.csv:a", "x.txt"])
def test_a_byte_that_is_not_utf8_is_refused_by_file_and_line(folder, name):
    written(folder, "a\n" + "b\n" * 9000 + "caf\u00e9\n", name.split(":")[0])
    assert read_column(name).values[-1] == "caf\u00e9"
    written(folder, b"a\n" + b"b\n" * 9000 + b"caf\xe9\n", name.split(":")[0])

    with pytest.raises(ValueError, match="line 9002 has the byte 0xe9"):
        read_column(name)


# ---- the other kinds


def test_empty_places_of_parquet_are_refused_by_column_and_row(folder):
    pd.DataFrame({"a": [1.0, None], "b": [1.0, 2.0]}).to_parquet("x.parquet")

    with pytest.raises(ValueError, match=r"x\.parquet: column 'a' has 1 empty places, the first in row 2"):
        read_features("x.parquet")


def test_the_arrays_of_an_npz_are_named_with_their_shapes(folder):
    np.savez("x.npz", data=np.zeros((3, 2)), target=np.zeros(3), more=np.zeros((1, 2)))

    with pytest.raises(ValueError, match=r"there are data \(3, 2\), target \(3,\), more \(1, 2\)"):
        read_features("x.npz")
    assert read_features("x.npz:data").values.shape == (3, 2)


def test_a_column_may_have_a_colon_in_its_name(folder):
    assert read_column(written(folder, "a:b,c\n1,2\n") + ":a:b").values == ["1"]


def test_metadata_of_pandas_that_is_none_is_no_index(folder):
    import pyarrow
    import pyarrow.parquet

    about = {b"pandas": json.dumps({"index_columns": [{"kind": "range", "start": 0, "stop": 1, "step": 1}]}).encode()}
    table = pyarrow.table({"a": [1.0], "b": [2.0]}).replace_schema_metadata(about)
    pyarrow.parquet.write_table(table, "x.parquet")

    assert read_features("x.parquet")[1:] == (["a", "b"], [])


def test_folders_are_no_columns(folder):
    (folder / "year=2020").mkdir()
    FRAME.to_parquet("year=2020/x.parquet")

    assert read_features("year=2020/x.parquet").names == ["a", "b"]
