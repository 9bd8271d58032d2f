"""Extractors that need no extra, and the fingerprints by which extractors are told apart."""

import os

import numpy as np
import pytest
from pipelines import SCALER, TEXTS, X, Y
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from analytic_cl import (
    ContinualPipeline,
    LDAClassifier,
)
from analytic_cl.extractors import CallableExtractor, ConcatExtractor

# ---- extractors that need no extra


def test_concatenated_features_are_unit_parts_and_remember_their_extractors():
    parts = [SCALER, PCA(2).fit(X), CallableExtractor(lambda rows: rows * 0, "zeros")]
    both = ConcatExtractor(parts)
    rows = both.transform(X)

    assert rows.shape == (60, 12)
    assert rows.dtype == np.float32
    np.testing.assert_allclose((rows[:, :5] ** 2).sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose((rows[:, 5:7] ** 2).sum(1), 1, rtol=1e-6)
    assert not rows[:, 7:].any()
    np.testing.assert_allclose(
        ConcatExtractor(parts, normalise=False).transform(X)[:, :5], SCALER.transform(X), rtol=1e-6
    )
    fingerprints = [
        both,
        ConcatExtractor(parts, normalise=False),
        ConcatExtractor(parts[::-1]),
        ConcatExtractor(parts[:2]),
    ]
    assert len({each.fingerprint() for each in fingerprints}) == 4
    assert both.fingerprint() == ConcatExtractor(parts).fingerprint()
    assert ContinualPipeline(both, LDAClassifier()).fit(X, Y).score(X, Y) > 0.9
    with pytest.raises(ValueError, match="at least one"):
        ConcatExtractor([])


def test_fingerprints_of_transformers_are_of_values_not_of_objects():
    from analytic_cl.extractors.resolve import as_extractor

    def fingerprint(transformer):
        return as_extractor(transformer).fingerprint()

    fitted = HashingVectorizer(n_features=300)
    before = fingerprint(fitted)
    fitted.transform(TEXTS)  # leaves bookkeeping behind

    assert fingerprint(fitted) == before == fingerprint(HashingVectorizer(n_features=300))
    assert fingerprint(HashingVectorizer(n_features=301)) != before
    assert fingerprint(StandardScaler().fit(X)) == fingerprint(StandardScaler().fit(X))
    turned = PCA(3).fit(X)
    turned.components_ = np.asfortranarray(turned.components_)
    assert fingerprint(turned) == fingerprint(PCA(3).fit(X))
    assert fingerprint(StandardScaler().fit(X)) != fingerprint(StandardScaler().fit(np.nextafter(X, 9)))
    assert fingerprint(FunctionTransformer(np.log1p)) != fingerprint(FunctionTransformer(np.abs))


def test_a_fingerprint_is_the_same_in_another_process():
    import subprocess
    import sys

    code = """
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from analytic_cl.extractors.resolve import as_extractor
words = TfidfVectorizer(stop_words=["a", "the"]).fit(["the cat sat", "a dog ran", "cats run"])
words.transform(["a cat"])
print(as_extractor(words).fingerprint())
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in "12"
    }

    assert len(found) == 1


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_function_needs_a_name(name):
    with pytest.raises(ValueError, match="name must say"):
        CallableExtractor(np.asarray, name)
