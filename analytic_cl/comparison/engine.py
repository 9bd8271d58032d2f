"""The comparison: every method, every seed, one run file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from analytic_cl._config import show_config
from analytic_cl._integers import as_integer
from analytic_cl._progress import progress_bar
from analytic_cl.comparison.documents import (
    COLUMNS,
    FORMAT,
    Document,
    finished_runs,
    run_path,
    table_of,
    tidy,
    write_csv,
    write_json,
)
from analytic_cl.comparison.features import Features
from analytic_cl.comparison.integer_rows import IntegerRows
from analytic_cl.comparison.judging import summarise
from analytic_cl.comparison.methods import Method, choose, head_methods
from analytic_cl.comparison.peer_runs import run_peer
from analytic_cl.comparison.peers import PEERS
from analytic_cl.comparison.readers import features_of
from analytic_cl.comparison.settings import in_order, settings
from analytic_cl.comparison.state_runs import run_over_state, shared_states
from analytic_cl.comparison.stream import Stream, make_stream
from analytic_cl.comparison.tuning import halves, tune
from analytic_cl.scenarios import parse

MapSeeds = Callable[[Callable[[int], list[Document]], list[int]], Iterable[list[Document]]]


def compare(
    features: Any,
    scenario: str = "class-incremental:10",
    heads: str | Iterable[str] = "default",
    peers: str | Iterable[str] = "default",
    seeds: int = 3,
    out: str | Path | None = None,
    *,
    tune: Any = None,
    progress: bool = False,
    map_seeds: MapSeeds | None = None,
) -> Any:
    """Run closed-form heads and other libraries' estimators over one scenario, and measure accuracies and costs.

    Heads that learn the same integers share one state: its rows are added once, and each head costs what its weights
    cost.

    Parameters
    ----------
    features : path, mapping, or (X_train, y_train, X_test, y_test)
        Frozen features and labels of two splits; see `readers.read` for files. A mapping may also hold `classes` (names
        of integer labels), `domains_train`, `domains_test`, `subjects_train` and `times_train`, one value a row.
    scenario : str, default="class-incremental:10"
        See `scenarios.parse`. Seeds 0, 1, ... order its classes and draw its rows, unless it sets ``seed=``; they also
        seed the random features and keys of the heads.
    heads : str or list of str, default="default"
        "default" (nearest-mean, nearest-mean-euclidean, lda, gaussian, ridge, ridge-gcv, lda-rp, ridge-rp with 5,000
        random features, key-value, neighbors), "all", "none", or names; there are also auto, which takes minutes where
        sessions are many, and published baselines such as teen.
    peers : str or list of str, default="default"
        "default" (the cheap ones: sgd, sgd-replay, nearest-centroid-joint, ridge-joint), "all", "none", or names; there
        are also gaussian-nb, lda-joint and torch-probe (needs the extra ``torch``).
    seeds : int, default=3
        How many.
    out : path of a folder, optional
        Gets one file a finished run, ``results.csv`` and ``settings.json``. Runs that are there already are not run
        again; those of another comparison are refused.
    tune : "holdout" or features, optional
        Choose shrinkage, penalty, smoothing, temperature and the like on data that are not used to evaluate: on the
        rows of half of the classes, or on other features. Reported is what the other half, or `features`, gives.
    progress : bool, default=False
        Show a bar on standard error.
    map_seeds : callable, optional
        Called as ``map`` is, with what runs a seed and the seeds: runs these in other processes. With a Dask client,
        ``lambda run, seeds: (future.result() for future in client.map(run, seeds))``. The features are sent along.

    Returns
    -------
    pandas.DataFrame, or dict of lists where pandas is not installed
        One line a method, seed, session and metric. Sessions count from 1; 0 stands for the whole run. What was not
        measured is None.

    Raises
    ------
    ValueError
        Unknown names, with those that are known; features or a scenario that don't fit; files of another comparison.

    Notes
    -----
    Cost: n d^2 operations a state, d^3 / 3 a session and head with weights. Memory: the features as integers, also
    behind the projection (5,000 bytes a row).

    Exactness: accuracies of heads are those of fitting each by itself on the rows held at that moment; states are equal
    bit for bit, weights on one machine and number of threads. Heads that `depends_on_order` learn each session by one
    call, and are those of the same sessions. Peers that are trained by gradients depend on the order
    of rows. Seconds vary from run to run.

    A downside: all of the test rows are used at every session's end, so choose nothing by looking at the result; that
    is what `tune` is for.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.comparison import compare
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(240) % 4
    >>> X = random.normal(size=(240, 8)) + 3 * random.normal(size=(4, 8))[y]
    >>> data = X[:160], y[:160], X[160:], y[160:]
    >>> table = compare(data, "class-incremental:2", heads="lda,ridge", peers="none", seeds=1)
    >>> [len(column) > 0 for column in (table["method"], table["value"])]
    [True, True]
    """
    runs = run(features, scenario, heads, peers, seeds, out, tune=tune, progress=progress, map_seeds=map_seeds)
    return table_of(COLUMNS, tidy(runs))


def run(
    features: Any,
    scenario: str = "class-incremental:10",
    heads: str | Iterable[str] = "default",
    peers: str | Iterable[str] = "default",
    seeds: int = 3,
    out: str | Path | None = None,
    *,
    tune: Any = None,
    progress: bool = False,
    map_seeds: MapSeeds | None = None,
) -> list[Document]:
    """As `compare`, but returns the runs as their files have them, by method and then by seed."""
    seeds = as_integer("seeds", seeds, 1)
    methods = choose(heads, head_methods(), "head") + choose(peers, PEERS, "peer")
    if not methods:
        raise ValueError("neither heads nor peers are named: there is nothing to compare")
    plan = _Plan(features_of(features), scenario, tune)
    folder = None if out is None else Path(out)
    runs = {} if folder is None else finished_runs(folder / "runs", plan.identity)
    missing = [(method, seed) for seed in range(seeds) for method in methods if (method.name, seed) not in runs]

    def settle(finished: bool) -> None:
        if folder is not None:
            write_json(
                folder / "settings.json",
                settings(plan.identity, plan.origin, plan.features.names, methods, seeds, in_order(runs.values())),
            )
        if folder is not None and finished:
            write_csv(folder / "results.csv", COLUMNS, tidy(in_order(runs.values())))

    settle(False)
    plan.choose({method.name: method for method, _ in missing}, progress)
    with progress_bar("runs", len(missing), progress) as done:
        pending = sorted({seed for _, seed in missing})
        run_seed = partial(_runs, plan, missing)
        for documents in map(run_seed, pending) if map_seeds is None else map_seeds(partial(_all, run_seed), pending):
            for document in documents:
                seed = document["seed"]
                if folder is not None:
                    write_json(run_path(folder / "runs", document["method"], seed), document)
                runs[document["method"], seed] = document
                done(1)
    settle(True)
    wanted = {(method.name, seed) for method in methods for seed in range(seeds)}
    return in_order(document for key, document in runs.items() if key in wanted)


def _runs(plan: _Plan, missing: list[tuple[Method, int]], seed: int) -> Iterator[Document]:
    return plan.runs([method for method, s in missing if s == seed], seed)


def _all(run_seed: Callable[[int], Iterator[Document]], seed: int) -> list[Document]:
    """What is sent back from another process, which can't send as it goes."""
    return list(run_seed(seed))


