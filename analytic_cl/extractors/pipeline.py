"""An extractor and a head behind it, that learn, forget and merge as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from analytic_cl._containers import local
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._locks import holding
from analytic_cl._warnings import warn
from analytic_cl.extractors.base import Extractor, ExtractorWarning
from analytic_cl.extractors.batches import as_inputs, check_batch_size, extract, item, n_inputs
from analytic_cl.extractors.cache import CacheWarning, FeatureCache
from analytic_cl.extractors.content import content_key
from analytic_cl.extractors.extracted import EXTRACTED_AGAIN, Extracted, cacheable, source_of, width_of
from analytic_cl.extractors.resolve import as_extractor
from analytic_cl.extractors.streaming import StreamedPipeline
from analytic_cl.heads import Head, head_classes, persistence
from analytic_cl.learner import Receipt
from analytic_cl.ledger import NotLearnedError, SampleId, as_ids
from analytic_cl.statistics import as_label

Method = TypeVar("Method", bound=Callable[..., Any])


def _head_has(method: str) -> Callable[[Method], Method]:
    has: Callable[[Method], Method] = available_if(lambda pipeline: hasattr(pipeline.head, method))
    return has


class ContinualPipeline(StreamedPipeline, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A frozen extractor in front of a head: learns, forgets and merges from raw inputs.

    The extractor's name and fingerprint become part of the head's state, its digest, receipts and files. A state behind
    another extractor is refused. The downside: an input is extracted anew for every call, unless there is a cache.

    Parameters
    ----------
    extractor : Extractor, fitted scikit-learn transformer, or object with `transform` and `fingerprint`
        Held frozen: never fitted, never cloned. A function goes into a `CallableExtractor`, which gives it a name.
    head : Head
        Learns in place, as the steps of scikit-learn's Pipeline do.
    batch_size : int, default=256
        Inputs that pass the extractor at a time.
    cache : path of a folder, optional
        Keeps features of learned inputs there, so that an input that is learned or forgotten again needs no extractor.
        Inputs are known by content. Personal data: see Notes.
    progress : bool, default=False
        Show a bar on standard error while inputs are extracted.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.

    Notes
    -----
    Inputs are lists or arrays: anything with a length that can be indexed. All features of a call, of shape
    (n_samples, n_features), are made before the head is touched, so a call happens whole or not at all.

    Cost: the extractor's, and the head's. Memory: a batch in the extractor, and the features of one call. The
    fingerprint of a scikit-learn transformer is computed on every call: its fitted arrays are hashed.

    Exactness: given the features, the head's: bit for bit. The features are as exact as the extractor: those of
    networks differ in their last bits between batch sizes, devices and versions. Rows that were learned with
    `sample_id` are forgotten exactly all the same, and inputs that are in the cache; ``forget(X, y)`` of inputs that
    have to be extracted again is refused where their integers are no longer the learned ones.

    The cache is one file, readable by its owner only, with features and the sample ids of contents. `forget`,
    `forget_class` and `rectify` erase the inputs from it (`forget_class` erases everything where a row was learned
    without an id). `fit` does not, nor does a pipeline without `cache`: `purge_cache` does. Inputs that are only
    predicted are never kept.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from analytic_cl import ContinualPipeline, LDAClassifier
    >>> words = HashingVectorizer(n_features=200)
    >>> X = ["book a flight", "fly me home", "play some jazz", "play my song"]
    >>> pipeline = ContinualPipeline(words, LDAClassifier())
    >>> pipeline = pipeline.fit(X, ["travel", "travel", "music", "music"], sample_id=[1, 2, 3, 4])
    >>> pipeline.predict(["a flight home"]).tolist()
    ['travel']
    >>> receipt = pipeline.forget(sample_id=[2])
    >>> fresh = ContinualPipeline(words, LDAClassifier())
    >>> fresh = fresh.fit(["book a flight", "play some jazz", "play my song"], ["travel", "music", "music"])
    >>> pipeline.state_digest() == fresh.state_digest()
    True
    """

    _input_width: int | None = None

    def __init__(
        self,
        extractor: Any,
        head: Head,
        *,
        batch_size: int = 256,
        cache: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> None:
        self.extractor = extractor
        self.head = head
        self.batch_size = batch_size
        self.cache = cache
        self.progress = progress

    def __sklearn_clone__(self) -> Self:
        return type(self)(**{**self.get_params(deep=False), "head": clone(self.head)})

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.head.__sklearn_is_fitted__())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if hasattr(self.extractor, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.extractor).input_tags
        return tags

    # ---- learn

    def fit(self, X: Any, y: ArrayLike, *, sample_id: Any = None, sample_weight: Any = None) -> Self:
        """Learn from inputs, forgetting everything learned before; see `Head.fit`."""
        return self._learn(self.head.fit, X, y, sample_id, sample_weight, afresh=True)

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn more inputs; see `Head.partial_fit`."""
        return self._learn(partial(self.head.partial_fit, classes=classes), X, y, sample_id, sample_weight)

    def _learn(
        self, learn: Callable[..., Head], X: Any, y: Any, sample_id: Any, sample_weight: Any, *, afresh: bool = False
    ) -> Self:
        ids, y = None if sample_id is None else as_ids(sample_id), local(y, "y")
        run = self._extracted(X, y, afresh=afresh)
        with self.head.rows_from(run.source):
            learn(run.features, y, sample_id=ids, sample_weight=sample_weight)
            self._input_width = width_of(X)
        self._keep(*cacheable(run, ids, sample_weight))
        return self

    # ---- forget, replace, combine

    def forget(
        self,
        X: Any = None,
        y: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        dry_run: bool = False,
        digests: bool = False,
    ) -> Receipt:
        """Unlearn inputs, and erase them from the cache; see `Head.forget`.

        With `sample_id` alone the extractor is not used, and rows that the ledger keeps are forgotten bit for bit.

        Raises
        ------
        NotLearnedError
            Also where the inputs were learned, but give other integers than they did then. Nothing is changed.
        OSError
            Where the cache can't be written. The message says that the model has forgotten; erase the cache by hand.
        """
        ids = None if sample_id is None else as_ids(sample_id)
        self.head.check_learned_something()
        y = local(y, "y")
        run = None if X is None or y is None else self._extracted(X, y)
        features = X if run is None else run.features
        try:
            with holding(changed=(self.head,)), deferred_interrupts():
                receipt = self.head.forget(features, y, sample_id=ids, dry_run=dry_run, digests=digests)
                if not dry_run:
                    self._erase(ids or [], run)
        except NotLearnedError as error:
            if run is None:
                raise
            raise NotLearnedError(f"{error}{EXTRACTED_AGAIN}") from None
        return receipt

    def forget_class(self, label: Any, *, dry_run: bool = False, digests: bool = False) -> Receipt:
        """Unlearn all inputs of a class; see `Head.forget_class`."""
        with holding(changed=(self.head,)), deferred_interrupts():
            names = self._names_of_class(label) if self.__sklearn_is_fitted__() else []
            receipt = self.head.forget_class(label, dry_run=dry_run, digests=digests)
            if not dry_run:
                self._erase(names, None)
        return receipt

    def rectify(self, X: Any, y: ArrayLike, *, sample_id: Any, digests: bool = False) -> Receipt:
        """Replace inputs and labels of known ids, in the state and in the cache; see `Head.rectify`."""
        ids, y = as_ids(sample_id), local(y, "y")
        self.head.check_learned_something()
        run = self._extracted(X, y)
        with holding(changed=(self.head,)), deferred_interrupts():
            receipt = self.head.rectify(run.features, y, sample_id=ids, digests=digests)
            self._erase(ids, None)
        if run.keys is not None:  # what was erased may be what is learned again, under another label
            run = run._replace(fresh=dict(zip(run.keys, run.features, strict=True)))
        self._keep(run, ids)
        return receipt

    def merge(self, other: Self | Head) -> Self:
        """Learn all that another pipeline, or a head behind the same extractor, has learned; see `Head.merge`.

        Caches are not merged.
        """
        theirs = other.head if isinstance(other, ContinualPipeline) else other
        read = (theirs,) if isinstance(theirs, Head) else ()
        with holding(changed=(self.head,), read=read), self.head.rows_from(self._extractor()[1]):
            self.head.merge(theirs)
        return self

    def purge_cache(self) -> None:
        """Erase everything from the cache, what other pipelines keep in the same folder included."""
        if self.cache is not None:
            FeatureCache(self.cache).purge()

    # ---- read

    @property
    def n_features_in_(self) -> int:
        """Columns of the inputs, where these are a table: the extractor's, or those of the last table learned."""
        width = getattr(self.extractor, "n_features_in_", self._input_width)
        if width is None or not self.__sklearn_is_fitted__():
            raise AttributeError("no table was learned yet")
        return int(width)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns of the inputs, where the extractor was fitted to a table that had some."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError("nothing was learned yet")
        return np.asarray(self.extractor.feature_names_in_)

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted labels that have rows, or that `partial_fit` declared."""
        return self.head.classes_

    def predict(self, X: Any) -> NDArray[Any]:
        """Class of each input, shape (n_samples,)."""
        return self.head.predict(self._features(X))

    @_head_has("decision_function")
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores of each input; see the head."""
        return self.head.decision_function(self._features(X))

    @_head_has("predict_proba")
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Posterior of each class, shape (n_samples, n_classes)."""
        return np.asarray(self.head.predict_proba(self._features(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of inputs whose class, or set of labels, is predicted right."""
        return float(self.head.score(self._features(X), y, sample_weight))

    def state_digest(self) -> str:
        """SHA-256 of the learned state, extractor included, in hexadecimal; see `Moments.digest`."""
        return self.head.state_digest()

    # ---- disk

    def save(self, path: Any) -> None:
        """Write the head to one safetensors file, with the name and fingerprint of the extractor; see `Head.save`.

        Neither the extractor's weights nor the cache go into the file. `analytic_cl.load` reads the head alone from it.
        """
        extractor, source = self._extractor()
        about = {
            "source": source,
            "environment": extractor.environment(),
            "batch_size": check_batch_size(self.batch_size),
        }
        persistence.save(self.head, path, extractor=about)

    @classmethod
    def load(
        cls, path: Any, *, extractor: Any, cache: str | os.PathLike[str] | None = None, progress: bool = False
    ) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path
        extractor
            The one that it was learned with. Its fingerprint is compared, and another one refused with a ValueError;
            another device, precision or library version is an ExtractorWarning.
        cache, progress
            As for a new pipeline. They are not in the file.
        """
        head, saved = persistence.load_described(path, head_classes())
        if saved is None:
            raise ValueError(f"{path} holds a head that was saved without an extractor: read it with analytic_cl.load")
        pipeline = cls(extractor, head, batch_size=saved["batch_size"], cache=cache, progress=progress)
        given = as_extractor(extractor)
        source = source_of(given)
        if source != saved["source"]:
            raise ValueError(f"{path} was learned from {saved['source']}, not from the given {source}")
        now, then = given.environment(), saved["environment"]
        changed = [
            f"{name} {then.get(name, 'none')} then, {now.get(name, 'none')} now"
            for name in sorted(now.keys() | then.keys())
            if now.get(name) != then.get(name)
        ]
        if changed:
            warn(
                f"{path} was saved in another environment ({'; '.join(changed)}): features may differ in their last "
                "bits. Forget by sample_id or from the cache",
                ExtractorWarning,
            )
        return pipeline

    # ---- the extractor

    def _extractor(self, *, afresh: bool = False) -> tuple[Extractor, str]:
        """The extractor, and what a state says of it; ValueError where the head learned behind another one."""
        if not isinstance(self.head, Head):
            raise TypeError(f"head must be one of analytic_cl's classifiers, got {type(self.head).__name__}")
        extractor = as_extractor(self.extractor)
        source = source_of(extractor)
        if self.head.__sklearn_is_fitted__() and not afresh and self.head.quantizer_.source != source:
            raise ValueError(
                f"the state was learned from {self.head.quantizer_.source or 'features of an unnamed extractor'}, the "
                f"pipeline's extractor is {source}: use the one that it was learned from, or fit again"
            )
        return extractor, source

    def _features(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        return self._extracted(X).features

    def _extracted(self, X: Any, y: Any = None, *, afresh: bool = False) -> Extracted:
        X = as_inputs(X)
        (extractor, source), n = self._extractor(afresh=afresh), n_inputs(X)
        if y is not None and n_inputs(as_inputs(y), "y") != n:
            raise ValueError(f"{n} inputs but {n_inputs(as_inputs(y), 'y')} labels")
        settings = check_batch_size(self.batch_size), bool(self.progress)
        if self.cache is None:
            return Extracted(source, extract(extractor, X, range(n), *settings))
        variant = f"{source} {extractor.environment().get('dtype', '')}".rstrip()  # precisions apart, devices together
        keys = [content_key(item(X, i), extractor.reads_files) for i in range(n)]
        rows = FeatureCache(self.cache).find(variant, dict.fromkeys(keys))
        places: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in rows:
                places.setdefault(key, place)
        fresh = {}
        if places:
            fresh = dict(zip(places, extract(extractor, X, list(places.values()), *settings), strict=True))
        rows |= fresh
        return Extracted(source, np.stack([rows[key] for key in keys]), variant, keys, fresh)

    # ---- the cache

    def _keep(self, run: Extracted, ids: list[SampleId] | None) -> None:
        if self.cache is None or run.keys is None:
            return
        names = [] if ids is None else list(zip(ids, run.keys, strict=True))
        try:
            FeatureCache(self.cache).put(run.variant, run.fresh or {}, names)
        except OSError as error:
            warn(f"features were learned but not cached: {error}", CacheWarning)

    def _erase(self, names: Sequence[SampleId | None], run: Extracted | None) -> None:
        """Erase contents by name and by content; all there is, where a row has no name."""
        if self.cache is None:
            return
        cache = FeatureCache(self.cache)
        try:
            if None in names:
                cache.purge()
            else:
                cache.remove([name for name in names if name is not None], [] if run is None else run.keys or [])
        except OSError as error:
            raise OSError(f"the model has forgotten, but the cache could not be written; delete it: {error}") from error

    def _names_of_class(self, label: Any) -> list[SampleId | None]:
        """Ids of all rows of a class, None for those without."""
        ledger, label = self.head.learner_.ledger, as_label(label)
        found = ledger.find_target(label)
        names = ledger.names_of(found)
        return names if len(found) == self.head.state_.count(label) else [*names, None]
