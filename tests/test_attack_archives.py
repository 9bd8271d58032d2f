"""Archives and arrays that claim, or unpack to, far more than they weigh are refused before memory is taken."""

import io
import zipfile

import numpy as np
import pytest
from attacks import harmed
from click.testing import CliRunner

from analytic_cl import LDAClassifier, Store
from analytic_cl.cli.main import main
from analytic_cl.comparison.readers import read
from analytic_cl.reading import read_column, read_features

READERS = [read_features, read_column, read]


def npy(header, data=b"", version=b"\x01\x00"):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little") + text + data


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return str(path)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A megabyte that unpacks to 1.1 GB."""
    path, block = tmp_path_factory.mktemp("bomb") / "bomb.npz", bytes(2**24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in ("X_train", "y_train", "X_test", "y_test"):
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**21 * 17}, 1), }}"))
                for _ in range(17):
                    member.write(block)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_an_archive_that_unpacks_to_far_more_than_it_weighs_is_refused(bomb, reader):
    with pytest.raises(ValueError, match=r"bomb\.npz has .* bytes and unpacks to"):
        reader(str(bomb))


def test_an_array_of_zeros_is_read(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", X=np.zeros((1000, 1000)))
    assert read_features(str(tmp_path / "zeros.npz")).values.shape == (1000, 1000)


HEADERS = {
    "more than there is": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**40}, 4), }}",
    "more than can be": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**80}, 4), }}",
    "less than nothing": "{'descr': '<f8', 'fortran_order': False, 'shape': (-4, 4), }",
    "brackets in brackets": "(" * 9000,
    "minus of minus": "-" * 9000 + "1",
    "a very long header": " " * 60_000,
    "no type": "{'descr': 'nonsense', 'fortran_order': False, 'shape': (4, 4), }",
    "nothing": "",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_of_an_array_is_refused(tmp_path, name):
    content = npy(HEADERS[name], bytes(64))
    path = archive(tmp_path / "data.npz", X_train=content, y_train=content, X_test=content, y_test=content)
    (tmp_path / "data.npy").write_bytes(content)
    for reader in READERS:
        with pytest.raises(ValueError, match="data"):
            reader(path)
    for reader in (read_features, read_column):
        with pytest.raises(ValueError, match="data"):
            reader(str(tmp_path / "data.npy"))


@pytest.mark.parametrize("name", ["data.npz", "data.npy", "packed.npz"])
def test_a_damaged_file_of_features_is_refused_or_read(tmp_path, name):
    X = np.random.default_rng(0).normal(size=(30, 4))
    buffer = io.BytesIO()
    if name == "data.npy":
        np.save(buffer, X)
    else:
        (np.savez if name == "data.npz" else np.savez_compressed)(buffer, X=X)
    for _, content in harmed(buffer.getvalue(), 5):
        (tmp_path / name).write_bytes(content)
        try:
            read_features(str(tmp_path / name))
        except ValueError as error:
            assert name in str(error)  # noqa: PT017
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, np.arange(30) % 2)
    (tmp_path / name).write_bytes(buffer.getvalue()[:-70])
    assert CliRunner().invoke(main, ["predict", str(tmp_path / "store"), str(tmp_path / name)]).exit_code == 2
