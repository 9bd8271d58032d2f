"""Text files: UTF-8 or an error that says where not, and one value a line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_SAVE = "save it as UTF-8"
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")  # "007" stays text: as an integer it would lose its zeros


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text file to read, line ends as they are; ValueError naming file and line where it is not UTF-8."""
    with path.open("rb") as raw:
        _refuse_utf16(path, raw.read(4))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError:
        raise ValueError(_not_utf8(path, path.read_bytes())) from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without spaces around them."""
    content = path.read_bytes()  # once: it may be a pipe
    _refuse_utf16(path, content[:4])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(_not_utf8(path, content)) from None
    if "\0" in text:
        raise ValueError(f"{path} holds NUL characters, which text does not: {_SAVE}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def _refuse_utf16(path: Path, start: bytes) -> None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise ValueError(f"{path} is not UTF-8 text but, by its first bytes, UTF-16 or UTF-32: {_SAVE}")


def _not_utf8(path: Path, content: bytes) -> str:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return f"{path} is not UTF-8 text: line {number} has the byte 0x{line[error.start]:02x}; {_SAVE}"
    return f"{path} is not UTF-8 text: {_SAVE}"


def is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def integers_if_all(values: list[str]) -> list[int] | list[str]:
    """Text as integers where every value is one."""
    return [int(value) for value in values] if all(map(is_integer, values)) else values
