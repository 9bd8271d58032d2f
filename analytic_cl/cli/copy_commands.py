"""Copies of a store's model: making one, and listing those that were made."""

from __future__ import annotations

from pathlib import Path

import click

from analytic_cl._text import visible
from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import check_can_write, json_option, show

_SAYS = {
    "current": "of the model as it is",
    "behind": "rows were learned since",
    "stale": "made from rows that were taken out since: export anew, and destroy the file and its copies",
}


def export_model(path: Path, to: Path, as_json: bool) -> None:
    """Write the model of a store as an ONNX file."""
    from analytic_cl.export import to_onnx
    from analytic_cl.store import Store

    if to.suffix != ".onnx":
        raise click.UsageError(f"the model is written as ONNX: name a file that ends in .onnx, not {to.name}")
    check_can_write(to)
    with Store.open(path) as opened:
        to_onnx(opened, to)
    show({"what": "model", "written": str(to)}, f"model: {to}", as_json)


@click.command(cls=StoreCommand)
@click.argument("store", type=click.Path(path_type=Path))
@json_option
def copies(store: Path, as_json: bool) -> None:
    """List the files that a store's model was exported to, and which of them are stale.

    Of each path the last export counts. A file that was deleted stays on the list: the store can't see whether there
    are copies of it elsewhere.
    """
    from analytic_cl.store.record import StoreRecord

    with StoreRecord(store) as opened:
        found = opened.copies()
    text = "\n".join(visible(f"{c.time}  {c.status:<7}  {c.path}: {_SAYS[c.status]}") for c in found)
    show([copy._asdict() for copy in found], text or "No copies were exported.", as_json)


COMMANDS = (copies,)
