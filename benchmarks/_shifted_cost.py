"""What each adaptation costs for 1,000 rows, beside the head's own prediction, in one run."""

import statistics
import time
import warnings

import numpy as np
from _shifted_rows import pack

from analytic_cl import LDAClassifier
from analytic_cl.adaptation import LAME, T3A, GrowingMemory, LabelShift, MomentAlignment

ROUNDS = 5


def cost() -> None:
    for name, n in (("clinc150_minilm", None), ("cifar100_mnv2", 20_000)):
        X, y, T, _ = pack(name, n)
        head = LDAClassifier(track="rows").fit(X, y)
        models = {
            "head": head,
            "LabelShift": LabelShift(head),
            "LabelShift, rlls": LabelShift(head, "rlls"),
            "LAME": LAME(head),
            "T3A": T3A(head),
            "GrowingMemory": GrowingMemory(head),
            "MomentAlignment, mean": MomentAlignment(head, "mean"),
            "MomentAlignment, diagonal": MomentAlignment(head),
            "MomentAlignment, full": MomentAlignment(head, "full"),
        }
        print(f"\n{name}, 1,000 rows of {X.shape[1]} features, {len(head.classes_)} classes: seconds, times the head's")
        base = 0.0
        for title, model in models.items():
            start = time.perf_counter()
            model.predict(T[:1000])  # solves, calibrates; remembers where that is what it does
            first = time.perf_counter() - start
            seconds = []
            for round_ in range(ROUNDS):
                rows = np.arange(1000) + 400 * round_
                start = time.perf_counter()
                model.predict(T[rows])
                seconds.append(time.perf_counter() - start)
            middle = statistics.median(seconds)
            base = base or middle
            print(f"  {title:28} {middle:7.4f} {middle / base:6.1f}x   first call {first:6.2f}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    cost()
