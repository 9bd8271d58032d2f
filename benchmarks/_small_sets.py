"""Small public sets that ship inside packages, as raw columns: what a user would pass."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn import datasets

MOST_ROWS = 3000  # larger sets are thinned, by a seed

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))

Rows = tuple[np.ndarray, np.ndarray]

# Name, files whose rows are put together, the label's column (or two), and the columns that are features: all numbers
# but the label where none are named.
RIVER = [
    ("phishing", ["phishing.csv.gz"], "is_phishing", []),
    ("segment", ["segment.csv.zip"], "category", []),
    ("shuttle", ["shuttle.csv.gz"], "anomaly", []),
]
R_SETS = [
    ("crabs", ["MASS/crabs"], "sp sex", ["FL", "RW", "CL", "CW", "BD"]),
    ("biopsy", ["MASS/biopsy"], "class", [f"V{i}" for i in range(1, 10)]),
    ("pima", ["MASS/Pima.tr", "MASS/Pima.te"], "type", []),
    ("fgl", ["MASS/fgl"], "type", []),
    ("synth", ["MASS/synth.tr", "MASS/synth.te"], "yc", []),
    ("cats", ["MASS/cats"], "Sex", []),
    ("birthwt", ["MASS/birthwt"], "low", ["age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv"]),
    ("painters", ["MASS/painters"], "School", []),
    ("diamonds", ["ggplot2/diamonds"], "cut", []),
    ("kyphosis", ["rpart/kyphosis"], "Kyphosis", []),
    ("urine", ["boot/urine"], "r", []),
    ("nodal", ["boot/nodal"], "r", ["aged", "stage", "grade", "xray", "acid"]),
    ("turnout", ["Zelig/turnout"], "vote", []),
    ("participation", ["Ecdat/Participation"], "lfp", []),
    ("fishing", ["Ecdat/Fishing"], "mode", ["pbeach", "ppier", "pboat", "pcharter", "income"]),
    ("mode", ["Ecdat/Mode"], "choice", []),
    ("soils", ["car/Soils"], "Contour", ["pH", "N", "Dens", "P", "Ca", "Mg", "K", "Na", "Conduc"]),
]


def small_sets() -> Iterator[tuple[str, str, Rows | None]]:
    """Name, the package that it comes from, and rows with labels; None where the package is not installed."""
    for name, load in (
        ("iris", datasets.load_iris),
        ("wine", datasets.load_wine),
        ("breast cancer", datasets.load_breast_cancer),
        ("digits", datasets.load_digits),
    ):
        yield name, "scikit-learn", load(return_X_y=True)
    for package, sets, read in (("river", RIVER, _from_river), ("pydataset", R_SETS, _from_pydataset)):
        folder = _folder(package)
        for name, files, label, columns in sets:
            yield name, package, None if folder is None else _rows(folder, read, files, label, columns)


def packs() -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None]]:
    """Features of real images and sentences, train and test; None where the file is not there."""
    for name in ("clinc150_minilm", "cifar100_mnv2", "mnist_pixels"):
        path = DATA / f"{name}.npz"
        if not path.exists():
            yield name, None
            continue
        with np.load(path, allow_pickle=False) as stored:
            yield name, tuple(stored[key] for key in ("X_train", "y_train", "X_test", "y_test"))


def _folder(package: str) -> Path | None:
    """Where a package's files are; it is not imported."""
    spec = find_spec(package)
    return None if spec is None or not spec.submodule_search_locations else Path(spec.submodule_search_locations[0])


def _rows(folder: Path, read, files: list[str], label: str, columns: list[str]) -> Rows:
    import pandas as pd

    table = pd.concat([pd.read_csv(io.BytesIO(read(folder, file))) for file in files], ignore_index=True)
    table = table.drop(columns=[c for c in table if c.startswith("Unnamed")]).dropna()
    labels = table[label.split()].astype(str).agg(" ".join, axis=1)
    numbers = table.drop(columns=label.split()).select_dtypes("number")
    X, y = (numbers[columns] if columns else numbers).to_numpy(dtype=float), labels.to_numpy(dtype=str)
    keep = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
    return X[keep], y[keep]


def _from_river(folder: Path, file: str) -> bytes:
    data = (folder / "datasets" / file).read_bytes()
    if file.endswith(".gz"):
        return gzip.decompress(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(archive.namelist()[0])


def _from_pydataset(folder: Path, file: str) -> bytes:
    return _r_files(folder / "resources.tar.gz")[f"resources/rdata/csv/{file}.csv"]


@cache
def _r_files(archive: Path) -> dict[str, bytes]:
    wanted = {f"resources/rdata/csv/{file}.csv" for _, files, _, _ in R_SETS for file in files}
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.name in wanted}
