"""Commands that make a store, teach it and ask it: init, learn, rectify, predict."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytic_cl._names import STORE_HEADS, others_add_heads
from analytic_cl._text import visible
from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import check_can_write, header_option, json_option, lines, out_option, progress, show, tell
from analytic_cl.cli.request_commands import finish, request_options, store_argument

if TYPE_CHECKING:
    from analytic_cl.heads import BaseHead
    from analytic_cl.reading import FeatureStream
    from analytic_cl.store import Store

LEARN_HELP = """Learn rows.

FEATURES is a matrix in a .npy, .npz, .safetensors, .parquet, .feather, .arrow or .csv file, one row a sample. LABELS
holds one label a row: a text file (one a line), or one of these. An array or column is named after a colon: data.npz:X,
rows.csv:intent. A folder, or a pattern such as 'part-*.parquet', stands for its files, part-2 before part-10.

Rows are read a chunk at a time, and the next chunk while one is learned, so that there may be more than memory holds;
only .npz and .csv files are read as a whole.

A .csv file begins with a header. One file may hold all: columns that LABELS, --ids or --subjects name in it are no
features. The names of the features are kept with the model: rows that come later must have the same, in any order.

A chunk (--chunk) is the unit that is learned whole or not at all. When something is wrong, the message says which rows
are in, and --start continues after them. Wrong numbers of labels or ids, and ids given twice, are refused before
anything is learned.

In text, ids are text unless --integer-ids is given, and labels are what the store's labels are; in a store without
labels they are integers if all of them are. For a regressor LABELS are numbers, the targets.
"""

integer_ids_option = click.option(
    "--integer-ids", is_flag=True, help="Ids written as text are integers. Without it they are text, digits or not."
)
string_labels_option = click.option(
    "--string-labels", is_flag=True, help="Labels written as text stay text, even if all are integers."
)


class HeadName(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """The name of a registered head that a store can hold; other packages' heads have to be imported for it."""

    name = "head"

    def names(self) -> list[str]:
        if not others_add_heads():
            return list(STORE_HEADS)
        from analytic_cl.heads import head_entries

        return [entry.name for entry in head_entries().values() if entry.store]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self.names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.names():
            self.fail(f"{value!r} is not one of {', '.join(self.names())}.", param, ctx)
        return str(value)


@click.command(cls=StoreCommand)
@store_argument
@click.option("--head", type=HeadName(), default="lda", show_default=True)
@click.option("--alpha", help='Of ridge: "auto" (not of regression), "oas", "gcv" or a number.')
@click.option("--shrinkage", help='Of lda: "oas" (default) or a number from 0 to 1.')
@click.option(
    "--target-range",
    "target_quantizer",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Of ridge-regression: between what all targets lie.  [default: -522231 522231]",
)
@click.option("--projection", type=int, metavar="N", help="Put N random features in front.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random features and keys.")
@click.option(
    "--quantizer",
    type=click.Choice(["auto", "embedding", "tabular", "integers"]),
    help="How rows become integers: see docs/quantizers.md.  [default: auto]",
)
@click.option(
    "--tombstone-days",
    type=float,
    metavar="DAYS",
    help="How long what was erased is refused when it is learned again: for ever by default; 0: never.",
)
@json_option
def init(store: Path, tombstone_days: float | None, as_json: bool, **choices: Any) -> None:
    """Make an empty store.

    The directory will hold the model, its rows, its keys and the record of requests: personal data. It is readable by
    you only.
    """
    from analytic_cl.store import Store

    with Store.create(store, _head(**choices), tombstone_days=tombstone_days) as made:
        status = made.status()
    show(status, f"{store} is ready: {status['head']}. Its keys are in keys.json: back them up apart.", as_json)


