"""Write docs/benchmarks.md and its picture from the results of the last runs."""

import json
import math
import statistics
from pathlib import Path

import matplotlib as mpl
from _common import BESIDE

mpl.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
QUIET = Path(__file__).parent / "results"

HEAD = """# Benchmarks

Written by `make bench` (`make bench-full` runs the long ones as well, `make peers` avalanche-lib and river) from
`benchmarks/*.py`: medians of at least five rounds, slow peers once, all contestants of a table side by side in one run.
Compare within a table only. The last ratio is from `make bench-busy`: the same beside two processes that multiply
matrices and copy memory all the while, on a machine of two cores. Accuracy is tested, not timed:
`tests/test_real_data.py`.

![How many times as long the alternatives take](benchmarks.png)
"""

# How the title of a result begins, ours, the peer, and what no program could go below.
CLAIMS = [
    (
        "Gram update, 8,192 x 4,096",
        "int8, native",
        "torch int8, full product",
        "6.9e10 multiply-adds for one triangle, at 5.2e11 a second and core (VNNI): 0.07 s",
    ),
    ("Gram update, 8,192 x 4,096", "int8, native", "dsyrk alone", "the same"),
    ("Gram update, 8,192 x 4,096", "int16, native", "ssyrk alone", "four int8 products: 0.27 s"),
    (
        "fit 50,000 x 1280: LDA",
        "LDAClassifier",
        "scikit-learn LDA lsqr, shrinkage='auto'",
        "read 256 MB and 4.1e10 multiply-adds: 0.06 s",
    ),
    ("fit 50,000 x 1280: ridge", "RLSClassifier", "scikit-learn RidgeClassifier", "the same"),
    ("fit 50,000 x 1280: nearest mean", "NearestMeanClassifier", "scikit-learn NearestCentroid", "read 256 MB: 0.01 s"),
    (
        "ten sessions, 50,000 rows, 4,096 random features",
        "RLSClassifier, projection included",
        "ACIL recursion",
        "1.1e11 multiply-adds for ten factors, in float32 at 1.2e11 a second (BLAS), and 6.8e11 for Gram and "
        "projection, at 5.2e11 a second and core (VNNI): 1.6 s",
    ),
    (
        "ten sessions, 50,000 rows, 4,096 random features",
        "RLSClassifier, projection included",
        "RanPAC head",
        "the same",
    ),
    (
        "learn 50,000 x 1280 of CIFAR-100 behind 5,000 random features",
        "sums and Gram matrix",
        "float32 by BLAS",
        "3.2e11 + 6.3e11 int8 multiply-adds, at 5.2e11 a second and core: 0.91 s",
    ),
    (
        "learn 50,000 x 1280 of CIFAR-100 behind 5,000 random features",
        "sums and Gram matrix",
        "the features and their Gram matrix alone",
        "the same",
    ),
    (
        "learn 50,000 x 1280 of CIFAR-100 behind 5,000 random features",
        "sums by class",
        "the features alone",
        "3.2e11: 0.31 s",
    ),
    (
        "class Grams of CIFAR-100, 50,000 x 1280, 100 classes",
        "learn, a matrix a class",
        "learn, one matrix",
        "copy 64 MB: rows of a class wait until they are more than its matrix",
    ),
    (
        "class Grams of CIFAR-100, 50,000 x 1280, 2 classes",
        "learn, a matrix a class",
        "learn, one matrix",
        "4.1e10 int8 multiply-adds: 0.04 s",
    ),
    (
        "class Grams of CLINC150, 15,000 x 384, 2 classes",
        "learn, a matrix a class",
        "learn, one matrix",
        "1.1e9 int8 multiply-adds: 0.001 s",
    ),
    (
        "one row learned, weights current: 768 features, 100 classes",
        "RLSClassifier(solver='recursive')",
        "RLSClassifier(solver='cholesky')",
        "read half of the inverse: 2.4 MB",
    ),
    (
        "other libraries: one row learned, weights current, 768 features, 100 classes, one thread",
        "RLSClassifier, recursive",
        "StreamingLDA of avalanche-lib",
        "the same",
    ),
    (
        "other libraries: one row learned, weights current, 768 features, 100 classes, one thread",
        "RLSClassifier, recursive",
        "BayesianLinearRegression of river",
        "the same",
    ),
    (
        "forget one of 50,000 rows, 4,096 random features",
        "forget one, look",
        "refit, Cholesky",
        "read half of the inverse, 67 MB: 0.0013 s",
    ),
    (
        "forget one of 50,000 rows, 4,096 random features",
        "forget 64, look once: each",
        "refit, Cholesky",
        "as long a product of two matrices, by 64: 0.0006 s",
    ),
    (
        "store: requests for one of 100,000 rows, 384 features",
        "one request",
        "training again",
        "write the state, 1 MB, and flush to disk, seven times",
    ),
    (
        "store: one request for one row of 128 features",
        "one of 1,000,000",
        "training on 100,000",
        "write the state, 0.2 MB, and flush to disk, seven times",
    ),
    (
        "1,280,000 x 768 rows in chunks, 1,000 classes: state and LDA weights",
        "LDAClassifier",
        "cast + int8 product",
        "read 3.9 GB and 3.8e11 multiply-adds: 0.5 s",
    ),
    (
        "20 neighbours of 5,000 queries among 50,000 x 1280",
        "NearestNeighborsClassifier",
        "plain FAISS flat",
        "3.2e11 multiply-adds, at 5.2e11 a second and core: 0.31 s",
    ),
    (
        "20 neighbours of 5,000 queries among 50,000 x 1280",
        "ours through FAISS flat",
        "plain FAISS flat",
        "plain FAISS; of a ratio below 1, the rest is ids, ties and exactness",
    ),
    (
        "20 neighbours of 5,000 queries among 50,000 x 1280",
        "NearestNeighborsClassifier",
        "scikit-learn, brute force",
        "the same as the first",
    ),
    (
        "forget from 1,000,000 rows of 384",
        "forget one by id",
        "make the FAISS index again",
        "overwrite three copies of a row",
    ),
    (
        "forget from 1,000,000 rows of 384",
        "forget 10,000 by id",
        "make the FAISS index again",
        "overwrite 23 MB at random places",
    ),
    (
        "heads compared over one state",
        "eight heads over one state",
        "eight heads, each by itself",
        "one learning, eight solves a session",
    ),
    ("predict 1 of", "LDA, plain means", "scikit-learn LDA lsqr", "one pass over the weights: 0.8 MB"),
    ("predict 1 of", "ridge", "scikit-learn RidgeClassifier", "the same"),
    ("predict 1 of", "LDA behind 5,000 random features", "scikit-learn LDA lsqr", "0.8 MB of signs, 3 MB of weights"),
    ("predict 10,000 of", "LDA", "scikit-learn LDA lsqr", "7.7e9 int8 multiply-adds: 0.015 s a core"),
    ("predict 10,000 of", "ridge", "scikit-learn RidgeClassifier", "the same; the peer's weights are float32"),
    (
        "predict 10,000 of CIFAR-100",
        "LDA behind 5,000 random features",
        "the random features",
        "6.4e10 + 3.0e10 int8 multiply-adds: 0.18 s a core; with leading digits alone 0.15 s",
    ),
    (
        "predict 10,000 of CLINC150",
        "LDA behind 5,000 random features",
        "the random features",
        "1.9e10 + 4.5e10 int8 multiply-adds: 0.12 s a core; with leading digits alone 0.08 s",
    ),
    ("predict 1 of", "ridge behind 5,000 random features", "scikit-learn LDA lsqr", "the same"),
    ("predict 1 of", "nearest mean behind 5,000 random features", "scikit-learn LDA lsqr", "the same"),
    (
        "predict 1 of",
        "neighbours",
        "the rows of neighbours, read once",
        "read the rows once: 26 MB of CIFAR-100, 5.8 MB of CLINC150",
    ),
    ("predict 1 of", "neighbours", "ONNX Runtime, neighbours", "the same; the peer's rows are float32"),
    (
        "predict 10 of",
        "neighbours",
        "ONNX Runtime, neighbours",
        "2.6e8 int8 multiply-adds on CIFAR-100, 5.8e7 on CLINC150: less than to read the rows",
    ),
    (
        "predict 10,000 of CIFAR-100",
        "Gaussian",
        "scikit-learn QDA",
        "3.9e9 float64 multiply-adds, at 5.7e10 a second and core: 0.07 s",
    ),
    (
        "predict 10,000 of CLINC150",
        "Gaussian",
        "scikit-learn QDA",
        "1.0e9 float64 multiply-adds, at 5.7e10 a second and core: 0.02 s",
    ),
    (
        "predict 10,000 rows of 1280 columns, 100 classes",
        "GaussianClassifier",
        "LDAClassifier",
        "3.9e9 float64 multiply-adds: 0.07 s a core; the peer's are int8",
    ),
    (
        "ridge regression in one pass",
        "RLSRegressor(1.0), 32-bit rows (default)",
        "Ridge(1.0), float64",
        "read 512 MB; ten int8 products of one triangle, 1.6e11 multiply-adds: 0.16 s",
    ),
    (
        "single rows of 256 features, predicted, then learned",
        "RLSRegressor(1.0, solver='recursive')",
        "Ridge(1.0) fitted anew",
        "read the inverse: 0.5 MB",
    ),
    (
        "fit and predict 15,000 + 4,500 sentences, 4096 sparse features",
        "RLSClassifier",
        "RidgeClassifier, sparse_cg",
        "a Cholesky factor of 4,096 columns: 2.3e10 multiply-adds",
    ),
    (
        "fit 20,000 x 512 with weights: ridge",
        "weights 0 to 9",
        "scikit-learn RidgeClassifier",
        "the fit without weights",
    ),
    (
        "commands in a fresh process",
        "status STORE",
        "import click",
        "Python, click and sqlite",
    ),
    (
        "solve 4,096 features for 1 classes",
        "float32, refined",
        "float64",
        "all at the rate of BLAS's products, 240 Gflop/s in float32, 120 in float64: 0.10 s; the peer 0.19 s",
    ),
    ("solve 4,096 features for 10 classes", "float32, refined", "float64", "the same: 0.11 s; the peer 0.19 s"),
    ("solve 4,096 features for 32 classes", "float32, refined", "float64", "the same: 0.13 s; the peer 0.20 s"),
    (
        "solve 4,096 features for 64 classes",
        "float32, refined",
        "float64",
        "the same: 0.16 s; the peer 0.21 s, so that 1.3 is the most",
    ),
    (
        "key-value bottleneck: learn 50,000 x 1280",
        "KeyValueBottleneckClassifier",
        "the integer product alone",
        "5.2e11 multiply-adds for the keys: 0.5 s, and 5.1e7 counts",
    ),
]


