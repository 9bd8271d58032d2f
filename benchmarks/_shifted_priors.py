"""Claim: where only class frequencies have changed, EM takes back most of what that costs; elsewhere it costs."""

import warnings

import numpy as np
from _shifted_rows import SEEDS, pack, show
from scipy.special import softmax

from analytic_cl import GaussianClassifier, LDAClassifier
from analytic_cl.adaptation import LabelShift, estimate_priors
from analytic_cl.adaptation.log_posteriors import calibrated, log_posteriors
from analytic_cl.scenarios import label_shift

SHIFTS = (
    ("strong shift, Dirichlet 0.1", 0.1),
    ("mild shift, Dirichlet 1", 1.0),
    ("no shift to speak of, Dirichlet 100", 100.0),
)


def priors(seeds: int = SEEDS) -> None:
    """Accuracies under priors that are estimated, and under those that the rows were drawn with (the oracle)."""
    for name, (X, y, T, t) in (
        ("CLINC150", pack("clinc150_minilm")),
        ("CIFAR-100, 20,000 rows", pack("cifar100_mnv2", 20_000)),
    ):
        for kind in (LDAClassifier, GaussianClassifier)[: 2 if name == "CLINC150" else 1]:
            head = kind(track="rows").fit(X, y)
            known = calibrated(head)
            for what, concentration in SHIFTS:
                for size in (50, 500, 2000):
                    title = f"{name}, {kind.__name__}, {what}, batches of {size:,}"
                    _one(title, head, known, T, t, concentration, size, seeds)


def _one(title, head, known, T, t, concentration, size, seeds) -> None:
    models = {
        "LabelShift": LabelShift(head),
        "LabelShift, pseudo_rows=0": LabelShift(head, pseudo_rows=0),
        'LabelShift, "bbse"': LabelShift(head, "bbse"),
        'LabelShift, "rlls"': LabelShift(head, "rlls"),
    }
    found: dict[str, list[float]] = {name: [] for name in ("head", "oracle priors", *models)}
    gaps, away = [], {"em": [], "bbse": [], "rlls": []}
    for seed in range(seeds):
        batch = label_shift(t, n_batches=1, batch_size=size, concentration=concentration, seed=seed)[0]
        rows, own = T[batch.rows], t[batch.rows]
        logs = known.of(log_posteriors(head, rows))
        oracle = softmax(logs + np.log(np.maximum(batch.priors, 1e-300)) - np.log(known.source), axis=1)
        found["head"].append(head.score(rows, own))
        found["oracle priors"].append((head.classes_[oracle.argmax(axis=1)] == own).mean())
        for name, model in models.items():
            found[name].append(model.score(rows, own))
        gaps.append([found[name][-1] - found["head"][-1] for name in ("LabelShift, pseudo_rows=0", "oracle priors")])
        if size == 2000:
            for method, values in away.items():
                values.append(np.abs(estimate_priors(head, rows, method) - batch.priors).sum())
    show(title, found)
    em, oracle = np.mean(gaps, axis=0)
    if concentration < 1:
        print(f"  EM has {100 * em / oracle:.0f} % of what the oracle priors gain")
    if size == 2000:
        print("  L1 from the priors:", ", ".join(f"{method} {np.mean(values):.2f}" for method, values in away.items()))


def without_rows(seeds: int = SEEDS) -> None:
    """What is left where the ledger keeps no rows to calibrate on, and where the head has a temperature of its own."""
    X, y, T, t = pack("clinc150_minilm")
    bare, kept = LDAClassifier().fit(X, y), LDAClassifier(track="rows").fit(X[:12_000], y[:12_000])
    held = X[12_000:], y[12_000:]
    models = {
        "head": bare,
        "LabelShift, no rows kept": LabelShift(bare),
        "LabelShift, rows kept (12,000)": LabelShift(kept),
        "LabelShift, labelled=3,000 others": LabelShift(LDAClassifier().fit(X[:12_000], y[:12_000]), labelled=held),
    }
    found: dict[str, list[float]] = {name: [] for name in models}
    for seed in range(seeds):
        batch = label_shift(t, n_batches=1, batch_size=1000, seed=seed)[0]
        for name, model in models.items():
            found[name].append(model.score(T[batch.rows], t[batch.rows]))
    show("CLINC150, strong shift, batches of 1,000: what it is calibrated on", found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    priors()
    without_rows()
