"""Reading both splits of features from files, or making them from sentences and images. Nothing is ever unpickled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import OPTIONAL, REQUIRED, Features, as_features
from analytic_cl.reading import arrays_of_npz, feature_columns, integers_if_all, open_table, read_npy, split_name
from analytic_cl.reading.arrow_table import ArrowTable
from analytic_cl.reading.csv_table import CsvTable
from analytic_cl.reading.tables import Table

_SPLITS = ("train", "test")
_WHOLE = ("X", "y", "domains", "subjects", "times")  # where rows come without a split
_KINDS = (
    "a .npz file or a folder of .npy files (X_train, y_train, X_test, y_test; or X, y), a .csv or .parquet file with a "
    "column label, or FILE:NAME with another column of labels, a folder with train.parquet and test.parquet, a .csv "
    "file with columns text and label, or a folder of images train/CLASS/ and test/CLASS/"
)
_COLUMNS = {"split": "split", "domain": "domains", "subject": "subjects", "time": "times"}  # and what they become
_NO_FEATURES = ("session", "id", "sample_id", "label")


def features_of(given: Any) -> Features:
    """Features from a path (see `read`), or from what `as_features` takes."""
    return read(os.fspath(given)) if isinstance(given, str | os.PathLike) else as_features(given)


def read(name: str, extractor: str = "", *, header: bool | None = None, progress: bool = False) -> Features:
    """Read features from a file or folder.

    Parameters
    ----------
    name : str
        * FILE.npz, or a folder with FILE.npy each: ``X_train``, ``y_train``, ``X_test``, ``y_test`` and, where there
          are, ``classes``, ``domains_train``, ``domains_test``, ``subjects_train``, ``times_train``. Or ``X`` and
          ``y`` (and ``domains``, ``subjects``, ``times``).
        * FILE.csv or FILE.parquet with a column ``label``, or FILE.csv:NAME with another column of labels, and features
          as numbers in all other columns (or, in Parquet, as lists in a column ``features``). The columns ``split``
          (of "train" and "test"), ``domain``, ``subject``, ``time``, ``session``, ``id`` and ``sample_id`` are not
          features. Or a folder with train.parquet and test.parquet.
        * FILE.csv with the columns ``text``, ``label`` and perhaps ``split``. Needs `extractor`.
        * A folder with images train/CLASS/NAME.png and test/CLASS/NAME.png of one size.

        Without a split, a fifth of each class, drawn with a fixed seed, is for testing.
    extractor : str
        For sentences a model of sentence-transformers, by path or name. For images "oriented-gradients", the default.
    header : bool or None
        Whether the first line of a .csv file names its columns. None: it does, and is refused if it is all numbers.
        Columns without names are called "1", "2", ...
    progress : bool, default=False
        Show a bar on standard error while features are made.

    Returns
    -------
    Features
        With `notes` on what was left out, and on the split.

    Raises
    ------
    ValueError
        What is missing or wrong, and where.
    """
    path, label = split_name(name)
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file or folder", str(path))
    suffix, notes = path.suffix.lower(), list[str]()
    if label and suffix == ".npz":
        raise ValueError(f"{name}: features and labels are both read from {path}: leave out :{label}")
    table = open_table(path, header) if suffix == ".csv" else None
    if path.is_dir() and (path / "train").is_dir():
        given = _images(path, extractor)
    elif isinstance(table, CsvTable) and "text" in table.names and label in ("", "label"):
        given = _sentences(table, extractor, progress)
    elif extractor:
        raise ValueError(f"{name} holds features already: an extractor is for sentences (.csv) and folders of images")
    elif path.is_dir() and (path / "train.parquet").exists():
        given, notes = _two_tables(path)
    elif path.is_dir():
        keys = (*REQUIRED, *OPTIONAL, *_WHOLE)
        given = {key: read_npy(path / f"{key}.npy") for key in keys if (path / f"{key}.npy").exists()}
    elif suffix == ".npz":
        given = arrays_of_npz(path, (*REQUIRED, *OPTIONAL, *_WHOLE), (REQUIRED, ("X", "y")))
    elif suffix in (".csv", ".parquet"):
        parts, notes = _table(table or open_table(path), label or "label")
        given = _by_split(path, parts)
    else:
        raise ValueError(f"{name}: features are read from {_KINDS}")
    origin = {"name": name, "extractor": extractor, "header": header}
    try:
        return as_features(given, path.resolve().stem, origin, tuple(notes))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


# ---- tables


def _table(table: Table, label: str) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """X, y and what else is known of the rows of a table, and what was left out of the features."""
    if label not in table.names:
        raise ValueError(
            f"{table.path}: there is no column {label!r}; name the one with the labels, {table.path.name}:NAME. There "
            f"are {table.names}"
        )
    about = [name for name in (*_COLUMNS, *_NO_FEATURES) if name in table.names and name != label]
    kept, notes = feature_columns(table, [label, *about])
    parts = {"y": _values(table, label)}
    for name in about:
        if name in _COLUMNS:
            parts[_COLUMNS[name]] = _values(table, name)
    if "features" in kept and isinstance(table, ArrowTable):
        parts["X"] = table.column("features")
        if kept != ["features"]:
            notes.append(f"{table.path}: features are the lists in the column features; left out: all other columns")
    else:
        parts["X"] = table.numbers(kept)
        parts["columns"] = np.array(kept)
    return parts, notes


def _values(table: Table, name: str) -> NDArray[Any]:
    """A column; in text, integers where all are, and times as numbers where all are."""
    values = table.column(name)
    if isinstance(values, np.ndarray):
        return values
    empty = next((row for row, value in enumerate(values, start=1) if not value), None)
    if empty is not None:
        raise ValueError(f"{table.path}: row {empty}, column {name!r} is empty")
    if name == "time":
        try:
            return np.array(values, dtype=np.float64)
        except ValueError:
            return np.array(values)
    return np.array(integers_if_all(values))


def _two_tables(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Both splits from two Parquet files, with the columns of the first in the order of the second."""
    given: dict[str, Any] = {}
    found: list[str] = []
    parts = {split: _table(open_table(path / f"{split}.parquet"), "label") for split in _SPLITS}
    columns = [part.pop("columns", None) for part, _ in parts.values()]
    if columns[0] is not None and columns[1] is not None and columns[0].tolist() != columns[1].tolist():
        if sorted(columns[0]) != sorted(columns[1]):
            only = sorted(set(columns[0].tolist()) ^ set(columns[1].tolist()))
            raise ValueError(f"{path}: only one of train.parquet and test.parquet has the columns {', '.join(only)}")
        places = {name: place for place, name in enumerate(columns[1].tolist())}
        part, notes = parts["test"]
        part["X"] = part["X"][:, [places[name] for name in columns[0].tolist()]]
        notes.append(f"{path}: the columns of test.parquet are in another order: they are taken by their names")
    for split, (part, notes) in parts.items():
        given |= {f"{key}_{split}": values for key, values in part.items() if key != "split"}
        found += notes
    return given, found


