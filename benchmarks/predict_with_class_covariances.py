"""Claim: a covariance for every class costs some fifteen times what one for all does, to predict.

The floor is the float64 multiply-adds that the scores are made of, at the rate of a large product on one core.

10,000 test rows of CIFAR-100 (MobileNetV2, 1280 columns, 100 classes) after 20,000 training rows. For one BLAS thread,
and two: OPENBLAS_NUM_THREADS=1, =2.
"""

import os
from pathlib import Path

import numpy as np
from _common import race, timed
from threadpoolctl import threadpool_limits

from analytic_cl import GaussianClassifier, LDAClassifier
from analytic_cl.solvers.class_gaussian import ClassQuadratic

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))


def multiply_adds(head, rows):
    """Multiply-adds of the scores of some rows: by the shared covariance, and by the classes' own."""
    own, score = 0, ClassQuadratic.of

    def counted(quadratic, v, columns=None):
        nonlocal own
        own += len(v) * np.count_nonzero(quadratic.factor[:, :columns])
        return score(quadratic, v, columns)

    ClassQuadratic.of = counted
    try:
        head.predict(rows)
    finally:
        ClassQuadratic.of = score
    columns, directions = head.prepare().pooled.space.directions.shape
    return len(rows) * directions * (columns + len(head.classes_)), own


def rate():
    """Multiply-adds a second of a large float64 product on one core."""
    square = np.random.default_rng(0).normal(size=(2048, 2048))
    with threadpool_limits(1):
        return 2048**3 / min(timed(lambda: square @ square) for _ in range(5))


if __name__ == "__main__" and (DATA / "cifar100_mnv2.npz").exists():
    with np.load(DATA / "cifar100_mnv2.npz", allow_pickle=False) as arrays:
        X, y, T = arrays["X_train"][:20_000].astype(np.float32), arrays["y_train"][:20_000], arrays["X_test"]
    T = T.astype(np.float32)
    lda, own = LDAClassifier().fit(X, y), GaussianClassifier().fit(X, y)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    shared, of_classes = multiply_adds(own, T)
    a_second = rate()
    race(
        f"predict 10,000 rows of 1280 columns, 100 classes, BLAS threads: {threads}",
        {"LDAClassifier": lambda: lda.predict(T), "GaussianClassifier": lambda: own.predict(T)},
        f"Floor of GaussianClassifier: {shared:.1e} multiply-adds by the shared covariance and {of_classes:.1e} by "
        f"those of the likeliest classes, at {a_second:.1e} a second and core "
        f"{(shared + of_classes) / a_second:.2g} s.",
    )
