"""Reading both splits of features from files, or making them from sentences and images. Nothing is ever unpickled."""

from __future__ import annotations

import csv
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._archives import array_header, check_archive
from analytic_cl.comparison.features import OPTIONAL, REQUIRED, Features, as_features

_SPLITS = ("train", "test")
_KINDS = (
    "a .npz file or a folder of .npy files (X_train, y_train, X_test, y_test), a .parquet file with columns label and "
    "split, a folder with train.parquet and test.parquet, a .csv file with columns text and label, or a folder of "
    "images train/CLASS/ and test/CLASS/"
)
_COLUMNS = {"domain": "domains", "subject": "subjects", "time": "times"}  # of a table, and what they become


def read(name: str, extractor: str = "", *, progress: bool = False) -> Features:
    """Read features from a file or folder.

    Parameters
    ----------
    name : str
        * FILE.npz, or a folder with FILE.npy each: ``X_train``, ``y_train``, ``X_test``, ``y_test`` and, where there
          are, ``classes``, ``domains_train``, ``domains_test``, ``subjects_train``, ``times_train``.
        * FILE.parquet with a column ``label``, a column ``split`` of "train" and "test", and features as numbers in all
          other columns, or as lists in a column ``features``; ``domain``, ``subject`` and ``time`` are not features.
          Or a folder with train.parquet and test.parquet.
        * FILE.csv with columns ``text``, ``label`` and, if it has one, ``split``; else a fifth of the rows, drawn with
          a fixed seed, are for testing. Needs `extractor`.
        * A folder with images train/CLASS/NAME.png and test/CLASS/NAME.png of one size.
    extractor : str
        For sentences a model of sentence-transformers, by path or name. For images "oriented-gradients", the default.
    progress : bool, default=False
        Show a bar on standard error while features are made.

    Returns
    -------
    Features

    Raises
    ------
    ValueError
        What is missing or wrong, and where.
    """
    path = Path(name)
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file or folder", name)
    if path.is_dir() and (path / "train").is_dir():
        given = _images(path, extractor)
    elif path.suffix.lower() == ".csv":
        given = _sentences(path, extractor, progress)
    elif extractor:
        raise ValueError(f"{name} holds features already: an extractor is for sentences (.csv) and folders of images")
    elif path.is_dir() and (path / "train.parquet").exists():
        given = _joined({split: _parquet(path / f"{split}.parquet") for split in _SPLITS})
    elif path.is_dir():
        given = {key: _npy(path / f"{key}.npy") for key in (*REQUIRED, *OPTIONAL) if (path / f"{key}.npy").exists()}
    elif path.suffix.lower() == ".npz":
        given = _npz(path)
    elif path.suffix.lower() == ".parquet":
        given = _joined(_by_split(path, _parquet(path)))
    else:
        raise ValueError(f"{name}: features are read from {_KINDS}")
    source = [name, *(["--extractor", extractor] if extractor else [])]
    try:
        return as_features(given, path.resolve().stem, shlex.join(source))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


# ---- NumPy


def _npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        array_header(file, str(path))
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a whole array of numbers or text: {error}") from None
    return array


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    check_archive(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in (*REQUIRED, *OPTIONAL) if key in stored.files}
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ValueError(f"{path} is not a whole .npz file of numbers and text: {error}") from None


# ---- Parquet


def _parquet(path: Path) -> dict[str, NDArray[Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            f"{path}: Parquet files are read with the package pyarrow: pip install 'analytic-cl[parquet]'"
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            raise ValueError(f"{path}: column {name!r} has {column.null_count} empty places")
        nested = pyarrow.types.is_nested(column.type)
        columns[name] = np.array(column.to_pylist()) if nested or name in ("label", "split") else column.to_numpy()
    return columns


def _by_split(path: Path, columns: dict[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    if "split" not in columns:
        raise ValueError(
            f"{path}: it needs a column split of 'train' and 'test'; or give a folder with train.parquet, test.parquet"
        )
    split = columns.pop("split")
    _check_splits(path, split)
    return {name: {key: values[split == name] for key, values in columns.items()} for name in _SPLITS}


def _check_splits(path: Path, split: NDArray[Any]) -> None:
    other = np.flatnonzero(~np.isin(split, _SPLITS))
    if other.size:
        raise ValueError(f'{path}: split is "train" or "test"; row {other[0] + 1} has {str(split[other[0]])!r}')


def _joined(tables: Mapping[str, dict[str, NDArray[Any]]]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for split, columns in tables.items():
        if "label" not in columns:
            raise ValueError(f"the {split} rows have no column label; there are {', '.join(columns)}")
        given[f"y_{split}"] = columns.pop("label")
        for name, becomes in _COLUMNS.items():
            if name in columns:
                given[f"{becomes}_{split}"] = columns.pop(name)
        wrong = [name for name, values in columns.items() if values.dtype.kind not in "biuf"]
        if wrong or not columns:
            raise ValueError(f"column {wrong[0]!r} is not all numbers" if wrong else "there are no columns of features")
        given[f"X_{split}"] = columns["features"] if "features" in columns else np.column_stack(list(columns.values()))
    return given


# ---- sentences and images


def _sentences(path: Path, extractor: str, progress: bool) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restval=None))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    header = set(rows[0]) if rows else set()
    if not {"text", "label"} <= header or not header <= {"text", "label", "split"}:
        raise ValueError(f"{path}: a .csv of sentences has the columns text, label and perhaps split, and no others")
    short = next((i for i, row in enumerate(rows, 1) if not all(isinstance(row[key], str) for key in header)), None)
    if short is not None:
        raise ValueError(f"{path}: row {short} has fewer values than the header")
    if not extractor:
        raise ValueError(f"{path} holds sentences: name a model of sentence-transformers that makes features of them")
    if "split" in header:
        split = np.array([row["split"].strip() for row in rows])
        _check_splits(path, split)
    else:
        split = np.full(len(rows), "train")
        split[np.random.default_rng([0, 5]).permutation(len(rows))[: len(rows) // 5]] = "test"
    from analytic_cl.extractors import SentenceTransformerExtractor
    from analytic_cl.extractors.batches import extract

    model, texts = SentenceTransformerExtractor(extractor), [row["text"] for row in rows]
    labels = np.array([row["label"].strip() for row in rows])
    given: dict[str, Any] = {}
    for name in _SPLITS:
        places = np.flatnonzero(split == name)
        if not places.size:
            raise ValueError(f"{path}: there are no {name} rows")
        given[f"X_{name}"] = extract(model, texts, places.tolist(), 256, progress)
        given[f"y_{name}"] = labels[places]
    return given


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
