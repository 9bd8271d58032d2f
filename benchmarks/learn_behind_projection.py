"""Claim: learning behind 5,000 random features takes at most 1.5 times its integer products alone.

Against these products, of rows that are integers before the clock starts, and against the same sums in float32
by BLAS, which is what RanPAC keeps: features ReLU(X W), their Gram matrix, and their sums by class. Real rows:
CIFAR-100 features where ANALYTIC_CL_DATA has them, and the packaged CLINC150. FEATURES picks how many.
"""

import os

import numpy as np
from _common import race, real_row_sets

from analytic_cl import NearestMeanClassifier, RandomProjection, RLSClassifier
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.statistics import gram

M = int(os.environ.get("FEATURES", "5000"))
BLOCK = 4096


def blocks(rows):
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def learn(head, X, y):
    return lambda: head.fit(X, y).moments_.planes


def features_alone(q, quantizer):
    def run():
        for part in blocks(q):
            quantizer.lift(part)

    return run


def products_alone(q, quantizer):
    def run():
        planes = gram.empty_planes(M, 8, np.int32)
        for part in blocks(q):
            gram.accumulate(planes, quantizer.lift(part), 8, 1)

    return run


def float_sums(X, y):
    signs = np.random.default_rng(0).standard_normal((X.shape[1], M), dtype=np.float32)
    classes = np.eye(int(y.max()) + 1, dtype=np.float32)

    def run():
        square, sums = np.zeros((M, M), np.float32), np.zeros((len(classes), M), np.float32)
        for part, labels in zip(blocks(X), blocks(y), strict=True):
            features = np.maximum(part @ signs, 0)
            square += features.T @ features
            sums += classes[labels].T @ features

    return run


for name, X, y in real_row_sets():
    codes = np.unique(y, return_inverse=True)[1]
    ridge, nearest = (kind(projection=RandomProjection(M)) for kind in (RLSClassifier, NearestMeanClassifier))
    quantizer = ridge.fit(X[:2], y[:2]).quantizer_
    q = resolve_quantizer("embedding", None, X.shape[1]).quantise(X)
    race(
        f"learn {len(X):,} x {X.shape[1]} of {name} behind {M:,} random features",
        {
            "sums and Gram matrix": learn(ridge, X, y),
            "the features and their Gram matrix alone": products_alone(q, quantizer),
            "sums by class": lambda nearest=nearest, X=X, y=y: nearest.fit(X, y),
            "the features alone": features_alone(q, quantizer),
            "float32 by BLAS": float_sums(X, codes),
        },
        f"{len(X) * X.shape[1] * M:.2g} multiply-adds for the features, {len(X) * M * M / 2:.2g} for one triangle.",
    )