def _by_split(path: Path, parts: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Both splits, where there is a column that says which; else all as it is."""
    parts.pop("columns", None)
    split = parts.pop("split", None)
    if split is None:
        return parts
    other = np.flatnonzero(~np.isin(split, _SPLITS))
    if other.size:
        raise ValueError(f'{path}: split is "train" or "test"; row {other[0] + 1} has {str(split[other[0]])!r}')
    for name in _SPLITS:
        if not (split == name).any():
            raise ValueError(f"{path}: there are no {name} rows")
    return {f"{key}_{name}": values[split == name] for name in _SPLITS for key, values in parts.items()}


# ---- sentences and images


def _sentences(table: CsvTable, extractor: str, progress: bool) -> dict[str, Any]:
    path = table.path
    if not {"text", "label"} <= set(table.names) <= {"text", "label", "split"}:
        raise ValueError(f"{path}: a .csv of sentences has the columns text, label and perhaps split, and no others")
    parts = {name: np.array(table.column(name)) for name in table.names}
    if not extractor:
        raise ValueError(f"{path} holds sentences: name a model of sentence-transformers that makes features of them")
    from analytic_cl.extractors import SentenceTransformerExtractor
    from analytic_cl.extractors.batches import extract

    model, texts, labels = SentenceTransformerExtractor(extractor), parts["text"].tolist(), parts["label"]
    rows = np.arange(len(texts))
    given = _by_split(path, {"X": rows, "y": labels, **({"split": parts["split"]} if "split" in parts else {})})
    return {
        key: extract(model, texts, values.tolist(), 256, progress) if key.startswith("X") else values
        for key, values in given.items()
    }


def _images(path: Path, extractor: str) -> dict[str, Any]:
    if extractor not in ("", "oriented-gradients"):
        raise ValueError(f"{path}: images go through the extractor oriented-gradients, not {extractor!r}")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError(f"{path}: images are read with the package pillow: pip install 'analytic-cl[timm]'") from None
    from analytic_cl.extractors import OrientedGradients

    given: dict[str, Any] = {}
    mode, size = "", None
    for split in _SPLITS:
        files = sorted(file for file in (path / split).glob("*/*") if file.is_file() and not file.name.startswith("."))
        if not files:
            raise ValueError(f"{path / split} has no images: they lie in {split}/CLASS/")
        images = []
        for file in files:
            try:
                with Image.open(file) as image:
                    mode = mode or ("L" if image.mode in ("1", "L") else "RGB")
                    size = size or image.size
                    if image.size != size:
                        raise ValueError(f"{file} has {image.size} pixels, {files[0]} {size}: bring all to one size")
                    images.append(np.asarray(image.convert(mode)))
            except UnidentifiedImageError:
                raise ValueError(f"{file} is not an image") from None
        given[f"X_{split}"] = OrientedGradients().transform(np.stack(images))
        given[f"y_{split}"] = np.array([file.parent.name for file in files])
    return given
