"""What learning from 10^9 rows x 1,024 features x 10^5 classes on W workers costs, and whether the model is right.

A worker is one core, and its seconds are those of its processor (`time.process_time`), so that other programs on the
machine matter less. Constants are measured here, with as many features but fewer rows and classes than they are used
for; the network's and the storage's rates are given. The model counts operations and bytes for each phase. Then the
largest run that fits into 4 GB is made (two workers in turn, merged as they would be sent), and predicted times stand
beside measured ones. `--write` puts what is printed into docs/scale.md.

ROWS, FEATURES, CLASSES: of that run. WIDE_CLASSES: of a second one with a tenth of the rows (0 leaves it out). NETWORK,
STORAGE: bytes a second into one worker; MEMORY: bytes of one.
"""

import json
import math
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _common import RESULTS, machine
from threadpoolctl import threadpool_limits

from analytic_cl import Moments, RLSClassifier, use_threads
from analytic_cl.heads import head_classes
from analytic_cl.heads.packing import from_bytes, to_bytes
from analytic_cl.ledger import Ledger
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.statistics import Targets
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.gram import accumulate, empty_planes

ROWS = int(os.environ.get("ROWS", "2000000"))
FEATURES = int(os.environ.get("FEATURES", "1024"))
CLASSES = int(os.environ.get("CLASSES", "10000"))
WIDE_CLASSES = int(os.environ.get("WIDE_CLASSES", "50000"))
NETWORK = float(os.environ.get("NETWORK", "1.25e9"))
STORAGE = float(os.environ.get("STORAGE", "2e8"))
MEMORY = float(os.environ.get("MEMORY", "8e9"))
BATCH = 2**16
PREDICTED = 2**12  # rows
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
SAID: list[str] = []

LEDGER_ROW = 34  # bytes of a digest in the ledger: 16, and label, key, two flags and the place of an id
LEDGER_SENT = 30  # bytes of it in a file
ID = 150  # bytes of a short id and of its place in a dictionary, about


@dataclass(frozen=True)
class Constants:
    """Of one worker, a second."""

    encoded: float  # values of rows, checked and quantised
    digested: float  # values of rows, for the ledger
    gram: float  # operations, of which a row has d^2: a triangle of multiply-adds
    summed: float  # values of rows, added to the sums of their classes
    entered: float  # values of the class sums of a batch, added to those of the state
    merged: float  # bytes of a state: packed, unpacked, checked and added
    recorded: float  # rows of a ledger: the same
    factored: float  # operations of a solve with few classes, of which d^3 / 3 count
    substituted: float  # operations of a solve for each further class, 2 d^2
    scored: float  # operations of predicting, 2 d a row and class
    network: float  # bytes, given
    storage: float  # bytes, given


def seconds(run, least=0.5):
    """Of the processor, for one call once it is warm: the least of three or more, which others disturbed least."""
    run()
    times = []
    while sum(times) < least or len(times) < 3:
        times.append(used(run))
    return min(times)


def used(run):
    start = time.process_time()
    run()
    return time.process_time() - start


def random_rows(n, d, seed=0):
    return np.random.default_rng(seed).integers(-127, 128, size=(n, d), dtype=np.int8)


