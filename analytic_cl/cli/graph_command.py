"""The command that draws which classes lie near each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import check_can_write


@click.command(cls=StoreCommand)
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--pairs", type=click.IntRange(1), default=20, show_default=True, help="How many pairs to mark, at most.")
def graph(model: Path, out: Path, pairs: int) -> None:
    """Draw which classes lie near each other, and list the pairs that are most easily confused.

    MODEL is a store, or a file that a head was saved to, of LDA or Gaussian classes. OUT ends in .png, .svg or .pdf. No
    row is needed: all of it comes from the learned state. The list has two classes a line, and the share of their rows
    that is expected to get the other's name.
    """
    from analytic_cl._text import visible
    from analytic_cl.report import class_graph

    check_can_write(out)
    head = _head_of(model)
    try:
        class_graph(head, out, pairs)
    except TypeError as refused:
        raise ValueError(str(refused)) from refused
    for first, second, error in head.confusable_pairs(pairs):
        click.echo(visible(f"{error:9.3g}  {first}, {second}"))


def _head_of(model: Path) -> Any:
    if model.is_dir():
        from analytic_cl.store import Store

        with Store.open(model, read_only=True) as opened:
            return opened.head
    from analytic_cl.heads import load

    return load(model)


COMMANDS = (graph,)
