"""A table of results: as JSON, as CSV, and on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from analytic_cl._text import visible
from analytic_cl.comparison.documents import write_csv, write_json


@dataclass(frozen=True)
class Table:
    """Columns by name, rows of plain values (None: not measured), and the name of a picture beside it."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    figure: str | None = None

    def write(self, folder: Path, name: str) -> None:
        """Write NAME.json and NAME.csv into a folder."""
        plain = asdict(self) | {"rows": [[_plain(value) for value in row] for row in self.rows]}
        write_json(folder / f"{name}.json", plain)
        write_csv(folder / f"{name}.csv", self.columns, plain["rows"])

    def show(self, console: Console, columns: Sequence[str] = (), group: str | None = None) -> None:
        """Print it without the note: some columns or all, as one table for each value of the column `group`."""
        places = [self.columns.index(name) for name in columns or self.columns]
        groups = [None] if group is None else list(dict.fromkeys(row[self.columns.index(group)] for row in self.rows))
        for value in groups:
            title = self.title if group is None else f"{self.title}: {value}"
            shown = RichTable(title=Text(visible(title)), title_justify="left")
            for place in places:
                text = any(isinstance(row[place], str) for row in self.rows)
                shown.add_column(Text(visible(self.columns[place])), justify="left" if text else "right")
            for row in self.rows:
                if group is None or row[self.columns.index(group)] == value:
                    shown.add_row(*(Text(visible(short(row[place]))) for place in places))
            console.print(shown)


def short(value: Any) -> str:
    """A value as people read it: three or four digits, a dash for what was not measured."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    plain = _plain(value)
    if plain is None:
        return "-"
    if not isinstance(plain, float):
        return str(plain)
    if plain == 0:
        return "0"
    return f"{plain:.1e}" if abs(plain) < 1e-3 else f"{plain:.3g}" if abs(plain) >= 1 else f"{plain:.3f}"


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
