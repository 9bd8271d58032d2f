"""Make the pictures of docs/gallery.md, from the packaged data; with --check, small ones, to see that none is missing.

python tools/make_gallery.py [--check] [NAME.png ...]
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from analytic_cl import LDAClassifier
from analytic_cl.cli.main import main as cli
from analytic_cl.datasets import load_clinc150
from analytic_cl.report import class_graph

DOCS = Path(__file__).parents[1] / "docs"
ELSEWHERE = {"benchmarks.png"}  # benchmarks/_report.py


def command(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exit_code:
        sys.exit(f"{' '.join(map(str, arguments))}: {result.output}")


def packed(folder, *, small):
    """The packaged data as a file; small: ten classes."""
    data = load_clinc150()
    train, test = (y < (10 if small else 150) for y in (data.y_train, data.y_test))
    path = folder / "features.npz"
    np.savez(
        path,
        X_train=data.X_train[train],
        y_train=data.y_train[train],
        X_test=data.X_test[test],
        y_test=data.y_test[test],
    )
    return path


def demo(folder, *, small):
    if not small:  # there is no small one; tests/test_cli.py runs it
        command("demo", "--out", folder / "demo.png")


def comparison(folder, *, small):
    report, scenario = folder / "report", f"class-incremental:{2 if small else 10}"
    features = packed(folder, small=small)
    heads = "nearest-mean,lda,ridge,neighbors"
    command("compare", "--features", features, "--scenario", scenario, "--heads", heads, "--out", report)
    for name in ("accuracy.png", "cost.png"):
        (report / name).rename(folder / name)


def classes(folder, *, small):
    data = load_clinc150()
    rows = data.y_train < (10 if small else 150)
    class_graph(LDAClassifier().fit(data.X_train[rows], data.classes[data.y_train[rows]]), folder / "classes.png")


def unlearning(folder, *, small):
    report, features = folder / "forgetting", packed(folder, small=small)
    sizes = ("--rows", 600 if small else 3000, "--forget", 20 if small else 60, "--shadows", 8)
    command("compare-forgetting", "--features", features, "--out", report, "--single-requests", 0, *sizes)
    (report / "unlearning.png").rename(folder / "unlearning.png")


MAKERS = {
    "demo.png": demo,
    "accuracy.png": comparison,
    "cost.png": comparison,
    "classes.png": classes,
    "unlearning.png": unlearning,
}


def main():
    check = "--check" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--check"] or list(MAKERS)
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (DOCS / "gallery.md").read_text())
    if {Path(path).name for path in shown} != MAKERS.keys() | ELSEWHERE:
        sys.exit(f"docs/gallery.md shows {shown}; this script makes {list(MAKERS)}")
    with tempfile.TemporaryDirectory() as made:
        for maker in dict.fromkeys(MAKERS[name] for name in names):
            maker(Path(made), small=check)
        for path in (DOCS / path for path in shown if Path(path).name in names):
            picture = Path(made) / path.name
            if not picture.exists() and not (check and path.name == "demo.png"):
                sys.exit(f"{path.name} was not made")
            if not check:
                path.write_bytes(picture.read_bytes())
                print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
