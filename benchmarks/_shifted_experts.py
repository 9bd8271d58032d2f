"""Claim: experts of classes that belong together, behind a router of few rows, are worth the head of all rows; sure of
rows of others, they are worth much less without one. And: clusters find classes that nobody has learned.
"""

import warnings

import numpy as np
from _shifted_rows import DATA, SEEDS, digits, pack, show

from analytic_cl import LDAClassifier
from analytic_cl.adaptation import Experts, glc_labels

RULES = ("confidence", "mean", "router", "retrieval")


def head(**parameters):
    return LDAClassifier(track="rows", temperature="folds", **parameters)


def experts(seeds: int = SEEDS) -> None:
    """Accuracies on all test rows; seeds draw the groups of classes and the router's rows."""
    X, y, T, t = pack("clinc150_minilm")
    with np.load(DATA / "clinc150_minilm.npz", allow_pickle=False) as arrays:
        domain = arrays["class_domain"]
    of_domains = [np.flatnonzero(domain == one) for one in np.unique(domain)]
    joint = head().fit(X, y)
    for what, by_domain in (("the ten domains", True), ("ten groups at random", False)):
        for n, others in ((5, False), (20, False), (5, True)):
            found: dict[str, list[float]] = {}
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                groups = of_domains if by_domain else np.array_split(random.permutation(150), 10)
                keep = np.concatenate([random.permutation(np.flatnonzero(y == label))[:n] for label in range(150)])
                router = head().fit(X[keep], y[keep])
                heads = []
                for group in groups:
                    own = np.flatnonzero(np.isin(y, group))
                    own = np.union1d(own, keep) if others else own
                    heads.append(head(priors=np.full(150, 1 / 150) if others else None).fit(X[own], y[own]))
                owners = {int(label): at for at, group in enumerate(groups) for label in group}
                found.setdefault("one head of all rows", []).append(joint.score(T, t))
                found.setdefault("the router alone", []).append(router.score(T, t))
                for rule in RULES:
                    model = Experts(heads, rule, router=router, owners=owners)
                    found.setdefault(f"Experts, {rule}", []).append(model.score(T, t))
            knows = f"and {n} rows of the others" if others else "alone"
            show(f"CLINC150, experts of {what} {knows}; the router knows {n} rows a class", found)


def glc(seeds: int = SEEDS) -> None:
    """H-scores: harmonic means of the shares of known rows that are named and of unknown rows that are found."""
    settings = (
        ("CLINC150", pack("clinc150_minilm"), 20, 30, "coordinates"),
        ("MNIST", digits(), 6, 10, "rows"),
    )
    for name, (X, y, T, t), known, present, features in settings:
        found: dict[str, list[float]] = {}
        none: dict[str, list[float]] = {}
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            order = random.permutation(len(np.unique(y)))
            of = np.full(len(order), -2)
            of[order[:known]] = np.arange(known)
            of[order[known:present]] = -1
            model = head().fit(X[of[y] >= 0], of[y][of[y] >= 0])
            for result, least in ((found, -1), (none, 0)):
                at = random.permutation(np.flatnonzero(of[t] >= least))[:1200]
                asked, true, P = T[at], of[t[at]], model.predict_proba(T[at])
                scores = model.score_samples(asked)
                limits = np.quantile(scores, np.linspace(0, 0.9, 46))
                best = max(measure(true, np.where(scores < limit, -1, P.argmax(axis=1))) for limit in limits)
                result.setdefault("novelty, best threshold in hindsight", []).append(best)
                Z = (
                    model.transform(asked)
                    if features == "coordinates"
                    else model.quantizer_.dequantise(model.quantizer_.quantise(asked))
                )
                for title, clusters in (("GLC", None), ("GLC, n_clusters of all classes", present)):
                    result.setdefault(title, []).append(measure(true, glc_labels(Z, P, n_clusters=clusters)))
        show(f"{name}, {known} known classes of {present}, H-score, on {features}", found)
        show(f"{name}, no unknown rows, share of rows named right", none)


def measure(true, found) -> float:
    known = true >= 0
    right = float((found[known] == true[known]).mean())
    if known.all():
        return right
    seen = float((found[~known] == -1).mean())
    return 2 * right * seen / max(right + seen, 1e-9)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    experts()
    glc()