def measured(d=FEATURES, n=2**14, k=2**12):
    """Rates at few rows and classes; of class sums, at so many classes that they don't fit into a cache."""
    quantizer = resolve_quantizer("embedding", None, d)
    rows, codes, wide = random_rows(n, d), np.random.default_rng(1).permutation(n) % k, np.arange(n)
    X, planes, targets = rows.astype(np.float32), empty_planes(d, 8), Targets(list(range(k)), codes)
    found = {
        "encoded": n * d / seconds(lambda: RLSClassifier(quantizer="embedding").encode(X, codes)),
        "digested": n * d / seconds(lambda: Ledger(quantizer).draft(rows, targets, None)),
        "gram": n * d * d / seconds(lambda: accumulate(planes, rows, 8, +1)),
        "summed": n * d / seconds(lambda: class_sums(rows, codes, k)),
    }
    state = Moments(quantizer, 1)
    found["entered"] = n * d / seconds(lambda: state.add(rows, wide, from_quantizer=True))
    whole = head_of(rows, wide)
    found["merged"] = state_bytes(d, n) / seconds(lambda: sent(whole))
    kept = RLSClassifier(quantizer="embedding").fit(X, codes % 10)
    few, many = head_of(rows, codes % 10), head_of(rows, codes)
    for _ in range(60):
        kept.partial_fit(X, codes % 10)
    found["recorded"] = kept.state_.n_rows / max(seconds(lambda: sent(kept)) - seconds(lambda: sent(few)), 1e-9)
    base = seconds(lambda: solve(few))
    found["factored"] = d**3 / 3 / base
    found["substituted"] = 2 * d * d * k / max(seconds(lambda: solve(many)) - base, 1e-9)
    found["scored"] = 2 * d * k * PREDICTED / seconds(lambda: many.predict(X[:PREDICTED]))
    return Constants(**found, network=NETWORK, storage=STORAGE)


def head_of(rows, codes):
    """A head without a ledger's records."""
    state = Moments(resolve_quantizer("embedding", None, rows.shape[1]))
    state.add(rows, codes)
    return RLSClassifier.from_moments(state, track="none")


def solve(head):
    head.drop_caches()
    head.prepare()


def sent(head):
    """What a node of the tree does for each state: one packs it, the next unpacks, checks and adds it."""
    return RLSClassifier(quantizer="embedding").merge(from_bytes(to_bytes(head), head_classes()))


def state_bytes(d, k):
    return 4 * d * (d + 1) + 8 * k * (d + 1)


def phases(n, d, k, w, c, batch=BATCH):
    """Seconds by phase. Workers learn n / w rows each, and merge in a tree of two."""
    own = math.ceil(n / w)
    present = k * -math.expm1(-min(batch, own) / k)  # classes of a batch
    rounds, state = math.ceil(math.log2(w)) if w > 1 else 0, state_bytes(d, k)
    return {
        "read": own * 4 * d / c.storage,
        "quantise": own * d / c.encoded,
        "ledger": own * d / c.digested,
        "Gram": own * d * d / c.gram,
        "class sums": own * d / c.summed + math.ceil(own / batch) * present * d / c.entered,
        "merge": rounds * state / c.merged,
        "merge ledger": (n - own) / c.recorded,  # what reaches the root: half of the rows, a quarter, ...
        "network": (rounds * state + (n - own) * LEDGER_SENT) / c.network,
        "solve": d**3 / 3 / c.factored + 2 * d * d * k / c.substituted,
    }


def memory(n, d, k, w, batch=BATCH):
    """Bytes, by who holds them."""
    return {
        "a worker: its state": state_bytes(d, k),
        "a worker: a batch as float32, int8 and class sums": batch * d * 5 + 12 * d * min(k, batch),
        "a worker: digests of its rows": math.ceil(n / w) * LEDGER_ROW,
        "a node of the tree: two states and a packed one": 3 * state_bytes(d, k),
        "whoever has the whole: state, means, weights": state_bytes(d, k) + 4 * 8 * d * k,
        "whoever has the whole: digests of all rows": n * LEDGER_ROW,
        "whoever has the whole: rows kept under ids": n * (d + LEDGER_ROW + ID),
        "prediction: scores of 8,192 rows": 2**13 * k * 8,
    }


def say(line):
    print(line, flush=True)
    SAID.append(line + "\n")


def spelled(found):
    return f"{found:,.3g} s" if found < 7200 else f"{found / 3600:,.1f} h"


