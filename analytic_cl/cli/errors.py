"""What a command answers when something is wrong: one line on standard error, and an exit code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from analytic_cl._text import visible

BAD_INPUT, REFUSED, NOT_VERIFIED, UNUSABLE = 2, 3, 4, 5

EXIT_CODES = """
\b
Exit codes of all commands:
  0  done
  2  bad input or usage
  3  refused, such as unknown ids, or learning what was erased
  4  verification failed
  5  the store is in use by another process, or not usable
"""


class Failure(click.ClickException):
    """An error with a message for people and one of the exit codes."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


class StoreCommand(click.Command):
    """A command whose expected errors are short messages; what is unexpected keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _short_warnings():
                return super().invoke(ctx)
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            raise Failure(_message(error), code) from error


def _exit_code(error: Exception) -> int | None:
    import sqlite3

    from analytic_cl.store import RefusedError, StoreError, VerificationError

    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return None
    codes: list[tuple[tuple[type[Exception], ...], int]] = [
        ((RefusedError,), REFUSED),  # a ValueError, so it is looked at first
        ((VerificationError,), NOT_VERIFIED),
        ((StoreError, sqlite3.Error), UNUSABLE),
        ((ValueError, OSError, ImportError), BAD_INPUT),
    ]
    return next((code for kinds, code in codes if isinstance(error, kinds)), None)


# What messages of the package call by its Python name.
_HERE = {"pass allow_erased=True": "give --allow-erased", ", or open the store with read_only=True": ""}


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return visible(f"{error.filename}: {error.strerror}")
    text = str(error) or type(error).__name__
    for there, here in _HERE.items():
        text = text.replace(there, here)
    return visible(text)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Warnings in one line, without the line of code that raised them."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"Warning: {visible(message)}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        # What a command reads is compared with the model's columns by name, and comes as an array.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        yield
