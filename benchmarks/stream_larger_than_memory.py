"""Claim: a stream of any length goes through one process in under 2 GB, little slower than its slowest part alone.

float32 rows of COLUMNS features, GIGABYTES of them, are learned by `partial_fit_stream` in a process of its own, whose
high-water mark is its memory. They are made on the fly or, with DISK=1, lie in shards of 256 MB in a temporary folder
(FOLDER says where; it is emptied afterwards) that the system is told to drop from its cache before each pass. Beside
it: a plain loop of `partial_fit`, the source alone (making the rows, or reading the files and dropping them), the
quantizer alone, and what is left of learning (class sums, Gram matrix) alone, these two on rows that are in memory. All
are given in seconds for the whole stream. The proof: GIGABYTES=20 DISK=1.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import store, timed

from analytic_cl import LDAClassifier
from analytic_cl.reading import stream_batches

GIGABYTES = float(os.environ.get("GIGABYTES", "2"))
DISK = os.environ.get("DISK", "0") == "1"
COLUMNS = int(os.environ.get("COLUMNS", "512"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))
CLASSES, BATCH = 100, 2**26 // (4 * COLUMNS)
BATCHES = round(GIGABYTES * 1e9 / (4 * COLUMNS * BATCH))
N = BATCHES * BATCH
A_SHARD = 4  # batches


def made(n_batches=BATCHES):
    """Batches that differ in every row and are made faster than they are learned."""
    random = np.random.default_rng(0)
    noise = random.standard_normal((BATCH, COLUMNS), dtype=np.float32)
    means = random.standard_normal((CLASSES, COLUMNS), dtype=np.float32)
    labels = np.sort(random.integers(0, CLASSES, BATCH))
    shift = np.repeat(means, np.bincount(labels, minlength=CLASSES), axis=0)
    X = np.empty_like(noise)  # filled again for every batch, as a stream may be
    for _ in range(n_batches):
        np.multiply(noise, random.choice(np.float32([-1, 1]), COLUMNS), out=X)
        X += shift
        yield X, labels


def write(folder):
    for number, (X, y) in enumerate(made()):
        shard, part = divmod(number, A_SHARD)
        here = min(A_SHARD, BATCHES - shard * A_SHARD)
        if part == 0:
            rows = np.lib.format.open_memmap(folder / f"X-{shard}.npy", "w+", np.float32, (here * BATCH, COLUMNS))
            labels = np.lib.format.open_memmap(folder / f"y-{shard}.npy", "w+", np.int64, (here * BATCH,))
        rows[part * BATCH : (part + 1) * BATCH] = X
        labels[part * BATCH : (part + 1) * BATCH] = y
    del rows, labels
    os.sync()


def drop(folder):
    """Ask the system to forget what it keeps of the files in memory."""
    for path in folder.glob("X-*.npy"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(folder):
    buffer = memoryview(bytearray(2**26))
    for path in sorted(folder.glob("X-*.npy")):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def source(folder):
    return stream_batches(f"{folder}/X-*.npy", f"{folder}/y-*.npy") if DISK else made()


def warm():
    """Load compiled kernels."""
    X, y = next(made(1))
    return LDAClassifier(track="none").fit(X[:4096], y[:4096]).partial_fit(X[:4096], y[:4096])


def learn(how, folder):
    """In a process of its own: seconds, those of its threads on a core, digest and peak memory."""
    warm()
    head = LDAClassifier(track="none")
    start, busy = time.perf_counter(), time.process_time()
    if how == "stream":
        head.partial_fit_stream(source(folder))
    else:
        for X, y in source(folder):
            head.partial_fit(X, y)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    status = Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e9
    assert head.state_.n_rows == N
    print(json.dumps([seconds, busy, head.state_digest(), peak]))


def in_process(how, folder):
    return json.loads(subprocess.check_output([sys.executable, "-W", "ignore", __file__, how, str(folder)]))


def alone_in(folder):
    """Seconds of the source without anybody who learns."""
    drop(folder)
    return timed(lambda: read(folder) if DISK else [None for _ in made()])


def waited_for(rows):
    """Rows of a source that takes its time, as a network does, and no core."""
    for batch in rows:
        time.sleep(0.03)
        yield batch


def parts():
    """Seconds of the quantizer, of the rest of learning, and of loop and stream over rows that are in memory."""
    head, rows = warm(), [(X.copy(), y) for X, y in made(4)]
    encoded, many = [head.encode(*batch) for batch in rows], rows * 4
    work = {
        "quantizer": lambda: [head.quantizer_.quantise(X) for X, _ in many],
        "sums and products": lambda: [
            head.learner_.state.add(e.rows, e.targets, from_quantizer=True) for e in encoded * 4
        ],
        "loop": lambda: [head.partial_fit(*batch) for batch in many],
        "stream": lambda: head.partial_fit_stream(many),
        "loop, waiting": lambda: [head.partial_fit(*batch) for batch in waited_for(many)],
        "stream, waiting": lambda: head.partial_fit_stream(waited_for(many)),
    }
    times = {name: [] for name in work}
    for _ in range(5):
        for name, run in work.items():
            times[name].append(timed(run) * BATCHES / len(many))
    return times


def check_prefix():
    """The first batches, by a loop over copies and as a stream that fills one buffer again and again."""
    loop = LDAClassifier(track="none")
    for X, y in made(3):
        loop.partial_fit(X.copy(), y)
    assert LDAClassifier(track="none").partial_fit_stream(made(3)).state_digest() == loop.state_digest()


def main():
    check_prefix()
    kernels = parts()
    alone = "reading the files alone" if DISK else "making the rows alone"
    with tempfile.TemporaryDirectory(dir=os.environ.get("FOLDER")) as temporary:
        folder = Path(temporary)
        if DISK:
            write(folder)
        times = {"partial_fit_stream": [], "loop of partial_fit": [], alone: []}
        digests, peaks, cores = set(), [], []
        for _ in range(ROUNDS):
            times[alone].append(alone_in(folder))
            for name, how in (("partial_fit_stream", "stream"), ("loop of partial_fit", "loop")):
                drop(folder)
                seconds, busy, digest, peak = in_process(how, folder)
                times[name].append(seconds)
                digests.add(digest)
                peaks += [peak] if how == "stream" else []
                cores += [busy] if how == "stream" else []
    assert len(digests) == 1
    assert max(peaks) < 2
    medians = {name: float(np.median(seconds)) for name, seconds in (times | kernels).items()}
    stream, size = medians["partial_fit_stream"], N * COLUMNS * 4 / 1e9
    floor = max((alone, "quantizer", "sums and products"), key=medians.get)
    note = (
        f"{size:.1f} GB, {N:,} rows: {N / stream:,.0f} rows/s, {size / stream:.2f} GB/s, {stream / medians[floor]:.2f} "
        f"times the slowest part ({floor}), {medians['loop of partial_fit'] / stream:.2f} times as fast as the loop. "
        f"{np.median(cores):.1f} s on a core, all threads. Peak memory {max(peaks):.2f} GB. Digest of all rows that of "
        f"the loop. Rows that are in memory already: "
        f"{medians['loop'] / medians['stream']:.2f} times as fast as the loop; that come 30 ms a batch of "
        f"{BATCH:,} later: {medians['loop, waiting'] / medians['stream, waiting']:.2f} times."
    )
    print(note)
    times |= {f"{name} alone": kernels[name] for name in ("quantizer", "sums and products")}
    store(f"A stream of {size:.0f} GB{' from disk' if DISK else ''}, {COLUMNS} features", times, note)


if __name__ == "__main__":
    learn(sys.argv[1], Path(sys.argv[2])) if sys.argv[1:] else main()
