"""What a comparison left in its folder, read, checked and summed up over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.documents import check_format
from analytic_cl.comparison.summary import interval

Floats = NDArray[np.float64]

KINDS = ("exact", "peer", "joint")
SECTIONS = ("unlearning.json", "quantisation.json")

_RUN_KEYS = {"method": str, "label": str, "kind": str, "scenario": str, "seed": int, "sessions": list, "summary": dict}
_REQUEST_KEYS = {"reason": str, "rows": int}
_SECTION_KEYS = {"title": str, "columns": list, "rows": list}


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and half of its 95 % t interval (NaN for one seed)."""

    mean: float
    half: float


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one method, one a seed."""

    name: str
    label: str
    kind: str
    runs: list[dict[str, Any]]

    @property
    def short(self) -> str:
        """The label, without what the group of joint methods says of all of them."""
        return self.label.removesuffix(", joint") if self.kind == "joint" else self.label

    @cached_property
    def curves(self) -> Floats:
        """Accuracy on the classes seen so far, shape (n_seeds, n_sessions), NaN where nothing was measured."""
        return _padded([[session.get("accuracy_seen") for session in run["sessions"]] for run in self.runs])

    @cached_property
    def matrix(self) -> Floats:
        """R[i, j], accuracy after session i on the classes new in session j, the mean over seeds."""
        matrices = [_padded([session.get("accuracy") or [] for session in run["sessions"]]) for run in self.runs]
        size = max(max(matrix.shape) for matrix in matrices)
        return mean_known(np.stack([_resized(matrix, size) for matrix in matrices]))

    @cached_property
    def requests(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Seed, name of the session, and the record of each deletion request."""
        return [
            (run["seed"], str(session.get("name", place)), request)
            for run in self.runs
            for place, session in enumerate(run["sessions"], 1)
            for request in session.get("requests") or []
        ]

    def summary(self, key: str) -> Estimate:
        """One entry of the runs' summaries over seeds."""
        return estimate(run["summary"].get(key) for run in self.runs)

    def seconds(self, *parts: str) -> Estimate:
        """Seconds over all sessions, of the parts learn, shared, solve and predict, over seeds."""
        times = [
            [number(session.get(f"seconds_{part}")) for session in run["sessions"] for part in parts]
            for run in self.runs
        ]
        return estimate(np.nansum(known) if np.isfinite(known).any() else None for known in times)


@dataclass(frozen=True)
class Comparison:
    """Settings, methods in the order of kinds and then of settings, and sections that others left beside them."""

    folder: Path
    settings: dict[str, Any]
    methods: list[MethodRuns]
    sections: list[dict[str, Any]]

    def of_kind(self, *kinds: str) -> list[MethodRuns]:
        """Methods of some kinds."""
        return [method for method in self.methods if method.kind in kinds]

    @property
    def n_sessions(self) -> int:
        """The largest number of sessions of a run."""
        return max(len(run["sessions"]) for method in self.methods for run in method.runs)


def read(folder: Path) -> Comparison:
    """Read ``settings.json``, ``runs/*.json`` and, where there are any, `SECTIONS`.

    Raises ValueError (of which a missing file is one) that names the file and what is wrong with it.
    """
    settings = json_file(folder / "settings.json", {"scenario": str}, "there is no comparison in this folder")
    paths = sorted((folder / "runs").glob("*.json"))
    if not paths:
        raise ValueError(f"{folder / 'runs'} holds no finished run: run the comparison again, it goes on where it was")
    runs: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        run = _run(path, settings["scenario"])
        runs.setdefault(run["method"], []).append(run)
    wanted = [*(settings.get("heads") or []), *(settings.get("peers") or [])]
    methods = [
        MethodRuns(name, printable(of[0]["label"]), of[0]["kind"], sorted(of, key=lambda run: run["seed"]))
        for name, of in sorted(runs.items(), key=lambda item: wanted.index(item[0]) if item[0] in wanted else 999)
    ]
    methods.sort(key=lambda method: KINDS.index(method.kind))
    sections = [_section(folder / name) for name in SECTIONS if (folder / name).exists()]
    return Comparison(folder, settings, methods, sections)


def printable(text: str) -> str:
    """Text without control characters and halves of surrogate pairs, which neither HTML nor SVG may hold."""
    return "".join(character if character.isprintable() or character in "\n\t\xa0" else "�" for character in text)


def number(value: Any) -> float:
    """A number of a JSON file, NaN for null and for what is not a number."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def estimate(values: Iterable[Any]) -> Estimate:
    """Mean and half of the 95 % t interval of what is known of `values`."""
    known = [value for value in map(number, values) if math.isfinite(value)]
    return Estimate(*(math.nan if value is None else value for value in interval(known)))


def mean_known(stack: Floats) -> Floats:
    """Mean over the first axis of what is known, NaN where nothing is."""
    known = np.isfinite(stack)
    count = known.sum(axis=0)
    total = np.where(known, stack, 0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _padded(rows: list[list[Any]]) -> Floats:
    result = np.full((len(rows), max([1, *map(len, rows)])), np.nan)
    for target, row in zip(result, rows, strict=True):
        target[: len(row)] = [number(value) for value in row]
    return result


def _resized(matrix: Floats, size: int) -> Floats:
    result = np.full((size, size), np.nan)
    result[: matrix.shape[0], : matrix.shape[1]] = matrix
    return result


def _run(path: Path, scenario: str) -> dict[str, Any]:
    run = json_file(path, _RUN_KEYS)
    if run["kind"] not in KINDS:
        raise ValueError(f"{path}: kind is {run['kind']!r}, not one of {', '.join(KINDS)}")
    if run["scenario"] != scenario:
        raise ValueError(
            f"{path} is a run of {run['scenario']!r}, but settings.json says {scenario!r}: "
            "runs of two comparisons share a folder"
        )
    if not run["sessions"]:
        raise ValueError(f"{path}: there is no session in it")
    for session in run["sessions"]:
        check_keys(path, session, {}, "a session")
        for request in session.get("requests") or []:
            check_keys(path, request, _REQUEST_KEYS, "a request")
    return run


def _section(path: Path) -> dict[str, Any]:
    section = json_file(path, _SECTION_KEYS, version=False)
    width = len(section["columns"])
    for row in section["rows"]:
        if not isinstance(row, list) or len(row) != width:
            raise ValueError(f"{path}: each of its rows must be a list of {width} cells, as there are columns")
    figure = section.get("figure")
    if figure is not None:
        # A name alone: a path could bring any file of the machine into the report.
        if not isinstance(figure, str) or Path(figure).name != figure or not figure.endswith(".png"):
            raise ValueError(f"{path}: figure must be the name of a .png file in this folder, got {figure!r}")
        if not (path.parent / figure).is_file():
            raise ValueError(f"{path} names the figure {figure}, which is not in {path.parent}")
    return section


def json_file(path: Path, keys: Mapping[str, type], missing: str = "", version: bool = True) -> dict[str, Any]:
    """A JSON object of a file. Raises ValueError, naming the file, where it lacks keys of these types."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: {missing}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from None
    checked = check_keys(path, value, keys, "the file")
    if version:
        check_format(path, checked)
    return checked


def check_keys(path: Path, value: Any, keys: Mapping[str, type], what: str) -> dict[str, Any]:
    """A value, if it is a JSON object with these keys and types; `what` it is, for the error."""
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {what} must be a JSON object, got {type(value).__name__}")
    for key, kind in keys.items():
        if not isinstance(value.get(key), kind) or isinstance(value.get(key), bool):
            raise ValueError(f"{path}: {what} has no {key!r} of type {kind.__name__}")
    return value
