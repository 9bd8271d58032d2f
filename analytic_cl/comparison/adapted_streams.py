"""Heads beside their adaptations, batch by batch along a test stream."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import show_config
from analytic_cl._progress import progress_bar
from analytic_cl.adaptation import LAME, T3A, Adapted, GrowingMemory, LabelShift, MomentAlignment
from analytic_cl.comparison.adapted_summary import ADAPTED_COLUMNS, tidy_batches
from analytic_cl.comparison.batches import BatchStream, Rows, parse_batches
from analytic_cl.comparison.documents import (
    FORMAT,
    Document,
    finished_runs,
    run_path,
    table_of,
    write_csv,
    write_json,
)
from analytic_cl.comparison.engine import run
from analytic_cl.comparison.features import Features
from analytic_cl.comparison.methods import choose, head_methods
from analytic_cl.comparison.readers import features_of
from analytic_cl.comparison.settings import in_order
from analytic_cl.comparison.stream import Stream, held_by_session, make_stream
from analytic_cl.comparison.tuning import halves
from analytic_cl.quantizers import QuantizationWarning
from analytic_cl.scenarios import parse


class Adaptation(NamedTuple):
    """What a comparison knows of an adaptation, which it makes with its defaults."""

    name: str
    label: str
    make: Callable[[Any], Adapted]
    default: bool = True


ADAPTATIONS = {
    each.name: each
    for each in (
        Adaptation("label-shift", "label shift", LabelShift),
        Adaptation("lame", "LAME", LAME),
        Adaptation("t3a", "T3A", T3A),
        Adaptation("growing-memory", "growing memory", GrowingMemory),
        Adaptation("moment-alignment", "moment alignment", MomentAlignment),
    )
}


def compare_adapted(
    features: Any,
    scenario: str = "class-incremental:10",
    heads: str | Iterable[str] = "default",
    adapt: str | Iterable[str] = "all",
    test_stream: str = "label-shift:0.1",
    seeds: int = 3,
    out: str | Path | None = None,
    *,
    tune: Any = None,
    progress: bool = False,
) -> Any:
    """Run heads over a scenario as `compare` does, then let each and its adaptations answer a test stream.

    Parameters
    ----------
    features, scenario, heads, seeds, tune, progress
        As in `compare`. Heads without probabilities can't be adapted, and are left out of the result.
    adapt : str or list of str, default="all"
        "all", "none", or names: label-shift, lame, t3a, growing-memory, moment-alignment; each as
        `analytic_cl.adaptation` makes it by default.
    test_stream : str, default="label-shift:0.1"
        ``label-shift``, ``gradual-shift`` or ``correlated`` with ``:CONCENTRATION`` (see `scenarios`), or
        ``unshifted``, the test rows in random order; drawn by the run's seed, in batches of 200 rows.
    out : path of a folder, optional
        Gets the files of `compare`, and one file a head and seed in ``adapted/TEST-STREAM/``, beside ``adapted.csv``.
        What is there already with these adaptations is not run again.

    Returns
    -------
    pandas.DataFrame, or dict of lists where pandas is not installed
        One line a head, adaptation ("base": the head as it is), seed and batch, with the batch's rows and accuracy.

    Raises
    ------
    ValueError
        As `compare`; for unknown adaptations and test streams, with those that are known.

    Notes
    -----
    Each head learns the rows that are held after the last session, and keeps them, so that adaptations can be
    calibrated on folds of them. Of adaptations that a head does not go with there are no lines; its file says why.

    Cost: that of `compare`; for each head and seed one fit, and for each adaptation five solves for its folds and the
    stream's predictions. Memory: the training rows as integers.

    Exactness: accuracies are those of the same calls by hand, bit for bit on one machine; seconds vary.

    A downside: what an adaptation gains is what it gains on this stream: another order or mix of the same rows may
    turn it into a loss.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.comparison import compare_adapted
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(240) % 4
    >>> X = random.normal(size=(240, 8)) + random.normal(size=(4, 8))[y]
    >>> data = X[:160], y[:160], X[160:], y[160:]
    >>> table = compare_adapted(data, "class-incremental:2", "lda", "label-shift", seeds=1)
    >>> sorted(set(table["adaptation"])), max(table["batch"])
    (['base', 'label-shift'], 10)
    """
    asked, _ = check_adapted(adapt, test_stream)  # before anything takes long
    given = features_of(features)
    runs = run(given, scenario, heads, "none", seeds, out, tune=tune, progress=progress)
    found, _ = run_adapted(given, runs, [each.name for each in asked], test_stream, out, progress=progress)
    return table_of(ADAPTED_COLUMNS, tidy_batches(found))


def check_adapted(adapt: str | Iterable[str], test_stream: str) -> tuple[list[Adaptation], BatchStream]:
    """What the names stand for. Raises ValueError for unknown ones, with those that are known."""
    return choose(adapt, ADAPTATIONS, "adaptation"), parse_batches(test_stream)


def run_adapted(
    features: Features,
    runs: list[Document],
    adapt: str | Iterable[str],
    test_stream: str,
    out: str | Path | None = None,
    *,
    progress: bool = False,
) -> tuple[list[Document], list[str]]:
    """The documents of what `compare_adapted` does after the comparison, whose `runs` tell all about the heads.

    Returns also what somebody should know, a line each.
    """
    asked, batches = check_adapted(adapt, test_stream)
    ours = [one for one in runs if one["kind"] == "exact"]
    if not asked or not ours:
        return [], []
    if ours[0]["tune"] == "holdout":
        features = halves(features)[1]
    unable = {one["method"]: one["label"] for one in ours if not hasattr(_head(one), "predict_proba")}
    notes = [f"Without probabilities, and so not adapted: {', '.join(unable.values())}."] if unable else []
    able = [one for one in ours if one["method"] not in unable]
    folder = None if out is None else Path(out) / "adapted" / batches.folder
    known = {} if folder is None else finished_runs(folder, ours[0])
    there = {(one["method"], one["seed"]): known.get((one["method"], one["seed"]), {"adapted": {}}) for one in able}
    names = {each.name: each for each in asked}
    found = {key: earlier for key, earlier in there.items() if names.keys() <= earlier["adapted"].keys()}
    missing = [one for one in able if (one["method"], one["seed"]) not in found]
    with progress_bar("adapted", len(missing), progress) as done:
        for one in missing:
            key = one["method"], one["seed"]
            wanted = [each for name, each in ADAPTATIONS.items() if name in names.keys() | there[key]["adapted"].keys()]
            document = _adapted(one, features, batches, wanted)
            done(1)
            if document is None:
                continue
            if folder is not None:
                write_json(run_path(folder, *key), document)
            found[key] = known[key] = document
    if able and not found:
        notes.append("No test rows of the classes that are held in the end: nothing to adapt to.")
    if folder is not None and known:
        write_csv(folder / "adapted.csv", ADAPTED_COLUMNS, tidy_batches(in_order(known.values())))
    wanted_of = ({**one, "adapted": {key: one["adapted"][key] for key in names}} for one in found.values())
    return in_order(wanted_of), notes


def _head(one: Document) -> Any:
    """The untrained head of a run."""
    made = head_methods()[one["method"]].make(one["seed"])
    return made.set_params(**(one["tuned"] or {}), track="rows")  # kept rows calibrate


def _adapted(one: Document, features: Features, batches: BatchStream, wanted: list[Adaptation]) -> Document | None:
    """The head of a run and its adaptations over the stream of the run's seed; None where no rows can be tested."""
    stream = make_stream(features, parse(one["scenario"]), one["seed"])
    tested = stream.steps[-1].tested
    if not len(tested):
        return None
    X, y = features.X_test[tested], features.y_test[tested]
    parts = batches.batches(y, one["seed"])
    head = _fitted(_head(one), features, stream)
    base = _answered(head, X, y, parts)
    adapted = {each.name: {"label": each.label, **_adaptation(each.make(head), X, y, parts)} for each in wanted}
    config = show_config()
    kept = ("method", "label", "kind", "estimator", "scenario", "seed", "tune", "tuned", "features")
    return {
        "format": FORMAT,
        **{key: one[key] for key in kept},
        "test_stream": str(batches),
        "rows": [len(part) for part in parts],
        "base": base,
        "adapted": adapted,
        "versions": config.pop("versions"),
        "machine": config,
    }


