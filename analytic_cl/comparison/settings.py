"""What a comparison was asked for, over all calls that wrote to one folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analytic_cl.comparison.documents import Document
from analytic_cl.comparison.methods import Method, head_methods
from analytic_cl.comparison.peers import PEERS


def in_order(runs: Iterable[Document]) -> list[Document]:
    """Runs in the order in which methods are known, and then of seeds."""
    known = [*head_methods(), *PEERS]
    return sorted(runs, key=lambda run: (known.index(run["method"]), run["seed"]))


def settings(
    identity: Document, origin: Document, classes: list[str], methods: list[Method], seeds: int, runs: list[Document]
) -> Document:
    """The settings file: what was asked for now, and by earlier calls whose runs are there.

    `origin` says where features and those to tune on were read from.
    """
    names = {method.name for method in methods} | {run["method"] for run in runs}
    chosen = {
        what: [name for name in known if name in names] for what, known in (("heads", head_methods()), ("peers", PEERS))
    }
    return {
        **identity,
        **chosen,
        "seeds": max([seeds, *(run["seed"] + 1 for run in runs)]),
        "origin": origin,
        "classes": classes,
        "shared": shared_cost(runs),
    }


def shared_cost(runs: Iterable[Document]) -> dict[str, Any] | None:
    """What one head and all heads over the state with the most heads cost in the first seed: learning and solving.

    None where no state has two heads.
    """
    groups: dict[str, list[Document]] = {}
    for run in runs:
        if run["seed"] == 0 and run["summary"]["seconds_shared"]:
            groups.setdefault(run["sessions"][-1]["digest"], []).append(run)
    group = max(groups.values(), key=len, default=[])
    if len(group) < 2:
        return None
    state = group[0]["summary"]["seconds_shared"]
    solves = [run["summary"]["seconds_solve"] for run in group]
    return {
        "one head": state + solves[0],
        "all heads": state + sum(solves),
        "each by itself": len(solves) * state + sum(solves),
        "heads": [run["method"] for run in group],
        "state": group[0]["quantizer"],
    }
