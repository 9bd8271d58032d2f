"""The command that compares heads and other libraries' estimators on a user's features: compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from analytic_cl._names import ADAPTATIONS, COMPARED_HEADS, PEERS, TEST_STREAMS, check_names, others_add_heads
from analytic_cl._text import visible
from analytic_cl.cli.adapted_table import show_adapted
from analytic_cl.cli.errors import NOT_VERIFIED, Failure, StoreCommand
from analytic_cl.cli.output import as_json_text, header_option, json_option, tell

HELP = """Compare closed-form heads with each other, and with other libraries.

All methods learn the same stream, session by session, and are judged after each on the same test rows. Heads that learn
the same integers share one state, so that another head costs what its weights cost.

FEATURES is a .npz file or a folder of .npy files (X_train, y_train, X_test, y_test; or X, y), a .csv or .parquet file
with a column label and perhaps split (FILE.csv:NAME where the labels are in another column), a folder with
train.parquet and test.parquet, a .csv file of sentences with the columns text and label (and --extractor), or a folder
of images in train/CLASS and test/CLASS. Without a split, a fifth of each class is for testing. Without FEATURES, the
packaged CLINC150 is used.

With --out, every finished run is written to the folder at once, and the same command goes on where it was stopped. The
folder then holds results.csv and, with the extra plots, report.html.
"""


@click.command(cls=StoreCommand, help=HELP)
@click.option("--features", metavar="FEATURES", help="What to compare on. [default: packaged CLINC150]")
@click.option("--extractor", metavar="MODEL", default="", help="What makes features of sentences or images.")
@click.option(
    "--scenario",
    default="class-incremental:10",
    show_default=True,
    help="NAME:NUMBER or NAME:KEY=VALUE,...; see docs/compare.md.",
)
@click.option(
    "--heads",
    default="nearest-mean,lda,ridge,neighbors",
    show_default=True,
    metavar="NAMES",
    help="Names with commas between, default, all, or none.",
)
@click.option(
    "--peers",
    default="default",
    show_default=True,
    metavar="NAMES",
    help="Of other libraries: names, default (cheap ones), all, or none.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Number of class orders.")
@click.option(
    "--tune",
    metavar="DATA",
    help='Choose parameters on other data first: "holdout" (half of the classes), or features.',
)
@click.option(
    "--adapt",
    default="none",
    show_default=True,
    metavar="NAMES",
    help="Adaptations of heads with probabilities, over a test stream: names, all, or none.",
)
@click.option(
    "--test-stream",
    default="label-shift:0.1",
    show_default=True,
    help="For --adapt: label-shift, gradual-shift or correlated, each :CONCENTRATION, or unshifted.",
)
@header_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for runs, results and report.")
@json_option
def compare(
    features: str | None,
    extractor: str,
    header: bool | None,
    out: Path | None,
    as_json: bool,
    tune: str | None,
    adapt: str,
    test_stream: str,
    **what: Any,
) -> None:
    _check(features, tune, what["scenario"], what["heads"], what["peers"], adapt, test_stream)
    from analytic_cl.comparison.adapted_streams import check_adapted, run_adapted
    from analytic_cl.comparison.adapted_summary import adapted_summary
    from analytic_cl.comparison.engine import run
    from analytic_cl.comparison.readers import read
    from analytic_cl.comparison.summary import summary

    check_adapted(adapt, test_stream)  # before anything takes long
    watched = sys.stderr.isatty()
    given = _packaged() if features is None else read(features, extractor, header=header, progress=watched)
    tell(given.notes)
    tune_on: Any = tune if tune in (None, "holdout") else read(tune, header=header)
    tell(tune_on.notes if tune_on is not tune else ())
    try:
        runs = run(given, out=out, tune=tune_on, progress=watched, **what)
        adapted, notes = run_adapted(given, runs, adapt, test_stream, out, progress=watched)
    except KeyboardInterrupt:
        if out is not None:
            click.echo(f"Stopped. Finished runs are in {out / 'runs'}; the same command goes on from there.", err=True)
        raise
    tell(notes)
    lines = adapted_summary(adapted)
    if as_json:
        found = {"out": None if out is None else str(out), "methods": summary(runs), "adapted": lines}
        click.echo(as_json_text(found))
    else:
        _show(summary(runs), runs[0])
        if lines:
            show_adapted(lines, adapted[0])
    if out is not None:
        _report(out, as_json)


def _check(
    features: str | None, tune: str | None, scenario: str, heads: str, peers: str, adapt: str, test_stream: str
) -> None:
    """Answer what is wrong at once: what would answer it later takes seconds to load."""
    known = {"adaptation": (adapt, ADAPTATIONS), "peer": (peers, PEERS)}
    if not others_add_heads():
        known["head"] = heads, COMPARED_HEADS
    for kind, (asked, names) in known.items():
        check_names(asked, names, kind)
    stream = test_stream.strip().partition(":")[0]
    if stream not in TEST_STREAMS:
        raise ValueError(f"unknown test stream {stream!r}: choose one of {', '.join(TEST_STREAMS)}")
    for name in (features, None if tune == "holdout" else tune):
        if name is not None and not any(Path(path).exists() for path in (name, name.rpartition(":")[0] or name)):
            raise FileNotFoundError(2, "there is no such file or folder", name)
    from analytic_cl.scenarios import parse

    parse(scenario)


def _packaged() -> Any:
    from analytic_cl.comparison.features import as_features
    from analytic_cl.datasets import load_clinc150

    return as_features(load_clinc150(), "CLINC150")


def _report(out: Path, quiet: bool) -> None:
    from analytic_cl import report

    try:
        report.write(out)
    except ImportError as error:
        click.echo(f"No report.html: {error}", err=True)
    else:
        if not quiet:
            click.echo(f"Report: {out / 'report.html'}")


def _show(lines: list[dict[str, Any]], run: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    about, n = run["features"], lines[0]["seeds"]
    table = Table(
        title=Text(
            f"{visible(about['name'])}: {about['n_train']:,} rows of {about['n_classes']} classes, "
            f"{visible(run['scenario'])}, {n} seed{'s' if n > 1 else ''}"
        ),
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("accuracy, %")
    for name in ("last", "mean", "forgotten", "train, s", "predict, s", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, line in enumerate(lines):
        train = sum(line[f"seconds_{part}"] or 0 for part in ("learn", "shared", "solve"))
        following = lines[min(place + 1, len(lines) - 1)]
        table.add_row(
            Text(visible(line["label"])),
            _per_cent(line, "last", with_interval=True),
            _per_cent(line, "average_incremental"),
            _per_cent(line, "forgetting"),
            f"{train:.1f}",
            f"{line['seconds_predict']:.1f}",
            "-" if line["state_bytes"] is None else f"{line['state_bytes'] / 1e6:.1f}",
            end_section=(line["kind"] == "exact") != (following["kind"] == "exact"),
        )
    console = Console()
    console.print(table)
    interval = " with its 95 % interval over seeds" if n > 1 else ""
    console.print(f"last: after the last session{interval}; mean: over sessions. MB: what learning on needs, rows too.")
    _show_requests(lines)


def _show_requests(lines: list[dict[str, Any]]) -> None:
    asked, same, different = (sum(line[key] for line in lines) for key in ("requests", "identical", "different"))
    if different:
        raise Failure(f"{different} states differ from retraining: this should never happen. Report it.", NOT_VERIFIED)
    if asked:
        click.echo(f"Deletions: {same} states after requests were compared with retraining; all are the same bits.")


def _per_cent(line: dict[str, Any], name: str, with_interval: bool = False) -> str:
    mean, half = line[name], line[f"{name}_interval"]
    if mean is None:
        return "-"
    return f"{100 * mean:.1f}" + (f" \xb1{100 * half:.1f}" if with_interval and half is not None else "")


COMMANDS = (compare,)
