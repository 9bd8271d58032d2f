"""Any function as an extractor, under a name that its owner answers for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analytic_cl.extractors.base import Extractor, sha256_of


class CallableExtractor(Extractor):
    """A function from a batch of inputs to features, with a name that stands for all it does.

    Code can't be hashed in a way that means anything, so the name is the fingerprint. The downside: a changed function
    under an old name goes unnoticed. Put a version into the name, and change it whenever features change.

    Parameters
    ----------
    function : callable
        Takes inputs as they were given to the pipeline (a slice of them), returns an array-like of shape
        (n_samples, n_features).
    name : str
        What it is, with its version, such as ``"spectrum 2"``.
    reads_files : bool, default=False
        Whether strings among the inputs are paths. A pipeline's cache then knows inputs by the content of the files.

    Notes
    -----
    Cost: the function's.

    Exactness: whatever the function's is; a function whose features of a row depend on the rest of its batch in the
    last bit makes rows that can only be forgotten by id.

    Examples
    --------
    >>> from analytic_cl import ContinualPipeline, NearestMeanClassifier
    >>> from analytic_cl.extractors import CallableExtractor
    >>> lengths = CallableExtractor(lambda words: [[len(word), word.count("e")] for word in words], name="lengths 1")
    >>> pipeline = ContinualPipeline(lengths, NearestMeanClassifier()).fit(["tree", "a"], ["long", "short"])
    >>> pipeline.predict(["seven"]).tolist()
    ['long']
    """

    def __init__(self, function: Callable[[Any], Any], name: str, *, reads_files: bool = False) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"name must say what the function is, with its version; got {name!r}")
        self._function = function
        self._name = name
        self.reads_files = reads_files

    @property
    def name(self) -> str:
        return f"CallableExtractor({self._name})"

    def transform(self, X: Any) -> Any:
        return self._function(X)

    def fingerprint(self) -> str:
        return sha256_of({"extractor": "callable", "name": self._name})
