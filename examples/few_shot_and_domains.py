"""Sessions of five images a class after a large one, and sessions that bring the same classes in another shape.

1. CIFAR-100 behind a frozen MobileNetV2: 60 classes with all rows, then eight sessions of 5 classes with 5 rows each.
2. MNIST turned by 0, 20, 40, 60 and 80 degrees behind oriented gradients: a session an angle, all digits in each.

Reads cifar100_mnv2.npz and mnist_pixels.npz (X_train, y_train, X_test, y_test: rows of 1280 features, rows of 784
pixels) from the folder ANALYTIC_CL_DATA. About a minute on two cores; ROWS=2000 takes fewer.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from scipy.ndimage import rotate
from sklearn.linear_model import SGDClassifier

from analytic_cl import (
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    OrientedGradients,
    QuantizationWarning,
    RLSClassifier,
)
from analytic_cl.metrics import backward_transfer, few_shot_accuracy, last_accuracy
from analytic_cl.scenarios import domain_incremental, few_shot_class_incremental

folder = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))
rows = int(os.environ.get("ROWS", "50000"))
warnings.simplefilter("ignore", QuantizationWarning)


def pack(name, n, n_new):
    with np.load(folder / f"{name}.npz", allow_pickle=False) as data:
        return data["X_train"][:n], data["y_train"][:n], data["X_test"][:n_new], data["y_test"][:n_new]


def equal_priors(head):
    """Every class as likely as any other, however few rows it has."""
    return head.set_params(priors=np.full(len(head.classes_), 1 / len(head.classes_)))


print("five rows a class after 60 classes, per cent, mean of three seeds   all at first   base   new  harmonic mean")
X, y, new_X, new_y = pack("cifar100_mnv2", rows, rows // 5)
heads = {
    "NearestMeanClassifier()": (NearestMeanClassifier, lambda head: head),
    "LDAClassifier()": (LDAClassifier, lambda head: head),
    "LDAClassifier(priors=...), all equal": (LDAClassifier, equal_priors),
    "RLSClassifier()": (RLSClassifier, lambda head: head),
    "NearestNeighborsClassifier()": (NearestNeighborsClassifier, lambda head: head),
}
for name, (kind, adjust) in heads.items():
    found = []
    for seed in range(3):
        sessions, head = few_shot_class_incremental(y, base=60, way=5, shot=5, seed=seed), kind()
        for session in sessions:
            adjust(head.partial_fit(X[session.train], y[session.train]))
            if session is sessions[0]:
                seen = session.test_rows(new_y)
                at_first = head.score(new_X[seen], new_y[seen])
        found.append([at_first, *few_shot_accuracy(new_y, head.predict(new_X), sessions[0].new_classes)])
    at_first, base, new, harmonic = 100 * np.mean(found, axis=0)
    print(f"  {name:66} {at_first:11.1f} {base:6.1f} {new:5.1f} {harmonic:14.1f}", flush=True)

print("\nturned digits, per cent     after 0 degrees: on 0, on 80   after all: on all, backward transfer")
angles = np.arange(0, 100, 20)
images, y, new_images, new_y = pack("mnist_pixels", 12 * rows // 50, rows // 25)


def features(images, angle):
    return extractor.transform(rotate(images.reshape(-1, 28, 28), angle, axes=(1, 2), reshape=False, order=1))


def measure(model, **classes):
    R = np.full((len(angles), len(angles)), np.nan)
    for i, session in enumerate(domain_incremental(y, angle_of)):
        model.partial_fit(X[session.train], y[session.train], **classes)
        R[i] = [100 * (model.predict(new_X) == new_y).mean() for new_X in tests]
    numbers = f"{R[0, 0]:16.1f} {R[0, -1]:8.1f} {last_accuracy(R):20.1f} {backward_transfer(R):14.1f}"
    print(f"  {type(model).__name__:30} {numbers}", flush=True)


extractor, angle_of = OrientedGradients(), angles[np.arange(len(y)) % len(angles)]
X = np.concatenate([features(images[angle_of == angle], angle) for angle in angles])
y, angle_of = (np.concatenate([values[angle_of == angle] for angle in angles]) for values in (y, angle_of))
tests = [features(new_images, angle) for angle in angles]
for head in (NearestMeanClassifier(), LDAClassifier(), RLSClassifier(), NearestNeighborsClassifier()):
    measure(head)
measure(SGDClassifier(random_state=0), classes=np.arange(10))  # scikit-learn's, for comparison
