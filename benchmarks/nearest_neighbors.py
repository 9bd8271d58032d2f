"""Claim: exact neighbours with settled ties cost less than a plain search, and any of a million rows goes at once.

The native kernel reads the learned int8 rows as they are: 3.2e11 multiply-adds for 5,000 queries among 50,000 rows of
1,280, at 1.03e12 a second on two cores (VNNI) 0.31 s; float32 products of the same size run at an eighth of that. One
query alone reads 64 MB. To forget one row of a million by id is to look up its digest and to overwrite a few copies.
"""

import numpy as np
from _common import REPEATS, generated_rows, race, store, timed
from sklearn.neighbors import KNeighborsClassifier

from analytic_cl import NearestNeighborsClassifier
from analytic_cl.memory import FaissIndex

try:
    import faiss
except ImportError:
    faiss = None

K, QUERIES = 20, 5_000
N, D, MANY = 1_000_000, 256 + 128, 10_000


def search():
    X, y = generated_rows()
    queries = generated_rows(QUERIES, seed=1)[0]
    ours = NearestNeighborsClassifier(K).fit(X, y)
    rows, asked = (ours.quantizer_.quantise(part).astype(np.float32) for part in (X, queries))
    peer = KNeighborsClassifier(K, algorithm="brute").fit(rows, y)
    contestants = {"NearestNeighborsClassifier": lambda: ours.predict(queries)}
    one = {"NearestNeighborsClassifier": lambda: [ours.predict(queries[i : i + 1]) for i in range(20)]}
    if faiss:
        flat = faiss.IndexFlatL2(rows.shape[1])
        flat.add(rows)
        through = NearestNeighborsClassifier(K, index="flat").fit(X, y)
        contestants |= {
            "plain FAISS flat": lambda: flat.search(asked, K),
            "ours through FAISS flat": lambda: through.predict(queries),
        }
        one |= {
            "plain FAISS flat": lambda: [flat.search(asked[i : i + 1], K) for i in range(20)],
            "ours through FAISS flat": lambda: [through.predict(queries[i : i + 1]) for i in range(20)],
        }
    one["scikit-learn, brute force"] = lambda: [peer.predict(asked[i : i + 1]) for i in range(20)]
    race(
        f"{K} neighbours of {QUERIES:,} queries among 50,000 x 1280",
        contestants,
        note="All exact. The time of a plain search leaves votes out.",
        once={"scikit-learn, brute force": lambda: peer.predict(asked)},
    )
    race(f"{K} neighbours of 20 queries, one at a time", one)


def forget():
    random = np.random.default_rng(0)
    X = random.integers(-127, 128, size=(N, D), dtype=np.int8)
    y = random.integers(0, 100, size=N)
    head = NearestNeighborsClassifier(K, index="flat" if faiss else "auto", quantizer="integers", track="rows")
    learn = timed(lambda: head.fit(X, y, sample_id=np.arange(N)))
    gone = iter(random.permutation(N).tolist())
    seconds = {}
    if faiss:
        make = timed(lambda: head.predict(X[:1]))
        assert isinstance(head._solved["index"][1], FaissIndex)
    head.forget(sample_id=[next(gone)])  # digests are made on the first search
    seconds["forget one by id"] = [timed(lambda: head.forget(sample_id=[next(gone)])) for _ in range(20)]
    seconds[f"forget {MANY:,} by id"] = [
        timed(lambda: head.forget(sample_id=[next(gone) for _ in range(MANY)])) for _ in range(REPEATS)
    ]
    if faiss:
        seconds["make the FAISS index again"] = [timed(lambda: (head.rebuild(), head.predict(X[:1])))]
        flat = faiss.IndexFlatL2(D)
        flat.add(X[:N].astype(np.float32))
        seconds["FAISS remove_ids, one row"] = [timed(lambda: flat.remove_ids(np.array([5]))) for _ in range(3)]
    seconds["learn all again"] = [timed(lambda: head.fit(X, y, sample_id=np.arange(N)))]
    note = f"Learned in {learn:.1f} s" + (f", first answer from FAISS after {make:.1f} s." if faiss else ".")
    store(f"forget from {N:,} rows of {D}", seconds, note)


search()
forget()
