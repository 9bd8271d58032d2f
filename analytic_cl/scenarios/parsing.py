"""Scenarios as text, for command lines and reports: "class-incremental:10", "si-blurry:5,disjoint=50,blurry=10"."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from analytic_cl.scenarios.blurry import i_blurry, si_blurry
from analytic_cl.scenarios.by_class import class_incremental, few_shot_class_incremental, scole
from analytic_cl.scenarios.deletions import continual_forgetting
from analytic_cl.scenarios.multi_label import multi_label
from analytic_cl.scenarios.session import Session
from analytic_cl.scenarios.streams import domain_incremental, online, time_ordered

# Each scenario, and the parameter that a number right after its name sets.
SCENARIOS: dict[str, tuple[Callable[..., list[Session]], str]] = {
    "class-incremental": (class_incremental, "n_sessions"),
    "few-shot-class-incremental": (few_shot_class_incremental, "base"),
    "scole": (scole, "n_sessions"),
    "si-blurry": (si_blurry, "n_sessions"),
    "i-blurry": (i_blurry, "n_sessions"),
    "online": (online, "batch_size"),
    "domain-incremental": (domain_incremental, "seed"),
    "time-ordered": (time_ordered, "n_sessions"),
    "multi-label": (multi_label, "n_sessions"),
    "continual-forgetting": (continual_forgetting, "n_sessions"),
}
_DATA = ("y", "domains", "times", "subjects", "sessions")  # what comes with the rows, not with the text
_SWITCH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True)
class Scenario:
    """A scenario with its parameters, before it meets data; made by `parse`.

    Parameters
    ----------
    name : str
        One of the known names.
    parameters : dict
        Keyword arguments of the scenario's function.
    """

    name: str
    parameters: dict[str, int | bool | str]

    def __str__(self) -> str:
        settings = ",".join(f"{key}={_text(value)}" for key, value in self.parameters.items())
        return f"{self.name}:{settings}" if settings else self.name

    def sessions(
        self,
        y: ArrayLike,
        *,
        domains: ArrayLike | None = None,
        times: ArrayLike | None = None,
        subjects: ArrayLike | None = None,
    ) -> list[Session]:
        """The sessions of labels `y`; of the other arrays, those that the scenario has no use for are left aside.

        Raises
        ------
        ValueError
            If an array that the scenario needs is missing, or parameters don't fit the data.
        """
        function, _ = SCENARIOS[self.name]
        known = inspect.signature(function).parameters
        given: dict[str, Any] = {}
        for key, values in (("domains", domains), ("times", times), ("subjects", subjects)):
            if key in known and values is None and known[key].default is inspect.Parameter.empty:
                raise ValueError(f"{self.name} needs {key}: an array with one value a row")
            if key in known and values is not None:
                given[key] = values
        return function(y, **given, **self.parameters)


def parse(text: str) -> Scenario:
    """Read a scenario from text: a name, then a number or settings after a colon.

    Parameters
    ----------
    text : str
        ``NAME``, ``NAME:NUMBER``, ``NAME:KEY=VALUE,...`` or ``NAME:NUMBER,KEY=VALUE,...``. The number is that of
        sessions; of base classes for few-shot-class-incremental, the batch size for online, the seed of the order for
        domain-incremental. Keys are the parameters of the scenario's function.

    Returns
    -------
    Scenario

    Raises
    ------
    ValueError
        For unknown names and keys, with those that are known; for values of the wrong kind.

    Notes
    -----
    Cost: none.

    Exactness: ``parse(str(scenario)) == scenario``.

    A downside: whether numbers fit the data shows only in `Scenario.sessions`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import parse
    >>> scenario = parse("class-incremental:3,seed=7")
    >>> str(scenario), len(scenario.sessions(np.arange(9)))
    ('class-incremental:n_sessions=3,seed=7', 3)
    """
    name, colon, rest = text.strip().partition(":")
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name!r}: choose one of {', '.join(SCENARIOS)}")
    function, first = SCENARIOS[name]
    known = {key: p.default for key, p in inspect.signature(function).parameters.items() if key not in _DATA}
    parameters: dict[str, int | bool | str] = {}
    for place, part in enumerate(rest.split(",") if colon else ()):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals and place == 0:
            key, value = first, key
        elif not equals:
            raise ValueError(f"{text!r}: {part!r} is not a setting; write KEY=VALUE")
        if key not in known:
            raise ValueError(f"{text!r}: {name} has no setting {key!r}; it has {', '.join(known)}")
        if key in parameters:
            raise ValueError(f"{text!r}: {key} is set twice")
        parameters[key] = _value(text, key, value, known[key])
    return Scenario(name, parameters)


def _value(text: str, key: str, value: str, default: object) -> int | bool | str:
    if isinstance(default, bool):
        if value.lower() not in _SWITCH:
            raise ValueError(f"{text!r}: {key} must be yes or no, got {value!r}")
        return _SWITCH[value.lower()]
    if isinstance(default, str):
        return value
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{text!r}: {key} must be an integer of at least 0, got {value!r}")
    return int(value)


def _text(value: int | bool | str) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
