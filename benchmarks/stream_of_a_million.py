"""Claim: state and LDA weights of 1,280,000 x 768 rows cost little more than casting them and one int8 product.

The size of ImageNet behind a ViT: 1,000 classes, float32 rows that arrive in chunks. Generating them is not timed.
The yardstick casts the same chunks to int8 and adds the time of a full int8 product of as many rows, at the rate of
torch where it is installed (pip install --group torch), else of our own kernel, for twice its time because it does
half of the work. Ours does more: it normalises and rounds, sums classes, and solves. Memory is the high-water mark
of a process of its own.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _common import store

from analytic_cl import LDAClassifier
from analytic_cl.statistics import gram

N, D, CLASSES, CHUNK = 1_280_000, 768, 1000, 20_000


def chunks():
    random = np.random.default_rng(0)
    means = 0.3 * random.standard_normal((CLASSES, D), dtype=np.float32)
    for _ in range(N // CHUNK):
        y = random.integers(0, CLASSES, CHUNK)
        X = random.standard_normal((CHUNK, D), dtype=np.float32)
        X += means[y]
        yield X, y


def megabytes():
    status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def ours():
    head, learning = LDAClassifier(track="none"), 0.0
    random = np.random.RandomState(0)
    LDAClassifier().fit(random.normal(size=(200, D)), np.arange(200) % 2).prepare()  # loads compiled kernels
    imported = megabytes()
    for X, y in chunks():
        start = time.perf_counter()
        head.partial_fit(X, y)
        learning += time.perf_counter() - start
    start = time.perf_counter()
    head.prepare()
    print(learning, time.perf_counter() - start, imported, megabytes())


def rate_of_full_product(rows):
    try:
        import torch
    except ImportError:
        planes = gram.empty_planes(D, 8)
        return "our kernel, twice its time", lambda: [gram.accumulate(planes, rows, 8, 1) for _ in range(2)]
    left, right = torch.from_numpy(rows.T.copy()), torch.from_numpy(rows)
    return "torch", lambda: torch._int_mm(left, right)


def main():
    casting, rows = 0.0, None
    for X, _ in chunks():
        start = time.perf_counter()
        rows = X.astype(np.int8)
        casting += time.perf_counter() - start
    whose, product = rate_of_full_product(rows)
    product()
    times = []
    for _ in range(9):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    multiplying = float(np.median(times)) * N / CHUNK
    runs = [
        [float(word) for word in subprocess.check_output([sys.executable, "-W", "ignore", __file__, "ours"]).split()]
        for _ in range(3)
    ]
    note = (
        f"Yardstick: {casting:.2f} s to cast, {multiplying:.2f} s to multiply ({whose}). Ours: "
        f"{np.median([run[1] for run in runs]):.2f} s of it for the weights. Peak memory of the process "
        f"{max(run[3] for run in runs):.0f} MB, of which {runs[0][2]:.0f} MB are Python and libraries and "
        f"{CHUNK * D * 4 / 2**20:.0f} MB a chunk."
    )
    print(note)
    store(
        f"{N:,} x {D} rows in chunks, {CLASSES:,} classes: state and LDA weights",
        {"LDAClassifier": [run[0] + run[1] for run in runs], "cast + int8 product": [casting + multiplying]},
        note,
    )


if __name__ == "__main__":
    ours() if sys.argv[1:] else main()
