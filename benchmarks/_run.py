"""Run the timed claims one after the other, and write docs/benchmarks.md: `make bench`, `make bench-busy`.

NEIGHBOURS=2 starts so many processes that multiply matrices and copy memory all the while, as on a shared machine;
results of such a run are kept beside those of a quiet one. Names of scripts run those alone. A script that fails stops
none of the others; the exit says so. LIMIT (900) is the most seconds that a script may take.
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
NEIGHBOURS = int(os.environ.get("NEIGHBOURS", "0"))
LIMIT = float(os.environ.get("LIMIT", "900"))
SCRIPTS = (
    "serving",
    "store_requests",
    "wide_solves",
    "sessions_against_recursions",
    "import_time",
    "diagnostics",
    "fit_against_scikit_learn",
    "gram_against_blas",
    "class_grams",
    "learn_behind_projection",
    "compare_heads",
    "regression_against_scikit_learn",
    "sparse_against_scikit_learn",
    "sample_weight",
    "multi_label",
    "ledger_cost",
    "row_updates",
    "forget_against_retraining",
    "forget_one_of_50000",
    "nearest_neighbors",
    "predict_with_class_covariances",
    "key_value_bottleneck",
    "stream_of_a_million",
)
NEIGHBOUR = """
import numpy as np
a, b = np.ones((700, 700)), np.ones(4_000_000)
while True:
    a @ a
    b.copy()
"""


@contextmanager
def neighbours():
    one_core = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    started = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR], env=one_core) for _ in range(NEIGHBOURS)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def run(script):
    """Whether it went well."""
    print(f"\n==== {script}", flush=True)
    start = time.perf_counter()
    try:
        code = subprocess.run([sys.executable, HERE / f"{script}.py"], check=False, timeout=LIMIT).returncode
    except subprocess.TimeoutExpired:
        code = f"more than {LIMIT:.0f} s"
    print(
        f"==== {script}: {time.perf_counter() - start:.0f} s, {'done' if code == 0 else f'FAILED: {code}'}", flush=True
    )
    return code == 0


def main():
    asked = sys.argv[1:] or SCRIPTS
    with neighbours():
        failed = [script for script in asked if not run(script)]
    subprocess.run([sys.executable, HERE / "_report.py"], check=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