def read(folder):
    """Results of a folder that hold times."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [record for record in found if {"title", "seconds"} <= record.keys()]


def medians(record):
    return {name: statistics.median(seconds) for name, seconds in record["seconds"].items()}


def summary(records):
    """Rows of claim, seconds of ours, seconds of the peer, and floor, for the results that are there."""
    for title, ours, peer, floor in CLAIMS:
        found = [record for record in records if record["title"].startswith(title)]
        if not found:
            print(f"no result for: {title}")
        for record in found:
            seconds = medians(record)
            peers = [name for name in seconds if name.startswith(peer)]
            if ours in seconds and peers:
                yield record["title"], ours, peer, seconds[ours], seconds[peers[0]], floor


def draw(rows):
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 1), layout="constrained")
    for at, (title, ours, peer, mine, theirs, _) in enumerate(reversed(rows)):
        ratio = theirs / mine
        axes.barh(at, math.log10(ratio), color="#2a7f62" if ratio >= 1 else "#b3541e", height=0.6)
        axes.text(
            max(math.log10(ratio), 0) + 0.03, at, f"{ratio:.1f} x" if ratio < 100 else f"{ratio:.0f} x", va="center"
        )
        axes.text(
            min(math.log10(ratio), 0) - 0.05, at, f"{title}\n{ours} / {peer}", va="center", ha="right", fontsize=7
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks([])
    ticks = [0, 1, 2, 3, 4]
    axes.set_xticks(ticks, [f"{10**t} x" for t in ticks])
    axes.set_xlim(-0.5, 4.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("Time of the alternative over ours (one run each, 2 cores)", fontsize=10)
    figure.savefig(DOCS / "benchmarks.png", dpi=110)


def seconds_text(seconds):
    """Three digits, with the unit."""
    factor, unit = (1, "s") if seconds >= 0.1 else (1e3, "ms") if seconds >= 1e-4 else (1e6, "µs")
    number = seconds * factor
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def ratio_text(ratio):
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def main() -> None:
    records = read(QUIET)
    rows = list(summary(records))
    busy = {row[:3]: row[4] / row[3] for row in summary(read(QUIET / BESIDE))}
    draw(rows)
    pages = [HEAD, "| | ours | time | peer | time | ratio | busy | floor |\n|---|---|---|---|---|---|---|---|"]
    pages[-1] += "".join(
        f"\n| {title} | {ours} | {seconds_text(mine)} | {peer} | {seconds_text(theirs)} | {ratio_text(theirs / mine)} "
        f"| {ratio_text(busy.get((title, ours, peer)))} | {floor} |"
        for title, ours, peer, mine, theirs, floor in rows
    )
    pages[-1] += "\n"
    for record in records:
        middle = medians(record)
        first = next(iter(middle.values()))
        lines = [
            f"| {name} | {seconds_text(middle[name])} | {seconds_text(min(seconds))} to {seconds_text(max(seconds))} | "
            f"{middle[name] / first:.2f} |"
            for name, seconds in record["seconds"].items()
        ]
        table = ["| | median | range | ratio |", "|---|---|---|---|", *lines]
        pages.append(f"## {record['title'][0].upper()}{record['title'][1:]}\n\n" + "\n".join(table) + "\n")
        if record["note"]:
            pages.append(record["note"] + "\n")
    machine = next(record["machine"] for record in reversed(records) if "blas" in record["machine"])
    blas = ", ".join(
        f"{p['internal_api']} {p['version']} ({p['architecture']}, {p['num_threads']} threads)" for p in machine["blas"]
    )
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    pages.append(
        f"## Machine\n\n{machine['cpu']}, {machine['cpus']} cores, {', '.join(machine['instruction sets'])}. {blas}. "
        f"{versions}.\n"
    )
    (DOCS / "benchmarks.md").write_text("\n".join(pages))
    print(f"wrote {DOCS / 'benchmarks.md'} and benchmarks.png")


if __name__ == "__main__":
    main()
