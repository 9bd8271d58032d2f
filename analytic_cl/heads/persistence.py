"""A head as one safetensors file: arrays as tensors, everything else as JSON in the file's metadata.

Never pickle. A file is written under a temporary name, flushed to disk and renamed, so a reader finds the old file or
the new one; a checksum over all of it finds damage, the state digest and the invariants find a wrong state.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from analytic_cl._config import package_versions
from analytic_cl._files import replacing
from analytic_cl.heads import tensor_file
from analytic_cl.heads.declared import Declared, declared_after
from analytic_cl.learner import Learner
from analytic_cl.quantizers import (
    FixedPoint,
    FourierFeatures,
    NearestKeys,
    Quantizer,
    RandomFeatures,
    RandomProjection,
)
from analytic_cl.statistics import as_label

FORMAT = "analytic-cl head"
FORMAT_VERSION = 2

_MOST_SIGNS = 2**33  # of a projection, a byte each

_VECTORS = ("prior_coef", "embeddings")  # parameters that may be vectors by label

Arrays = dict[str, NDArray[Any]]


class Saved(Protocol):
    """What is written of a head, and how it is made again: `Head` has all of it."""

    learner_: Learner

    def __init__(self, **parameters: Any) -> None: ...
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def check_parameters(self) -> None: ...
    def __sklearn_is_fitted__(self) -> bool: ...
    def declare(self, labels: Declared) -> None: ...
    def adopt(self, learner: Learner, feature_names: NDArray[Any] | None = None) -> None: ...
    @property
    def declared(self) -> Declared: ...


H = TypeVar("H", bound=Saved)


def save(head: Saved, path: str | os.PathLike[str], extractor: Mapping[str, Any] | None = None) -> None:
    """Write a head to `path`, whole or not at all. A symbolic link is followed.

    `extractor` is what a pipeline says about the extractor in front, as JSON values.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    arrays, metadata = content(head, extractor)
    try:
        with replacing(target) as draft, draft.open("wb") as file:
            tensor_file.write(file, arrays, metadata)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, f"could not write: {error.strerror}", str(target)) from error


def content(head: Saved, extractor: Mapping[str, Any] | None = None) -> tuple[Arrays, dict[str, str]]:
    """The tensors and the metadata of a head's file."""
    head.check_parameters()
    text, arrays = _described(head, extractor)
    return arrays, {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "head": text,
        "checksum": _checksum(text, arrays),
        "versions": json.dumps(package_versions()),
    }


def _described(head: Saved, extractor: Mapping[str, Any] | None) -> tuple[str, Arrays]:
    """A head as JSON text and arrays."""
    about, arrays = _kind_and_parameters(head), _arrays_of_parameters(head)
    if extractor is not None:
        about["extractor"] = dict(extractor)
    if head.declared:
        about["declared"] = list(head.declared)
    if head.__sklearn_is_fitted__():
        names = getattr(head, "feature_names_in_", None)
        learned, learned_arrays = head.learner_.describe()
        about |= {
            "feature_names": None if names is None else names.tolist(),
            "quantizer": head.learner_.quantizer.spec(),
            **learned,
        }
        arrays |= learned_arrays
    return json.dumps(about), arrays


def _kind_and_parameters(head: Saved) -> dict[str, Any]:
    return {
        "class": type(head).__name__,
        "parameters": {name: _encoded(name, value) for name, value in head.get_params(deep=False).items()},
    }


def _arrays_of_parameters(head: Saved) -> Arrays:
    keys = head.get_params(deep=False).get("keys")
    return keys.to_arrays() if isinstance(keys, NearestKeys) else {}


def parameters_text(head: Saved) -> str:
    """What kind of head it is, with its parameters, as JSON text; nothing of what it learned.

    Raises ValueError where text is not enough.
    """
    if _arrays_of_parameters(head):
        raise ValueError(f"only a head's own file holds {head.get_params(deep=False)['keys']}: use keys='signs' here")
    return json.dumps(_kind_and_parameters(head))


def head_from_text(text: str, classes: Mapping[str, type[H]]) -> H:
    """An unfitted head from `parameters_text`."""
    about = json.loads(text)
    return _built(classes[about["class"]], about, {})


def load(path: str | os.PathLike[str], classes: Mapping[str, type[H]]) -> H:
    """Read a head of one of these classes from `path`. Raises ValueError saying what is wrong with the file."""
    return load_described(path, classes)[0]


def load_described(path: str | os.PathLike[str], classes: Mapping[str, type[H]]) -> tuple[H, Mapping[str, Any] | None]:
    """As `load`, with what `save` was told about the extractor."""
    return from_content(*_read(path), str(path), classes)


def from_content(
    arrays: Arrays, metadata: Mapping[str, str], name: str, classes: Mapping[str, type[H]]
) -> tuple[H, Mapping[str, Any] | None]:
    """The head of `content`, and what was said about its extractor; `name` says in errors where it comes from."""
    text = _checked_text(arrays, metadata, name)
    arrays = {key: array.astype(array.dtype.newbyteorder("="), copy=False) for key, array in arrays.items()}
    try:
        about = json.loads(text, object_pairs_hook=_without_repeats)
        kind = about["class"]
        if kind in classes:
            return _built(classes[kind], about, arrays), about.get("extractor")
    except Exception as error:  # a file that was forged can be wrong in any way
        raise ValueError(f"{name} does not describe a possible head: {type(error).__name__}: {error}") from error
    raise ValueError(
        f"{name} holds a {str(kind)[:50]}, not a {' or '.join(classes)}: analytic_cl.load finds the class by itself"
    )


