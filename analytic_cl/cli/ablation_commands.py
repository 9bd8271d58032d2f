"""Commands that measure what forgetting and quantising do: compare-forgetting, ablate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import progress, tell

if TYPE_CHECKING:
    from analytic_cl.comparison import Features

features_option = click.option(
    "--features",
    metavar="FILE",
    required=True,
    help="An .npz file with X_train, y_train, X_test and y_test.",
)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A folder for tables (.json, .csv) and pictures (.png).",
)
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn.")


def _count(name: str, default: int, text: str, least: int = 1) -> Callable[[Any], Any]:
    return click.option(name, type=click.IntRange(min=least), default=default, show_default=True, help=text)


@click.command("compare-forgetting", cls=StoreCommand)
@features_option
@out_option
@_count("--rows", 5000, "Training rows, drawn at random.")
@_count("--test-rows", 5000, "Test rows, drawn at random.")
@_count("--forget", 100, "Random rows of the first request; the second is about a class.")
@_count("--shadows", 16, "Shadow models of the likelihood-ratio attack.", least=2)
@_count("--single-requests", 1000, "Rows that leave one at a time, to see errors add up; 0: leave this out.", least=0)
@seed_option
def compare_forgetting_command(
    features: str, out: Path, rows: int, test_rows: int, forget: int, shadows: int, single_requests: int, seed: int
) -> None:
    """Compare exact forgetting with approximate unlearning.

    Random rows, then a class, leave five closed-form heads, and a softmax probe by influence functions, a Newton step,
    fine-tuning and masking; all are measured against retraining. Then rows leave a ridge one at a time, as integers and
    by floating-point downdates. About two minutes on two cores.
    """
    from rich.console import Console

    from analytic_cl.studies import pictures
    from analytic_cl.studies.drift import drift
    from analytic_cl.studies.unlearning import compare_forgetting

    console, data = Console(), _drawn(features, rows, test_rows, seed)
    table = compare_forgetting(data, n_forget=forget, n_shadows=shadows, seed=seed)
    drawn = pictures.save(table, out, "unlearning", pictures.draw_unlearning, (12, 5))
    table.show(console, [name for name in table.columns if name != "request"], group="request")
    console.print(table.note, markup=False)
    if single_requests:
        table = drift(data, n_requests=single_requests, seed=seed)
        pictures.save(table, out, "drift", pictures.draw_drift, (6, 4))
        table.show(console)
        console.print(table.note, markup=False)
    _finish(out, drawn)


@click.command(cls=StoreCommand)
@features_option
@out_option
@_count("--rows", 5000, "Training rows, drawn at random.")
@_count("--test-rows", 5000, "Test rows, drawn at random.")
@seed_option
def ablate(features: str, out: Path, rows: int, test_rows: int, seed: int) -> None:
    """Measure what quantising costs, by bits and scale.

    Accuracy of nearest mean, LDA, ridge and neighbours behind quantizers of 4 to 32 bits and ten scales, against the
    same heads in float64. A minute or two on two cores.
    """
    from rich.console import Console

    from analytic_cl.studies import pictures
    from analytic_cl.studies.quantisation import BITS, OCTAVES, by_bits_and_scale
    from analytic_cl.studies.quantisation import ablate as measure

    data = _drawn(features, rows, test_rows, seed)
    with progress("quantizers", len(BITS) * len(OCTAVES)) as done:
        table = measure(data, done=done)
    drawn = pictures.save(table, out, "quantisation", pictures.draw_quantisation, (20, 4))
    console = Console()
    for head in dict.fromkeys(row[1] for row in table.rows):
        by_bits_and_scale(table, head).show(console)
    console.print(table.note, markup=False)
    _finish(out, drawn)


def _drawn(features: str, rows: int, test_rows: int, seed: int) -> Features:
    from analytic_cl.comparison.readers import features_of
    from analytic_cl.studies.subsets import drawn

    given = features_of(features)
    tell(given.notes)
    return drawn(given, rows, test_rows, seed)


def _finish(out: Path, drawn: bool) -> None:
    from analytic_cl.studies.pictures import MISSING

    if not drawn:
        click.echo(MISSING, err=True)
    click.echo(f"Written to {out}")


COMMANDS = (compare_forgetting_command, ablate)
