"""Sentences as sparse counts of hashed words: learned, forgotten by whom they came from, and never made dense.

With 2^16 features the head that keeps class sums only; with 2^12 those that keep a matrix of pairs of features, too.
Needs clinc150_text.json (data_full.json of clinc/oos-eval) in the folder ANALYTIC_CL_DATA. ROWS=15000, which is the
default, takes all of it: half a minute on two cores.
"""

import json
import os
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RLSClassifier

folder = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))
data = json.loads((folder / "clinc150_text.json").read_text())
rows = int(os.environ.get("ROWS") or "15000")
sentences, intents = map(np.array, zip(*data["train"][:: 15000 // rows], strict=True))
queries, answers = map(np.array, zip(*data["test"][:: 15000 // rows], strict=True))
of_user = np.arange(len(sentences)) % 50

# Few entries of a row are not 0, so that each is large: at this scale the largest int8 is a row of one word.
quantizer = FixedPoint(8, norm="l2", scale=127)

for n_features, kinds in (
    (2**16, [NearestMeanClassifier]),
    (2**12, [NearestMeanClassifier, LDAClassifier, RLSClassifier]),
):
    words = make_pipeline(
        HashingVectorizer(n_features=n_features, alternate_sign=False, norm=None), TfidfTransformer()
    ).fit(sentences)
    X, Q = words.transform(sentences), words.transform(queries)
    print(f"{n_features} features, {X.nnz / X.shape[0]:.1f} of them in a sentence")
    for kind in kinds:
        head = kind(quantizer=quantizer)
        for session in np.array_split(np.unique(intents), 5):  # new intents in every session
            now = np.isin(intents, session)
            head.partial_fit(X[now], intents[now])
        print(f"  {kind.__name__}: accuracy {head.score(Q, answers):.3f}")
        gone = of_user == 7
        head.forget(X[gone], intents[gone])
        assert head.state_digest() == kind(quantizer=quantizer).fit(X[~gone], intents[~gone]).state_digest()
        print(f"  {gone.sum()} sentences of user 7 forgotten: the state is the one that never saw them")
