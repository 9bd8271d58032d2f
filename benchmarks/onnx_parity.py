"""Exported heads against themselves: labels and probabilities of ONNX Runtime and of `predict`, and how long both take.

Every registered head, with default parameters, on the test rows of all packs of real features that are there. Each runs
in a process of its own. Writes results/onnx_parity.json, and the tables of docs/export.md to standard output.

    ANALYTIC_CL_DATA=/path/to/packs PACKS="mnist_pixels" python benchmarks/onnx_parity.py [head ...]

Named heads are run again, and the results of others kept. Half an hour a head at most (SECONDS_A_HEAD).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _common import RESULTS, machine

FILE = RESULTS / "onnx_parity.json"
BATCH = 256  # rows that are scored at a time where the labels are compared
TIMED = (1, 10, 10_000)
SECONDS = int(os.environ.get("SECONDS_A_HEAD", "1800"))
PACKS = os.environ.get("PACKS", "clinc150_minilm mnist_pixels cifar100_mnv2").split()


def pack(name):
    """Training rows and labels, and test rows, as float32."""
    from analytic_cl import load_clinc150

    if name == "clinc150_minilm":
        data = load_clinc150()
        return data.X_train, data.y_train, data.X_test
    with np.load(Path(os.environ["ANALYTIC_CL_DATA"]) / f"{name}.npz", allow_pickle=False) as stored:
        X, y, test = (stored[part] for part in ("X_train", "y_train", "X_test"))
    return np.asarray(X, dtype=np.float32), y, np.asarray(test, dtype=np.float32)


def best(run, most=2.0):
    """The least seconds of a call, of as many as fit into some seconds, three at least where one is short."""
    times = []
    while not times or (sum(times) < most and len(times) < 50):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def in_batches(call, X):
    return [call(X[start : start + BATCH]) for start in range(0, len(X), BATCH)]


def compared(name, pack_name):
    """One line of the table."""
    import onnxruntime

    from analytic_cl import export, get_threads
    from analytic_cl.heads import head_entries

    X, y, test = pack(pack_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = head_entries()[name].make(0).fit(X, y)
    labels = np.concatenate(in_batches(head.predict, test))
    path = Path(tempfile.mkdtemp()) / "head.onnx"
    seconds = best(lambda: export.to_onnx(head, path), 0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = get_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = in_batches(lambda part: dict(zip(names, session.run(None, {"X": part}), strict=True)), test)
    same = np.concatenate([part["label"] for part in found]) == labels
    line = {"head": name, "pack": pack_name, "rows": len(test), "same": int(same.sum()), "export_s": seconds}
    line |= {"bytes": path.stat().st_size, "probability_apart": None, "above_bound": None, "same_above_bound": None}
    if "probabilities" in names:
        ours = np.concatenate(in_batches(head.predict_proba, test))
        line["probability_apart"] = float(np.abs(np.concatenate([p["probabilities"] for p in found]) - ours).max())
    try:
        bound = export.margin_bound(head, test)
    except TypeError:
        pass
    else:
        scores = np.concatenate(in_batches(head.decision_function, test))
        top = np.sort(scores, axis=1)[:, -2:]
        above = top[:, 1] - top[:, 0] > bound
        line |= {"above_bound": int(above.sum()), "same_above_bound": int(same[above].sum())}
        line["largest_bound"] = float(bound.max())
    try:
        line["plain_same"] = int((export.to_sklearn(head).predict(test) == labels).sum())
    except (TypeError, ValueError):
        line["plain_same"] = None
    rows = np.resize(test, (max(TIMED), test.shape[1]))
    for n in TIMED:
        part = rows[:n]
        line[f"predict_{n}_s"] = best(lambda part=part: in_batches(head.predict, part))
        line[f"runtime_{n}_s"] = best(lambda part=part: in_batches(lambda X: session.run(["label"], {"X": X}), part))
    return line


def main(wanted):
    from analytic_cl.heads import head_entries

    kept = json.loads(FILE.read_text())["lines"] if wanted and FILE.exists() else []  # of heads that are not run again
    lines = []
    for pack_name in PACKS:
        for name, entry in head_entries().items():
            if not entry.compared or (wanted and name not in wanted):
                continue
            started = [sys.executable, __file__, "--one", name, pack_name]
            try:
                done = subprocess.run(started, capture_output=True, text=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                lines.append({"head": name, "pack": pack_name, "left_out": f"took more than {SECONDS} s"})
            else:
                last = (done.stderr.strip().splitlines() or ["ended without a word"])[-1]
                lines.append(
                    json.loads(done.stdout)
                    if done.returncode == 0
                    else {"head": name, "pack": pack_name, "left_out": last[:200]}
                )
            print(json.dumps(lines[-1]), file=sys.stderr)
            again = {(line["head"], line["pack"]) for line in lines}
            rest = [line for line in kept if (line["head"], line["pack"]) not in again]
            RESULTS.mkdir(parents=True, exist_ok=True)
            FILE.write_text(json.dumps({"lines": rest + lines, "machine": machine()}, indent=1))
    print(tables(rest + lines))


def tables(lines):
    """Parity and times, as Markdown."""
    done = [line for line in lines if "left_out" not in line]
    text = [
        "| pack | head | same labels | above the bound | same of these | probabilities apart | file | plain model |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for x in done:
        above = "" if x["above_bound"] is None else f"{x['above_bound']:,}"
        of_these = "" if x["above_bound"] is None else f"{x['same_above_bound']:,}"
        apart = "" if x["probability_apart"] is None else f"{x['probability_apart']:.0e}"
        plain = "" if x.get("plain_same") is None else f"{x['plain_same']:,}"
        text.append(
            f"| {x['pack']} | {x['head']} | {x['same']:,} of {x['rows']:,} | {above} | {of_these} | {apart} | "
            f"{x['bytes'] / 1e6:.1f} MB | {plain} |"
        )
    text += ["", "| pack | head | 1 row | 10 rows | 10,000 rows |", "|---|---|---|---|---|"]
    for x in done:
        cells = [f"{1e3 * x[f'predict_{n}_s']:.3g} / {1e3 * x[f'runtime_{n}_s']:.3g} ms" for n in TIMED]
        text.append(f"| {x['pack']} | {x['head']} | {' | '.join(cells)} |")
    text += ["", *(f"* left out: {x['head']} on {x['pack']}: {x['left_out']}" for x in lines if "left_out" in x)]
    return "\n".join(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(compared(*sys.argv[2:])))
    else:
        main(sys.argv[1:])
