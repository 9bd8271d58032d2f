"""A long life of a partitioned store, the same in a process that is killed and in the one that looks on; and a pool
whose processes can be killed in the middle of their work.
"""

import os
import random
import signal
import sys

import numpy as np

from analytic_cl import LDAClassifier


def rows_of(number):
    """Twelve rows of a batch by id, each with features, label, subject and session; some have no subject."""
    random_ = np.random.RandomState(number)
    X, y = random_.normal(size=(12, 6)) * 40, random_.randint(0, 4, 12)
    return {
        f"row {number} {i}": (X[i], int(y[i]), f"person {(number + i) % 7}" if i % 4 else None, f"day {number % 5}")
        for i in range(12)
    }


def life(n):
    """Operations, each with the rows that are in the store after it, by id."""
    held = {}
    for k in range(n):
        chance = random.Random(k)
        if len(held) < 30 or (k % 3 == 0 and len(held) < 150):
            operation, gone = ("learn", k), set()
            held = {**held, **rows_of(k)}
        elif k % 3 == 1:
            column, place = [("subject", 2), ("label", 1), ("session", 3)][k % 2 + (k % 4 == 0)]
            value = chance.choice(sorted({row[place] for row in held.values() if row[place] is not None}))
            operation, gone = ("forget", k, [{column: value}]), {i for i, row in held.items() if row[place] == value}
        else:
            names = chance.sample(sorted(held), 3)
            operation, gone = ("forget", k, [{"sample_id": [name]} for name in names]), set(names)
        held = {name: row for name, row in held.items() if name not in gone}
        yield operation, held


def carry_out(store, operation):
    kind, number, *about = operation
    if kind == "learn":
        rows = rows_of(number)
        X, y, subjects, sessions = zip(*rows.values(), strict=True)
        named = dict(sample_id=list(rows), subject=subjects, session=sessions)
        store.learn(np.array(X), list(y), **named, batch_id=f"batch {number}", allow_erased=True)
    else:
        for receipt in store.forget_all(
            {**request, "request_id": f"{number} {i}"} for i, request in enumerate(about[0])
        ):
            assert receipt.removed > 0


def digest_of(held):
    """Digest of a plain fit on the rows that are in the store."""
    if not held:
        return LDAClassifier().state_digest()
    X, y, *_ = zip(*held.values(), strict=True)
    return LDAClassifier().fit(np.array(X), list(y)).state_digest()


class Pool:
    """An executor over a process pool, whose process dies in the middle of one call, or after it, if told so."""

    def __init__(self, pool):
        self.pool = pool
        self.fatal = {}  # name of the work -> events until death

    def submit(self, call, path, mark, work, arguments):
        if work.__name__ in self.fatal:
            return self.pool.submit(dying, self.fatal.pop(work.__name__), call, path, mark, work, arguments)
        return self.pool.submit(call, path, mark, work, arguments)


def dying(events, call, *arguments):
    """Do what is asked, and be killed after so many calls of functions, or when it is done and before the answer."""

    def die(*_):
        nonlocal events
        events -= 1
        if events == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(die)
    call(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
