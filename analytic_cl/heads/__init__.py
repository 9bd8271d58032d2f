"""scikit-learn estimators over an exact state, one a file."""

import os

from analytic_cl.heads import persistence
from analytic_cl.heads.auto import AutoClassifier as AutoClassifier
from analytic_cl.heads.auto import Choice as Choice
from analytic_cl.heads.base import BaseHead as BaseHead
from analytic_cl.heads.base import Head as Head
from analytic_cl.heads.error_memory import ErrorMemory as ErrorMemory
from analytic_cl.heads.gaussian import GaussianClassifier as GaussianClassifier
from analytic_cl.heads.key_value_bottleneck import KeyValueBottleneckClassifier as KeyValueBottleneckClassifier
from analytic_cl.heads.lda import LDAClassifier as LDAClassifier
from analytic_cl.heads.linear import LinearHead as LinearHead
from analytic_cl.heads.nearest_mean import NearestMeanClassifier as NearestMeanClassifier
from analytic_cl.heads.nearest_neighbors import NearestNeighborsClassifier as NearestNeighborsClassifier
from analytic_cl.heads.nearest_neighbors import Neighbors as Neighbors
from analytic_cl.heads.novelty import conformal_threshold as conformal_threshold
from analytic_cl.heads.novelty import prediction_sets as prediction_sets
from analytic_cl.heads.registry import HeadEntry as HeadEntry
from analytic_cl.heads.registry import head_classes as head_classes
from analytic_cl.heads.registry import head_entries as head_entries
from analytic_cl.heads.rls import RLSClassifier as RLSClassifier
from analytic_cl.heads.rls_regressor import RLSRegressor as RLSRegressor
from analytic_cl.heads.semantic_ridge import SemanticRidgeClassifier as SemanticRidgeClassifier


def load(path: str | os.PathLike[str]) -> BaseHead:
    """Read any registered head that `Head.save` wrote, and return it as the class that it was.

    Raises ValueError saying what is wrong with a truncated, altered or foreign file. Nothing in a file is executed.

    Exactness: bit for bit; the loaded state has the digest of the saved one.

    Examples
    --------
    >>> import tempfile, pathlib, analytic_cl
    >>> head = analytic_cl.NearestMeanClassifier().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "head.safetensors"
    >>> head.save(path)
    >>> analytic_cl.load(path).state_digest() == head.state_digest()
    True
    """
    return persistence.load(path, head_classes())
