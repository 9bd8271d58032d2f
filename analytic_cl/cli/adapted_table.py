"""Adapted heads beside the heads as they are, as a table on a terminal."""

from __future__ import annotations

from typing import Any

import click

from analytic_cl._text import visible


def show_adapted(lines: list[dict[str, Any]], one: dict[str, Any]) -> None:
    """Print the lines of `adapted_summary`; `one` of their documents says which stream it was."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(
            f"Adapted to {visible(one['test_stream'])}: {sum(one['rows']):,} test rows in {len(one['rows'])} batches"
        ),
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("accuracy, %")
    table.add_column("adaptation")
    for name in ("accuracy", "difference", "s a 1,000 rows"):
        table.add_column(name, justify="right", no_wrap=True)
    heads = list(dict.fromkeys(line["method"] for line in lines))
    for head in heads:
        measured = [line for line in lines if line["method"] == head and line["refused"] is None]
        rows = [
            [line["adaptation_label"], _per_cent(line["accuracy"]), _difference(line), f"{line['seconds']:.3f}"]
            for line in measured
        ]
        for first in measured[:1]:
            rows.insert(0, ["as it is", _per_cent(first["base"]), "", f"{first['seconds_base']:.3f}"])
        for place, row in enumerate(rows):
            name = visible(measured[0]["label"]) if place == 0 else ""
            ends = place == len(rows) - 1 and head != heads[-1]
            table.add_row(*map(Text, [name, *row]), end_section=ends)
    Console().print(table)
    interval = ", with the 95 % interval over seeds" if max(line["seeds"] for line in lines) > 1 else ""
    click.echo(f"difference: adapted less as it is, on the same rows{interval}. An answer depends on its batch.")
    for reason in dict.fromkeys(line["refused"] for line in lines if line["refused"] is not None):
        which = [f"{line['adaptation_label']} of {line['label']}" for line in lines if line["refused"] == reason]
        click.echo(visible(f"No {', '.join(which)}: {reason}."))


def _per_cent(value: float) -> str:
    return f"{100 * value:.1f}"


def _difference(line: dict[str, Any]) -> str:
    half = line["difference_interval"]
    return f"{100 * line['difference']:+.1f}" + (f" \xb1{100 * half:.1f}" if half is not None else "")
