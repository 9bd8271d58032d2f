"""Claim: a GPU learns the state of the CPU, bit for bit, at the rate of its own int8 products.

    PYTHONPATH=. python benchmarks/gpu.py                      where a GPU is, with PyTorch for CUDA: under five minutes
    DEVICE=torch-cpu PYTHONPATH=. python benchmarks/gpu.py     a rehearsal without one, small: its times mean nothing

Digests of CPU and device on CLINC150, on CIFAR-100 where its pack is (ANALYTIC_CL_DATA), and on random rows of 8, 16
and 32 bits; Gram update against the card's own `_int_mm` of as many rows; fit of 1,280,000 x 768 generated rows, from
its memory and from the host's; projection to 16,384 features, and their Gram matrix; what factoring such a matrix takes
on the host, and on the card; neighbours by FAISS on both, where it knows GPUs; then the tests that need a GPU, FAISS's
too. Every part is printed when it is done, and all are saved; what would begin after BUDGET seconds (280) is left out,
and that is said.
"""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from _common import RESULTS, machine
from scipy.linalg import lapack

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    resolve_quantizer,
    use_device,
)
from analytic_cl._device import DeviceRows, columns
from analytic_cl.datasets import load_clinc150
from analytic_cl.statistics.deferred import DeferredGram
from analytic_cl.statistics.gram import empty_planes

try:
    import torch
except ImportError:
    torch = None
try:
    import faiss
except ImportError:
    faiss = None

DEVICE = os.environ.get("DEVICE", "cuda")
BUDGET = float(os.environ.get("BUDGET", "280"))
SMALL = DEVICE != "cuda"
WHERE = "cpu" if SMALL else "cuda"
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANALYTIC_CL_DATA", ROOT.parent / "shared" / "data"))
START = time.perf_counter()

WIDTHS = (256, 384) if SMALL else (384, 768, 1280, 4096, 16384)
WIDER = [(256, 16), (256, 32), (768, 16)]  # columns and bits of rows of more than a byte
FIT = (5_000, 768, 100) if SMALL else (1_280_000, 768, 1000)
REMEMBERED = [(50_000, 1280), (400_000, 768)]  # rows that neighbours are looked for in
LIFT = (2048, 768, 512) if SMALL else (131_072, 768, 16_384)


def seconds(run, repeats=3):
    """The shortest of a few times, after a warm-up, the device waited for."""

    def timed():
        wait()
        start = time.perf_counter()
        run()
        wait()
        return time.perf_counter() - start

    timed()
    return min(timed() for _ in range(repeats))


def wait():
    if not SMALL:
        torch.cuda.synchronize()


def generated(n, d, classes):
    """Rows in the device's memory, and labels on the host."""
    random = torch.Generator(device=WHERE).manual_seed(0)
    means = 0.3 * torch.randn((classes, d), generator=random, device=WHERE)
    labels = torch.randint(classes, (n,), generator=random, device=WHERE)
    rows = torch.randn((n, d), generator=random, device=WHERE)
    for part in torch.arange(n, device=WHERE).split(2**17):
        rows[part] += means[labels[part]]
    return rows, labels.cpu().numpy()


# ---- parts


def digests():
    clinc = load_clinc150()
    cases = {"CLINC150": (LDAClassifier(), clinc.X_train, clinc.y_train)}
    lifted = LDAClassifier(projection=RandomProjection(2000))
    cases["CLINC150, 2,000 random features"] = (lifted, clinc.X_train, clinc.y_train)
    if (DATA / "cifar100_mnv2.npz").exists():
        with np.load(DATA / "cifar100_mnv2.npz", allow_pickle=False) as stored:
            cases["CIFAR-100"] = (LDAClassifier(), stored["X_train"].astype(np.float32), stored["y_train"])
    if SMALL:
        cases = {name: (head, rows[:3000], labels[:3000]) for name, (head, rows, labels) in cases.items()}
    random = np.random.default_rng(0)
    for bits, limit in ((8, 127), (16, 0x7F7F), (32, 0x7F7F7F7F)):
        rows = random.integers(-limit, limit + 1, (150_000 if bits == 8 and not SMALL else 20_000, 200)).astype(
            np.float64
        )
        head = LDAClassifier(quantizer=FixedPoint(bits, scale=1))
        cases[f"random, {bits} bits"] = (head, rows, np.arange(len(rows)) % 10)
    found = {}
    for name, (head, rows, labels) in cases.items():
        expected = head.fit(rows, labels).state_digest()
        with use_device(DEVICE):
            same = head.fit(torch.tensor(rows, device=WHERE), labels).state_digest() == expected
            found[name] = bool(same and head.fit(rows, labels).state_digest() == expected)
    return found