def _head(head: str, seed: int, **options: Any) -> BaseHead:
    """The head of this name with the options that were given, which are parameters of its constructor."""
    from analytic_cl import FixedPoint, RandomProjection
    from analytic_cl.heads import head_entries

    made = head_entries()[head].make(seed)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in made.get_params(deep=False):
            option = {"target_quantizer": "target-range"}.get(name, name)
            raise click.UsageError(f"--{option} is not for --head {head}: {type(made).__name__} has no such parameter")
    for name in {"alpha", "shrinkage"} & given.keys():
        given[name] = _number_or_word(given[name])
    if "target_quantizer" in given:
        given["target_quantizer"] = FixedPoint(32, bounds=given["target_quantizer"])
    if "projection" in given:
        given["projection"] = RandomProjection(given["projection"], random_state=seed)
    made.set_params(**given)
    made.check_parameters()
    return made


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@click.command(cls=StoreCommand, help=LEARN_HELP)
@store_argument
@click.argument("features")
@click.argument("labels")
@click.option("--ids", metavar="FILE", help="A name for each row; rows with ids can be forgotten one by one.")
@integer_ids_option
@click.option("--subjects", metavar="FILE", help="The person each row is about; an empty line: nobody.")
@click.option("--subject", metavar="NAME", help="The person that all of these rows are about.")
@click.option("--session", metavar="NAME", help="When or from where these rows came.")
@string_labels_option
@header_option
@click.option("--chunk", type=click.IntRange(min=1), metavar="N", help="Rows read at a time; about 64 MB by default.")
@click.option("--start", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first N rows.")
@click.option("--allow-erased", is_flag=True, help="Learn rows although their id or subject was erased.")
@json_option
def learn(
    store: Path,
    features: str,
    labels: str,
    ids: str | None,
    integer_ids: bool,
    subjects: str | None,
    subject: str | None,
    session: str | None,
    string_labels: bool,
    header: bool | None,
    chunk: int | None,
    start: int,
    allow_erased: bool,
    as_json: bool,
) -> None:
    from analytic_cl.cli.columns import names_of_columns, read_ids, read_labels, read_names
    from analytic_cl.store import Store

    if subjects is not None and subject is not None:
        raise click.UsageError("give --subjects or --subject, not both")
    with Store.open(store) as opened:
        X = _features_for(opened, features, header, labels, ids, subjects)
        n = len(X)
        if start and start >= n:
            raise click.UsageError(f"--start {start} leaves none of {n} rows")
        y = read_labels(labels, n, _kind(opened, string_labels), header)
        about = {
            "sample_id": None if ids is None else read_ids(ids, integer_ids, n, header),
            "subject": subject if subjects is None else read_names(subjects, n, header),
            "session": session,
        }
        columns = {
            "feature_names": X.names or opened.feature_names,
            "other_columns": names_of_columns(labels, ids, subjects),
        }
        learned = _learn_in_chunks(opened, X, y, about, columns, start, chunk, allow_erased)
        rows = opened.n_rows
    show({"learned": learned, "rows": rows}, f"{learned:,} rows learned; the state has {rows:,}.", as_json)


def _kind(store: Store, string_labels: bool) -> str:
    from analytic_cl.cli.columns import kind_of_labels

    kind = kind_of_labels(store)
    if string_labels and kind == "number":
        raise click.UsageError("--string-labels is not for a store whose model predicts numbers")
    return "string" if string_labels else kind


def _features_for(store: Store, features: str, header: bool | None, *beside: str | None) -> FeatureStream:
    """Features for the model of a store, on disk until they are used."""
    from analytic_cl.reading import open_features

    known = store.feature_names
    found = open_features(features, header=header, beside=beside, known=known, others=store.other_columns)
    tell(found.notes)
    if not len(found):
        raise ValueError(f"{features} has no rows")
    if known is None and found.names is not None and beside:
        tell(_first_names(store, features, found.names))
    return found


# Names that are hardly those of features.
_DOUBTFUL = ("id", "ids", "sample_id", "subject", "session", "label", "class", "target", "split", "index")


def _first_names(store: Store, features: str, names: list[str]) -> list[str]:
    """What there is to say when a model is told what its columns are called."""
    doubtful = [name for name in names if name.lower() in _DOUBTFUL]
    notes = [f"{features}: learned as features: {', '.join(doubtful)}. If they are none, take them out"]
    named = f"{features}: the rows learned before had no names of columns; they are taken to be these, in this order"
    return [*(notes if doubtful else []), *([named] if store.n_rows else [])]


def _learn_in_chunks(
    store: Store,
    X: FeatureStream,
    y: Any,
    about: dict[str, Any],
    columns: dict[str, Any],
    start: int,
    chunk: int | None,
    allow_erased: bool,
) -> int:
    before, first = store.status()["rows"], start
    try:
        with progress("learning", len(X) - start, "rows") as done, closing(X.batches(chunk, start)) as chunks:
            for rows in chunks:
                part = slice(first, first + len(rows))
                here = {name: value[part] if isinstance(value, list) else value for name, value in about.items()}
                done(store.learn(rows, y[part], **here, **columns, allow_erased=allow_erased))
                first = part.stop
    except BaseException:
        _say_what_is_in(store.n_rows - before, start)
        raise
    return len(X) - start


def _say_what_is_in(learned: int, start: int) -> None:
    """After an error. The store is asked, because an interrupt may come when a chunk is in already."""
    if learned:
        end = start + learned
        click.echo(f"Rows {start + 1} to {end} are in the store; continue with --start {end}.", err=True)
    else:
        click.echo("Nothing was learned.", err=True)


@click.command(cls=StoreCommand)
@store_argument
@click.argument("features")
@click.argument("labels")
@click.option("--ids", metavar="FILE", required=True, help="The ids whose rows are replaced.")
@integer_ids_option
@string_labels_option
@header_option
@request_options
@json_option
def rectify(
    store: Path,
    features: str,
    labels: str,
    ids: str,
    integer_ids: bool,
    string_labels: bool,
    header: bool | None,
    request_id: str | None,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Replace the rows and labels of known ids.

    Files are read as by `learn`. Subjects and sessions stay. All rows are replaced, or none.
    """
    from analytic_cl.cli.columns import read_ids, read_labels
    from analytic_cl.store import Store

    check_can_write(certificate)
    with Store.open(store) as opened:
        X = _features_for(opened, features, header, labels, ids)
        names = read_ids(ids, integer_ids, len(X), header)
        y = read_labels(labels, len(X), _kind(opened, string_labels), header)
        receipt = opened.rectify(X.rows.whole(), y, sample_id=names, request_id=request_id)
    finish(receipt, certificate, as_json)


@click.command(cls=StoreCommand)
@store_argument
@click.argument("features")
@out_option("Where to write the labels: .npy, else text, one a line. On the screen by default.")
@header_option
@json_option
def predict(store: Path, features: str, out: Path | None, header: bool | None, as_json: bool) -> None:
    """Give each row of FEATURES a label, or a number where the model is a regressor.

    FEATURES is read as by `learn`: its columns must be those that were learned from, in any order; columns from which
    labels, ids or people were learned may stand beside them. Nothing is changed, and a process that writes to the store
    is not in the way.
    """
    import numpy as np

    from analytic_cl.store import Store

    check_can_write(out)
    with (
        Store.open(store, read_only=True) as opened,
        closing(_features_for(opened, features, header).batches()) as chunks,
    ):
        what = "predictions" if opened.head.task == "regression" else "labels"
        parts = [opened.head.predict(rows) for rows in chunks]
    labels = np.concatenate(parts)
    if out is not None:
        _write_labels(out, labels)
        show({"rows": len(labels), "written": str(out)}, lines({"rows": len(labels), "written": out}), as_json)
    else:
        show({what: labels.tolist()}, "\n".join(map(visible, labels.tolist())), as_json)


def _write_labels(out: Path, labels: Any) -> None:
    import io

    import numpy as np

    from analytic_cl.cli.output import write, write_text

    if out.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, labels, allow_pickle=False)
        write(out, buffer.getvalue())
    else:
        broken = next((label for label in labels.tolist() if len(str(label).splitlines()) > 1), None)
        if broken is not None:
            raise ValueError(f"label {broken!r} has a line break, and would be two lines of {out}: write an .npy file")
        write_text(out, "".join(f"{label}\n" for label in labels.tolist()))


COMMANDS = (init, learn, rectify, predict)
