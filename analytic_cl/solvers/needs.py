"""What a solver asks of a state, and the error where a state does not have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from analytic_cl.statistics import State

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=State)


class Solver(Generic[S, P, R]):
    """A pure function of a state that says what it needs: call it like the function.

    Attributes
    ----------
    needs : frozenset of str
        Among the words that a state `provides`.
    """

    def __init__(self, solve: Callable[Concatenate[S, P], R], needs: frozenset[str]) -> None:
        self.needs = needs
        self.__wrapped__ = solve
        self.__name__, self.__doc__ = solve.__name__, solve.__doc__

    def __call__(self, state: S, *args: P.args, **kwargs: P.kwargs) -> R:
        check_provides(state, self.needs, self.__name__)
        return self.__wrapped__(state, *args, **kwargs)


def needs(*what: str) -> Callable[[Callable[Concatenate[S, P], R]], Solver[S, P, R]]:
    """Declare what a solver needs of its first argument, the state."""
    return lambda solve: Solver(solve, frozenset(what))


def check_provides(state: Any, needs: frozenset[str], who: str) -> None:
    """Raise ValueError, saying what is missing, unless a state provides all of it."""
    missing = needs - state.provides
    if missing:
        wanted, lacks = " and ".join(sorted(needs)), " and no ".join(sorted(missing))
        raise ValueError(f"{who} needs {wanted}; this state has no {lacks}: {state!r}")