def paper(c, n=10**9, d=1024, k=10**5):
    say(f"\n{n:,} rows x {d:,} features x {k:,} classes, rates of one worker as measured here")
    table = {}
    counts = (1, 16, 256, 4096, 65536)
    for w in counts:
        for name, found in phases(n, d, k, w, c).items():
            table.setdefault(name, []).append(found)
    table["together"] = [sum(column) for column in zip(*table.values(), strict=True)]
    say(f"  {'workers':12s}" + "".join(f"{w:>12,}" for w in counts))
    for name, row in table.items():
        say(f"  {name:12s}" + "".join(f"{spelled(found):>12s}" for found in row))
    say(f"  a row predicted: {spelled(2 * d * k / c.scored)}, {2 * d * k / 1e9:.2g} Gop")
    held = memory(n, d, k, 256)
    say(f"  memory with 256 workers, each of {MEMORY / 1e9:.0f} GB:")
    for name, size in sorted(held.items(), key=lambda item: -item[1]):
        say(f"  {name:52s}{size / 1e9:10.2f} GB{'  does not fit' if size > MEMORY else ''}")
    return {"workers": counts, "seconds": table, "bytes": held}


def run(n, d, k, c):
    """Two workers in turn, then their merge, the solve and some predictions: measured and predicted seconds."""
    pool = random_rows(BATCH, d, seed=1).astype(np.float32)
    random = np.random.default_rng(2)
    heads = [RLSClassifier(quantizer="embedding") for _ in range(2)]
    learned = 0.0
    batches = [min(BATCH, n - start) for start in range(0, n, BATCH)]
    for number, size in enumerate(batches):
        X = pool[:size]
        X += np.float32(0.25)  # other rows than the last
        y = random.integers(0, k, size)
        if number < 2:
            y[: min(k, size)] = np.arange(min(k, size))
        learned += used(lambda head=heads[number % 2], X=X, y=y: head.partial_fit(X, y))
    head = heads.pop(0)
    merged = used(lambda: head.merge(from_bytes(to_bytes(heads[0]), head_classes())))
    heads.clear()
    solved = used(head.prepare)
    few = max(1, min(PREDICTED, int(5e8 / (8 * k))))
    predicted = used(lambda: head.predict(pool[:few]))
    one = phases(n, d, k, 1, c)
    model = {
        "learn": one["quantise"] + one["ledger"] + one["Gram"] + one["class sums"],
        "merge": state_bytes(d, k) / c.merged + n // 2 / c.recorded,
        "solve": one["solve"],
        "predict": 2 * d * k * few / c.scored,
    }
    found = {"learn": learned, "merge": merged, "solve": solved, "predict": predicted}
    say(f"\n{n:,} rows x {d:,} features x {k:,} classes here   predicted    measured    predicted / measured")
    for name, value in found.items():
        say(f"  {name:48s}{model[name]:9.2f} s{value:10.2f} s{model[name] / value:12.2f}")
    return {"rows": n, "features": d, "classes": k, "predicted": model, "measured": found}


def main():
    start = time.perf_counter()
    constants = measured()
    about = machine()
    say(f"{about['cpu']}, one core; measured in {time.perf_counter() - start:.0f} s, a second:")
    for name, value in asdict(constants).items():
        say(f"  {name:12s}{value:12.3g}")
    runs = [run(ROWS, FEATURES, CLASSES, constants)]
    if WIDE_CLASSES:
        runs.append(run(max(WIDE_CLASSES, ROWS // 10), FEATURES, WIDE_CLASSES, constants))
    say(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")
    record = {"constants": asdict(constants), "paper": paper(constants), "runs": runs, "machine": about}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "scale_model.json").write_text(json.dumps(record, indent=1))
    if "--write" in sys.argv:
        before, rest = PAGE.read_text().split("<!-- measured -->\n")[::2]
        PAGE.write_text(f"{before}<!-- measured -->\n```\n{''.join(SAID).strip()}\n```\n<!-- measured -->\n{rest}")


if __name__ == "__main__":
    with threadpool_limits(1), use_threads(1):
        main()