def gram_rates():
    """In int8 operations a second, 2 n d^2 over time, for 65,536 rows; and the parts of that time.

    `_int_mm` multiplies columns that lie one a row already; ours transposes rows first. What a call takes of neither is
    sums, launches and waiting for the card.
    """
    n, found = (4096 if SMALL else 2**16), {}
    for d in WIDTHS:
        rows = torch.randint(-127, 128, (n, d), dtype=torch.int8, device=WHERE)
        sides = rows.T.contiguous()
        full = seconds(lambda sides=sides: torch._int_mm(sides, sides.t()), 5)
        with use_device(DEVICE):
            matrix = DeferredGram(resolve_quantizer("integers", None, d), empty_planes(d, 8))
            ours = seconds(lambda matrix=matrix, rows=rows: matrix.change(DeviceRows(rows), 1), 5)
            start = time.perf_counter()
            _ = matrix.planes
            read = time.perf_counter() - start
        operations = 2 * n * d * d
        found[d] = {"_int_mm": operations / full, "ours": operations / ours, "ratio": full / ours, "read, s": read}
        found[d] |= {"_int_mm, s": full, "ours, s": ours}
        found[d] |= {
            "transposed by bytes, s": seconds(lambda rows=rows: rows.T.contiguous(), 5),
            "transposed, s": seconds(lambda rows=rows: columns(rows), 5),
        }
        del rows, sides, matrix
    for d, bits in WIDER:
        rows = torch.randint(-127, 128, (n, d), device=WHERE).to(getattr(torch, f"int{bits}"))
        with use_device(DEVICE):
            matrix = DeferredGram(resolve_quantizer(FixedPoint(bits, scale=1), None, d))
            ours = seconds(lambda matrix=matrix, rows=rows: matrix.change(DeviceRows(rows), 1), 5)
        found[f"{d}, {bits} bits"] = {"ours, s": ours}
    return found


