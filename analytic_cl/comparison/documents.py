"""The files of a comparison: one JSON file a finished run, settings, and the table of results."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from analytic_cl._files import write_file

FORMAT = 2  # of run files and settings; 1 held the command instead of where features came from

COLUMNS = ("method", "label", "kind", "seed", "session", "metric", "value")
_METRICS = (
    "n_train",
    "n_seen_classes",
    "accuracy_seen",
    "macro",
    "tail",
    "calibration_error",
    "log_loss",
    "accuracy_ahead",
    "seconds_learn",
    "seconds_shared",
    "seconds_solve",
    "seconds_predict",
    "state_bytes",
)
# What makes two runs of one method and seed the same run.
_IDENTITY = ("scenario", "tune", "features")

Document = dict[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a file that is there whole or not at all; NaN becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(path, text.encode(), private=False)


class OtherFormatError(ValueError):
    """A file of a comparison that another version wrote."""


def check_format(path: Path, document: Document) -> None:
    """Refuse files of another format than `FORMAT`."""
    if document.get("format") != FORMAT:
        raise OtherFormatError(
            f"{path}: format is {document.get('format')!r}; this version of analytic-cl reads format {FORMAT}, so run "
            "the comparison again"
        )


def run_path(folder: Path, method: str, seed: int) -> Path:
    """Where the run of a method and seed is kept, in a folder of runs."""
    return folder / f"{method}-{seed}.json"


def finished_runs(folder: Path, expected: Document) -> dict[tuple[str, int], Document]:
    """Finished runs of a folder by method and seed.

    Raises ValueError where one belongs to another comparison: results are neither mixed nor overwritten.
    """
    found = {}
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            key = run["method"], run["seed"]
            check_format(path, run)
            theirs = {name: run[name] for name in _IDENTITY}
        except OtherFormatError as error:
            raise ValueError(f"{error}. Choose another folder, or remove this one") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is not a run of a comparison ({error!r}): remove it, or choose another folder"
            ) from None
        ours = {name: _plain(expected[name]) for name in _IDENTITY}
        for name in (name for name in _IDENTITY if theirs[name] != ours[name]):
            raise ValueError(
                f"{path} is a run of another comparison: its {name} is {_short(theirs[name])}, not "
                f"{_short(ours[name])}. Choose another folder, or remove this one"
            )
        found[key] = run
    return found


def _short(value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"{value.get('name')} ({value['sha256'][:12]})"
    return str(value)


def tidy(runs: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
    """Rows of `COLUMNS`: one a method, seed, session and metric. Sessions count from 1; 0 stands for the whole run."""
    for run in runs:
        who = run["method"], run["label"], run["kind"], run["seed"]
        for i, session in enumerate(run["sessions"], 1):
            for metric in _METRICS:
                yield (*who, i, metric, session.get(metric))  # runs from before log_loss have none
            for j, accuracy in enumerate(session["accuracy"][:i], 1):
                yield (*who, i, f"accuracy on session {j}", accuracy)
        for metric, value in run["summary"].items():
            yield (*who, 0, metric, value)


def table_of(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> Any:
    """A pandas DataFrame, or a dict of lists where pandas is not installed."""
    whole = list(map(tuple, rows))
    found = {name: [row[place] for row in whole] for place, name in enumerate(columns)}
    try:
        pandas = import_module("pandas")
    except ImportError:
        return found
    return pandas.DataFrame(found)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table, whole or not at all; None is left empty."""
    table = StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(columns)
    writer.writerows(rows)
    write_file(path, table.getvalue().encode(), private=False)


def _plain(value: Any) -> Any:
    """As JSON has it: plain numbers, lists, null for NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
