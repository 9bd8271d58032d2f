"""The tables of a report, as HTML: summary, accuracies by session, deletions, and sections that others wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from analytic_cl.report.data import Comparison, Estimate, MethodRuns, mean_known, number
from analytic_cl.report.style import colours_of, variable
from analytic_cl.report.words import (
    MISSING,
    best_first,
    count,
    duration,
    escape,
    identical,
    seconds,
    share,
    size,
)

GROUPS = {
    "exact": "Exact heads",
    "peer": "Other libraries, learning session by session",
    "joint": "Other libraries, trained on everything at once",
}

# Heading, value, how it is written, and whether a high or a low value is the better one.
_Column = tuple[str, Callable[[MethodRuns], Estimate], Callable[[float], str], int]
_SUMMARY: list[_Column] = [
    ("Accuracy at the end", lambda method: method.summary("last"), share, +1),
    ("Average over sessions", lambda method: method.summary("average_incremental"), share, +1),
    ("Forgetting", lambda method: method.summary("forgetting"), share, -1),
    ("Learn,\u00a0s", lambda method: method.seconds("learn", "shared"), seconds, -1),
    ("Solve,\u00a0s", lambda method: method.seconds("solve"), seconds, -1),
    ("Predict,\u00a0s", lambda method: method.seconds("predict"), seconds, -1),
    ("State", lambda method: method.summary("state_bytes"), size, -1),
]


def table(
    caption: str, columns: Iterable[str], bodies: Iterable[tuple[str | None, list[list[str]]]], text_columns: int = 1
) -> str:
    """A table in a box of its own that scrolls; cells are HTML already. The first cell of a row is its heading."""
    columns = list(columns)
    head = "".join(
        f'<th scope="col"{_left(place, text_columns)}>{escape(name)}</th>' for place, name in enumerate(columns)
    )
    parts = []
    for group, rows in bodies:
        title = (
            f'<tr><th scope="rowgroup" class="group" colspan="{len(columns)}">{escape(group)}</th></tr>'
            if group
            else ""
        )
        lines = "".join(
            f'<tr><th scope="row">{row[0]}</th>'
            + "".join(f"<td{_left(place, text_columns)}>{cell}</td>" for place, cell in enumerate(row[1:], 1))
            + "</tr>"
            for row in rows
        )
        parts.append(f"<tbody>{title}{lines}</tbody>")
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f'<caption class="hidden">{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"{''.join(parts)}</table></div>"
    )


def summary_table(comparison: Comparison) -> str:
    """Accuracy, forgetting, times and sizes of all methods; the best of those that learn by sessions stand out."""
    best = [_best(column, comparison.of_kind("exact", "peer")) for column in _SUMMARY]
    bodies: list[tuple[str | None, list[list[str]]]] = []
    for kind, group in GROUPS.items():
        rows = []
        for method in best_first(comparison.of_kind(kind)):
            cells = [_named(method, comparison)]
            for place, (_, value, text, _) in enumerate(_SUMMARY):
                known = value(method)
                cell = text(known.mean)
                if kind != "joint" and cell == best[place]:
                    cell = f"<b>{cell}</b>"
                if text is share and math.isfinite(known.half):
                    cell += f' <span class="half">±{share(known.half)}</span>'
                cells.append(cell)
            rows.append(cells)
        if rows:
            bodies.append((group, rows))
    return table("Summary of all methods", ["Method", *(name for name, *_ in _SUMMARY)], bodies)


def session_table(comparison: Comparison) -> str:
    """The numbers behind the curves: accuracy on the classes seen so far after each session."""
    bodies: list[tuple[str | None, list[list[str]]]] = []
    for kind, group in GROUPS.items():
        rows = []
        for method in comparison.of_kind(kind):
            mean = mean_known(method.curves).tolist()
            mean += [math.nan] * (comparison.n_sessions - len(mean))
            rows.append([_named(method, comparison), *map(share, mean)])
        if rows:
            bodies.append((group, rows))
    columns = ["Method", *(str(place) for place in range(1, comparison.n_sessions + 1))]
    return table("Accuracy on the classes seen so far, after each session", columns, bodies)


def deletion_table(comparison: Comparison) -> str:
    """Deletion requests of each method summed up: times against retraining, and whether the result is the same."""
    columns = [
        "Method",
        "Requests",
        "Rows",
        "Identical to retraining",
        "One deletion",
        "Retraining",
        "Times as fast",
        "On the deleted, before",
        "after",
        "On the rest, after",
    ]
    rows = []
    for method in comparison.methods:
        requests = [request for _, _, request in method.requests if carried_out(request)]
        if not requests:
            continue
        ours, theirs = _median(requests, "seconds"), _median(requests, "seconds_retrain")
        rows.append(
            [
                _named(method, comparison),
                f"{len(requests):,}",
                f"{sum(request['rows'] for request in requests):,}",
                _verdicts(method),
                duration(ours),
                duration(theirs),
                f"{theirs / ours:,.{1 if theirs < 10 * ours else 0}f}"
                if ours > 0 and math.isfinite(theirs)
                else MISSING,
                *(
                    share(_mean(requests, key))
                    for key in ("accuracy_forgotten_before", "accuracy_forgotten_after", "accuracy_retained_after")
                ),
            ]
        )
    return table("Deletion requests by method", columns, [(None, rows)])


def request_table(comparison: Comparison, limit: int = 500) -> str:
    """Each deletion request by itself, the first `limit` of them."""
    words = {True: "yes", False: "<b>no</b>", None: "not checked"}
    rows = [
        [
            _named(method, comparison),
            f"{seed}",
            escape(session),
            escape(request["reason"]),
            f"{request['rows']:,}",
            duration(number(request.get("seconds"))),
            duration(number(request.get("seconds_retrain"))),
            words.get(request.get("identical"), MISSING),
        ]
        for method in comparison.methods
        for seed, session, request in method.requests
        if carried_out(request)
    ]
    columns = ["Method", "Seed", "Session", "Request", "Rows", "Deletion", "Retraining", "Identical to retraining"]
    more = f"<p>{len(rows) - limit:,} more are in the run files.</p>" if len(rows) > limit else ""
    return table("All deletion requests", columns, [(None, rows[:limit])]) + more


def section_table(section: dict[str, Any]) -> str:
    """A table that somebody else filled: text at the left, numbers at the right."""
    rows = [[_cell(value) for value in row] for row in section["rows"]]
    text_columns = 1
    while text_columns < len(section["columns"]) and any(isinstance(row[text_columns], str) for row in section["rows"]):
        text_columns += 1
    return table(section["title"], [str(name) for name in section["columns"]], [(None, rows)], text_columns)


def digest_table(comparison: Comparison) -> str:
    """The last digest of each exact state."""
    rows = [
        [_named(method, comparison), str(run["seed"]), f"<code>{escape(digest)}</code>"]
        for method in comparison.methods
        for run in method.runs
        if (digest := run["sessions"][-1].get("digest"))
    ]
    return table("State digests at the end", ["Method", "Seed", "Digest (SHA-256)"], [(None, rows)], 3) if rows else ""


def _left(place: int, text_columns: int) -> str:
    return ' class="left"' if place < text_columns else ""


def _named(method: MethodRuns, comparison: Comparison) -> str:
    colour = variable(colours_of(comparison.methods)[method.name])
    swatch = f'<span class="swatch {method.kind}" style="--colour:{colour}"></span>'
    return f'<span class="method">{swatch}{escape(method.short)}</span>'


def _best(column: _Column, methods: list[MethodRuns]) -> str:
    _, value, text, direction = column
    known = [mean for method in methods if text(mean := value(method).mean) != MISSING]
    return text(max(known, key=lambda mean: direction * mean)) if len(known) > 1 else ""


def _verdicts(method: MethodRuns) -> str:
    checked, same = identical([method])
    if not checked:
        return "not checked"
    if same == checked:
        return f'<span class="good">yes, {"it is" if checked == 1 else f"all {checked:,}"}</span>'
    return f"<b>no: {count(checked - same, 'differs', 'differ')} of {checked:,}</b>"


def carried_out(request: dict[str, Any]) -> bool:
    """Other libraries are mostly trained again, or can't forget: their requests hold nothing."""
    return any(request.get(key) is not None for key in ("seconds", "identical", "accuracy_forgotten_after"))


def _known(requests: list[dict[str, Any]], key: str) -> list[float]:
    return [value for request in requests if math.isfinite(value := number(request.get(key)))]


def _median(requests: list[dict[str, Any]], key: str) -> float:
    known = _known(requests, key)
    return median(known) if known else math.nan


def _mean(requests: list[dict[str, Any]], key: str) -> float:
    known = _known(requests, key)
    return sum(known) / len(known) if known else math.nan


def _cell(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return escape(f"{value:.4g}") if math.isfinite(value) else MISSING
    return f"{value:,}" if isinstance(value, int) else escape(value)
