"""What a worker refuses, brought to the caller as it was said: engines wrap errors into traces of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

_MARK = "analytic-cl refused: "
_KINDS: dict[str, type[Exception]] = {"TypeError": TypeError, "ValueError": ValueError}


@contextmanager
def refusals_marked() -> Iterator[None]:
    """In a worker: write a ValueError or TypeError so that it is found again in whatever text an engine makes of it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = "TypeError" if isinstance(error, TypeError) else "ValueError"
        raise ValueError(_MARK + json.dumps([kind, str(error)])) from error


@contextmanager
def refusals_found() -> Iterator[None]:
    """At the caller: raise what was marked in place of the engine's error; other errors pass as they are."""
    try:
        yield
    except Exception as error:
        refusal = _refusal_in(str(error))
        if refusal is None:
            raise
        raise refusal from None


def _refusal_in(text: str) -> Exception | None:
    at = text.find(_MARK)
    if at < 0:
        return None
    kind, message = json.JSONDecoder().raw_decode(text, at + len(_MARK))[0]
    return _KINDS[kind](message)
