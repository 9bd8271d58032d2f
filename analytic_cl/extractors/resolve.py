"""What a user gives as an extractor, made into one."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from analytic_cl.extractors.base import Extractor
from analytic_cl.extractors.fitted import FittedTransformer


def as_extractor(given: Any) -> Extractor:
    """An `Extractor`, of a fitted scikit-learn transformer or of any object with `transform` and `fingerprint` as well.

    Raises TypeError for anything else, and NotFittedError for a transformer that is not fitted.
    """
    if isinstance(given, Extractor):
        return given
    if isinstance(given, type):
        raise TypeError(f"extractor must be an object, not the class {given.__name__}: make one first")
    transforms = callable(getattr(given, "transform", None))
    if transforms and (isinstance(given, BaseEstimator) or callable(getattr(given, "fingerprint", None))):
        return FittedTransformer(given)
    if callable(given):
        raise TypeError(
            "a plain function can't be told from a changed one: give it a name that you answer for, "
            "CallableExtractor(function, name='...')"
        )
    raise TypeError(
        f"extractor must be one of analytic_cl.extractors, a fitted scikit-learn transformer or a CallableExtractor; "
        f"got {type(given).__name__}"
    )
