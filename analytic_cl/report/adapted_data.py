"""What a comparison left of adapted heads in its folder, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from analytic_cl.comparison.adapted_summary import BASE, adapted_summary
from analytic_cl.comparison.batches import parse_batches
from analytic_cl.report.data import Floats, check_keys, json_file, mean_known, number, printable

_KEYS = {"method": str, "label": str, "seed": int, "test_stream": str, "rows": list, "base": dict, "adapted": dict}
_ANSWERED = {"batches": list, "accuracy": float, "seconds": float}


@dataclass(frozen=True)
class AdaptedStream:
    """One test stream: its text, a name for files and ids, and the documents of all heads and seeds."""

    text: str
    name: str
    documents: list[dict[str, Any]]

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """As `adapted_summary` has them."""
        return adapted_summary(self.documents)

    @property
    def heads(self) -> dict[str, str]:
        """Labels of the heads, by name."""
        return {one["method"]: one["label"] for one in self.documents}

    @property
    def adaptations(self) -> dict[str, str]:
        """Labels of the adaptations, by name."""
        return {line["adaptation"]: line["adaptation_label"] for line in self.lines}

    def curves(self, head: str) -> dict[str, Floats]:
        """Accuracy of each batch, the mean over seeds, of the head as it is and of its adaptations."""
        found: dict[str, list[list[Any]]] = {}
        for one in self.documents:
            if one["method"] == head:
                for name, answered in {BASE: one["base"], **one["adapted"]}.items():
                    if answered.get("refused") is None:
                        found.setdefault(name, []).append(answered["batches"])
        return {name: _mean(rows) for name, rows in found.items()}


def read_adapted(folder: Path) -> list[AdaptedStream]:
    """Read ``adapted/*/*.json``, where there are any.

    Raises ValueError that names the file and what is wrong with it.
    """
    streams = []
    for place in sorted(path for path in (folder / "adapted").glob("*") if path.is_dir()):
        documents = [_document(path) for path in sorted(place.glob("[!.]*.json"))]
        if documents:
            text = documents[0]["test_stream"]
            documents.sort(key=lambda one: (one["method"], one["seed"]))
            streams.append(AdaptedStream(text, f"adapted-{parse_batches(text).folder}", documents))
    return streams


def _document(path: Path) -> dict[str, Any]:
    one = json_file(path, _KEYS)
    if parse_batches(one["test_stream"]).folder != path.parent.name:
        raise ValueError(f"{path} is of {one['test_stream']!r}, which is kept in another folder")
    check_keys(path, one["base"], _ANSWERED, "base")
    for name, answered in one["adapted"].items():
        check_keys(path, answered, {"label": str}, f"adapted {name!r}")
        if answered.get("refused") is None:
            check_keys(path, answered, _ANSWERED | {"seconds_first": float}, f"adapted {name!r}")
        answered["label"] = printable(answered["label"])
    one["label"] = printable(one["label"])
    return one


def _mean(rows: list[list[Any]]) -> Floats:
    longest = max(map(len, rows))
    whole = np.array([[number(value) for value in row] + [np.nan] * (longest - len(row)) for row in rows])
    return mean_known(whole)
