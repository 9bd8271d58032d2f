"""A comparison as one page for people: report.html with figures inside, needing no network, and the figures as PNG."""

from __future__ import annotations

import base64
import re
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from analytic_cl._files import write_file
from analytic_cl.report import adapted_page, tables
from analytic_cl.report.adapted_data import AdaptedStream, read_adapted
from analytic_cl.report.adapted_figures import adapted_figure
from analytic_cl.report.command import command_of
from analytic_cl.report.data import Comparison, read
from analytic_cl.report.figures import figures_of
from analytic_cl.report.style import Drawing, style_variables
from analytic_cl.report.words import count, escape, identical, sentence

# No scripts and nothing from outside, whatever the data say.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write(folder: str | PathLike[str]) -> Path:
    """Write ``report.html`` and the PNG files of its figures into the folder of a comparison.

    Parameters
    ----------
    folder : path
        With ``settings.json`` and ``runs/*.json``, as `compare` leaves them; ``unlearning.json`` and
        ``quantisation.json`` become sections of their own where they are there.

    Returns
    -------
    Path
        Of ``report.html``: one file without scripts that loads nothing.

    Raises
    ------
    ValueError
        A file is missing, damaged or of another comparison: named, with what is wrong. Nothing is written.
    ImportError
        matplotlib is missing: ``pip install 'analytic-cl[plots]'``.

    Notes
    -----
    Cost: about two seconds, for the figures.

    Exactness: the same files give the same page, with one version of matplotlib.

    A downside: SVG figures make the page some hundred kilobytes long.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from analytic_cl.comparison import compare
    >>> from analytic_cl.report import write
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(240) % 4
    >>> X = random.normal(size=(240, 8)) + 3 * random.normal(size=(4, 8))[y]
    >>> data = X[:160], y[:160], X[160:], y[160:]
    >>> with TemporaryDirectory() as folder:
    ...     table = compare(data, "class-incremental:2", heads="lda,ridge", peers="none", seeds=1, out=folder)
    ...     print(write(folder).name)
    report.html
    """
    folder = Path(folder)
    comparison, streams = read(folder), read_adapted(folder)
    drawings = figures_of(comparison)
    drawings |= {drawing.name: drawing for stream in streams if (drawing := adapted_figure(stream)) is not None}
    page = _page(comparison, streams, drawings)
    for drawing in drawings.values():
        write_file(folder / f"{drawing.name}.png", drawing.png, private=False)
    path = folder / "report.html"
    write_file(path, page.encode(), private=False)
    return path


