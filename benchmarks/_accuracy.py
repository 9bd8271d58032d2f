"""Write docs/accuracy.md from the result files in docs/results; given folders of comparisons, write these files first.

    analytic-cl compare --features FILE --scenario class-incremental:15 --heads default --out build/accuracy/NAME
    python benchmarks/_accuracy.py build/accuracy/NAME ...

Accuracy does not depend on the machine, so result files are kept; with --check, say whether the page is theirs.
"""

import json
import sys
from pathlib import Path

from analytic_cl.comparison import summary

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results"
PAGE = DOCS / "accuracy.md"
NAMES = {"clinc150_minilm": "CLINC150, MiniLM features", "cifar100_mnv2": "CIFAR-100, MobileNetV2 features"}
MEASURES = {"last": 100, "average_incremental": 100, "forgetting": 100, "state_bytes": 1e-6}
HEAD = """# Accuracy

Written by `python benchmarks/_accuracy.py` from `docs/results/*.json`, which `analytic-cl compare` made. Per cent
right on test rows, means over orders of classes with the half width of the 95 % interval where that is not 0.0;
MB: what must be kept to go on. Heads have default arguments. Nothing was tuned on test rows. What the columns mean:
[compare.md](compare.md#what-is-measured).

Long tails, few rows, probabilities and novelty: [heads.md](heads.md#what-they-are-worth). Small tables beside
scikit-learn: [defaults.md](defaults.md). Published methods:
[compared-with-public-code.md](compared-with-public-code.md).
"""


def result(folder):
    """What is kept of a comparison."""
    runs = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]
    settings = json.loads((folder / "settings.json").read_text())
    order = settings["heads"] + settings["peers"]
    kept = [name for measure in MEASURES for name in (measure, f"{measure}_interval")]
    lines = sorted(summary(runs), key=lambda line: order.index(line["method"]))
    return {
        "features": settings["features"],
        "scenario": settings["scenario"],
        "seeds": settings["seeds"],
        "versions": runs[0]["versions"],
        "lines": [{name: line[name] for name in ("method", "label", *kept)} for line in lines],
    }


def cell(line, name):
    value, half = line[name], line[f"{name}_interval"]
    if value is None:
        return "-"
    scaled = f"{value * MEASURES[name]:.1f}"
    width = f"{(half or 0) * MEASURES[name]:.1f}"
    return scaled if width == "0.0" or name == "state_bytes" else f"{scaled} ± {width}"


def table(path):
    record = json.loads(path.read_text())
    has = record["features"]
    return "\n".join(
        [
            f"## {NAMES.get(has['name'], has['name'])}, {record['scenario']}",
            "",
            f"{has['n_train']:,} rows of {has['n_features']} features, {has['n_classes']} classes, "
            f"{has['n_test']:,} test rows; {record['seeds']} orders of classes. By",
            f"`analytic-cl compare --features {has['name']}.npz --scenario {record['scenario']} --heads default`.",
            "",
            "| | last | mean over sessions | forgetting | MB |",
            "|---|---|---|---|---|",
            *(f"| {line['label']} | {' | '.join(cell(line, name) for name in MEASURES)} |" for line in record["lines"]),
            "",
        ]
    )


def main():
    for folder in map(Path, (argument for argument in sys.argv[1:] if argument != "--check")):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{folder.name}.json").write_text(json.dumps(result(folder), indent=1) + "\n")
    page = "\n".join([HEAD, *map(table, sorted(RESULTS.glob("*.json")))])
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page and f"{PAGE.name} is not what docs/results says: run benchmarks/_accuracy.py")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