def fit():
    n, d, classes = FIT
    rows, labels = generated(n, d, classes)
    quantizer, found = LDAClassifier(quantizer="embedding").fit(np.eye(2, d), [0, 1]).quantizer_, {}
    with use_device(DEVICE):
        found["quantise, device rows"] = seconds(lambda: quantizer.rows_to_learn(rows), 1)
        for track in ("none", "digest"):
            head = LDAClassifier(track=track)
            found[f"fit, device rows, track={track}"] = seconds(lambda head=head: head.fit(rows, labels), 2)
        start = time.perf_counter()
        head.prepare()
        found["read the state and solve"] = time.perf_counter() - start
        host = rows.cpu().numpy()
        rows = None  # its memory is needed
        found["fit, host rows, track=none"] = seconds(lambda: LDAClassifier(track="none").fit(host, labels), 1)
        by_device = LDAClassifier(track="none").fit(host, labels).state_digest()
    few = slice(0, n // 10)
    start = time.perf_counter()
    LDAClassifier(track="none").fit(host[few], labels[few])
    found["fit on the CPU, a tenth of the rows"] = time.perf_counter() - start
    start = time.perf_counter()
    found["same digest"] = LDAClassifier(track="none").fit(host, labels).state_digest() == by_device
    found["fit on the CPU"] = time.perf_counter() - start
    return found


def projection():
    n, d, width = LIFT
    rows, labels = generated(n, d, 100)
    lift = RandomProjection(width)
    quantizer, found = resolve_quantizer("auto", lift, d), {}
    with use_device(DEVICE):
        taken = seconds(lambda: quantizer.rows_to_learn(rows), 1)
        found |= {"project, s": taken, "project, operations a second": 2 * n * d * width / taken}
        head = LDAClassifier(track="none", projection=lift)
        taken = seconds(lambda: head.fit(rows, labels), 1)
        found |= {"project and fit, s": taken, "its Gram operations a second": 2 * n * width * width / taken}
        start = time.perf_counter()
        _ = head.moments_.planes
        found["read the state, s"] = time.perf_counter() - start
    few = n // 64
    expected = quantizer.quantise(rows[:few].cpu().numpy())
    with use_device(DEVICE):
        found["same integers"] = bool((quantizer.quantise(rows[:few]) == expected).all())
    return found


def cholesky():
    d = LIFT[2]
    random = np.random.default_rng(0)
    matrix = np.asfortranarray(random.standard_normal((d, 64)))
    matrix = np.asfortranarray(matrix @ matrix.T)
    matrix[np.diag_indices(d)] += 100.0
    there = torch.from_numpy(matrix).to(WHERE)
    found = {"width": d, "device, s": seconds(lambda: torch.linalg.cholesky(there), 1)}
    start = time.perf_counter()
    lapack.dpotrf(matrix, lower=1, overwrite_a=1, clean=0)
    return found | {"host, s": time.perf_counter() - start}


def neighbours():
    """Seconds to predict one row and 2,000 by the ten nearest of many, all of them looked at."""
    if not (hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus()):
        return "left out: no FAISS that knows a GPU"
    random, found = np.random.default_rng(0), {"FAISS": faiss.__version__}
    for n, d in REMEMBERED:
        means = random.standard_normal((500, d), dtype=np.float32)
        labels = random.integers(0, 500, n + 2000)
        rows = 0.4 * means[labels] + random.standard_normal((n + 2000, d), dtype=np.float32)
        head = NearestNeighborsClassifier(10, index="flat").fit(rows[:n], labels[:n])
        answers = {}
        for device in ("cuda", "cpu"):
            head.set_params(device=device)
            answers[device] = head.predict(rows[n:])
            asked = [partial(head.predict, rows[n : n + m]) for m in (1, 2000)]
            found[f"{n} x {d}, {device}"] = [seconds(run) for run in asked]
        found[f"{n} x {d}, same labels"] = bool((answers["cuda"] == answers["cpu"]).all())
    return found


def tests():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ANALYTIC_CL_REQUIRE_TORCH": "1"}
    if not SMALL:
        environment["ANALYTIC_CL_REQUIRE_CUDA"] = "1"
    found = {}
    for name, files, which in (
        ("devices", ["test_device.py", "test_device_kernels.py"], DEVICE),
        ("FAISS", ["test_neighbour_search.py", "test_nearest_neighbors.py"], "cuda or gpu"),
    ):
        paths = [str(ROOT / "tests" / file) for file in files]
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-rs",
                "-W",
                "default",
                "-p",
                "no:cacheprovider",
                "-k",
                which,
                *paths,
            ],
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=max(30, BUDGET - (time.perf_counter() - START)),
        )
        lines = run.stdout.strip().splitlines()
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR", "E  "))]
        found[name] = {"rc": run.returncode, "result": lines[-1:], "failed": failed[:20]}
    return found


def main():
    try:
        with use_device(DEVICE):
            record = {"device": DEVICE, "machine": machine(), "parts": {}}
    except (ImportError, ValueError) as error:
        print(f"left out: {error}")
        return
    print(json.dumps(record["machine"]["device"]))
    for part in (digests, gram_rates, fit, projection, cholesky, neighbours, tests):
        start = time.perf_counter()
        if start - START > BUDGET:
            found = "left out: the time was over"
        else:
            try:
                found = part()
            except Exception as error:
                found = f"{type(error).__name__}: {error}"[:2000]
        record["parts"][part.__name__] = found
        print(json.dumps({part.__name__: found, "seconds": round(time.perf_counter() - start, 1)}), flush=True)
        if not SMALL:
            torch.cuda.empty_cache()
    folder = RESULTS / "gpu"  # apart from what makes docs/benchmarks.md
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{DEVICE}.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
