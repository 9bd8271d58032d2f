"""What tests of the store's commands share: running them, and a clinic with rows of thirty patients."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analytic_cl import (
    LDAClassifier,
    Store,
)
from analytic_cl.cli.main import main
from analytic_cl.datasets import load_clinc150

DOCS = Path(__file__).parents[1] / "docs"
N = 600


def call(*arguments, code=0):
    """Run a command in this process; its result, after a look at how it ended."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if code:
        assert re.search(r"^(Error|Refused): .", result.stderr, re.MULTILINE)
        assert "Traceback" not in result.stderr
    return result


def asked(*arguments, code=0):
    """The result as a program reads it."""
    return json.loads(call(*arguments, "--json", code=code).stdout)


def write_lines(path, values):
    path.write_text("".join(f"{value}\n" for value in values), encoding="utf-8")


@pytest.fixture(scope="session")
def data():
    clinc = load_clinc150()
    keep = np.flatnonzero(clinc.y_train < 6)[:N]
    return clinc.X_train[keep], clinc.classes[clinc.y_train[keep]].astype(str), clinc.y_train[keep]


@pytest.fixture
def folder(tmp_path, monkeypatch, data):
    X, names, _ = data
    monkeypatch.chdir(tmp_path)
    np.save("features.npy", X)
    write_lines(Path("labels.txt"), names)
    write_lines(Path("ids.txt"), range(N))
    write_lines(Path("people.txt"), (f"patient {i // 20}" for i in range(N)))
    return tmp_path


@pytest.fixture
def clinic(folder):
    """A store that learned all rows, 20 of each of 30 people."""
    call("init", "clinic")
    call("learn", "clinic", "features.npy", "labels.txt", "--ids", "ids.txt", "--subjects", "people.txt")
    return folder / "clinic"


def digest(path):
    with Store.open(path, read_only=True) as store:
        return store.state_digest()


def retrained(data, keep):
    X, names, _ = data
    return LDAClassifier().fit(X[keep], names[keep]).state_digest()


def people(*numbers):
    return np.isin(np.arange(N) // 20, numbers)
