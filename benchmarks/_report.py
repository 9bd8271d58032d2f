"""Write docs/benchmarks.md from the results of the last runs."""

import json
import statistics
from pathlib import Path

from _common import RESULTS

DOC = Path(__file__).parents[1] / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

Written by `make bench` from `benchmarks/*.py`: medians of five rounds, all contestants of a table side by side in one
run, as ratios to the first. Compare within a table only. Accuracy is tested, not timed: `tests/test_real_data.py`.

**Floors.** Fitting LDA or ridge on 50,000 x 1280 float32 rows has to read 256 MB once (about 0.01 s) and to do 8.2e10
multiply-adds for one triangle of the Gram matrix: 0.2 to 0.4 s at the rate of this BLAS's `ssyrk`. Nearest mean has the
read and 6.4e7 additions only. Forgetting one row is d^2 / 2 additions; what takes the time is the new solve, d^3 / 3,
which retraining pays as well.
"""


def main() -> None:
    records = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    pages = [HEAD]
    for record in records:
        medians = {name: statistics.median(seconds) for name, seconds in record["seconds"].items()}
        first = next(iter(medians.values()))
        rows = [
            f"| {name} | {medians[name]:.4f} | {min(seconds):.4f} to {max(seconds):.4f} | {medians[name] / first:.2f} |"
            for name, seconds in record["seconds"].items()
        ]
        table = ["| | median s | range | ratio |", "|---|---|---|---|", *rows]
        pages.append(f"## {record['title'][0].upper()}{record['title'][1:]}\n\n" + "\n".join(table) + "\n")
        if record["note"]:
            pages.append(record["note"] + "\n")
    machine = records[-1]["machine"]
    blas = ", ".join(
        f"{p['internal_api']} {p['version']} ({p['architecture']}, {p['num_threads']} threads)" for p in machine["blas"]
    )
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    pages.append(f"## Machine\n\n{machine['cpu']}, {machine['cpus']} cores. {blas}. {versions}.\n")
    DOC.write_text("\n".join(pages))
    print(f"wrote {DOC}")


if __name__ == "__main__":
    main()
