"""Gradient-free continual learning with an integer state: learn, forget and merge, bit for bit."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic_cl._config import get_backend as get_backend
    from analytic_cl._config import get_threads as get_threads
    from analytic_cl._config import show_config as show_config
    from analytic_cl._config import use_backend as use_backend
    from analytic_cl._config import use_threads as use_threads
    from analytic_cl._device import get_device as get_device
    from analytic_cl._device import use_device as use_device
    from analytic_cl.comparison import compare as compare
    from analytic_cl.datasets import load_clinc150 as load_clinc150
    from analytic_cl.extractors import ConcatExtractor as ConcatExtractor
    from analytic_cl.extractors import ContinualPipeline as ContinualPipeline
    from analytic_cl.extractors import OrientedGradients as OrientedGradients
    from analytic_cl.heads import AutoClassifier as AutoClassifier
    from analytic_cl.heads import ErrorMemory as ErrorMemory
    from analytic_cl.heads import GaussianClassifier as GaussianClassifier
    from analytic_cl.heads import Head as Head
    from analytic_cl.heads import KeyValueBottleneckClassifier as KeyValueBottleneckClassifier
    from analytic_cl.heads import LDAClassifier as LDAClassifier
    from analytic_cl.heads import NearestMeanClassifier as NearestMeanClassifier
    from analytic_cl.heads import NearestNeighborsClassifier as NearestNeighborsClassifier
    from analytic_cl.heads import RLSClassifier as RLSClassifier
    from analytic_cl.heads import RLSRegressor as RLSRegressor
    from analytic_cl.heads import SemanticRidgeClassifier as SemanticRidgeClassifier
    from analytic_cl.heads import conformal_threshold as conformal_threshold
    from analytic_cl.heads import load as load
    from analytic_cl.heads import prediction_sets as prediction_sets
    from analytic_cl.learner import Receipt as Receipt
    from analytic_cl.ledger import NotLearnedError as NotLearnedError
    from analytic_cl.quantizers import FixedPoint as FixedPoint
    from analytic_cl.quantizers import FourierFeatures as FourierFeatures
    from analytic_cl.quantizers import NearestKeys as NearestKeys
    from analytic_cl.quantizers import QuantizationWarning as QuantizationWarning
    from analytic_cl.quantizers import Quantizer as Quantizer
    from analytic_cl.quantizers import RandomProjection as RandomProjection
    from analytic_cl.quantizers import resolve_quantizer as resolve_quantizer
    from analytic_cl.statistics import ClassGrams as ClassGrams
    from analytic_cl.statistics import ClassGroups as ClassGroups
    from analytic_cl.statistics import LabelSetMoments as LabelSetMoments
    from analytic_cl.statistics import Moments as Moments
    from analytic_cl.store import Store as Store
    from analytic_cl.store import StoreReceipt as StoreReceipt

    __version__: str

# Names are imported when first used: scikit-learn loads pandas where it is installed, and numba takes a moment.
_HOMES = {
    "_config": ("get_backend", "get_threads", "show_config", "use_backend", "use_threads"),
    "_device": ("get_device", "use_device"),
    "comparison": ("compare",),
    "datasets": ("load_clinc150",),
    "quantizers": (
        "Quantizer",
        "QuantizationWarning",
        "FixedPoint",
        "FourierFeatures",
        "NearestKeys",
        "RandomProjection",
        "resolve_quantizer",
    ),
    "extractors": ("ConcatExtractor", "ContinualPipeline", "OrientedGradients"),
    "heads": (
        "AutoClassifier",
        "ErrorMemory",
        "GaussianClassifier",
        "Head",
        "KeyValueBottleneckClassifier",
        "LDAClassifier",
        "NearestMeanClassifier",
        "NearestNeighborsClassifier",
        "RLSClassifier",
        "RLSRegressor",
        "SemanticRidgeClassifier",
        "conformal_threshold",
        "load",
        "prediction_sets",
    ),
    "learner": ("Receipt",),
    "ledger": ("NotLearnedError",),
    "statistics": ("ClassGrams", "ClassGroups", "LabelSetGroups", "LabelSetMoments", "Moments"),
    "store": ("Store", "StoreReceipt"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

# Not `load`: a star import would put it in the place of the `load` of NumPy, json or joblib.
__all__ = sorted(_HOME_OF.keys() - {"load"})  # noqa: PLE0605  (a list of the names above)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("analytic-cl")
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    if name in (
        "adaptation",
        "checks",
        "comparison",
        "datasets",
        "displays",
        "distributed",
        "export",
        "extractors",
        "heads",
        "ledger",
        "metrics",
        "quantizers",
        "scenarios",
        "solvers",
        "statistics",
        "store",
    ):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [
        *__all__,
        "load",
        "__version__",
        "checks",
        "comparison",
        "datasets",
        "displays",
        "distributed",
        "export",
        "extractors",
        "metrics",
        "scenarios",
    ]