def _page(comparison: Comparison, streams: list[AdaptedStream], drawings: dict[str, Drawing]) -> str:
    light, dark = style_variables()
    css = (files("analytic_cl") / "report" / "report.css").read_text(encoding="utf-8")
    css += f":root{{{light}}}@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"
    title = _title(comparison)
    sections = [
        _section("Summary", _SUMMARY_NOTE, tables.summary_table(comparison)),
        _accuracy(comparison, drawings),
        _drawn("What is kept", _MATRICES_NOTE, drawings.get("matrices")),
        _drawn("Cost against accuracy", _COST_NOTE, drawings.get("cost")),
        _drawn("Another head costs its solve only", _SHARED_NOTE, drawings.get("shared")),
        _deletions(comparison),
        *(_adapted(stream, drawings.get(stream.name)) for stream in streams),
        *(_foreign(comparison, section) for section in comparison.sections),
        _reproduce(comparison, streams),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{css}
</style>
</head>
<body>
<header>
<p class="kicker">A comparison with analytic-cl</p>
<h1>{escape(title)}</h1>
<p class="lead">{sentence(comparison)}</p>
{_facts(comparison)}
</header>
<main>
{"".join(sections)}
</main>
</body>
</html>
"""


_SUMMARY_NOTE = (
    "Means over seeds, ± half of the 95 % interval. Seconds are sums over all sessions; learning includes the update "
    "of the state, which heads behind one quantizer share. Bold: the best of those that learn session by session."
)
_MATRICES_NOTE = (
    "Accuracy on each session's classes after every session since. A column that keeps its colour downwards is kept; "
    "one that fades is forgotten."
)
_COST_NOTE = (
    "Up is better, left is quicker. Round: exact heads; square: other libraries session by session; hollow: trained on "
    "everything at once. The scale of accuracy stretches towards 1, as a logarithm of the error, where the methods "
    "differ much."
)
_SHARED_NOTE = (
    "Heads behind one quantizer share one state: rows are learned once, and each further head is only solved."
)


def _title(comparison: Comparison) -> str:
    name = str((comparison.settings.get("features") or {}).get("name") or "features")
    kind, _, size = comparison.settings["scenario"].partition(":")
    sessions = f", {count(int(size), 'session')}" if size.isascii() and size.isdigit() else f" ({size})" if size else ""
    return f"{name}: {kind}{sessions}".replace("-", "\u2011")  # hyphens that don't end a line


def _facts(comparison: Comparison) -> str:
    settings, run = comparison.settings, comparison.methods[0].runs[0]
    features, tune = settings.get("features") or {}, run.get("tune")
    seeds = sorted({run["seed"] for method in comparison.methods for run in method.runs})
    rows = [
        f"{features[key]:,} {word}"
        for key, word in (
            ("n_train", "rows"),
            ("n_test", "for testing"),
            ("n_features", "features"),
            ("n_classes", "classes"),
        )
        if isinstance(features.get(key), int)
    ]
    kinds = [(kind, len(comparison.of_kind(kind))) for kind in tables.GROUPS]
    words = {"exact": "exact", "peer": "incremental peers", "joint": "trained jointly"}
    facts = {
        "Data": ", ".join(rows),
        "Scenario": settings["scenario"],
        "Seeds": str(len(seeds)),
        "Methods": ", ".join(f"{number} {words[kind]}" for kind, number in kinds if number),
        "Tuned on": ""
        if not tune
        else "half of the classes"
        if tune == "holdout"
        else str(tune.get("name", "other features")),
        "Date": str(run.get("date") or "")[:10],
        "Version": str((run.get("versions") or {}).get("analytic-cl") or ""),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items() if value)
    return f'<dl class="facts">{items}</dl>' + _unfinished(comparison, len(seeds))


def _unfinished(comparison: Comparison, n_seeds: int) -> str:
    missing = [method for method in comparison.methods if len(method.runs) < n_seeds]
    if not missing:
        return ""
    which = ", ".join(f"{escape(method.label)} ({len(method.runs)} of {n_seeds})" for method in missing[:3])
    more = f" and {count(len(missing) - 3, 'more method')}" if len(missing) > 3 else ""
    return f'<p class="note unfinished">Not all seeds are finished: {which}{more}.</p>'


def _section(title: str, note: str, *content: str) -> str:
    text = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{text}{''.join(content)}</section>\n"


def _drawn(title: str, note: str, drawing: Drawing | None) -> str:
    return _section(title, note, _figure(drawing)) if drawing else ""


def _figure(drawing: Drawing) -> str:
    label = f'role="img" aria-label="{escape(drawing.alt)}"'
    return (
        f'<figure id="{drawing.name}"><div class="wide" {label}>{drawing.wide}</div>'
        f'<div class="narrow" {label}>{drawing.narrow}</div></figure>'
    )


def _accuracy(comparison: Comparison, drawings: dict[str, Drawing]) -> str:
    if "accuracy" not in drawings:
        return ""
    several = max(len(method.runs) for method in comparison.methods) > 1
    note = "On all classes seen so far, after each session: the task grows harder, so a fall alone is not forgetting. "
    note += "Bands reach from the lowest to the highest seed. " if several else ""
    note += "Dashed: other libraries session by session; dotted: trained on everything at once."
    numbers = f"<details><summary>The numbers</summary>{tables.session_table(comparison)}</details>"
    return _section("Accuracy over sessions", note, _figure(drawings["accuracy"]), numbers)


def _deletions(comparison: Comparison) -> str:
    if not any(tables.carried_out(request) for method in comparison.methods for _, _, request in method.requests):
        return ""
    exact = comparison.of_kind("exact")
    total = sum(len(method.requests) for method in exact)
    checked, same = identical(exact)
    verdict = ""
    if checked and same == checked:
        which = f"{checked:,} of {checked:,}" if checked == total else f"all {checked:,} checked, of {total:,}"
        verdict = (
            f'<div class="verdict"><strong>Identical to retraining: {which} deletions.</strong> After each, the state '
            "has the digest of one that was trained on the remaining rows alone: the same bits.</div>"
        )
    elif checked:
        verdict = (
            f'<div class="verdict bad"><strong>{checked - same:,} of {count(checked, "deletion")} differ from '
            "retraining.</strong> This should never happen. Please report it with the folder's run files.</div>"
        )
    every = f"<details><summary>All requests</summary>{tables.request_table(comparison)}</details>"
    note = "Times are medians of one request. Accuracy on the deleted rows may stay high: other rows teach the same."
    return _section(
        "Deletion requests", "", verdict, f'<p class="note">{note}</p>', tables.deletion_table(comparison), every
    )


def _foreign(comparison: Comparison, section: dict[str, Any]) -> str:
    figure = section.get("figure")
    image = ""
    if figure:
        data = base64.b64encode((comparison.folder / figure).read_bytes()).decode()
        alt = f"{escape(section['title'])}, as in the table below"
        image = f'<figure><img alt="{alt}" src="data:image/png;base64,{data}"></figure>'
    return _section(section["title"], escape(section.get("note") or ""), image, tables.section_table(section))


def _adapted(stream: AdaptedStream, drawing: Drawing | None) -> str:
    figure = _figure(drawing) if drawing else ""
    numbers = f"<details><summary>The numbers</summary>{adapted_page.numbers_table(stream)}</details>"
    content = adapted_page.gains(stream), figure, adapted_page.adapted_table(stream), numbers
    return _section(f"Adapted to {stream.text}", adapted_page.NOTE, *content)


def _reproduce(comparison: Comparison, streams: list[AdaptedStream]) -> str:
    runs = [run for method in comparison.methods for run in method.runs]
    asked = [(list(stream.adaptations), stream.text) for stream in streams]
    command = command_of(comparison.settings, asked)
    features = comparison.settings.get("features") or {}
    content = f"<pre><code>{escape(command)}</code></pre>" if command else ""
    if features.get("sha256"):
        content += f'<p class="note">Features: SHA-256 <code>{escape(features["sha256"])}</code></p>'
    for title, key in (("Versions", "versions"), ("Machine", "machine")):
        kinds = {str(run[key]): run[key] for run in runs if run.get(key)}
        items = [_pairs(value) for value in kinds.values()]
        if items:
            heading = title if len(items) == 1 else f"{title} ({len(items)} different reports)"
            content += f"<details><summary>{heading}</summary>{''.join(items)}</details>"
    estimators = [
        [
            escape(method.label),
            f"<code>{escape(run.get('estimator') or '')}</code>",
            escape(run.get("quantizer") or ""),
            _tuned(run),
        ]
        for method in comparison.methods
        for run in method.runs[:1]
    ]
    content += "<details><summary>Estimators and quantizers</summary>"
    content += (
        tables.table(
            "Estimators and quantizers", ["Method", "Estimator", "Quantizer", "Tuned"], [(None, estimators)], 4
        )
        + "</details>"
    )
    digests = tables.digest_table(comparison)
    if digests:
        content += f"<details><summary>State digests</summary>{digests}</details>"
    return _section("How to reproduce", "", content)


def _pairs(value: Any) -> str:
    if not isinstance(value, dict):
        return f"<p>{escape(value)}</p>"
    rows = [[escape(key), escape(re.sub(r"\s+", " ", str(item)))] for key, item in value.items()]
    return tables.table("Versions", ["", ""], [(None, rows)], 2)


def _tuned(run: dict[str, Any]) -> str:
    tuned = run.get("tuned")
    return escape(", ".join(f"{key}={value}" for key, value in tuned.items())) if isinstance(tuned, dict) else "no"
