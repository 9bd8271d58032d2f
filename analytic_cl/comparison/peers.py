"""Other libraries' estimators, as yardsticks."""

from __future__ import annotations

from typing import Any

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid

from analytic_cl.comparison.methods import Method
from analytic_cl.comparison.peer_runs import BUFFER

_STEP = {"alpha": (1e-4, 1e-5, 1e-3)}


def _torch_probe(seed: int) -> Any:
    from analytic_cl.comparison.torch_probe import TorchProbe

    return TorchProbe(random_state=seed)


PEERS = {
    method.name: method
    for method in (
        Method("sgd", "SGD (scikit-learn)", "partial_fit", lambda seed: SGDClassifier(random_state=seed), _STEP, True),
        Method(
            "sgd-replay",
            f"SGD, {BUFFER:,} rows replayed",
            "replay",
            lambda seed: SGDClassifier(random_state=seed),
            _STEP,
            True,
        ),
        Method(
            "gaussian-nb",
            "GaussianNB (scikit-learn)",
            "partial_fit",
            lambda _: GaussianNB(),
            {"var_smoothing": (1e-9, 1e-3, 1e-1)},
        ),
        Method(
            "nearest-centroid-joint",
            "NearestCentroid, joint",
            "joint",
            lambda _: NearestCentroid(),
            {},
            True,
        ),
        Method(
            "ridge-joint",
            "RidgeClassifier, joint",
            "joint",
            lambda _: RidgeClassifier(),
            {"alpha": (1.0, 0.1, 10.0)},
            True,
        ),
        Method(
            "lda-joint",
            "LDA (scikit-learn), joint",
            "joint",
            lambda _: LinearDiscriminantAnalysis("lsqr", "auto"),
        ),
        Method(
            "torch-probe",
            "softmax probe (PyTorch)",
            "partial_fit",
            _torch_probe,
            {"learning_rate": (10.0, 1.0, 100.0)},
        ),
    )
}
