"""What the measurements of adaptation share: real rows, streams of them, and accuracies with confidence intervals."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import rotate
from scipy.stats import t as student

from analytic_cl import OrientedGradients

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))
SEEDS = 5


def with_interval(values) -> str:
    """Mean and half of the 95 % confidence interval over seeds, in points."""
    values = 100 * np.asarray(values, dtype=np.float64)
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():5.1f} ±{half:4.1f}"


def show(title: str, results: dict[str, list[float]]) -> None:
    """Accuracies a seed by contestant; each beside the first one, as differences of the same seeds."""
    print(f"\n{title}")
    first = np.array(next(iter(results.values())))
    for name, values in results.items():
        gain = "" if values is results[next(iter(results))] else f"   gain {with_interval(np.array(values) - first)}"
        print(f"  {name:44} {with_interval(values)}{gain}", flush=True)


@cache
def pack(name: str, n_train: int | None = None):
    """Training and test rows and labels of a pack."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as arrays:
        X, y, T, t = (arrays[key] for key in ("X_train", "y_train", "X_test", "y_test"))
    return X[:n_train].astype(np.float32), y[:n_train], T.astype(np.float32), t


def turned(images):
    """Handwriting at a slant: all images turned by 30 degrees."""
    return rotate(images, 30, axes=(1, 2), reshape=False, order=1)


def moved(images):
    """All images moved by three pixels each way."""
    return np.roll(images, (3, 3), axis=(1, 2))


@cache
def digits(change=None, n_train: int = 10_000):
    """MNIST as oriented gradients on a grid of 4, test images changed first."""
    X, y, T, t = pack("mnist_pixels", n_train)
    extract = OrientedGradients(grid=4)
    images = T.reshape(-1, 28, 28).astype(np.uint8)
    images = images if change is None else change(images).astype(np.uint8)
    return extract.fit_transform(X.reshape(-1, 28, 28).astype(np.uint8)), y, extract.transform(images), t


def along(model, X, y, batches) -> float:
    """Share of rows that are right, asked batch by batch."""
    return float(np.mean(np.concatenate([model.predict(X[rows]) == y[rows] for rows in batches])))