def _built(kind: type[H], about: dict[str, Any], arrays: Arrays) -> H:
    head = kind(**{name: _decoded(value, arrays) for name, value in about["parameters"].items()})
    head.check_parameters()
    if about.get("declared"):
        head.declare(declared_after(tuple(as_label(label) for label in about["declared"]), None, []))
    if "quantizer" not in about:
        return head
    _check_size(about["quantizer"], arrays)
    quantizer = Quantizer.from_spec(about["quantizer"])
    learner = Learner.from_description(quantizer, about, arrays)
    names = about["feature_names"]
    if names is not None:
        if len(names) != quantizer.n_features or not all(isinstance(name, str) for name in names):
            raise ValueError("the feature names don't fit the quantizer")
        names = np.array(names, dtype=object)
    head.adopt(learner, names)
    return head


def _check_size(spec: Any, arrays: Arrays) -> None:
    """Refuse a projection far too large for the file before its signs are made, which would take for ever."""
    projection = spec.get("projection") if isinstance(spec, dict) else None
    if projection and (
        projection["n_components"] > sum(array.size for array in arrays.values())
        or projection["n_components"] * spec["n_features"] > _MOST_SIGNS
    ):
        raise ValueError("its projection is larger than its state")


def _read(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, str]]:
    """The tensors and the metadata of a file."""
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path} is a pipe or a device, not a safetensors file: give the name of a file")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            _check_format(metadata, str(path))
            return _tensors(file, path), metadata
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated, or not a safetensors file: {error}") from error


def _check_format(metadata: Mapping[str, str], name: str) -> None:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{name} is a safetensors file, but not a head saved by analytic-cl")
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{name} has format version {metadata.get('format_version')}, this analytic-cl reads "
            f"{FORMAT_VERSION}: files of 0.1, which was never published, are not read; learn the rows again"
        )


def _checked_text(arrays: Arrays, metadata: Mapping[str, str], name: str) -> str:
    """The head's JSON text, where it is what `content` made of these arrays."""
    _check_format(metadata, name)
    text = metadata.get("head", "")
    if metadata.get("checksum") != _checksum(text, arrays):
        raise ValueError(f"{name} is damaged or was altered: its checksum does not match its content")
    return text


def _tensors(file: Any, path: str | os.PathLike[str]) -> Arrays:
    try:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (ValueError, TypeError, AttributeError) as error:  # shapes and dtypes that NumPy lacks
        raise ValueError(f"{path} is truncated, or not a safetensors file: {error}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name one reader would take the first, another the last."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return document


def _checksum(text: str, arrays: Arrays) -> str:
    h = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        # Little-endian as in the file, so that machines of either byte order read each other's.
        array = np.ascontiguousarray(arrays[name], dtype=arrays[name].dtype.newbyteorder("<"))
        h.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        h.update(array.reshape(-1).view(np.uint8).data)
    return h.hexdigest()


def _encoded(name: str, value: Any) -> Any:
    """A constructor parameter as JSON. Raises ValueError for what would not come back as it was."""
    known = _encoded_object(name, value)
    if known is not None:
        return known
    if isinstance(value, np.generic):  # an integer must stay one
        value = value.item()
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, list | tuple):
        return [_encoded(name, each) for each in value]
    numbers = np.asarray(value) if hasattr(value, "__array__") else None
    if numbers is None or numbers.dtype.kind not in "biuf":
        shown = getattr(value, "__qualname__", None) or f"of type {type(value).__name__}"
        raise ValueError(
            f"the parameter {name} is {shown}, which can't be saved: parameters of a saved head are numbers, text, "
            "None, lists of these, vectors by label, FixedPoint, RandomProjection, FourierFeatures or NearestKeys"
        )
    return numbers.astype(np.float64).tolist() if numbers.dtype.kind == "f" else numbers.tolist()


def _encoded_object(name: str, value: Any) -> dict[str, Any] | None:
    """What is more than numbers and text; None for anything else."""
    if isinstance(value, FixedPoint):
        return {"FixedPoint": [value.bits, value.norm, value.scale, value.bounds]}
    if isinstance(value, RandomFeatures):
        drawn = list(value.get_params().values())
        while drawn[-1] is False:  # what a projection does not do is left out, as before it could be done
            drawn.pop()
        return {type(value).__name__: drawn}
    if isinstance(value, NearestKeys):
        return {"NearestKeys": value.spec(), "quantizer": value.quantizer.spec()}  # the centres are among the arrays
    if name in _VECTORS and isinstance(value, Mapping):
        return {"vectors": [[as_label(label), _encoded(name, np.asarray(value[label]))] for label in value]}
    return None


def _decoded(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, dict) and value.keys() == {"FixedPoint"}:
        return FixedPoint(*value["FixedPoint"])
    for kind in (RandomProjection, FourierFeatures):
        if isinstance(value, dict) and value.keys() == {kind.__name__}:
            return kind(*value[kind.__name__])
    if isinstance(value, dict) and value.keys() == {"NearestKeys", "quantizer"}:
        return NearestKeys.from_arrays(Quantizer.from_spec(value["quantizer"]), value["NearestKeys"], arrays)
    if isinstance(value, dict) and value.keys() == {"vectors"}:
        return {as_label(label): np.asarray(vector) for label, vector in value["vectors"]}
    return value
