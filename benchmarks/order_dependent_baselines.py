"""Claim: methods that treat the first or the last session otherwise gain little over heads that use the whole state.

TEEN, FeTrIL, NAPA and DS-AL beside nearest mean, LDA and ridge, in the same streams, defaults unless a name says
otherwise. Two streams: 50 classes, then sessions of 10 with all their rows; and base classes with many rows, then
sessions of 5 classes with 5 rows each. Test accuracy after the last session, mean of SEEDS=3 orders of classes.

CLINC150 comes with the package; CIFAR-100 behind MobileNetV2 is used where its pack is.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from analytic_cl import LDAClassifier, NearestMeanClassifier, QuantizationWarning, RandomProjection, RLSClassifier
from analytic_cl.baselines import DSALClassifier, FeTrILClassifier, NAPAClassifier, TEENClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.metrics import few_shot_accuracy
from analytic_cl.scenarios import class_incremental, few_shot_class_incremental

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))
SEEDS = int(os.environ.get("SEEDS", "3"))

warnings.simplefilter("ignore", QuantizationWarning)


def packs():
    clinc = load_clinc150()
    yield "CLINC150", (clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test)
    if (DATA / "cifar100_mnv2.npz").exists():
        with np.load(DATA / "cifar100_mnv2.npz", allow_pickle=False) as arrays:
            yield "CIFAR-100", [arrays[key] for key in ("X_train", "y_train", "X_test", "y_test")]


def heads(seed):
    return {
        "nearest mean": NearestMeanClassifier(),
        "LDA": LDAClassifier(),
        "ridge": RLSClassifier(),
        "TEEN": TEENClassifier(),
        "TEEN, calibration=.1": TEENClassifier(0.1),
        "FeTrIL, ridge": FeTrILClassifier(),
        "NAPA, ridge": NAPAClassifier(),
        "DS-AL": DSALClassifier(random_state=seed),
        "DS-AL, compensation=0": DSALClassifier(0.0, random_state=seed),
        "ridge, 1,000 random features": RLSClassifier(projection=RandomProjection(1000, seed)),
        "ridge, 2,000 random features": RLSClassifier(projection=RandomProjection(2000, seed)),
    }


for name, (X, y, T, t) in packs():
    few = (100, 50) if name == "CLINC150" else (60, 40)
    print(
        f"\n{name}: 50 classes, then 10 at a time, all rows; {few[0]} classes, then {few[1]} of 5 rows: all, base, new"
    )
    found = {}
    for seed in range(SEEDS):
        grown = class_incremental(y, base=50, increment=10, seed=seed)
        shots = few_shot_class_incremental(y, base=few[0], way=5, shot=5, seed=seed)
        for title in heads(seed):
            last = []
            for sessions in (grown, shots):
                head = heads(seed)[title]
                for session in sessions:
                    head.partial_fit(X[session.train], y[session.train])
                last.append(head.predict(T))
            base, new, _ = few_shot_accuracy(t, last[1], shots[0].new_classes)
            found.setdefault(title, []).append([(last[0] == t).mean(), (last[1] == t).mean(), base, new])
    for title, numbers in found.items():
        print(f"  {title:30}" + "".join(f"  {value:.4f}" for value in np.mean(numbers, axis=0)), flush=True)