def _fitted(head: Any, features: Features, stream: Stream) -> Any:
    last = len(stream.steps) - 1
    held = [np.flatnonzero(stream.steps[last].held)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QuantizationWarning)  # the comparison has told
        for rows in held_by_session(stream, last) if head.depends_on_order else held:
            if rows.size:
                head.partial_fit(features.X_train[rows], features.y_train[rows])
    head.predict(features.X_train[:1])  # solves, which is not timed here
    return head


def _adaptation(model: Adapted, X: NDArray[Any], y: NDArray[Any], parts: list[Rows]) -> dict[str, Any]:
    """As `_answered`, and what the first batch took, which calibration is part of; or why the head is refused."""
    start = time.perf_counter()
    try:
        model.predict(X[parts[0]])
    except (TypeError, ValueError) as error:
        return {"refused": str(error)}
    first = time.perf_counter() - start
    return {"refused": None, "seconds_first": first, **_answered(model.reset(), X, y, parts)}


def _answered(model: Any, X: NDArray[Any], y: NDArray[Any], parts: list[Rows]) -> dict[str, Any]:
    """Accuracy of each batch and of all rows, and what 1,000 rows took."""
    right, seconds = [], 0.0
    for part in parts:
        start = time.perf_counter()
        y_pred = model.predict(X[part])
        seconds += time.perf_counter() - start
        right.append(y_pred == y[part])
    together = np.concatenate(right)
    return {
        "accuracy": float(together.mean()),
        "batches": [float(each.mean()) for each in right],
        "seconds": 1000 * seconds / len(together),
    }
