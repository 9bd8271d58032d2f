"""Text from elsewhere, for a terminal or a page: what it holds is seen, and does nothing."""

from __future__ import annotations

import json
from typing import Any


def visible(value: Any, keep: str = "") -> str:
    """Control characters, line breaks, escapes and marks of direction as `repr` writes them; `keep` stays."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def visible_json(text: str) -> str:
    """JSON of the same value, in which only line breaks between values are left of what is not printable."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
