"""The command that runs a comparison again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any


def command_of(settings: Mapping[str, Any], adapted: Iterable[tuple[list[str], str]] = ()) -> str:
    """What to type, from the settings file; "" where that does not say where features came from.

    One line for each adaptations and test stream of `adapted`.
    """
    origin, features = settings.get("origin"), settings.get("features")
    if not isinstance(origin, dict) or not isinstance(features, dict):
        return ""
    words = ["analytic-cl", "compare", "--features"]
    words += _source(origin.get("features")) or [str(features.get("name"))]
    words += ["--scenario", str(settings.get("scenario"))]
    tune = settings.get("tune")
    if tune is not None:
        name = str(tune.get("name") if isinstance(tune, dict) else tune)
        words += ["--tune", *(_source(origin.get("tune"))[:1] or [name])]  # which are read without an extractor
    for kind in ("heads", "peers"):
        words += [f"--{kind}", ",".join(map(str, settings.get(kind) or ["none"]))]
    words += ["--seeds", str(settings.get("seeds"))]
    more = [["--adapt", ",".join(names), "--test-stream", text] for names, text in adapted]
    return "\n".join(shlex.join(words + each) for each in more or [[]])


def _source(origin: Any) -> list[str]:
    """Words that name features as `readers.read` was given them."""
    if not isinstance(origin, dict):
        return []
    words = [str(origin.get("name"))]
    words += ["--extractor", str(origin["extractor"])] if origin.get("extractor") else []
    header = origin.get("header")
    return words + ([] if header is None else ["--header" if header else "--no-header"])
