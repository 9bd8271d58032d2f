"""Claim: a covariance for every class costs some five times what one for all does, to predict.

10,000 test rows of CIFAR-100 (MobileNetV2, 1280 columns, 100 classes) after 20,000 training rows. For one BLAS thread,
and two: OPENBLAS_NUM_THREADS=1, =2.
"""

import os
from pathlib import Path

import numpy as np
from _common import race

from analytic_cl import GaussianClassifier, LDAClassifier

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))

if __name__ == "__main__" and (DATA / "cifar100_mnv2.npz").exists():
    with np.load(DATA / "cifar100_mnv2.npz", allow_pickle=False) as arrays:
        X, y, T = arrays["X_train"][:20_000].astype(np.float32), arrays["y_train"][:20_000], arrays["X_test"]
    T = T.astype(np.float32)
    lda, own = LDAClassifier().fit(X, y), GaussianClassifier().fit(X, y)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    race(
        f"predict 10,000 rows of 1280 columns, 100 classes, BLAS threads: {threads}",
        {"LDAClassifier": lambda: lda.predict(T), "GaussianClassifier": lambda: own.predict(T)},
    )
