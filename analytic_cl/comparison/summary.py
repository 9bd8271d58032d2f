"""Runs summed up over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.special import stdtrit

from analytic_cl.comparison.documents import Document

MEASURES = (
    "last",
    "average_incremental",
    "forgetting",
    "macro",
    "seconds_learn",
    "seconds_shared",
    "seconds_solve",
    "seconds_predict",
    "state_bytes",
)


def interval(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Mean, and half of its 95 % t interval; None where nothing, or one value alone, is known."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return None, None
    n = len(known)
    half = float(stdtrit(n - 1, 0.975) * known.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return float(known.mean()), half


def summary(runs: Iterable[Document]) -> list[dict[str, Any]]:
    """One line a method, in the order of the runs: means over seeds, ``NAME_interval`` for half of the 95 % interval,
    and how many deletion requests were carried out and found identical to retraining.
    """
    by_method: dict[str, list[Document]] = {}
    for run in runs:
        by_method.setdefault(run["method"], []).append(run)
    lines = []
    for name, group in by_method.items():
        line: dict[str, Any] = {
            "method": name,
            "label": group[0]["label"],
            "kind": group[0]["kind"],
            "seeds": len(group),
        }
        for measure in MEASURES:
            line[measure], line[f"{measure}_interval"] = interval(run["summary"][measure] for run in group)
        checks = [r["identical"] for run in group for session in run["sessions"] for r in session["requests"]]
        line["requests"] = len(checks)
        line["identical"], line["different"] = checks.count(True), checks.count(False)
        lines.append(line)
    return lines
