"""The first real run: ten sessions of new intents, then a deletion request that is proved by equal digests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier

from analytic_cl import LDAClassifier, NearestMeanClassifier, RandomProjection, RLSClassifier
from analytic_cl.cli.output import progress
from analytic_cl.datasets import load_clinc150

SESSIONS = 10
DELETED = 200


@dataclass
class Run:
    """What one learner did: accuracy[t, s] on the classes of session s after session t (NaN for t < s)."""

    name: str
    learner: Any
    accuracy: NDArray[np.float64] = field(default_factory=lambda: np.full((SESSIONS, SESSIONS), np.nan))
    seconds: float = 0.0

    @property
    def after_session(self) -> NDArray[np.float64]:
        """Accuracy on all classes seen so far; sessions have equal numbers of test rows."""
        return np.asarray(np.nanmean(self.accuracy, axis=1))

    @property
    def forgetting(self) -> float:
        """Mean over the earlier sessions of best accuracy so far minus accuracy at the end."""
        return float((np.nanmax(self.accuracy[:-1, :-1], axis=0) - self.accuracy[-1, :-1]).mean())


def run_demo(picture: Path, seed: int = 0) -> None:
    """Run everything, print tables, save the picture."""
    console = Console()
    picture.parent.mkdir(parents=True, exist_ok=True)
    data = load_clinc150()
    random = np.random.RandomState(seed)
    sessions = np.array_split(random.permutation(len(data.classes)), SESSIONS)
    console.print(
        f"[bold]CLINC150[/bold]: {len(data.X_train):,} queries of {len(data.classes)} intents, in {SESSIONS} sessions "
        f"of {len(sessions[0])} new intents each. No replay, no gradients, one pass."
    )
    runs = [
        Run("nearest mean", NearestMeanClassifier()),
        Run("LDA", LDAClassifier()),
        Run("ridge", RLSClassifier()),
        Run("ridge, 5,000 random features", RLSClassifier(projection=RandomProjection(5000))),
        Run("scikit-learn SGD", SGDClassifier(random_state=seed)),
    ]
    with progress("learning", len(runs) * SESSIONS) as done:
        for run in runs:
            for t in range(SESSIONS):
                _learn_session(run, t, sessions, data)
                done(1)
    console.print(_table(runs))
    _delete(console, runs[3], data, random)
    _save_picture(console, runs, picture)


def _learn_session(run: Run, t: int, sessions: list[NDArray[np.intp]], data: Any) -> None:
    new = np.flatnonzero(np.isin(data.y_train, sessions[t]))
    start = time.perf_counter()
    if isinstance(run.learner, SGDClassifier):
        run.learner.partial_fit(data.X_train[new], data.y_train[new], classes=np.arange(len(data.classes)))
    else:
        run.learner.partial_fit(data.X_train[new], data.y_train[new], sample_id=new)
        run.learner.decision_function(data.X_test[:1])  # solve, so that the time includes it
    run.seconds += time.perf_counter() - start
    right = run.learner.predict(data.X_test) == data.y_test
    for s in range(t + 1):
        run.accuracy[t, s] = right[np.isin(data.y_test, sessions[s])].mean()


def _delete(console: Console, run: Run, data: Any, random: np.random.RandomState) -> None:
    console.print(f"\nA deletion request: {DELETED} random rows leave the most accurate model ({run.name}) ...")
    asked = np.sort(random.choice(len(data.X_train), DELETED, replace=False))
    rest = np.setdiff1d(np.arange(len(data.X_train)), asked)
    start = time.perf_counter()
    receipt = run.learner.forget(sample_id=asked)
    run.learner.decision_function(data.X_test[:1])
    forget_seconds = time.perf_counter() - start
    start = time.perf_counter()
    retrained = clone(run.learner).fit(data.X_train[rest], data.y_train[rest], sample_id=rest)
    retrained.decision_function(data.X_test[:1])
    retrain_seconds = time.perf_counter() - start
    mine, theirs = run.learner.state_digest(), retrained.state_digest()
    same_scores = np.array_equal(run.learner.decision_function(data.X_test), retrained.decision_function(data.X_test))

    table = Table()
    table.add_column("")
    table.add_column("state digest (SHA-256)")
    table.add_column("time", justify="right")
    table.add_row(f"{receipt.removed} rows forgotten", mine[:24] + "...", f"{forget_seconds:.2f} s")
    table.add_row("retrained without them", theirs[:24] + "...", f"{retrain_seconds:.2f} s")
    console.print(table)
    if mine != theirs or not same_scores:
        raise SystemExit("The digests differ: this should never happen. Please report it with `analytic-cl config`.")
    console.print(
        "[bold green]Equal digests, equal scores:[/bold green] the model is, bit for bit, one that never saw the rows "
        f"({retrain_seconds / forget_seconds:.1f} times as fast as retraining)."
    )


def _table(runs: list[Run]) -> Table:
    table = Table(title="Accuracy on all intents seen so far, %", title_justify="left")
    table.add_column("after session")
    for run in runs:
        table.add_column(run.name, justify="right", max_width=14)
    for t in range(SESSIONS):
        table.add_row(str(t + 1), *(f"{100 * run.after_session[t]:.1f}" for run in runs), end_section=t == SESSIONS - 1)
    table.add_row("forgetting, points", *(f"{100 * run.forgetting:.1f}" for run in runs))
    table.add_row("learning, s", *(f"{run.seconds:.2f}" for run in runs))
    return table


def _save_picture(console: Console, runs: list[Run], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        console.print("No picture: matplotlib is missing. pip install 'analytic-cl[plots]' brings it.", markup=False)
        return
    figure = Figure(figsize=(12, 5), layout="constrained")
    curve, matrix = figure.subplots(1, 2, width_ratios=(3, 2))
    x = np.arange(1, SESSIONS + 1)
    for run in runs:
        style = "--" if isinstance(run.learner, SGDClassifier) else "-"
        curve.plot(x, 100 * run.after_session, style, marker="o", markersize=4, label=run.name)
    curve.set(
        xlabel="session (15 new intents each)", ylabel="accuracy on all intents so far, %", xticks=x, ylim=(0, 101)
    )
    curve.set_title("CLINC150, class-incremental, one pass, no replay")
    curve.grid(alpha=0.3)
    curve.legend(loc="lower left")
    best = max(runs, key=lambda run: run.after_session[-1])
    image = matrix.imshow(100 * best.accuracy, vmin=80, vmax=100, cmap="viridis", extent=(0.5, 10.5, 10.5, 0.5))
    for t, s in np.argwhere(~np.isnan(best.accuracy)).tolist():
        matrix.text(s + 1, t + 1, f"{100 * best.accuracy[t, s]:.0f}", ha="center", va="center", fontsize=8)
    matrix.set(
        xlabel="intents of session", ylabel="after session", xticks=x, yticks=x, title=f"{best.name}: accuracy, %"
    )
    figure.colorbar(image, ax=matrix, shrink=0.8)
    figure.savefig(path, dpi=150)
    console.print(f"Picture: {path.resolve()}", soft_wrap=True)
