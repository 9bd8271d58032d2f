"""Rows that have moved away from those that were learned, for the scripts on shifted streams."""

from __future__ import annotations

import numpy as np
from _shifted_rows import along, pack, with_interval
from scipy.ndimage import gaussian_filter

from analytic_cl import OrientedGradients


def corrupted(pixels, kind, seed=0):
    """MNIST images, 784 pixels from 0 to 255 a row, under other conditions."""
    rng, x = np.random.default_rng(seed), pixels.reshape(-1, 28, 28).astype(np.float32) / 255
    if kind == "noise":
        x = x + rng.normal(scale=0.4, size=x.shape)
    elif kind == "blur":
        x = gaussian_filter(x, (0, 1.5, 1.5))
    elif kind == "contrast":
        x = 0.5 + 0.15 * (x - 0.5) + rng.normal(scale=0.03, size=x.shape)
    return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8).reshape(len(pixels), -1)


def mnist(n_train=5000, kinds=("clean", "noise", "blur", "contrast")):
    """Features of the first training images, their labels, features of test images by corruption, their labels."""
    X, y, T, t = pack("mnist_pixels")
    extractor = OrientedGradients(grid=4, shape=(28, 28))
    tests = {kind: extractor.transform(corrupted(T[:5000], kind)) for kind in kinds}
    return extractor.transform(X[:n_train]), y[:n_train], tests, t[:5000]


def other_gains(X, T, seed=0):
    """The columns of test rows, each under a gain of its own: from a half to twice, mostly."""
    return T * np.exp(np.random.default_rng(seed).normal(scale=0.5, size=X.shape[1])).astype(np.float32)


def drawn(t, n, seed, how="uniform", strength=0.3):
    """Places of n test rows: any, by Dirichlet frequencies of the classes, or in order of their classes."""
    rng = np.random.default_rng(seed)
    if how == "label shift":
        classes, codes = np.unique(t, return_inverse=True)
        weights = (rng.dirichlet(np.full(len(classes), strength)) / np.bincount(codes))[codes]
        return rng.choice(len(t), size=n, p=weights / weights.sum())
    places = rng.permutation(len(t))[:n]
    return places[np.argsort(t[places], kind="stable")] if how == "sorted" else places


def streamed(model, X, y, size):
    """Accuracy over batches that come one after another."""
    return along(model, X, y, np.split(np.arange(len(X)), range(size, len(X), size)))


def table(title, found):
    """Print rows of names and values by column."""
    columns = list(next(iter(found.values())))
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, values in found.items():
        print(f"| {name} | {' | '.join(with_interval(values[column]) for column in columns)} |")
