"""Small tables for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from analytic_cl._text import visible


def html_table(title: str, values: Mapping[str, Any]) -> str:
    """Names and values, whatever they hold shown as text."""
    cell = '<td style="text-align: left; vertical-align: top; padding: 2px 12px 2px 0">'
    rows = "".join(f"<tr>{cell}{_text(name)}</td>{cell}{_text(value)}</td></tr>" for name, value in values.items())
    return (
        f'<table class="analytic-cl" style="margin: 6px 0"><caption style="text-align: left; font-weight: bold">'
        f"{_text(title)}</caption><tbody>{rows}</tbody></table>"
    )


def _text(value: Any) -> str:
    return escape(visible(str(value)))
