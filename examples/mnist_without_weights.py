"""MNIST in five sessions of two digits, without trained weights or gradients, beside what scikit-learn offers.

Reads mnist_pixels.npz (X_train, y_train, X_test, y_test: rows of 784 pixels) from the folder ANALYTIC_CL_DATA. All
60,000 images take about a minute on two cores; ROWS=6000 takes fewer of them.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    OrientedGradients,
    QuantizationWarning,
    RandomProjection,
    RLSClassifier,
)

folder = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))
rows = int(os.environ.get("ROWS", "60000"))
with np.load(folder / "mnist_pixels.npz", allow_pickle=False) as data:
    images, y, new_images, new_y = (data[name] for name in ("X_train", "y_train", "X_test", "y_test"))
images, y, new_images, new_y = images[:rows], y[:rows], new_images[:rows], new_y[:rows]
sessions = [np.flatnonzero((y == first) | (y == first + 1)) for first in range(0, 10, 2)]


def measure(name, model, X, new_X, **classes):
    """Learn in sessions where the model can, else all at once, then predict."""
    start = time.perf_counter()
    if hasattr(model, "partial_fit"):
        for session in sessions:
            model.partial_fit(X[session], y[session], **classes)
    else:
        model.fit(X, y)
    accuracy = (model.predict(new_X) == new_y).mean()
    how = "5 sessions" if hasattr(model, "partial_fit") else "all at once"
    print(f"  {name:40} {how:11} {time.perf_counter() - start:6.1f} s   {accuracy:.2%}", flush=True)


extractor = OrientedGradients(shape=(28, 28))
extractor.transform(images[:1])  # compiles, once per machine
start = time.perf_counter()
features, new_features = extractor.transform(images), extractor.transform(new_images)
print(f"features of {len(images) + len(new_images):,} images: {time.perf_counter() - start:.1f} s\n")

projection = RandomProjection(min(8192, rows))
lifted = f"RLSClassifier, {projection.n_components:,} random features"
print("oriented gradients, then")
measure(lifted, RLSClassifier(projection=projection), features, new_features)
measure("RLSClassifier", RLSClassifier(), features, new_features)
measure("LDAClassifier", LDAClassifier(), features, new_features)
measure("NearestMeanClassifier", NearestMeanClassifier(), features, new_features)
sgd = SGDClassifier(random_state=0)
measure("scikit-learn SGDClassifier", sgd, features, new_features, classes=np.arange(10))

warnings.simplefilter("ignore", QuantizationWarning)  # a fiftieth of the pixels are beyond the range of the quantizer
pixels, new_pixels = (np.divide(X, 255, dtype=np.float32) for X in (images, new_images))
print("pixels, then")
measure(lifted, RLSClassifier(projection=projection), pixels, new_pixels)
sgd = SGDClassifier(random_state=0)
measure("scikit-learn SGDClassifier", sgd, pixels, new_pixels, classes=np.arange(10))
measure("scikit-learn RidgeClassifier", RidgeClassifier(), pixels, new_pixels)
measure("scikit-learn KNeighborsClassifier", KNeighborsClassifier(), pixels, new_pixels)
