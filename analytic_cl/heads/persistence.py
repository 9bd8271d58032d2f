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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from analytic_cl._config import package_versions
from analytic_cl._files import replacing
from analytic_cl.door import Door, FixedPoint, NearestKeys, RandomProjection
from analytic_cl.heads.declared import declared_after
from analytic_cl.learner import Learner
from analytic_cl.statistics import as_label

if TYPE_CHECKING:
    from analytic_cl.heads.base import Head

FORMAT = "analytic-cl head"
FORMAT_VERSION = 1

Arrays = dict[str, NDArray[Any]]


def save(head: Head, path: str | os.PathLike[str], extractor: Mapping[str, Any] | None = None) -> None:
    """Write a head to `path`, whole or not at all. A symbolic link is followed.

    `extractor` is what a pipeline says about the extractor in front, as JSON values.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    head.check_parameters()
    text, arrays = _described(head, extractor)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "head": text,
        "checksum": _checksum(text, arrays),
        "versions": json.dumps(package_versions()),
    }
    with replacing(target) as draft:
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, draft, metadata)
        except SafetensorError as error:
            raise OSError(f"could not write {target}: {error}") from error


def _described(head: Head, extractor: Mapping[str, Any] | None) -> tuple[str, Arrays]:
    """A head as JSON text and arrays."""
    about, arrays = _kind_and_parameters(head), _arrays_of_parameters(head)
    if extractor is not None:
        about["extractor"] = dict(extractor)
    if head._declared:
        about["declared"] = list(head._declared)
    if head.__sklearn_is_fitted__():
        names = getattr(head, "feature_names_in_", None)
        learned, learned_arrays = head.learner_.describe()
        about |= {
            "feature_names": None if names is None else names.tolist(),
            "door": head.door_.spec(),
            **learned,
        }
        arrays |= learned_arrays
    return json.dumps(about), arrays


def _kind_and_parameters(head: Head) -> dict[str, Any]:
    return {
        "class": type(head).__name__,
        "parameters": {name: _encoded(value) for name, value in head.get_params(deep=False).items()},
    }


def _arrays_of_parameters(head: Head) -> Arrays:
    keys = head.get_params(deep=False).get("keys")
    return keys.to_arrays() if isinstance(keys, NearestKeys) else {}


def parameters_text(head: Head) -> str:
    """What kind of head it is, with its parameters, as JSON text; nothing of what it learned.

    Raises ValueError where text is not enough.
    """
    if _arrays_of_parameters(head):
        raise ValueError(f"only a head's own file holds {head.get_params(deep=False)['keys']}: use keys='signs' here")
    return json.dumps(_kind_and_parameters(head))


def head_from_text(text: str, classes: Mapping[str, type[Head]]) -> Head:
    """An unfitted head from `parameters_text`."""
    about = json.loads(text)
    return _built(classes[about["class"]], about, {})


def load(path: str | os.PathLike[str], classes: Mapping[str, type[Head]]) -> Head:
    """Read a head of one of these classes from `path`. Raises ValueError saying what is wrong with the file."""
    return load_described(path, classes)[0]


def load_described(
    path: str | os.PathLike[str], classes: Mapping[str, type[Head]]
) -> tuple[Head, Mapping[str, Any] | None]:
    """As `load`, with what `save` was told about the extractor."""
    text, arrays = _read(path)
    try:
        about = json.loads(text)
        kind = about["class"]
        if kind in classes:
            return _built(classes[kind], about, arrays), about.get("extractor")
    except Exception as error:  # a file that was forged can be wrong in any way
        raise ValueError(f"{path} does not describe a possible head: {type(error).__name__}: {error}") from error
    raise ValueError(
        f"{path} holds a {str(kind)[:50]}, not a {' or '.join(classes)}: analytic_cl.load finds the class by itself"
    )


def _built(kind: type[Head], about: dict[str, Any], arrays: Arrays) -> Head:
    head = kind(**{name: _decoded(value, arrays) for name, value in about["parameters"].items()})
    head.check_parameters()
    if about.get("declared"):
        head._declare(declared_after(tuple(as_label(label) for label in about["declared"]), None, []))
    if "door" not in about:
        return head
    door = Door.from_spec(about["door"])
    learner = Learner.from_description(door, about, arrays)
    names = about["feature_names"]
    if names is not None:
        if len(names) != door.n_features or not all(isinstance(name, str) for name in names):
            raise ValueError("the feature names don't fit the door")
        names = np.array(names, dtype=object)
    head.adopt(learner, names)
    return head


def _read(path: str | os.PathLike[str]) -> tuple[str, Arrays]:
    """The head's JSON text and the arrays of a file that is what `save` wrote."""
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"{path} is a safetensors file, but not a head saved by analytic-cl")
            if metadata.get("format_version") != str(FORMAT_VERSION):
                raise ValueError(
                    f"{path} has format version {metadata.get('format_version')}, this analytic-cl reads "
                    f"{FORMAT_VERSION}: use the version of analytic-cl that wrote it"
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, TypeError, AttributeError) as error:  # the latter two: dtypes that NumPy lacks
        raise ValueError(f"{path} is truncated, or not a safetensors file: {error}") from error
    text = metadata.get("head", "")
    if metadata.get("checksum") != _checksum(text, arrays):
        raise ValueError(f"{path} is damaged or was altered: its checksum does not match its content")
    return text, arrays


def _checksum(text: str, arrays: Arrays) -> str:
    h = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        h.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        h.update(array.reshape(-1).view(np.uint8).data)
    return h.hexdigest()


def _encoded(value: Any) -> Any:
    """A constructor parameter as JSON."""
    if isinstance(value, FixedPoint):
        return {"FixedPoint": [value.bits, value.norm, value.scale, value.bounds]}
    if isinstance(value, RandomProjection):
        return {"RandomProjection": [value.n_components, value.random_state]}
    if isinstance(value, NearestKeys):
        return {"NearestKeys": value.spec(), "door": value.door.spec()}  # the centres are among the arrays
    if isinstance(value, np.generic):  # an integer must stay one
        value = value.item()
    if isinstance(value, bool | int | float | str | None):
        return value
    return np.asarray(value, dtype=np.float64).tolist()


def _decoded(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, dict) and value.keys() == {"FixedPoint"}:
        return FixedPoint(*value["FixedPoint"])
    if isinstance(value, dict) and value.keys() == {"RandomProjection"}:
        return RandomProjection(*value["RandomProjection"])
    if isinstance(value, dict) and value.keys() == {"NearestKeys", "door"}:
        return NearestKeys.from_arrays(Door.from_spec(value["door"]), value["NearestKeys"], arrays)
    return value
