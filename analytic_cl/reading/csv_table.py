""".csv files, read strictly: a header, every row as wide, no row skipped, nothing a comment."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from analytic_cl.reading.text import open_text

_BLOCK = 500  # rows that are text at a time


class CsvTable:
    """The columns of a .csv file; rows are read when they are asked for.

    Parameters
    ----------
    path : Path
    header : bool or None
        Whether the first line names the columns. None: it does, but where it is all numbers the file is refused.
    expected : collection of str
        Columns of a model; a first line that has them all is a header.

    Attributes
    ----------
    names : list of str
        Of the columns; "1", "2", ... where there is no header.
    has_names : bool
    index : frozenset of str
        Columns that hold an index: never known of a .csv file.
    """

    index: frozenset[str] = frozenset()

    def __init__(self, path: Path, header: bool | None, expected: Collection[str] = ()) -> None:
        self.path = path
        with open_text(path) as file:
            _, first = next(_records(file, path), (0, None))
        if first is None:
            raise ValueError(f"{path} is empty" + ("" if header is False else ": it needs a header"))
        if _is_blank(first):
            raise ValueError(
                f"{path}: line 1 is empty; it should be the {'first row' if header is False else 'header'}"
            )
        cells = [cell.strip() for cell in first]
        foreseen = bool(expected) and set(expected) <= set(cells)
        if header is None and all(map(_is_numeric, cells)) and not foreseen:
            shown = ", ".join(cells[:4]) + (", ..." if len(cells) > 4 else "")
            raise ValueError(
                f"{path}: the first line is numbers ({shown}), so it may be names of columns or a row: give --header "
                "if it is names, --no-header if it is a row"
            )
        self.has_names = header is not False
        self.names = cells if self.has_names else [str(place) for place in range(1, len(cells) + 1)]

    def place(self, name: str) -> int:
        """Where a column is; ValueError listing the columns where no single one has this name."""
        if self.names.count(name) != 1:
            there = f"there are {self.names}" if self.has_names else f"they are numbered 1 to {len(self.names)}"
            raise ValueError(
                f"{self.path}: name one of its columns after a colon, {self.path.name}:NAME; {there}{self._hint()}"
            )
        return self.names.index(name)

    def _hint(self) -> str:
        """Of another mark between columns than the comma."""
        marks = any(mark in self.names[0] for mark in ";\t|") if len(self.names) == 1 else False
        return "; there must be commas between columns" if marks else ""

    def rows(self) -> Iterator[list[str]]:
        """Cells of each row."""
        width, number, blank = len(self.names), 0, 0
        with open_text(self.path) as file:
            records = _records(file, self.path)
            if self.has_names:
                next(records)
            for line, row in records:
                if width > 1 and _is_blank(row):
                    blank = blank or line
                    continue
                if blank:
                    raise ValueError(f"{self.path}: line {blank} is empty, and rows follow: take it out")
                number += 1
                cells = row or [""]  # in a table of one column, an empty line is an empty cell
                if len(cells) != width:
                    what = "header" if self.has_names else "first row"
                    raise ValueError(f"{self.path}: row {number} has {len(cells)} values, the {what} {width}")
                yield cells

    def column(self, name: str) -> list[str]:
        """Values of a column, without spaces around them."""
        place = self.place(name)
        return [row[place].strip() for row in self.rows()]

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Columns as numbers, in this order; ValueError naming row and column of what is not a number."""
        places = [self.place(name) for name in names]
        try:
            numbers = self._quickly(places)
        except ValueError:  # it may be right all the same, such as a row in quotes
            return self._carefully(places)
        return numbers if np.isfinite(numbers).all() else self._carefully(places)

    def _quickly(self, places: list[int]) -> NDArray[np.float64]:
        with open_text(self.path) as file:
            if self.has_names:
                next(_records(file, self.path))
            lines = self._plain(file)
            first = next(lines, None)
            if first is None:
                return np.empty((0, len(places)))
            numbers: NDArray[np.float64] = np.loadtxt(
                chain([first], lines), delimiter=",", comments=None, usecols=places, ndmin=2
            )
        return numbers

    def _plain(self, file: TextIO) -> Iterator[str]:
        """Lines that are rows of the right width beyond doubt."""
        commas = len(self.names) - 1
        for line in file:
            if '"' in line or line.count(",") != commas or not line.strip():
                raise ValueError("not plain")
            yield line

    def _carefully(self, places: list[int]) -> NDArray[np.float64]:
        rows, parts, done = self.rows(), [np.empty((0, len(places)))], 0
        while block := list(islice(rows, _BLOCK)):
            parts.append(self._block(block, places, done + 1))
            done += len(block)
        return np.concatenate(parts)

    def _block(self, rows: list[list[str]], places: list[int], first: int) -> NDArray[np.float64]:
        cells = [row[place] for row in rows for place in places]
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            numbers = np.full(1, np.nan)
        if not np.isfinite(numbers).all() or "_" in "".join(cells):  # cell by cell, to say which
            numbers = np.array([self._floats(row, places, number) for number, row in enumerate(rows, start=first)])
        return numbers.reshape(len(rows), len(places))

    def _floats(self, row: list[str], places: list[int], number: int) -> list[float]:
        found = []
        for place in places:
            cell = row[place].strip()
            value = float(cell) if _is_numeric(cell) else math.nan
            if not math.isfinite(value):
                raise ValueError(self._not_a_number(row, places, place, number))
            found.append(value)
        return found

    def _not_a_number(self, row: list[str], places: list[int], place: int, number: int) -> str:
        cell = row[place].strip()
        text = f"{self.path}: row {number}, column {self.names[place]!r}: "
        shown = repr(cell if len(cell) <= 40 else f"{cell[:40]}...")
        text += f"{shown} is not a finite number" if cell else "it is empty"
        text += "; features are numbers in every column"
        if number == 1 and self.has_names and not any(_is_numeric(row[place]) for place in places):
            text += ", below a header of one line"
        return text + self._hint()


def read_records(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a .csv file by the names in its header, all of them different."""
    table = CsvTable(path, header=None)
    twice = next((name for name in table.names if table.names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: two columns are called {twice!r}")
    for row in table.rows():
        yield dict(zip(table.names, (cell.strip() for cell in row), strict=True))


def _records(file: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row, with the line that it ends on."""
    reader = csv.reader(file, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


def _is_blank(row: list[str]) -> bool:
    return len(row) <= 1 and not "".join(row).strip()


def _is_numeric(cell: Any) -> bool:
    try:
        return isinstance(float(cell), float) and "_" not in cell  # Python reads 1_000 as a number, nobody else does
    except ValueError:
        return False