class _Plan:
    """What is compared on what, and what is made on the way once for all methods and seeds."""

    def __init__(self, features: Features, scenario: str, tune_on: Any) -> None:
        self.scenario, self.text = parse(scenario), scenario.strip()
        self.features, self.tune_on = features, None
        source: Any = None
        if isinstance(tune_on, str) and tune_on == "holdout":
            self.tune_on, self.features = halves(features)
            source = "holdout"
        elif tune_on is not None:
            self.tune_on = features_of(tune_on)
            source = self.tune_on.about()
            if source["sha256"] == features.sha256:
                raise ValueError("tune names the same features: what is evaluated must not be tuned on")
        self.identity = {"format": FORMAT, "scenario": self.text, "tune": source, "features": self.features.about()}
        self.origin = {"features": features.origin, "tune": None if self.tune_on is None else self.tune_on.origin}
        self.tuned: dict[str, dict[str, Any]] = {}
        self._rows = IntegerRows(self.features)
        self._joint: dict[tuple[str, bytes], tuple[Any, float]] = {}

    def choose(self, methods: dict[str, Method], progress: bool) -> None:
        """Tune these methods, where that was asked for."""
        if self.tune_on is not None and methods:
            with progress_bar("tuning", len(methods), progress) as done:
                self.tuned = tune(methods.values(), self.tune_on, self.scenario, 0, done)

    def runs(self, methods: list[Method], seed: int) -> Iterator[Document]:
        """Documents of one seed, each as soon as it is finished."""
        if not methods:
            return
        stream = make_stream(self.features, self.scenario, seed)
        made = {m.name: m.make(seed).set_params(**self.tuned.get(m.name, {})) for m in methods}
        by_name = {m.name: m for m in methods}
        heads = {name: each for name, each in made.items() if by_name[name].way == "state"}
        for shared in shared_states(heads, self.features.X_train.shape[1]):
            sessions = run_over_state(shared, self.features, stream, self._rows)
            for name, head in shared.heads.items():
                yield self._document(by_name[name], head, seed, stream, sessions[name], shared.quantizer.describe())
        for name, estimator in made.items():
            if name not in heads:
                found = run_peer(by_name[name], estimator, self.features, stream, seed, joint=self._joint)
                yield self._document(by_name[name], estimator, seed, stream, found, None)

    def _document(
        self,
        method: Method,
        made: Any,
        seed: int,
        stream: Stream,
        sessions: list[dict[str, Any]],
        quantizer: str | None,
    ) -> Document:
        config = show_config()
        versions = config.pop("versions")
        return {
            "format": FORMAT,
            "method": method.name,
            "label": method.label,
            "kind": method.kind,
            "estimator": " ".join(repr(made).split()),
            "scenario": self.text,
            "seed": seed,
            "tune": self.identity["tune"],
            "tuned": self.tuned.get(method.name) or None,
            "features": self.identity["features"],
            "class_order": stream.class_order,
            "sessions": sessions,
            "summary": summarise(sessions),
            "versions": versions,
            "machine": config,
            "quantizer": quantizer,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
