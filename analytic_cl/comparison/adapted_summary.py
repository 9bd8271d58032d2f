"""Adapted heads summed up over seeds, and batch by batch as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from analytic_cl.comparison.documents import Document
from analytic_cl.comparison.summary import interval

ADAPTED_COLUMNS = ("test_stream", "head", "adaptation", "seed", "batch", "rows", "accuracy")
BASE = "base"


def tidy_batches(documents: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
    """Rows of `ADAPTED_COLUMNS`: one a head, adaptation, seed and batch. Batches count from 1."""
    for one in documents:
        for name, answered in {BASE: one["base"], **one["adapted"]}.items():
            who = one["test_stream"], one["method"], name, one["seed"]
            batches = answered["batches"] if answered.get("refused") is None else []
            for place, accuracy in enumerate(batches):
                yield (*who, place + 1, one["rows"][place], accuracy)


def adapted_summary(documents: Iterable[Document]) -> list[dict[str, Any]]:
    """One line a head and adaptation, in the order of the documents: means over seeds of accuracy, of the base's, and
    of their difference, each with ``NAME_interval``; seconds a 1,000 rows; `refused` is why there are none of these.
    """
    by_head: dict[str, list[Document]] = {}
    for one in documents:
        by_head.setdefault(one["method"], []).append(one)
    lines = []
    for name, group in by_head.items():
        for adaptation in dict.fromkeys(key for one in group for key in one["adapted"]):
            all_of_it = [(one["base"], one["adapted"][adaptation]) for one in group if adaptation in one["adapted"]]
            both = [(base, after) for base, after in all_of_it if after["refused"] is None]
            line: dict[str, Any] = {
                "method": name,
                "label": group[0]["label"],
                "adaptation": adaptation,
                "adaptation_label": all_of_it[0][1]["label"],
                "seeds": len(both),
                "refused": None if both else all_of_it[0][1]["refused"],
            }
            measured = {
                "base": [base["accuracy"] for base, _ in both],
                "accuracy": [after["accuracy"] for _, after in both],
                "difference": [after["accuracy"] - base["accuracy"] for base, after in both],
                "seconds_base": [base["seconds"] for base, _ in both],
                "seconds": [after["seconds"] for _, after in both],
                "seconds_first": [after["seconds_first"] for _, after in both],
            }
            for key, values in measured.items():
                line[key], line[f"{key}_interval"] = interval(values)
            lines.append(line)
    return lines
