"""Results on standard output, progress on standard error, files that their owner alone can read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from analytic_cl._files import write_file
from analytic_cl._progress import Step, progress_bar
from analytic_cl._text import visible, visible_json

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
header_option = click.option(
    "--header/--no-header",
    default=None,
    help="Whether .csv files begin with names of columns. They do, and a first line of numbers is refused.",
)


def out_option(help_text: str, *names: str, required: bool = False) -> Callable[[Any], Any]:
    """An option for a file to write; "-" is standard output."""
    kind = click.Path(path_type=Path, allow_dash=True)
    return click.option(*(names or ("--out",)), type=kind, required=required, help=help_text)


def as_json_text(value: Any) -> str:
    return visible_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def show(result: Any, text: str, as_json: bool) -> None:
    """The result for a program, or the text for people."""
    click.echo(as_json_text(result) if as_json else visible(text, keep="\n"))


def tell(notes: Iterable[str]) -> None:
    """What somebody should know of a result that is right, one line each on standard error."""
    for note in notes:
        click.echo(note, err=True)


def lines(values: Mapping[str, Any]) -> str:
    """Names and values, one a line, in two columns."""
    width = max(map(len, values), default=0) + 2
    return "\n".join(f"{name:<{width}}{visible(value)}" for name, value in values.items())


def check_can_write(path: Path | None) -> None:
    """Refuse a file in a folder that isn't there, before any work is done."""
    if path is not None and not path.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {path.parent} to write {path.name} to")


def write_text(path: Path, text: str) -> None:
    write(path, text.encode())


def write(path: Path, content: bytes) -> None:
    """To a file that is there whole or not at all, mode 0600; or to a pipe or device as it is."""
    if str(path) == "-":
        click.echo(content, nl=False)
    elif path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        write_file(path, content)


@contextmanager
def progress(what: str, total: int, rate: str = "") -> Iterator[Step]:
    """Call with how much was done; shows a bar where standard error is a terminal. For `rate` see `progress_bar`."""
    with progress_bar(what, total, sys.stderr.isatty(), rate) as done:
        yield done
